/*
 * shard_end.c - where a shard ends: the cursor of end_time, and when to believe it.
 *
 * Runs on the worker's loop, part of the shard machine. Pure. Must never let an answer move the
 * shard that may hold records from after end_time, nor let it finish at an end cursor that was
 * not the same twice, the second time asked for when end_time had passed for certain: to
 * finish is for good. Held by tests/worker/test_shard_end.c.
 */
#include "worker/idle_pace.h"
#include "worker/shard_inside.h"

enum {
	SHARD_APART_MS = 250,
	SHARD_END_EMPTIES = 6,
	SHARD_END_EMPTY_MS = 5000,
};

bool
shard_is_before_end(const struct shard *s, int64_t now_ms)
{
	int64_t service_ns = service_clock_most_ns(s->config->clock, now_ms);
	return !s->end_ns || service_ns + SERVICE_CLOCK_SLACK_NS <= s->end_ns;
}

/*
 * Towards end_time: its cursor means something only once the service's clock has passed
 * it. Until shortly before, batches are fetched without an end; the last stretch waits. Here the
 * clock is whatever says the most: a cursor that was asked for too early is not behind the true
 * one, so that what is before it may be delivered. Nothing ends by it.
 */
void
shard_fetch_towards_end(struct shard *s, int64_t now_ms)
{
	int64_t service_ns = service_clock_most_ns(s->config->clock, now_ms);
	if (service_ns >= s->end_ns)
		shard_ask_cursor(s, FETCH_END, now_ms);
	else if (shard_is_before_end(s, now_ms))
		shard_ask_next(s, now_ms);
	else
		shard_wait(s, (s->end_ns - service_ns) / 1000000 + 1);
}

bool
shard_is_at_its_end(const struct shard *s)
{
	return !cursor_is_none(&s->end) && (s->ends.is_short || cursor_equal(&s->next, &s->end));
}

/*
 * The end cursor is asked for again: sooner or later by a clock that has passed end_time for
 * certain, or it moves on, or it turns out that the end is far away.
 */
void
shard_look_at_end_again(struct shard *s, int64_t now_ms)
{
	int64_t interval_ms = s->config->fetch_interval_ms;
	int64_t due_ms = s->ends.since_ms + SHARD_APART_MS;
	if (service_clock_most_ns(s->config->clock, now_ms) < s->end_ns) {
		s->end = (struct cursor){ 0 };
		shard_fetch_towards_end(s, now_ms);
		return;
	}
	s->what = FETCH_END;
	if (s->ends.looks++ == 0 && due_ms <= now_ms)
		shard_ask_cursor(s, FETCH_END, now_ms);
	else if (s->ends.looks == 1)
		shard_wait(s, due_ms - now_ms);
	else
		shard_wait(s, idle_pace_wait_ms(s->config->pace,
						interval_ms > SHARD_APART_MS ? interval_ms
									     : SHARD_APART_MS,
						now_ms));
}

void
shard_on_end(struct shard *s, const struct cursor *cursor)
{
	bool same = cursor_equal(&s->end, cursor);
	s->ends.is_sure = same && s->ends.asked_ms - s->ends.since_ms >= SHARD_APART_MS &&
			 service_clock_has_passed(s->config->clock, s->end_ns, s->ends.asked_ms);
	if (same)
		return;
	s->end = *cursor;
	s->ends.since_ms = s->ends.asked_ms;
	s->ends.is_short = false;
	s->ends.empties = 0;
	s->ends.looks = 0;
}

/* A batch that was fetched without an end must not hold what came in after end_time. */
bool
shard_may_pass_end(const struct shard *s, const struct shard_answer *answer, int64_t now_ms)
{
	int64_t service_ns = service_clock_most_ns(s->config->clock, now_ms);
	if (!s->end_ns || !cursor_is_none(&s->end))
		return false;
	if (answer->service_ns > service_ns)
		service_ns = answer->service_ns;
	return service_ns + SERVICE_CLOCK_SLACK_NS > s->end_ns;
}

/* Short of the end cursor an empty answer is believed only when it is repeated for some time: a few
 * may be one fault. */
bool
shard_ends_short(struct shard *s, int64_t now_ms)
{
	if (!s->ends.empties++)
		s->ends.empties_ms = now_ms;
	return !cursor_is_none(&s->end) && s->ends.empties >= SHARD_END_EMPTIES &&
	       now_ms - s->ends.empties_ms >= SHARD_END_EMPTY_MS;
}
