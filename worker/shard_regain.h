/*
 * shard_regain.h - a place that came with records, and is then refused, is asked for anew.
 *
 * Runs on the worker's loop, part of the shard machine. Pure.
 */
#ifndef WORKER_SHARD_REGAIN_H
#define WORKER_SHARD_REGAIN_H

#include "worker/shard.h"

struct shard_answer;

/* What the last answer with records was: where from, where to, how many, and which. */
struct shard_regain {
	struct cursor from, to;
	size_t n; /* 0: not to be asked for again */
	uint64_t sum;
	unsigned refused; /* answers in a row that say that its `to` is no place... */
	int64_t since_ms; /* ...the first of them then */
	bool on;          /* it is what is asked for now */
};

void shard_regain_note(struct shard *s, const struct batch *batch);
/* Whether it is the last answer that is to be asked for now, once more. */
bool shard_regains(const struct shard *s);
unsigned shard_regain_limit(const struct shard *s);
/* Notes a place that the service does not know. True: that was for the last answer, which cannot
 * come again; done with. */
bool shard_regain_on_error(struct shard *s, enum lts_err err, const char *text, int64_t now_ms);
/* The last answer, come again: NULL, or what follows the records that we have. */
struct batch *shard_regain_take(struct shard *s, struct batch *batch, int64_t now_ms);

#endif
