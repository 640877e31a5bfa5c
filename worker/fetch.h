/*
 * fetch.h - a shard's request to the service, and its answer as the shard machine takes it.
 */
#ifndef WORKER_FETCH_H
#define WORKER_FETCH_H

#include "common/board.h"
#include "common/lts_api.h"
#include "worker/shard.h"

/* Shared by all shards of the worker; borrowed. */
struct fetch_env {
	struct lts_api *api;
	struct board *board;
	struct service_clock *clock;
	struct batch_scan scan;
};

struct fetch;
typedef void fetch_done(struct fetch *fetch, struct shard_answer *answer);
typedef void fetch_head(struct fetch *fetch, const struct batch_head *head);

/* In the caller's storage; at most one request under way. */
struct fetch {
	struct fetch_env *env;
	struct lease *lease;
	fetch_done *done;
	fetch_head *head; /* of a batch, while the rest of it is to come; not of every one */
	struct lts_request *request; /* NULL: none */
	struct cursor from;
	int64_t sent_ms, sent_ns; /* CLOCK_BOOTTIME, CLOCK_MONOTONIC */
	unsigned limit;
	bool bounded; /* it has an end */
};

/* `from`: nanoseconds, "begin" or "end". */
void fetch_cursor(struct fetch *fetch, const char *from);
/* end none: without one. A body above max_bytes is LTS_TOOBIG. */
void fetch_batch(struct fetch *fetch, const struct cursor *from, const struct cursor *end,
		 unsigned limit, size_t max_bytes);
/* `done` will not be called. */
void fetch_cancel(struct fetch *fetch);

#endif
