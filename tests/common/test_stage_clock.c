/*
 * test_stage_clock.c - holds common/stage_clock.c: nothing waits in silence, nothing is said
 * twice without need, and what goes on again says so.
 */
#include <check.h>
#include <string.h>

#include "common/stage_clock.h"
#include "tests/suites.h"

static const struct stage_limits limits = { .process_ms = 300000,
					    .heartbeat_ms = 60000,
					    .request_ms = 180000 };
static struct stage_clock watch;
static struct stage_news news;
static int64_t now_ms;

static void
setup(void)
{
	watch = (struct stage_clock){ 0 };
	now_ms = 1000000;
}

/* Looks every quarter of a second until there is news; how long that took, 0: never. */
static int64_t
ms_to_news(enum stage stage, uint64_t token, int64_t most_ms)
{
	for (int64_t from_ms = now_ms; now_ms - from_ms < most_ms; now_ms += 250)
		if (stage_clock_look(&watch, stage, token, &limits, now_ms, &news))
			return now_ms - from_ms;
	return 0;
}

START_TEST(every_stage_is_named_at_its_deadline)
{
	int64_t ms = ms_to_news((enum stage)_i, 1, 400000);
	ck_assert(ms == 60000 || ms == 180000 || ms == 300000);
	ck_assert(!news.goes_on);
	ck_assert_int_eq(news.stage, _i);
	ck_assert_int_eq(news.for_ms, ms);
	ck_assert_uint_gt(strlen(stage_name(news.stage)), 0);
	ck_assert_uint_gt(strlen(stage_step_name(news.step)), 0);
}
END_TEST

START_TEST(idleness_is_never_named)
{
	ck_assert_int_eq(ms_to_news(STAGE_IDLE, 0, 86400000), 0);
}
END_TEST

START_TEST(what_moves_is_never_named)
{
	for (uint64_t token = 0; token < 1000; token++, now_ms += 4000)
		ck_assert(!stage_clock_look(&watch, STAGE_BATCH, token, &limits, now_ms, &news));
}
END_TEST

START_TEST(it_is_said_ever_more_rarely)
{
	ck_assert_int_eq(ms_to_news(STAGE_ERRORS, 1, 400000), 60000);
	for (int64_t expected = 120000; expected <= 1920000; expected *= 2)
		ck_assert_int_eq(ms_to_news(STAGE_ERRORS, 1, 4000000), expected);
	ck_assert_int_eq(ms_to_news(STAGE_ERRORS, 1, 4000000), 3600000);
	ck_assert_int_eq(ms_to_news(STAGE_ERRORS, 1, 4000000), 3600000);
}
END_TEST

START_TEST(steps_follow_one_another)
{
	ck_assert(ms_to_news(STAGE_BATCH, 1, 400000));
	ck_assert_int_eq(news.step, STEP_REFETCH);
	ck_assert_int_eq(ms_to_news(STAGE_BATCH, 1, 400000), 360000);
	ck_assert_int_eq(news.step, STEP_RESTART);
}
END_TEST

START_TEST(going_on_is_said_once_and_only_if_the_stall_was)
{
	stage_clock_look(&watch, STAGE_LOCK, 1, &limits, now_ms, &news);
	ck_assert(!stage_clock_look(&watch, STAGE_IDLE, 1, &limits, now_ms + 50000, &news));
	ck_assert(ms_to_news(STAGE_LOCK, 2, 400000));
	ck_assert(stage_clock_look(&watch, STAGE_LOCK, 3, &limits, now_ms + 500, &news));
	ck_assert(news.goes_on);
	ck_assert_int_eq(news.stage, STAGE_LOCK);
	ck_assert_int_eq(news.for_ms, 60500);
	ck_assert(!stage_clock_look(&watch, STAGE_IDLE, 4, &limits, now_ms + 900, &news));
}
END_TEST

START_TEST(time_in_which_nobody_looked_does_not_count)
{
	ck_assert(!stage_clock_look(&watch, STAGE_BATCH, 1, &limits, now_ms, &news));
	now_ms += 86400000; /* the machine slept */
	ck_assert(!stage_clock_look(&watch, STAGE_BATCH, 1, &limits, now_ms, &news));
	ck_assert_int_eq(ms_to_news(STAGE_BATCH, 1, 400000), 180000);
	ck_assert_int_eq(news.for_ms, 180000);
}
END_TEST

Suite *
suite_stage_clock(void)
{
	Suite *suite = suite_create("stage_clock");
	TCase *tc = tcase_create("stage_clock");
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_loop_test(tc, every_stage_is_named_at_its_deadline, STAGE_IDLE + 1, STAGES);
	tcase_add_test(tc, idleness_is_never_named);
	tcase_add_test(tc, what_moves_is_never_named);
	tcase_add_test(tc, it_is_said_ever_more_rarely);
	tcase_add_test(tc, steps_follow_one_another);
	tcase_add_test(tc, going_on_is_said_once_and_only_if_the_stall_was);
	tcase_add_test(tc, time_in_which_nobody_looked_does_not_count);
	suite_add_tcase(suite, tc);
	return suite;
}
