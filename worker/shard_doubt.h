/*
 * shard_doubt.h - an answer that is not all it should be is acted on only when a second one, some
 * time later, says the same.
 *
 * Runs on the worker's loop, part of the shard machine. Pure.
 */
#ifndef WORKER_SHARD_DOUBT_H
#define WORKER_SHARD_DOUBT_H

#include <stdbool.h>

#include "worker/batch.h"

struct shard;
struct answer_sums;

struct shard_doubt {
	struct answer_sums *last; /* of the last such answer; NULL: none */
	unsigned unread; /* answers in a row that could not be read, or not be believed */
};

/* Whether this batch, which came from such an answer, says what the last one did: the same records,
 * byte for byte, or only the first of them; as many, and the same `next`, where more than a record
 * is bad. Else it takes the other's place. */
bool shard_doubt_confirms(struct shard_doubt *doubt, const struct batch *batch);
void shard_doubt_forget(struct shard_doubt *doubt);

/* False: the batch is gone, and asked for once more; `text`, for people. */
bool shard_believes(struct shard *s, struct batch *batch, const char *text);
/* An answer that cannot be read at all. */
void shard_on_unread(struct shard *s, const char *text);

#endif
