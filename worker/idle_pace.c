/*
 * idle_pace.c - gives idle shards their times to ask, one after the other.
 *
 * In the worker, on its loop. Pure. Must never let a shard wait longer than is said in
 * idle_pace.h, nor ask sooner than fetch_interval. Held by tests/worker/test_idle_pace.c.
 */
#include "worker/idle_pace.h"

int64_t
idle_pace_wait_ms(struct idle_pace *pace, int64_t interval_ms, int64_t now_ms)
{
	int64_t at_ms = now_ms + interval_ms;
	int64_t most_ms = interval_ms > IDLE_WAIT_MAX_MS ? interval_ms : IDLE_WAIT_MAX_MS;
	if (at_ms < pace->next_ms)
		at_ms = pace->next_ms;
	if (at_ms > now_ms + most_ms)
		at_ms = now_ms + most_ms;
	pace->next_ms = at_ms + interval_ms / IDLE_ASKS;
	return at_ms - now_ms;
}
