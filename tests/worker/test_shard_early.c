/*
 * test_shard_early.c - holds worker/shard_early.c to what is asked for before its turn: it is
 * taken for the very request that would be made then, and for nothing else.
 */
#include <check.h>
#include <string.h>

#include "tests/suites.h"
#include "tests/worker/shard_bed.h"
#include "worker/shard_waits.h"

static struct shard_bed bed;

static void
setup(void)
{
	shard_bed_init(&bed, 0);
}

static void
setup_fetching(void)
{
	setup();
	shard_bed_fetching(&bed);
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
	ck_assert_uint_eq(bed.released, 1);
	shard_bed_fini(&bed);
}

/* The batch from 10 comes in, the one from 20 was asked for early. */
static void
ask_early(void)
{
	shard_bed_head(&bed, "20", BED_BATCH);
	shard_bed_expect(&bed, "early 20 - 100\n");
}

START_TEST(full_batch_is_followed_by_the_next_request_while_it_comes_in)
{
	ask_early();
	ck_assert_int_eq(bed.used_bytes, 2 * BED_FIRST_BYTES);
	shard_bed_batch(&bed, "20", BED_BATCH, 500);
	shard_bed_expect(&bed, "submit 10>20 100\nearly taken\n");
	shard_bed_batch(&bed, "30", 7, 600);
	shard_bed_delivered(&bed, LTS_OK);
	shard_bed_expect(&bed, "submit 20>30 7\nbatch 30 - 100\n");
	ck_assert_int_eq(bed.used_bytes, 600 + (int64_t)bed.room_bytes);
}
END_TEST

START_TEST(batch_that_is_not_full_is_not_followed_early)
{
	shard_bed_head(&bed, "20", BED_BATCH - 1);
	shard_bed_head(&bed, "20", 0);
	shard_bed_expect(&bed, "");
}
END_TEST

START_TEST(one_at_a_time_is_asked_for_early)
{
	ask_early();
	shard_bed_head(&bed, "25", BED_BATCH);
	shard_bed_early_head(&bed, "30", BED_BATCH);
	shard_bed_expect(&bed, "");
	/* Once its turn has come, the one behind it is. */
	shard_bed_batch(&bed, "20", BED_BATCH, 500);
	shard_bed_expect(&bed, "submit 10>20 100\nearly taken\nearly 30 - 100\n");
}
END_TEST

START_TEST(early_batch_waits_for_its_turn)
{
	ask_early();
	shard_bed_early_batch(&bed, "30", BED_BATCH, 800);
	shard_bed_expect(&bed, "");
	ck_assert_int_eq(bed.used_bytes, BED_FIRST_BYTES + 800);
	shard_bed_batch(&bed, "20", BED_BATCH, 500);
	/* One with the delivery thread, one ready: no third. */
	shard_bed_expect(&bed, "submit 10>20 100\n");
	ck_assert_int_eq(bed.used_bytes, 500 + 800);
	shard_bed_delivered(&bed, LTS_OK);
	shard_bed_expect(&bed, "submit 20>30 100\nbatch 30 - 100\n");
}
END_TEST

START_TEST(at_most_three_batches_are_here)
{
	shard_bed_batch(&bed, "20", BED_BATCH, 500); /* in delivery */
	shard_bed_head(&bed, "30", BED_BATCH);
	shard_bed_batch(&bed, "30", BED_BATCH, 500); /* ready */
	shard_bed_early_head(&bed, "40", BED_BATCH);
	shard_bed_early_batch(&bed, "40", BED_BATCH, 500); /* early */
	shard_bed_expect(&bed, "submit 10>20 100\nbatch 20 - 100\nearly 30 - 100\n");
	ck_assert_int_eq(bed.used_bytes, 3 * 500);
	shard_bed_delivered(&bed, LTS_OK);
	shard_bed_expect(&bed, "submit 20>30 100\n");
	shard_bed_delivered(&bed, LTS_OK);
	shard_bed_expect(&bed, "submit 30>40 100\nbatch 40 - 100\n");
}
END_TEST

START_TEST(body_that_fails_drops_what_its_first_bytes_led_to)
{
	static const enum lts_err errors[] = { LTS_AGAIN, LTS_DENIED,  LTS_NOTFOUND,
					       LTS_GONE,  LTS_BADDATA, LTS_INVALID };
	ask_early();
	if (_i % 2)
		shard_bed_early_batch(&bed, "30", 3, 800);
	shard_bed_error(&bed, errors[_i / 2], -1);
	ck_assert_int_eq(bed.used_bytes, 0);
	ck_assert_uint_eq(bed.dropped, _i % 2 ? 3 : 0);
	ck_assert_ptr_eq(strstr(bed.said.data, "early cancelled\n"),
			 _i % 2 ? NULL : bed.said.data);
	shard_bed_ignore(&bed);
	shard_bed_timer(&bed, 30000);
	shard_bed_expect(&bed, "batch 10 - 100\n");
	/* And until a batch was good, none is early. */
	shard_bed_head(&bed, "20", BED_BATCH);
	shard_bed_expect(&bed, "");
	shard_bed_batch(&bed, "20", BED_BATCH, 500);
	shard_bed_expect(&bed, "submit 10>20 100\nbatch 20 - 100\n");
	shard_bed_head(&bed, "30", BED_BATCH);
	shard_bed_expect(&bed, "early 30 - 100\n");
}
END_TEST

START_TEST(body_above_the_cap_drops_it_and_none_is_early_until_the_limit_is_whole)
{
	ask_early();
	shard_bed_error(&bed, LTS_TOOBIG, -1);
	shard_bed_expect(&bed, "early cancelled\nbatch 10 - 50\n");
	shard_bed_head(&bed, "15", 50);
	shard_bed_expect(&bed, "");
}
END_TEST

START_TEST(body_that_ends_elsewhere_than_its_first_bytes_said_drops_it)
{
	ask_early();
	if (_i)
		shard_bed_early_batch(&bed, "30", 3, 800);
	shard_bed_batch(&bed, "21", BED_BATCH, 500);
	shard_bed_expect(&bed, _i ? "submit 10>21 100\nbatch 21 - 100\n"
				  : "submit 10>21 100\nearly cancelled\nbatch 21 - 100\n");
	ck_assert_int_eq(bed.used_bytes, 500 + (int64_t)bed.room_bytes);
	ck_assert_uint_eq(bed.dropped, _i ? 3 : 0);
}
END_TEST

START_TEST(body_without_progress_drops_it)
{
	ask_early();
	shard_bed_batch(&bed, "10", 3, 500);
	ck_assert_ptr_nonnull(strstr(bed.said.data, "early cancelled\n"));
	ck_assert_ptr_nonnull(strstr(bed.said.data, "wait "));
	ck_assert_int_eq(bed.used_bytes, 0);
	shard_bed_head(&bed, "10", BED_BATCH); /* of nothing that is under way */
	shard_bed_ignore(&bed);
	shard_bed_timer(&bed, 30000);
	shard_bed_head(&bed, "10", BED_BATCH); /* leads nowhere */
	shard_bed_expect(&bed, "batch 10 - 100\n");
}
END_TEST

START_TEST(early_batch_is_held_to_progress_as_any_other)
{
	ask_early();
	shard_bed_early_batch(&bed, "10", 3, 800); /* a circle */
	shard_bed_batch(&bed, "20", BED_BATCH, 500);
	ck_assert_ptr_nonnull(strstr(bed.said.data, "submit 10>20 100\n"));
	shard_bed_delivered(&bed, LTS_OK);
	ck_assert_ptr_nonnull(strstr(bed.said.data, "trouble BADDATA\nwait "));
	ck_assert_ptr_null(strstr(bed.said.data, "submit 20"));
	ck_assert_uint_eq(bed.dropped, 3);
}
END_TEST

START_TEST(early_error_counts_only_in_its_turn)
{
	ask_early();
	shard_bed_early_error(&bed, _i ? LTS_EXPIRED : LTS_AGAIN);
	shard_bed_expect(&bed, "");
	ck_assert_int_eq(bed.used_bytes, BED_FIRST_BYTES);
	shard_bed_batch(&bed, "20", BED_BATCH, 500);
	shard_bed_expect(&bed, "submit 10>20 100\nbatch 20 - 100\n");
}
END_TEST

START_TEST(without_room_nothing_is_asked_early_and_nobody_waits)
{
	bed.full = true;
	shard_bed_head(&bed, "20", BED_BATCH);
	shard_bed_expect(&bed, "");
	bed.full = false;
	shard_on_room(bed.shard, bed.now_ms);
	shard_bed_expect(&bed, "");
}
END_TEST

START_TEST(shard_that_is_let_go_drops_it)
{
	ask_early();
	if (_i)
		shard_bed_early_batch(&bed, "30", 3, 800);
	shard_on_revoke(bed.shard, LEASE_RELEASED, bed.now_ms);
	shard_bed_expect(&bed, _i ? "cancel\nclose released 0\n"
				  : "cancel\nearly cancelled\nclose released 0\n");
	ck_assert_int_eq(bed.used_bytes, 0);
}
END_TEST

START_TEST(shard_that_gets_stuck_drops_it)
{
	shard_bed_batch(&bed, "20", 5, 500);
	shard_bed_head(&bed, "30", BED_BATCH);
	if (_i)
		shard_bed_batch(&bed, "30", BED_BATCH, 500);
	shard_bed_ignore(&bed);
	shard_bed_delivered(&bed, LTS_BADDATA);
	shard_bed_expect(&bed, _i ? "early cancelled\nSTUCK BADDATA the reason\n"
				  : "cancel\nearly cancelled\nSTUCK BADDATA the reason\n");
	ck_assert_int_eq(bed.used_bytes, 0);
}
END_TEST

START_TEST(request_that_is_given_up_drops_it)
{
	ask_early();
	shard_refetch(bed.shard);
	shard_bed_expect(&bed, "cancel\nearly cancelled\nbatch 10 - 100\n");
	ck_assert_int_eq(bed.used_bytes, BED_FIRST_BYTES);
}
END_TEST

START_TEST(around_a_suspect_batch_nothing_is_early)
{
	shard_bed_suspect(&bed, _i ? "20" : "10", 50, 1);
	shard_bed_fetching(&bed);
	shard_bed_head(&bed, "20", BED_BATCH);
	shard_bed_expect(&bed, "");
}
END_TEST

START_TEST(positions_that_are_compared_are_not_followed_early)
{
	shard_start(bed.shard);
	shard_bed_taken(&bed, LTS_AGAIN, "50");
	shard_bed_expect(&bed, "take -\nbatch 30 50 10\n");
	shard_bed_head(&bed, "40", BED_BATCH);
	shard_bed_expect(&bed, "");
	shard_bed_batch(&bed, "40", 10, 500);
	shard_bed_taken(&bed, LTS_OK, "50");
}
END_TEST

enum { END_S = 5000 };

static void
begin_with_end(int64_t service_s)
{
	shard_bed_again(&bed, END_S * INT64_C(1000000000));
	shard_bed_set_service_clock(&bed, service_s * 1000000000);
	shard_bed_fetching(&bed);
}

START_TEST(long_before_end_time_the_next_is_asked_early_and_dropped_when_the_end_is_near)
{
	begin_with_end(END_S - 100);
	ask_early();
	shard_bed_set_service_clock(&bed, END_S * INT64_C(1000000000));
	if (_i) {
		shard_bed_early_batch(&bed, "30", 3, 800);
		shard_bed_error(&bed, LTS_TOOBIG, -1);
		shard_bed_expect(&bed, "batch 10 - 50\n");
		return;
	}
	shard_bed_batch(&bed, "20", BED_BATCH, 500); /* it may pass the end */
	shard_bed_expect(&bed, "early cancelled\ncursor 5000000000000\n");
	ck_assert_uint_eq(bed.dropped, BED_BATCH);
	ck_assert_int_eq(bed.used_bytes, 0);
}
END_TEST

START_TEST(near_end_time_nothing_is_early)
{
	begin_with_end(END_S - 100);
	shard_bed_set_service_clock(&bed, (END_S - 1) * INT64_C(1000000000));
	shard_bed_head(&bed, "20", BED_BATCH);
	shard_bed_expect(&bed, "");
}
END_TEST

START_TEST(up_to_the_end_cursor_the_next_is_asked_early_and_not_beyond)
{
	begin_with_end(END_S + 1);
	shard_bed_cursor(&bed, "30");
	shard_bed_expect(&bed, "batch 10 30 100\n");
	shard_bed_head(&bed, "20", BED_BATCH);
	shard_bed_expect(&bed, "early 20 30 100\n");
	shard_bed_early_head(&bed, "30", BED_BATCH);
	shard_bed_batch(&bed, "20", BED_BATCH, 500);
	shard_bed_expect(&bed, "submit 10>20 100\nearly taken\n");
	shard_bed_batch(&bed, "30", BED_BATCH, 500);
	shard_bed_delivered(&bed, LTS_OK);
	shard_bed_confirm_end(&bed, "30");
	shard_bed_ignore(&bed);
	shard_bed_delivered(&bed, LTS_OK);
	shard_bed_expect(&bed, "close finished 5000000000000\n");
	shard_bed_closed(&bed, LTS_OK);
}
END_TEST

START_TEST(body_that_ends_at_the_end_cursor_against_its_first_bytes_drops_it)
{
	begin_with_end(END_S + 1);
	shard_bed_cursor(&bed, "30");
	shard_bed_ignore(&bed);
	shard_bed_head(&bed, "20", BED_BATCH);
	shard_bed_batch(&bed, "30", BED_BATCH, 500);
	shard_bed_delivered(&bed, LTS_OK);
	shard_bed_expect(&bed, "early 20 30 100\nsubmit 10>30 100\nearly cancelled\nwait 250\n");
	shard_bed_timer(&bed, 250);
	shard_bed_ignore(&bed);
	shard_bed_cursor(&bed, "30");
	shard_bed_expect(&bed, "close finished 5000000000000\n");
	shard_bed_closed(&bed, LTS_OK);
}
END_TEST

Suite *
suite_shard_early(void)
{
	Suite *suite = suite_create("shard_early");
	TCase *tc = tcase_create("early");
	tcase_add_checked_fixture(tc, setup_fetching, teardown);
	tcase_add_test(tc, full_batch_is_followed_by_the_next_request_while_it_comes_in);
	tcase_add_test(tc, batch_that_is_not_full_is_not_followed_early);
	tcase_add_test(tc, one_at_a_time_is_asked_for_early);
	tcase_add_test(tc, early_batch_waits_for_its_turn);
	tcase_add_test(tc, at_most_three_batches_are_here);
	tcase_add_loop_test(tc, body_that_fails_drops_what_its_first_bytes_led_to, 0, 12);
	tcase_add_test(tc,
		       body_above_the_cap_drops_it_and_none_is_early_until_the_limit_is_whole);
	tcase_add_loop_test(tc, body_that_ends_elsewhere_than_its_first_bytes_said_drops_it, 0,
			    2);
	tcase_add_test(tc, body_without_progress_drops_it);
	tcase_add_test(tc, early_batch_is_held_to_progress_as_any_other);
	tcase_add_loop_test(tc, early_error_counts_only_in_its_turn, 0, 2);
	tcase_add_test(tc, without_room_nothing_is_asked_early_and_nobody_waits);
	tcase_add_loop_test(tc, shard_that_is_let_go_drops_it, 0, 2);
	tcase_add_loop_test(tc, shard_that_gets_stuck_drops_it, 0, 2);
	tcase_add_test(tc, request_that_is_given_up_drops_it);
	suite_add_tcase(suite, tc);
	tc = tcase_create("assigned in other ways");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, around_a_suspect_batch_nothing_is_early, 0, 2);
	tcase_add_test(tc, positions_that_are_compared_are_not_followed_early);
	tcase_add_loop_test(
		tc, long_before_end_time_the_next_is_asked_early_and_dropped_when_the_end_is_near,
		0, 2);
	tcase_add_test(tc, near_end_time_nothing_is_early);
	tcase_add_test(tc, up_to_the_end_cursor_the_next_is_asked_early_and_not_beyond);
	tcase_add_test(tc, body_that_ends_at_the_end_cursor_against_its_first_bytes_drops_it);
	suite_add_tcase(suite, tc);
	return suite;
}
