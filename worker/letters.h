/*
 * letters.h - the file of a shard's dead letters, whatever the sink: exactly once, as a segment
 * of the file sink is, for its length is in the checkpoint.
 *
 * In the delivery thread, part of the committer. What is put in while track->held is set is in no
 * commit; without it, in the next. LTS_SYNC ends the process.
 */
#ifndef WORKER_LETTERS_H
#define WORKER_LETTERS_H

#include "worker/commit_inside.h"

/* The directory; more than once. Any error but LTS_OK: `why_out` has a line. */
enum lts_err letters_create(struct committer *c, struct buf *why_out) LTS_MUST_USE;
/* Goes on where this checkpoint says. With a plain sink nothing is made before it is needed. */
enum lts_err letters_take(struct committer *c, struct track *t,
			  const struct checkpoint_record *taken,
			  struct buf *why_out) LTS_MUST_USE;
/* All of the lines or none. LTS_NOSPACE: try again later. */
enum lts_err letters_put(struct committer *c, struct track *t, const struct record *lines,
			 size_t n, struct buf *why_out) LTS_MUST_USE;
/* What is there is durable, and the next commit names it; not while it is held. */
void letters_flush(struct committer *c, struct track *t, bool seal);
/* The position of the last flush is committed. */
enum lts_err letters_committed(struct committer *c, struct track *t) LTS_MUST_USE;
/* What is held was never put in. */
enum lts_err letters_undo(struct committer *c, struct track *t,
			  struct buf *why_out) LTS_MUST_USE;
/* Back to the last commit, only to be sealed. */
enum lts_err letters_fall_back(struct committer *c, struct track *t,
			       struct buf *why_out) LTS_MUST_USE;
void letters_close(struct committer *c, struct track *t);

#endif
