/*
 * sim_server.h - lts-sim's network: libmicrohttpd on one epoll, one thread, with timers
 * of its own.
 */
#ifndef TESTS_SIM_SIM_SERVER_H
#define TESTS_SIM_SIM_SERVER_H

#include <stdint.h>

#include "common/err.h"
#include "tests/sim/sim.h"
#include "tests/sim/sim_tls.h"

struct sim_server;

/* Listens on 127.0.0.1:port (0: a free one). tls NULL: plain http; else borrowed for the
 * server's life, as is sim. LTS_SYS: could not listen. */
enum lts_err sim_server_create(struct sim *sim, const struct sim_tls *tls, uint16_t port,
			       struct sim_server **server_out) LTS_MUST_USE;
uint16_t sim_server_port(const struct sim_server *server);
/* Serves until stop_fd becomes readable. */
void sim_server_run(struct sim_server *server, int stop_fd);
void sim_server_destroy(struct sim_server **server);

#endif
