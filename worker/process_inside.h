/*
 * process_inside.h - the inside of worker/process.h, for its own files: process.c (batches and
 * verdicts) and process_poison.c (dead letters).
 */
#ifndef WORKER_PROCESS_INSIDE_H
#define WORKER_PROCESS_INSIDE_H

#include "worker/attempt.h"
#include "worker/process.h"

struct process {
	struct processor_shard *shard; /* NULL once closed */
	struct attempt attempt;
	struct cursor at; /* where the next batch starts */
	uint64_t done;    /* so many records behind it are done with */
	uint64_t place;   /* so many records of the shard are between `reached` and `at`... */
	bool lost;        /* ...that is not known: rolled back to somewhere else */
	size_t aside[ASIDES_MAX]; /* of the batch in hand: dead letters from an earlier time */
	bool begun;               /* a batch is in hand */
	bool pending;             /* its piece is under way */
	bool unwritten;           /* a dead letter is not committed yet */
	bool careful; /* workers died over this batch: what is done is committed at once */
	uint64_t records, bytes, dead_letters; /* done with, but not saved */
	struct cursor rolled_back;             /* the last from this batch's start; none */
	char error[200];                       /* of the last attempt that failed */
};

/* What is done with may be behind the next commit without the user's code saying so. */
bool process_may_save(const struct committer *c, const struct track *t);
/* The next commit may name the place where we are. */
void process_save(struct committer *c, struct track *t, bool at_once);
/* The records up to `done` of the batch are done with. */
void process_move_to(struct committer *c, struct track *t, const struct batch *batch,
		     uint64_t done);
/* The poison record in front goes to the dead letters. LTS_BADDATA: the shard stops there, as
 * `why_out` says. Others: their sink. */
enum lts_err process_put_aside(struct committer *c, struct track *t, struct batch *batch,
			       struct buf *why_out) LTS_MUST_USE;

#endif
