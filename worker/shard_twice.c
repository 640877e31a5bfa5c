/*
 * shard_twice.c - where a shard goes on, when no record says so: a place is believed when it was
 * said twice, some time apart.
 *
 * Runs on the worker's loop, part of the shard machine. Pure. That is the cursor of start_time, the
 * one behind a gap, and the `next` of an empty answer: each moves the shard for good, and a wrong
 * one would skip all that lies between. Must never take one answer for two, nor what was said at
 * another place. Held by tests/worker/test_shard_twice.c.
 */
#include "worker/shard_inside.h"

enum {
	SHARD_TWICE_MS = 250,
	/* By then every answer was another: a place that moves by itself, as the tail does, or
	 * the first record that is not dropped yet. */
	SHARD_TWICE_ASKS = 8,
};

void
shard_twice_forget(struct shard *s)
{
	s->twice = (struct shard_twice){ 0 };
}

static bool
is_again(const struct shard_said *before, const struct cursor *said, int64_t now_ms)
{
	return cursor_equal(&before->cursor, said) && now_ms - before->at_ms >= SHARD_TWICE_MS;
}

bool
shard_twice(struct shard *s, enum fetch_what what, const struct cursor *said, int64_t now_ms)
{
	struct shard_twice *twice = &s->twice;
	if (twice->what != what || !cursor_equal(&twice->place, &s->next))
		*twice = (struct shard_twice){ .what = what, .place = s->next };
	struct shard_said now = { *said, now_ms };
	if (twice->n && (is_again(&twice->first, said, now_ms) ||
			 is_again(&twice->last, said, now_ms) || twice->n >= SHARD_TWICE_ASKS)) {
		shard_twice_forget(s);
		return true;
	}
	if (!twice->n++)
		twice->first = twice->last = now;
	else if (!cursor_equal(&twice->last.cursor, said))
		twice->last = now;
	s->what = what;
	shard_wait(s, SHARD_TWICE_MS);
	return false;
}
