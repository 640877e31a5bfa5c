/*
 * shard_ops.h - what the machine of worker/shard.h wants done: implemented by the holdings.
 *
 * Answers come back through the shard_on_ functions, never inside the call.
 */
#ifndef WORKER_SHARD_OPS_H
#define WORKER_SHARD_OPS_H

#include "common/message.h"
#include "state/lease.h"
#include "worker/batch.h"

struct shard;

struct shard_ops {
	void (*take)(void *arg, struct shard *shard, const struct cursor *start,
		     enum lease_origin ahead);
	void (*fetch_cursor)(void *arg, struct shard *shard, const char *from);
	/* end none: without one. The bytes were reserved: a larger answer is LTS_TOOBIG. */
	void (*fetch_batch)(void *arg, struct shard *shard, const struct cursor *from,
			    const struct cursor *end, unsigned limit, size_t bytes);
	/* Whatever is under way: the request, the wait, the place in the queue for room. */
	void (*cancel_fetch)(void *arg, struct shard *shard);
	/* The batch behind the one under way, at the same time. False: no room, and nobody
	 * waits for it; else the bytes are reserved. */
	bool (*fetch_early)(void *arg, struct shard *shard, const struct cursor *from,
			    const struct cursor *end, unsigned limit, size_t bytes);
	void (*take_early)(void *arg, struct shard *shard); /* it is the one under way now */
	void (*cancel_early)(void *arg, struct shard *shard);
	void (*submit)(void *arg, struct shard *shard, struct batch *batch);
	void (*close)(void *arg, struct shard *shard, enum lease_state state, int64_t end_ns);
	void (*forget)(void *arg, struct shard *shard);
	void (*wait)(void *arg, struct shard *shard, int64_t delay_ms); /* one at a time */
	/* The same, beside it, for shard_on_linger; it need not be cancelled. */
	void (*linger)(void *arg, struct shard *shard, int64_t delay_ms);
	/* False: there is no room now; shard_on_room comes when there is. */
	bool (*reserve)(void *arg, struct shard *shard, size_t bytes);
	void (*release)(void *arg, struct shard *shard, size_t bytes);
	void (*charge)(void *arg, struct shard *shard, size_t bytes); /* room or not */
	/* Gives an undelivered batch back: counts, releases and destroys it. */
	void (*drop)(void *arg, struct shard *shard, struct batch *batch);
	/* To the supervisor: HELD, RELEASED, FINISHED, STUCK. */
	void (*report)(void *arg, struct shard *shard, enum message_type type, enum lts_err err,
		       const char *text);
	void (*trouble)(void *arg, struct shard *shard, enum lts_err err, const char *text,
			int64_t retry_ms);
};

#endif
