/*
 * replay_target.h - where dead letters go again: the user's code or a plain sink, one shard at a
 * time, one piece at a time.
 */
#ifndef WORKER_REPLAY_TARGET_H
#define WORKER_REPLAY_TARGET_H

#include "common/options.h"
#include "worker/processor.h"

struct board;
struct replay_target;

struct replay_target_config { /* borrowed for the target's life */
	const struct options *options;
	const char *instance; /* of this replay, over all its lives: part of segments' names */
	struct log *log;
	struct board *board; /* says when we are inside of it */
	int stdout_lock_fd;
};

/* LTS_INVALID: it cannot be used; `why_out` has a line. */
enum lts_err replay_target_create(const struct replay_target_config *config,
				  struct replay_target **out, struct buf *why_out) LTS_MUST_USE;
/* The shard that was open is closed. */
void replay_target_destroy(struct replay_target **target);

/* Opens the shard of what follows, if it is not open already; another one is closed. */
enum lts_err replay_target_open(struct replay_target *target, const struct shard_id *shard,
				const struct cursor *cursor, struct buf *why_out) LTS_MUST_USE;
/* Returns once the verdict is there; never PENDING. LTS_OK, or the target cannot go on:
 * LTS_SYNC, LTS_CLOSED and others; `why_out` has a line. */
enum lts_err replay_target_take(struct replay_target *target, const struct piece *piece,
				struct verdict *out, struct buf *why_out) LTS_MUST_USE;
/* Everything taken is safe, as far as that is in the target's hand: then the progress may say so.
 * A file gets its final name. */
enum lts_err replay_target_settle(struct replay_target *target, struct buf *why_out) LTS_MUST_USE;
/* Whether each piece should be settled at once: the user's code may end us with the next one. */
bool replay_target_is_risky(const struct replay_target *target);

#endif
