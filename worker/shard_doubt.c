/*
 * shard_doubt.c - an answer that is not all it should be is acted on only when a second one, some
 * time later, says the same.
 *
 * Runs on the worker's loop, part of the shard machine. Owns the sums of the last doubtful answer.
 * Must never let an answer confirm itself, nor one from another place. Held by
 * tests/worker/test_shard_doubt.c.
 */
#include "worker/shard_inside.h"

#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"

struct sum {
	unsigned char bytes[SHA256_DIGEST_LENGTH];
};

struct answer_sums {
	struct cursor from, to;
	bool whole;
	size_t n;
	struct sum sums[]; /* each of a record and all before it */
};

/* Of a record behind those whose sum is `before`. */
static struct sum
sum_of(const struct sum *before, const struct record *record)
{
	struct sum both[2] = { *before }, sum;
	SHA256((const unsigned char *)record->text, record->len, both[1].bytes);
	SHA256((const unsigned char *)both, sizeof(both), sum.bytes);
	return sum;
}

static struct answer_sums *
sums_of(const struct batch *batch)
{
	size_t n = batch->n_records;
	struct answer_sums *all = xcalloc(1, sizeof(*all) + n * sizeof(all->sums[0]));
	all->from = batch->from;
	all->to = batch->to;
	all->whole = batch->whole;
	all->n = n;
	struct sum before = { { 0 } };
	for (size_t i = 0; i < n; i++)
		before = all->sums[i] = sum_of(&before, &batch->records[i]);
	return all;
}

/* The shorter of two answers may be cut off anywhere, but not be another one. */
static bool
says_the_same(const struct answer_sums *now, const struct answer_sums *before)
{
	if (!cursor_equal(&now->from, &before->from) || now->n > before->n)
		return false;
	bool all = now->n == before->n;
	if (all ? !cursor_equal(&now->to, &before->to) : !now->whole || !before->whole)
		return false;
	return !now->n || memcmp(&now->sums[now->n - 1], &before->sums[now->n - 1],
				 sizeof(now->sums[0])) == 0;
}

bool
shard_doubt_confirms(struct shard_doubt *doubt, const struct batch *batch)
{
	struct answer_sums *now = sums_of(batch);
	bool same = doubt->last && says_the_same(now, doubt->last);
	free(doubt->last);
	doubt->last = now;
	return same;
}

void
shard_doubt_forget(struct shard_doubt *doubt)
{
	free(doubt->last);
	*doubt = (struct shard_doubt){ 0 };
}

/* Fewer records are asked for, so that those before what cannot be read get through. */
void
shard_on_unread(struct shard *s, const char *text)
{
	if (s->doubt.unread++ && s->limit > SHARD_LIMIT_MIN)
		shard_lower_limit(s, 0);
	shard_retry(s, LTS_BADDATA, text, -1);
}

/* It is asked for no more records than it has, so that at the tail it does not grow meanwhile. */
bool
shard_believes(struct shard *s, struct batch *batch, const char *text)
{
	if (!batch->doubtful || shard_doubt_confirms(&s->doubt, batch))
		return true;
	size_t n = batch->n_records > SHARD_LIMIT_MIN ? batch->n_records : SHARD_LIMIT_MIN;
	if (n < s->limit)
		s->limit = (unsigned)n;
	s->ops->drop(s->arg, s, batch);
	shard_on_unread(s, text);
	return false;
}
