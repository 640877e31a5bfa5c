/*
 * fetch.h - one shard's request to the service, and its answer as the shard machine takes
 * it.
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

typedef void fetch_done(void *arg, struct shard_answer *answer);

/* In the caller's storage, one per shard; at most one request under way. */
struct fetch {
	struct fetch_env *env;
	struct lease *lease;
	fetch_done *done;
	void *arg;
	struct lts_request *request; /* NULL: none */
	struct cursor from;
};

/* `from`: nanoseconds, "begin" or "end". */
void fetch_cursor(struct fetch *fetch, const char *from);
/* end none: without one. */
void fetch_batch(struct fetch *fetch, const struct cursor *from, const struct cursor *end,
		 unsigned limit);
/* `done` will not be called. */
void fetch_cancel(struct fetch *fetch);

#endif
