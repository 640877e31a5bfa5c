/*
 * sim_exchange.h - one request on its way through libmicrohttpd, and the list of those
 * that wait.
 */
#ifndef TESTS_SIM_SIM_EXCHANGE_H
#define TESTS_SIM_SIM_EXCHANGE_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "tests/sim/sim.h"

struct sim_exchange {
	TAILQ_ENTRY(sim_exchange) link; /* while waiting */
	struct sim_waiting *waiting;
	struct MHD_Connection *connection;
	char *target;
	struct buf body;
	bool is_opened, is_too_big, is_served, is_waiting;
	bool has_paced; /* waited since the last piece of the body */
	struct sim_answer answer;
	int64_t due_ns;    /* while waiting: when to go on */
	int64_t opened_ns; /* when the first byte of a paced body was asked for; 0: not
			      yet */
};

TAILQ_HEAD(sim_exchange_list, sim_exchange);

struct sim_waiting {
	struct sim_exchange_list list;
	bool is_stopping; /* whoever is resumed ends */
};

/* Suspends the connection until due_ns (CLOCK_MONOTONIC); the caller returns to
 * libmicrohttpd at once. */
void sim_exchange_wait(struct sim_exchange *exchange, int64_t due_ns);
/* Resumes those whose time has come; returns when to look again: now when there were any,
 * INT64_MAX for never. */
int64_t sim_waiting_resume(struct sim_waiting *waiting, int64_t now_ns);

/* Queues the answer, paced or cut as it says; an RST when that is the answer. */
enum MHD_Result sim_exchange_reply(struct sim_exchange *exchange);

#endif
