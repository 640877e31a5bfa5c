/*
 * shard_join.c - batches that are worth a process: what is fetched is joined until it is
 * enough, or old enough.
 *
 * Runs on the worker's loop, part of the shard machine. Pure. Must never join what does not
 * follow, nor a gap, nor across the start of a suspect batch; nor keep back what there is
 * when somebody waits for its room. Held by tests/worker/test_shard_join.c.
 */
#include "worker/shard_inside.h"

bool
shard_is_closed(const struct shard *s)
{
	bool at_suspect = s->suspect.attempts && cursor_equal(&s->next, &s->suspect.cursor);
	return s->pressed || s->at_end || at_suspect || s->ready->gap ||
	       s->ready->n_records + SHARD_LIMIT_MIN > s->config->join_records;
}

bool
shard_may_submit(const struct shard *s, int64_t now_ms)
{
	if (!s->ready || s->in_hand)
		return false;
	return shard_is_closed(s) || !s->ready->n_records || s->ready_due_ms <= now_ms;
}

void
shard_submit_ready(struct shard *s)
{
	struct batch *batch = s->ready;
	s->ready = NULL;
	s->pressed = false;
	s->in_hand = true;
	s->ops->submit(s->arg, s, batch);
}

void
shard_put_ready(struct shard *s, struct batch *batch, int64_t now_ms)
{
	bool begins = batch->n_records && (!s->ready || !s->ready->n_records);
	if (s->ready)
		batch_join(s->ready, batch);
	else
		s->ready = batch;
	if (!begins || !s->config->join_records)
		return;
	s->ready_due_ms = now_ms + s->config->linger_ms;
	s->ops->linger(s->arg, s, s->config->linger_ms);
}

unsigned
shard_join_limit(const struct shard *s, unsigned limit)
{
	if (!s->config->join_records)
		return limit;
	size_t have = s->ready ? s->ready->n_records : 0, room = s->config->join_records;
	room = room > have + SHARD_LIMIT_MIN ? room - have : SHARD_LIMIT_MIN;
	return room < limit ? (unsigned)room : limit;
}

void
shard_press(struct shard *s)
{
	if (!s->config->join_records || s->state != SHARD_FETCHING || !s->ready)
		return;
	s->pressed = true;
	if (!s->in_hand)
		shard_submit_ready(s);
}

void
shard_on_linger(struct shard *s, int64_t now_ms)
{
	if (s->state != SHARD_FETCHING || !s->ready)
		return;
	if (s->ready_due_ms > now_ms)
		s->ops->linger(s->arg, s, s->ready_due_ms - now_ms);
	else if (shard_may_submit(s, now_ms))
		shard_pump(s, now_ms);
}
