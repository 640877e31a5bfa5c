/*
 * metrics_http.h - a small HTTP server on the supervisor's loop.
 *
 * GET and HEAD, one request a connection; bounded in connections, in the size of a request, and
 * in how long a connection may take. Above the most connections the oldest one that has not asked
 * yet goes, so that slow peers do not keep others out. Never a thread, never a wait.
 */
#ifndef SUPERVISOR_METRICS_HTTP_H
#define SUPERVISOR_METRICS_HTTP_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"

struct ev_loop;
struct metrics_http;

struct metrics_reply {
	int status;
	const char *type;
	struct buf body; /* in: empty; its memory is taken */
};

struct metrics_http_config { /* pointers are borrowed for its life */
	struct ev_loop *loop;
	const char *listen; /* common/listen_at.h takes it */
	/* False: there is no such path. */
	bool (*answer)(void *arg, const char *path, struct metrics_reply *out);
	void *arg;
	int64_t life_ms; /* of a connection, from accept to the last byte */
};

enum { METRICS_HTTP_CONNECTIONS = 16, METRICS_HTTP_LIFE_MS = 10000 };

/* LTS_SYS, LTS_BUSY: somebody else listens there; `why_out` has a line. */
enum lts_err metrics_http_create(const struct metrics_http_config *config,
				 struct metrics_http **out, struct buf *why_out) LTS_MUST_USE;
/* NULL-safe. */
void metrics_http_destroy(struct metrics_http **http);

#endif
