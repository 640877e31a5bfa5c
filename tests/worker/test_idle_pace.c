/*
 * test_idle_pace.c - idle shards of a worker: how often they ask, and how long each waits.
 */
#include "worker/idle_pace.h"

#include <check.h>
#include <stdbool.h>
#include <stdlib.h>

#include "tests/suites.h"

enum { SHARDS_MAX = 20000, RUN_MS = 60000 };

struct tally {
	int64_t asks; /* in the last minute */
	int64_t least_wait_ms, longest_wait_ms;
	int64_t most_at_once; /* asks in one millisecond */
};

/* Two minutes of so many shards that fell idle at the same time; the second is counted. */
static struct tally
run(int shards, int64_t interval_ms)
{
	static int due[2 * RUN_MS + 3600000]; /* how many ask in that millisecond */
	struct idle_pace pace = { 0 };
	struct tally tally = { .least_wait_ms = INT64_MAX };
	for (size_t i = 0; i < sizeof(due) / sizeof(due[0]); i++)
		due[i] = 0;
	due[1] = shards;
	for (int64_t now_ms = 1; now_ms < 2 * RUN_MS; now_ms++) {
		bool counts = now_ms >= RUN_MS;
		if (counts && due[now_ms] > tally.most_at_once)
			tally.most_at_once = due[now_ms];
		for (int i = 0; i < due[now_ms]; i++) {
			int64_t wait_ms = idle_pace_wait_ms(&pace, interval_ms, now_ms);
			due[now_ms + wait_ms]++;
			tally.asks += counts;
			if (wait_ms < tally.least_wait_ms)
				tally.least_wait_ms = wait_ms;
			if (wait_ms > tally.longest_wait_ms)
				tally.longest_wait_ms = wait_ms;
		}
	}
	return tally;
}

START_TEST(hundred_idle_shards_wait_for_fetch_interval)
{
	static const int64_t intervals[] = { 1, 50, 200, 1000, 30000 };
	struct tally tally = run(_i ? 100 : 1, intervals[_i]);
	/* Those that fall idle together are drawn apart once. */
	ck_assert_int_le(tally.longest_wait_ms, intervals[_i] * 2);
	ck_assert_int_ge(tally.least_wait_ms, intervals[_i]);
	ck_assert_int_ge(tally.asks, (_i ? 100 : 1) * RUN_MS / intervals[_i] * 99 / 100);
}
END_TEST

START_TEST(thousand_idle_shards_ask_as_often_as_a_hundred)
{
	struct tally tally = run(1000, 200);
	ck_assert_int_le(tally.asks, 500 * RUN_MS / 1000 + 1);
	ck_assert_int_ge(tally.asks, 490 * RUN_MS / 1000);
	ck_assert_int_le(tally.longest_wait_ms, 2200);
	ck_assert_int_le(tally.most_at_once, 1);
}
END_TEST

START_TEST(nobody_waits_beyond_five_seconds_or_fetch_interval)
{
	struct tally tally = run(SHARDS_MAX, 200);
	ck_assert_int_eq(tally.longest_wait_ms, IDLE_WAIT_MAX_MS);
	ck_assert_int_ge(tally.asks, SHARDS_MAX * RUN_MS / IDLE_WAIT_MAX_MS);
	tally = run(SHARDS_MAX, 10000);
	ck_assert_int_eq(tally.longest_wait_ms, 10000);
}
END_TEST

START_TEST(shard_that_is_alone_again_waits_no_longer_than_before)
{
	struct idle_pace pace = { 0 };
	for (int i = 0; i < 1000; i++)
		ck_assert_int_ge(idle_pace_wait_ms(&pace, 200, 1000), 200);
	ck_assert_int_eq(idle_pace_wait_ms(&pace, 200, 1000 + 200 + 1000 * 2), 200);
}
END_TEST

Suite *
suite_idle_pace(void)
{
	Suite *suite = suite_create("idle_pace");
	TCase *tc = tcase_create("idle_pace");
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, hundred_idle_shards_wait_for_fetch_interval, 0, 5);
	tcase_add_test(tc, thousand_idle_shards_ask_as_often_as_a_hundred);
	tcase_add_test(tc, nobody_waits_beyond_five_seconds_or_fetch_interval);
	tcase_add_test(tc, shard_that_is_alone_again_waits_no_longer_than_before);
	suite_add_tcase(suite, tc);
	return suite;
}
