/*
 * exec_inside.h - what processor_exec.c (lives, shards) and exec_ask.c (questions, answers)
 * share, and nobody else.
 */
#ifndef WORKER_EXEC_INSIDE_H
#define WORKER_EXEC_INSIDE_H

#include "common/backoff.h"
#include "worker/exec_child.h"

enum { EXEC_OUT_MAX = 64 << 10 }; /* of frames that it does not read; what is left waits */

enum asked { ASKED_NOTHING, ASKED_INITIALIZE, ASKED_BATCH, ASKED_SHUTDOWN };

struct processor_shard {
	struct processor_shard *next;
	struct processor_exec *exec;
	struct shard_id id;
	struct cursor checkpoint;
	bool tell_checkpoint;
	bool ready;  /* the present child has initialized it */
	bool forgot; /* one that had is gone, and the caller does not know */
	enum asked asked;
	uint64_t ask_id;
	/* A piece is in hand while the verdict is PENDING: `at` of its records are
	 * acknowledged, the next `sent` were asked about. */
	struct verdict verdict;
	struct piece piece;
	size_t at, sent;
	uint64_t place; /* in the order in which pieces came */
	/* A child died while a piece of the batch at `danger` was under way: nothing else is
	 * under way together with one of its pieces. */
	struct cursor danger;
};

struct processor_exec {
	struct processor base;
	char *command;
	struct log *log;
	struct exec_child_config child_config;
	int epoll;
	struct exec_child *child; /* NULL: to be started at start_ms */
	int64_t start_ms;
	bool news;    /* a verdict since the caller's last turn: it may have been found in another
			 call, and no descriptor tells of it any more */
	bool proved;  /* the present child has answered for a piece */
	bool failing; /* it has been said that none does */
	struct backoff backoff;
	struct processor_shard *shards;
	struct processor_shard *writing; /* whose records the child is being written */
	uint64_t ids, places;            /* given so far */
	int64_t head_ms;                 /* since when the oldest question is the oldest */
};

/* How many shards wait for such an answer; ASKED_NOTHING: for any. */
unsigned exec_count_asked(const struct processor_exec *exec, enum asked asked);
/* When the child must have answered; INT64_MAX: it was asked nothing. */
int64_t exec_answer_due_ms(const struct processor_exec *exec);
/* What the child knew of a shard is gone with it. */
void exec_forget(struct processor_shard *shard);
/* Ends a piece. */
void exec_judge(struct processor_shard *shard, enum verdict_kind kind, const char *error);
/* Asks for what waits, as far as credits and danger allow. */
void exec_send_all(struct processor_exec *exec, int64_t now_ms);
void exec_ask_shutdown(struct processor_shard *shard, enum processor_reason reason,
		       int64_t now_ms);
void exec_take_answers(struct processor_exec *exec, int64_t now_ms);

#endif
