/*
 * process.h - a shard's batches through the user's code: piece by piece, again, or to the
 * dead letters.
 *
 * In the delivery thread, part of the committer. Moves what the next commit may name
 * (track->reached) only behind what was acknowledged, or is with the dead letters.
 */
#ifndef WORKER_PROCESS_H
#define WORKER_PROCESS_H

#include "worker/commit_inside.h"
#include "worker/processor.h"

/* The processor, and the sink of what it does not take. */
enum lts_err process_create(struct committer *c, struct buf *why_out) LTS_MUST_USE;
/* Behind the take of this checkpoint. Any error stops the shard. */
enum lts_err process_open(struct committer *c, struct track *t,
			  const struct checkpoint_record *taken,
			  struct buf *why_out) LTS_MUST_USE;
/* One step on with this batch. LTS_AGAIN: it is not over; once more at *due_ms_out
 * (CLOCK_MONOTONIC; INT64_MAX: after a turn of the processor). LTS_OK: it is;
 * batch->rollback says whether the shard goes on elsewhere than at its end. LTS_BADDATA: the
 * shard stops at a poison record. LTS_NOSPACE, and others: the dead letters' sink. */
enum lts_err process_batch(struct committer *c, struct batch *batch, int64_t *due_ms_out,
			   struct buf *why_out) LTS_MUST_USE;
/* The batch in hand is taken away. */
void process_give_up(struct committer *c, struct track *t);
/* Its last call: what it saves then is behind the next commit. NULL-safe, more than once. */
void process_close(struct committer *c, struct track *t, enum processor_reason reason);
/* The same. LTS_AGAIN, with PROCESSOR_FINISHED: what was acknowledged is not all saved, and comes
 * again: from *back_out on, or, when that is none, at the next start, and `why_out` has a line. */
enum lts_err process_end(struct committer *c, struct track *t, enum processor_reason reason,
			 struct cursor *back_out, struct buf *why_out) LTS_MUST_USE;
void process_committed(struct committer *c, struct track *t);
void process_free(struct committer *c, struct track *t);

#endif
