/*
 * shard_waits.c - what a shard waits for.
 *
 * Runs on the worker's loop, part of the shard machine. Pure: only reads. Must never call
 * a backoff or the wait after an empty answer anything but idle. Held by
 * tests/worker/test_shard_waits.c.
 */
#include "worker/shard_waits.h"

#include "worker/shard_inside.h"

static enum stage
fetch_wait(const struct shard *s)
{
	if (s->how == FETCH_NO_ROOM)
		return STAGE_ROOM;
	if (s->how != FETCH_ASKED)
		return STAGE_IDLE;
	return s->what == FETCH_BATCH ? STAGE_BATCH : STAGE_CURSOR;
}

static enum stage
delivery_wait(const struct shard *s)
{
	bool taking = s->state == SHARD_INITIALIZING && s->how == FETCH_IDLE;
	if (s->state == SHARD_FINISHING || (s->state == SHARD_DRAINING && s->closing))
		return STAGE_CLOSE;
	if (taking || s->in_hand || s->state == SHARD_DRAINING || s->state == SHARD_DONE)
		return STAGE_QUEUE;
	return STAGE_IDLE;
}

struct shard_waits
shard_waits(const struct shard *s)
{
	return (struct shard_waits){ .fetch = fetch_wait(s),
				     .delivery = delivery_wait(s),
				     .failing = s->failing && s->how != FETCH_IDLE,
				     .answers = s->answers,
				     .orders = s->orders };
}
