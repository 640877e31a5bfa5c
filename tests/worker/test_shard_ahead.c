/*
 * test_shard_ahead.c - holds worker/shard_fetch.c to which of two positions is ahead: ours, or
 * another host's. Records decide; no single answer without any does.
 */
#include <check.h>
#include <string.h>

#include "tests/suites.h"
#include "tests/worker/shard_bed.h"

static struct shard_bed bed;

static void
setup(void)
{
	shard_bed_init(&bed, 0);
}

/* Every test ends with the shard given back, and the budget as it was. */
static void
teardown(void)
{
	if (shard_state(bed.shard) != SHARD_DONE) {
		shard_on_revoke(bed.shard, LEASE_RELEASED, bed.now_ms);
		if (bed.submitted)
			shard_bed_delivered(&bed, LTS_OK);
		shard_bed_closed(&bed, LTS_OK);
	}
	ck_assert_int_eq(shard_state(bed.shard), SHARD_DONE);
	shard_bed_fini(&bed);
}

/* We stand at 50, another host has written 30. */
static void
take_between_two_positions(void)
{
	shard_start(bed.shard);
	shard_bed_taken(&bed, LTS_AGAIN, "50");
	shard_bed_expect(&bed, "take -\nbatch 30 50 10\n");
}

START_TEST(position_with_records_before_ours_is_behind_us)
{
	take_between_two_positions();
	shard_bed_batch(&bed, "31", 1, 900);
	shard_bed_expect(&bed, "take - local\n");
	ck_assert_uint_eq(bed.dropped, 1);
	shard_bed_taken(&bed, LTS_OK, "50");
	shard_bed_expect(&bed, "HELD local\nbatch 50 - 100\n");
}
END_TEST

START_TEST(position_with_records_behind_ours_is_ahead_of_us)
{
	take_between_two_positions();
	shard_bed_batch(&bed, "30", 0, 900);
	shard_bed_expect(&bed, "wait 0\n");
	shard_bed_timer(&bed, 0);
	shard_bed_expect(&bed, "batch 50 30 10\n");
	shard_bed_batch(&bed, "51", 1, 900);
	shard_bed_expect(&bed, "take - service\n");
	shard_bed_taken(&bed, LTS_OK, "30");
	shard_bed_expect(&bed, "HELD local\nbatch 30 - 100\n");
}
END_TEST

START_TEST(empty_answers_decide_only_when_they_are_repeated)
{
	take_between_two_positions();
	for (int i = 0; i < 5; i++) {
		shard_bed_batch(&bed, "", 0, 900);
		ck_assert_ptr_null(strstr(bed.said.data, "take"));
		shard_bed_timer(&bed, 1000);
		shard_bed_ignore(&bed);
	}
	shard_bed_batch(&bed, "", 0, 900);
	shard_bed_expect(&bed, "take - service\n");
	shard_bed_taken(&bed, LTS_OK, "30");
}
END_TEST

START_TEST(errors_between_two_positions_are_tried_again_but_what_is_expired_is_behind)
{
	take_between_two_positions();
	shard_bed_error(&bed, LTS_AGAIN, -1);
	ck_assert(strstr(bed.said.data, "trouble AGAIN\nwait "));
	shard_bed_ignore(&bed);
	shard_bed_timer(&bed, 1000);
	shard_bed_expect(&bed, "batch 30 50 10\n");
	shard_bed_expired(&bed);
	shard_bed_expect(&bed, "take - local\n");
	shard_bed_taken(&bed, LTS_OK, "50");
}
END_TEST

/* Else it would be delivered again from the service's position on, or from ours. */
START_TEST(one_answer_that_says_expired_or_too_big_does_not_tell_who_is_ahead)
{
	static const enum lts_err errors[] = { LTS_EXPIRED, LTS_TOOBIG };
	take_between_two_positions();
	shard_bed_error(&bed, errors[_i], -1);
	ck_assert_ptr_null(strstr(bed.said.data, "take"));
	shard_bed_ignore(&bed);
	shard_bed_timer(&bed, 1000);
	shard_bed_expect(&bed, "batch 30 50 10\n");
	shard_bed_batch(&bed, "", 0, 900); /* that was wrong */
	shard_bed_timer(&bed, 0);
	shard_bed_ignore(&bed);
	shard_bed_error(&bed, errors[_i], -1); /* one of the other side begins anew */
	ck_assert_ptr_null(strstr(bed.said.data, "take"));
	shard_bed_timer(&bed, 1000);
	shard_bed_ignore(&bed);
	shard_bed_error(&bed, errors[_i], -1);
	shard_bed_expect(&bed, "take - service\n");
	shard_bed_taken(&bed, LTS_OK, "30");
}
END_TEST

START_TEST(empty_answers_within_a_second_do_not_tell_who_is_ahead)
{
	int64_t began_ms = bed.now_ms;
	take_between_two_positions();
	while (shard_bed_batch(&bed, "", 0, 900), !strstr(bed.said.data, "take"))
		shard_bed_timer(&bed, shard_bed_expect_wait(&bed)), shard_bed_ignore(&bed);
	ck_assert_int_ge(bed.now_ms - began_ms, 1000);
	shard_bed_expect(&bed, "take - service\n");
	shard_bed_taken(&bed, LTS_OK, "30");
}
END_TEST

Suite *
suite_shard_ahead(void)
{
	Suite *suite = suite_create("shard_ahead");
	TCase *tc = tcase_create("ahead");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, position_with_records_before_ours_is_behind_us);
	tcase_add_test(tc, position_with_records_behind_ours_is_ahead_of_us);
	tcase_add_test(tc, empty_answers_decide_only_when_they_are_repeated);
	tcase_add_test(tc, empty_answers_within_a_second_do_not_tell_who_is_ahead);
	tcase_add_loop_test(
		tc, one_answer_that_says_expired_or_too_big_does_not_tell_who_is_ahead, 0, 2);
	tcase_add_test(
		tc, errors_between_two_positions_are_tried_again_but_what_is_expired_is_behind);
	suite_add_tcase(suite, tc);
	return suite;
}
