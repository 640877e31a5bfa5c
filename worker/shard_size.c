/*
 * shard_size.c - how much a shard asks for: records, and room for their answer.
 *
 * Runs on the worker's loop, part of the shard machine. Pure. Must never ask for more records
 * than consume_batch_size, nor for more room than max_body_bytes. Held by
 * tests/worker/test_shard.c.
 */
#include "worker/shard_inside.h"

enum { SHARD_ROOM_LEAST = 64 << 10 };

/* What one answer needed, the next may need as well; it goes down by steps, for a batch that is
 * cut short, as at the tail, says little about the next. */
void
shard_set_room(struct shard *s, size_t bytes)
{
	size_t least = s->room_bytes - s->room_bytes / 8;
	if (bytes < SHARD_ROOM_LEAST)
		bytes = SHARD_ROOM_LEAST;
	if (bytes < least)
		bytes = least;
	s->room_bytes = bytes < s->config->max_bytes ? bytes : s->config->max_bytes;
}

/* Back to consume_batch_size by steps, as long as records of this size fit. */
void
shard_raise_limit(struct shard *s, const struct batch *batch)
{
	uint64_t limit = (uint64_t)s->limit + s->limit / 8 + 1;
	if (limit > s->config->batch_size)
		limit = s->config->batch_size;
	uint64_t needed = batch->n_records ? batch->bytes / batch->n_records * limit : 0;
	if (needed + needed / 16 <= s->config->max_bytes)
		s->limit = (unsigned)limit;
}

/* As many records as may fit, by what the answer says of its size; else half of them. */
void
shard_lower_limit(struct shard *s, size_t size)
{
	size_t max = s->config->max_bytes;
	uint64_t limit = s->limit / 2;
	if (size > max)
		limit = (uint64_t)s->limit * (max - max / 16) / size;
	s->limit = limit > SHARD_LIMIT_MIN ? (unsigned)limit : SHARD_LIMIT_MIN;
}
