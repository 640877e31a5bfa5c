/*
 * test_blame.c - holds supervisor/blame.c to the rule: a death counts against a batch only
 * when the batch is what died.
 */
#include <check.h>
#include <signal.h>

#include "supervisor/blame.h"
#include "tests/suites.h"

static const struct board_place in_submit = { .stage = BOARD_SUBMIT };
static const struct slot_exit by_segv = { .code = -1, .signal = SIGSEGV };
static const struct slot_exit by_kill = { .code = -1, .signal = SIGKILL };
static const struct slot_exit by_us = { .code = -1, .signal = SIGKILL, .ours = true };
static const struct slot_exit by_exit = { .code = 9 };

START_TEST(process_timeout_counts)
{
	ck_assert(blame_batch(&by_us, true, BOARD_NO_THREAD, &in_submit));
}
END_TEST

START_TEST(other_kills_count_against_nobody)
{
	ck_assert(!blame_batch(&by_us, false, BOARD_NO_THREAD, &in_submit));
	ck_assert(!blame_batch(&by_kill, false, BOARD_NO_THREAD, &in_submit));
	ck_assert(!blame_batch(&by_kill, true, BOARD_DELIVERY, &in_submit));
}
END_TEST

START_TEST(faults_and_exits_count_when_they_are_the_delivery_thread_s)
{
	ck_assert(blame_batch(&by_segv, false, BOARD_DELIVERY, &in_submit));
	ck_assert(blame_batch(&by_exit, false, BOARD_DELIVERY, &in_submit));
	ck_assert(blame_batch(&by_segv, true, BOARD_DELIVERY, &in_submit));
	ck_assert(
		blame_batch(&(struct slot_exit){ .code = 0 }, false, BOARD_DELIVERY, &in_submit));
	ck_assert(!blame_batch(&by_segv, false, BOARD_LOOP, &in_submit));
	ck_assert(!blame_batch(&by_exit, false, BOARD_LOOP, &in_submit));
	ck_assert(!blame_batch(&by_exit, false, BOARD_NO_THREAD, &in_submit));
}
END_TEST

START_TEST(only_a_batch_inside_the_sink_is_blamed)
{
	static const enum board_stage others[] = { BOARD_IDLE, BOARD_WAIT_LOCK, BOARD_IN_TXN };
	struct board_place place = { .stage = BOARD_FLUSH };
	ck_assert(blame_batch(&by_segv, false, BOARD_DELIVERY, &place));
	for (int i = 0; i < 3; i++) {
		place.stage = others[i];
		ck_assert(!blame_batch(&by_segv, false, BOARD_DELIVERY, &place));
		ck_assert(!blame_batch(&by_us, true, BOARD_NO_THREAD, &place));
	}
	place = (struct board_place){ .stage = BOARD_SUBMIT, .torn = true };
	ck_assert(!blame_batch(&by_segv, false, BOARD_DELIVERY, &place));
}
END_TEST

Suite *
suite_blame(void)
{
	Suite *suite = suite_create("blame");
	TCase *tc = tcase_create("blame");
	tcase_add_test(tc, process_timeout_counts);
	tcase_add_test(tc, other_kills_count_against_nobody);
	tcase_add_test(tc, faults_and_exits_count_when_they_are_the_delivery_thread_s);
	tcase_add_test(tc, only_a_batch_inside_the_sink_is_blamed);
	suite_add_tcase(suite, tc);
	return suite;
}
