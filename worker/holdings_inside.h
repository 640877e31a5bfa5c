/*
 * holdings_inside.h - the holdings' inside, for their own files: holdings.c (what the
 * machines want and hear) and holdings_watch.c (that none waits for ever).
 */
#ifndef WORKER_HOLDINGS_INSIDE_H
#define WORKER_HOLDINGS_INSIDE_H

#include <ev.h>
#include <sys/queue.h>

#include "common/stage_clock.h"
#include "worker/holdings.h"

/* A shard fetches, delivers and commits at the same time, each at its own stage. */
enum { CLOCK_FETCH, CLOCK_ERRORS, CLOCK_DELIVERY, CLOCK_COMMIT, HOLDING_CLOCKS };

struct holding {
	TAILQ_ENTRY(holding) all;
	TAILQ_ENTRY(holding) no_room;
	struct holdings *owner;
	struct lease lease;
	struct shard *shard;
	struct message_assign assign;
	struct fetch fetch;
	struct ev_timer timer;
	bool waits_for_room;
	unsigned troubles; /* in a row */
	bool blocked;      /* its order is parked for want of space */
	bool uncommitted;  /* something was delivered when the board counted */
	uint64_t commits;  /* so many commits */
	struct stage_clock clocks[HOLDING_CLOCKS];
};

struct holdings {
	struct holdings_config config;
	struct service_clock clock;
	struct fetch_env fetch_env;
	TAILQ_HEAD(, holding) all;
	TAILQ_HEAD(, holding) no_room;
	size_t count;
	size_t used_bytes;
	uint64_t releases;    /* of bytes, so far */
	struct ev_timer room; /* fires in the next turn when bytes were released */
	bool serving;         /* the queue for room, in its order */
	bool draining;
};

#endif
