/*
 * test_shard_twice.c - a place that no record vouches for is believed when it was said twice.
 */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "tests/suites.h"
#include "tests/worker/shard_bed.h"

static struct shard_bed bed;

static void
setup(void)
{
	shard_bed_init(&bed, 0);
	bed.config.on_expired = EXPIRED_BEGIN;
}

static void
teardown(void)
{
	if (bed.submitted)
		shard_bed_delivered(&bed, LTS_OK);
	shard_on_gone(bed.shard, bed.now_ms);
	shard_bed_fini(&bed);
}

static void
start_without_a_position(void)
{
	shard_start(bed.shard);
	shard_bed_taken(&bed, LTS_NOTFOUND, "");
	shard_bed_expect(&bed, "take -\ncursor begin\n");
}

/* Another answer than before: it waits, and asks again. */
static void
is_asked_again(const char *asked)
{
	shard_bed_expect(&bed, "wait 250\n");
	shard_bed_timer(&bed, 250);
	shard_bed_expect(&bed, asked);
}

START_TEST(start_is_taken_when_it_was_said_twice)
{
	start_without_a_position();
	shard_bed_cursor(&bed, "5");
	is_asked_again("cursor begin\n");
	shard_bed_cursor(&bed, "5");
	shard_bed_expect(&bed, "take 5\n");
}
END_TEST

/* The wrong one comes first, second, or with an error between. */
START_TEST(one_wrong_start_skips_nothing)
{
	start_without_a_position();
	shard_bed_cursor(&bed, _i == 0 ? "900" : "5");
	is_asked_again("cursor begin\n");
	if (_i == 2) {
		shard_bed_error(&bed, LTS_AGAIN, -1);
		shard_bed_ignore(&bed);
		shard_bed_timer(&bed, 30000);
		shard_bed_expect(&bed, "cursor begin\n");
	}
	shard_bed_cursor(&bed, _i == 0 ? "5" : "900");
	is_asked_again("cursor begin\n");
	shard_bed_cursor(&bed, "5");
	shard_bed_expect(&bed, "take 5\n");
}
END_TEST

START_TEST(two_answers_at_the_same_time_are_one)
{
	start_without_a_position();
	shard_bed_cursor(&bed, "5");
	shard_bed_expect(&bed, "wait 250\n");
	shard_bed_timer(&bed, 249); /* a timer may come early */
	shard_bed_expect(&bed, "cursor begin\n");
	shard_bed_cursor(&bed, "5");
	is_asked_again("cursor begin\n");
	shard_bed_cursor(&bed, "5");
	shard_bed_expect(&bed, "take 5\n");
}
END_TEST

START_TEST(start_that_moves_by_itself_is_taken_in_the_end)
{
	start_without_a_position();
	for (int i = 0; i < 8; i++) {
		char cursor[16];
		snprintf(cursor, sizeof(cursor), "%d", 100 + i);
		shard_bed_cursor(&bed, cursor);
		is_asked_again("cursor begin\n");
	}
	shard_bed_cursor(&bed, "200");
	shard_bed_expect(&bed, "take 200\n");
}
END_TEST

START_TEST(one_wrong_cursor_behind_a_gap_skips_nothing)
{
	shard_bed_fetching(&bed);
	shard_bed_expired(&bed);
	shard_bed_expect(&bed, "cursor begin\n");
	shard_bed_cursor(&bed, _i ? "70" : "900");
	is_asked_again("cursor begin\n");
	shard_bed_cursor(&bed, _i ? "900" : "70");
	is_asked_again("cursor begin\n");
	shard_bed_cursor(&bed, "70");
	shard_bed_expect(&bed, "trouble EXPIRED\nsubmit 10>70 0 gap\nbatch 70 - 100\n");
}
END_TEST

START_TEST(one_empty_answer_that_leads_far_away_skips_nothing)
{
	shard_bed_fetching(&bed);
	shard_bed_batch(&bed, "900", 0, 50);
	is_asked_again("batch 10 - 100\n");
	shard_bed_batch(&bed, "20", 3, 50);
	shard_bed_expect(&bed, "submit 10>20 3\nbatch 20 - 100\n");
	shard_bed_delivered(&bed, LTS_OK);
	/* What was said elsewhere, or before records came, counts for nothing. */
	shard_bed_batch(&bed, "900", 0, 50);
	is_asked_again("batch 20 - 100\n");
	shard_bed_batch(&bed, "30", 0, 50);
	is_asked_again("batch 20 - 100\n");
	shard_bed_batch(&bed, "30", 0, 50);
	shard_bed_expect(&bed, "submit 20>30 0\nbatch 30 - 100\n");
}
END_TEST

/* One that stays is no vote for either. */
START_TEST(empty_answers_that_stay_and_that_move_may_alternate)
{
	shard_bed_fetching(&bed);
	shard_bed_batch(&bed, "20", 0, 50);
	is_asked_again("batch 10 - 100\n");
	shard_bed_batch(&bed, "10", 0, 50);
	shard_bed_ignore(&bed);
	shard_bed_timer(&bed, 250);
	shard_bed_ignore(&bed);
	shard_bed_batch(&bed, "20", 0, 50);
	shard_bed_expect(&bed, "submit 10>20 0\nbatch 20 - 100\n");
}
END_TEST

START_TEST(empty_answers_that_lead_back_move_nothing_however_often_they_come)
{
	shard_bed_fetching(&bed);
	shard_bed_batch(&bed, "20", 3, 50);
	shard_bed_delivered(&bed, LTS_OK);
	shard_bed_ignore(&bed);
	for (int i = 0; i < 12; i++) {
		shard_bed_batch(&bed, "10", 0, 50);
		ck_assert_ptr_nonnull(strstr(bed.said.data, "trouble BADDATA\nwait "));
		shard_bed_ignore(&bed);
		shard_bed_timer(&bed, 30000);
		shard_bed_expect(&bed, "batch 20 - 100\n");
	}
}
END_TEST

Suite *
suite_shard_twice(void)
{
	Suite *suite = suite_create("shard_twice");
	TCase *tc = tcase_create("shard_twice");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, start_is_taken_when_it_was_said_twice);
	tcase_add_loop_test(tc, one_wrong_start_skips_nothing, 0, 3);
	tcase_add_test(tc, two_answers_at_the_same_time_are_one);
	tcase_add_test(tc, start_that_moves_by_itself_is_taken_in_the_end);
	tcase_add_loop_test(tc, one_wrong_cursor_behind_a_gap_skips_nothing, 0, 2);
	tcase_add_test(tc, one_empty_answer_that_leads_far_away_skips_nothing);
	tcase_add_test(tc, empty_answers_that_stay_and_that_move_may_alternate);
	tcase_add_test(tc, empty_answers_that_lead_back_move_nothing_however_often_they_come);
	suite_add_tcase(suite, tc);
	return suite;
}
