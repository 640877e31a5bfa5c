/*
 * process_inside.h - the inside of worker/process.h, for its own files: process.c (batches and
 * verdicts), process_calls.c (the processor), process_poison.c (dead letters), process_back.c,
 * process_later.c.
 */
#ifndef WORKER_PROCESS_INSIDE_H
#define WORKER_PROCESS_INSIDE_H

#include "worker/attempt.h"
#include "worker/process.h"

enum { GIVEN_MAX = 256 };

struct process {
	struct track *next; /* in the committer's list */
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
	struct cursor *given;                  /* where the last batches started, in order */
	size_t n_given, given_cap;
	bool is_ahead; /* what is committed lies ahead of where it was rolled back to */
	bool forgotten; /* the user's code ended, and with it what it had not saved */
	bool sent_back; /* the shard was told to go on at `at`, without a batch */
	unsigned ends;  /* of user code at its last call, since the last save */
	int64_t later_ms; /* since then it is put off, again and again; 0: it is not... */
	bool waits;       /* ...and that was said */
	char error[200];                       /* of the last attempt that failed */
};

/* Of process_calls.c: the piece is given, or, when it is under way, looked at. */
struct verdict process_call(struct committer *c, struct track *t, const struct batch *batch);
/* Of process_later.c. The user's code puts the records off; or it went on, or they are gone. */
void process_put_off(struct committer *c, struct track *t, const char *why);
void process_goes_on(struct committer *c, struct track *t);
/* Of process_back.c. A batch that starts there is given. */
void process_note_given(struct process *p, const struct cursor *from);
/* Goes on where the verdict says, or refuses that: LTS_INVALID, and `why` has a line. */
enum lts_err process_roll_back(struct committer *c, struct track *t, struct batch *batch,
			       const struct verdict *v, struct buf *why_out) LTS_MUST_USE;
/* Whether the user's code has ended since, and something with it that was not saved. */
bool process_has_forgotten(const struct committer *c, struct track *t);
/* Goes on at the last save; the batch in hand, if any, is over. */
void process_go_back(struct committer *c, struct track *t, struct batch *batch);

/* All that is done with is behind the next commit. */
bool process_is_saved(const struct track *t);
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
