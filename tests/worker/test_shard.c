/*
 * test_shard.c - holds worker/shard.c and shard_fetch.c to what one shard's fetching is:
 * order, one batch ahead, waits, and what is refused. Ends and endings are in
 * test_shard_end.c and test_shard_life.c.
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
	ck_assert_uint_eq(bed.forgotten, 1);
	shard_bed_fini(&bed);
}

START_TEST(take_with_a_position_begins_to_fetch_there)
{
	shard_start(bed.shard);
	shard_bed_expect(&bed, "take -\n");
	shard_bed_taken(&bed, LTS_OK, "10");
	shard_bed_expect(&bed, "HELD local\nbatch 10 - 100\n");
}
END_TEST

START_TEST(take_of_a_reset_asks_for_the_place_that_it_says)
{
	struct lease_taken taken = { .from = "end" };
	shard_start(bed.shard);
	shard_on_taken(bed.shard, LTS_NOTFOUND, &taken, "", 1000);
	shard_bed_expect(&bed, "take -\ncursor end\n");
	shard_bed_cursor_twice(&bed, "70");
	shard_bed_expect(&bed, "take 70\n");
	shard_bed_taken(&bed, LTS_OK, "70");
	shard_bed_expect(&bed, "HELD local\nbatch 70 - 100\n");
}
END_TEST

START_TEST(take_without_a_position_asks_for_the_start_and_takes_again)
{
	shard_start(bed.shard);
	shard_bed_taken(&bed, LTS_NOTFOUND, "");
	shard_bed_expect(&bed, "take -\ncursor begin\n");
	shard_bed_error(&bed, LTS_AGAIN, -1);
	ck_assert(strstr(bed.said.data, "trouble AGAIN\nwait "));
	shard_bed_timer(&bed, 1000);
	ck_assert(strstr(bed.said.data, "cursor begin\n"));
	shard_bed_cursor_twice(&bed, "5");
	shard_bed_expect(&bed, "take 5\n");
	shard_bed_taken(&bed, LTS_OK, "5");
	shard_bed_expect(&bed, "HELD local\nbatch 5 - 100\n");
}
END_TEST

START_TEST(next_fetch_goes_out_when_a_batch_is_submitted)
{
	shard_bed_fetching(&bed);
	shard_bed_batch(&bed, "20", 10, 500);
	shard_bed_expect(&bed, "submit 10>20 10\nbatch 20 - 100\n");
}
END_TEST

START_TEST(at_most_one_batch_is_fetched_ahead)
{
	shard_bed_fetching(&bed);
	shard_bed_batch(&bed, "20", 10, 500);
	shard_bed_batch(&bed, "30", 10, 500);
	/* One with the delivery thread, one ready: no third. */
	shard_bed_expect(&bed, "submit 10>20 10\nbatch 20 - 100\n");
	shard_bed_delivered(&bed, LTS_OK);
	shard_bed_expect(&bed, "submit 20>30 10\nbatch 30 - 100\n");
}
END_TEST

START_TEST(batches_are_submitted_each_where_the_last_one_ended)
{
	char wanted[128], to[16];
	shard_bed_fetching(&bed);
	for (int i = 1; i < 50; i++) {
		snprintf(to, sizeof(to), "%d", 10 + i);
		shard_bed_batch(&bed, to, 1, 500);
		snprintf(wanted, sizeof(wanted), "submit %d>%d 1\nbatch %d - 100\n", 9 + i,
			 10 + i, 10 + i);
		shard_bed_expect(&bed, wanted);
		shard_bed_delivered(&bed, LTS_OK);
		shard_bed_expect(&bed, "");
	}
}
END_TEST

START_TEST(empty_batches_wait_longer_up_to_fetch_interval)
{
	int64_t waits[] = { 10, 20, 40, 80, 160, 200, 200 };
	shard_bed_fetching(&bed);
	for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
		shard_bed_batch(&bed, i % 2 ? "10" : "", 0, 50);
		ck_assert_int_eq(shard_bed_expect_wait(&bed), waits[i]);
		ck_assert_int_eq(bed.used_bytes, 0);
		shard_bed_timer(&bed, waits[i]);
		shard_bed_expect(&bed, "batch 10 - 100\n");
	}
	/* Records end it. */
	shard_bed_batch(&bed, "20", 1, 50);
	shard_bed_expect(&bed, "submit 10>20 1\nbatch 20 - 100\n");
	shard_bed_batch(&bed, "20", 0, 50);
	ck_assert_int_eq(shard_bed_expect_wait(&bed), 10);
}
END_TEST

START_TEST(empty_batch_that_moved_is_committed)
{
	shard_bed_fetching(&bed);
	shard_bed_empty_twice(&bed, "20");
	shard_bed_expect(&bed, "submit 10>20 0\nbatch 20 - 100\n");
}
END_TEST

START_TEST(records_without_a_new_position_are_refused)
{
	shard_bed_fetching(&bed);
	shard_bed_batch(&bed, _i ? "10" : "", 3, 50);
	ck_assert(strstr(bed.said.data, "trouble BADDATA\nwait "));
	ck_assert(!strstr(bed.said.data, "submit"));
	ck_assert_uint_eq(bed.dropped, 3);
	shard_bed_ignore(&bed);
	shard_bed_timer(&bed, 1000);
	shard_bed_expect(&bed, "batch 10 - 100\n");
}
END_TEST

START_TEST(batch_that_leads_back_to_where_we_have_been_is_refused)
{
	shard_bed_fetching(&bed);
	shard_bed_batch(&bed, "20", 5, 500);
	shard_bed_delivered(&bed, LTS_OK);
	if (_i) /* by way of an empty one, too */
		shard_bed_empty_twice(&bed, "30");
	else
		shard_bed_batch(&bed, "30", 5, 500);
	shard_bed_delivered(&bed, LTS_OK);
	shard_bed_ignore(&bed);
	shard_bed_batch(&bed, "20", 3, 500);
	ck_assert(strstr(bed.said.data, "trouble BADDATA\nwait "));
	ck_assert_uint_eq(bed.dropped, 3);
	shard_bed_ignore(&bed);
	shard_bed_timer(&bed, 30000);
	shard_bed_expect(&bed, "batch 30 - 100\n");
	shard_bed_batch(&bed, "40", 3, 500);
	shard_bed_expect(&bed, "submit 30>40 3\nbatch 40 - 100\n");
}
END_TEST

START_TEST(refused_answers_wait_longer_and_longer)
{
	int64_t longest_ms = 0;
	shard_bed_fetching(&bed);
	for (int i = 0; i < 40; i++) {
		shard_bed_batch(&bed, "10", 3, 50);
		long long wait_ms = 0;
		ck_assert_int_eq(sscanf(bed.said.data, "trouble BADDATA\nwait %lld\n", &wait_ms),
				 1);
		shard_bed_ignore(&bed);
		ck_assert_int_le(wait_ms, 30000);
		longest_ms = wait_ms > longest_ms ? wait_ms : longest_ms;
		shard_bed_timer(&bed, wait_ms);
		shard_bed_expect(&bed, "batch 10 - 100\n");
	}
	ck_assert_int_gt(longest_ms, 15000);
}
END_TEST

START_TEST(retry_after_is_honoured)
{
	long long ms = 0;
	shard_bed_fetching(&bed);
	shard_bed_error(&bed, LTS_AGAIN, 120000);
	ck_assert_int_eq(sscanf(bed.said.data, "trouble AGAIN\nwait %lld\n", &ms), 1);
	ck_assert_int_ge(ms, 120000);
	ck_assert_int_lt(ms, 121000);
	ck_assert_int_eq(bed.used_bytes, 0); /* nothing is reserved while it waits */
}
END_TEST

START_TEST(any_error_is_tried_again_from_the_same_place)
{
	static const enum lts_err errors[] = { LTS_AGAIN,   LTS_DENIED,  LTS_NOTFOUND, LTS_GONE,
					       LTS_BADDATA, LTS_INVALID, LTS_UNKNOWN };
	shard_bed_fetching(&bed);
	shard_bed_batch(&bed, "20", 5, 500);
	shard_bed_ignore(&bed);
	shard_bed_error(&bed, errors[_i], -1);
	shard_bed_ignore(&bed);
	shard_bed_timer(&bed, 30000);
	shard_bed_expect(&bed, "batch 20 - 100\n");
}
END_TEST

START_TEST(body_above_the_cap_is_asked_for_in_halves_down_to_ten_then_stuck)
{
	shard_bed_fetching(&bed);
	shard_bed_error(&bed, LTS_TOOBIG, -1);
	shard_bed_expect(&bed, "batch 10 - 50\n");
	shard_bed_error(&bed, LTS_TOOBIG, -1);
	shard_bed_expect(&bed, "batch 10 - 25\n");
	shard_bed_error(&bed, LTS_TOOBIG, -1);
	shard_bed_expect(&bed, "batch 10 - 12\n");
	shard_bed_error(&bed, LTS_TOOBIG, -1);
	shard_bed_expect(&bed, "batch 10 - 10\n");
	for (int again = 0; again < 5; again++) { /* it may have been a fault */
		shard_bed_error(&bed, LTS_TOOBIG, -1);
		shard_bed_ignore(&bed);
		shard_bed_timer(&bed, 30000);
		shard_bed_expect(&bed, "batch 10 - 10\n");
	}
	shard_bed_error(&bed, LTS_TOOBIG, -1);
	shard_bed_expect(&bed, "STUCK TOOBIG an answer of ten records is above max_body_bytes\n");
	ck_assert_int_eq(shard_state(bed.shard), SHARD_STUCK);
	ck_assert_int_eq(bed.used_bytes, 0);
}
END_TEST

START_TEST(limit_grows_back_after_a_large_body)
{
	char to[16];
	shard_bed_fetching(&bed);
	shard_bed_error(&bed, LTS_TOOBIG, -1);
	shard_bed_error(&bed, LTS_TOOBIG, -1);
	for (int i = 0; i < 30; i++) {
		snprintf(to, sizeof(to), "%d", 11 + i);
		shard_bed_batch(&bed, to, 1, 50);
		shard_bed_delivered(&bed, LTS_OK);
	}
	shard_bed_ignore(&bed);
	shard_bed_batch(&bed, "99", 1, 50);
	shard_bed_expect(&bed, "submit 40>99 1\nbatch 99 - 100\n");
}
END_TEST

START_TEST(room_for_an_answer_follows_the_last_ones)
{
	enum { KIB = 1024, FIRST = BED_FIRST_BYTES / KIB };
	bed.config.max_bytes = 16 * BED_FIRST_BYTES;
	shard_bed_fetching(&bed);
	ck_assert_uint_eq(bed.room_bytes, FIRST * KIB);
	ck_assert_int_eq(bed.used_bytes, FIRST * KIB);
	shard_bed_batch(&bed, "20", 5, 2000 * KIB); /* a quarter more than it */
	ck_assert_uint_eq(bed.room_bytes, 2500 * KIB);
	ck_assert_int_eq(bed.used_bytes, (2000 + 2500) * KIB);
	shard_bed_batch(&bed, "30", 5, 100 * KIB); /* an eighth less */
	shard_bed_delivered(&bed, LTS_OK);
	ck_assert_uint_eq(bed.room_bytes, 2500 * KIB / 8 * 7);
	ck_assert_int_eq(bed.used_bytes, 100 * KIB + 2500 * KIB / 8 * 7);
}
END_TEST

START_TEST(answer_above_its_room_is_asked_for_again_with_more)
{
	bed.config.max_bytes = 20 * BED_FIRST_BYTES;
	shard_bed_fetching(&bed);
	shard_bed_error(&bed, LTS_TOOBIG, -1);
	shard_bed_expect(&bed, "batch 10 - 100\n");
	ck_assert_uint_eq(bed.room_bytes, 16 * BED_FIRST_BYTES);
	ck_assert_int_eq(bed.used_bytes, 16 * BED_FIRST_BYTES);
	bed.full = true;
	shard_bed_error(&bed, LTS_TOOBIG, -1);
	shard_bed_expect(&bed, "");
	ck_assert_int_eq(bed.used_bytes, 0);
	bed.full = false;
	shard_on_room(bed.shard, bed.now_ms);
	shard_bed_expect(&bed, "batch 10 - 100\n");
	ck_assert_uint_eq(bed.room_bytes, 20 * BED_FIRST_BYTES);
	shard_bed_error(&bed, LTS_TOOBIG, -1); /* now it is max_body_bytes */
	shard_bed_expect(&bed, "batch 10 - 50\n");
}
END_TEST

START_TEST(size_that_an_answer_says_is_the_room_of_the_next)
{
	bed.config.max_bytes = 20 * BED_FIRST_BYTES;
	shard_bed_fetching(&bed);
	shard_bed_too_big(&bed, 2 * BED_FIRST_BYTES);
	shard_bed_expect(&bed, "batch 10 - 100\n");
	ck_assert_uint_eq(bed.room_bytes, 2 * BED_FIRST_BYTES + BED_FIRST_BYTES / 4);
}
END_TEST

START_TEST(size_above_max_body_bytes_says_how_many_records_fit)
{
	bed.config.max_bytes = 16 * BED_FIRST_BYTES;
	shard_bed_fetching(&bed);
	shard_bed_too_big(&bed, 64 * BED_FIRST_BYTES);
	shard_bed_expect(&bed, "batch 10 - 23\n"); /* of 100: a quarter, and a little less */
	ck_assert_uint_eq(bed.room_bytes, 16 * BED_FIRST_BYTES);
	shard_bed_too_big(&bed, 6400u * BED_FIRST_BYTES);
	shard_bed_expect(&bed, "batch 10 - 10\n"); /* the service takes no smaller one */
}
END_TEST

START_TEST(limit_does_not_grow_beyond_what_fits)
{
	char to[16];
	bed.config.max_bytes = 16 * BED_FIRST_BYTES;
	shard_bed_fetching(&bed);
	shard_bed_too_big(&bed, 64 * BED_FIRST_BYTES);
	for (int i = 0; i < 30; i++) {
		snprintf(to, sizeof(to), "%d", 11 + i);
		shard_bed_batch(&bed, to, 1, BED_FIRST_BYTES / 2);
		shard_bed_delivered(&bed, LTS_OK);
	}
	shard_bed_ignore(&bed);
	shard_bed_batch(&bed, "99", 1, BED_FIRST_BYTES / 2);
	shard_bed_expect(&bed, "submit 40>99 1\nbatch 99 - 30\n");
}
END_TEST

START_TEST(shard_without_room_asks_when_there_is_some)
{
	shard_bed_fetching(&bed);
	bed.full = true;
	shard_bed_batch(&bed, "20", 5, 700);
	shard_bed_expect(&bed, "submit 10>20 5\n");
	shard_on_room(bed.shard, bed.now_ms);
	shard_bed_expect(&bed, "");
	bed.full = false;
	shard_on_room(bed.shard, bed.now_ms);
	shard_bed_expect(&bed, "batch 20 - 100\n");
	shard_on_room(bed.shard, bed.now_ms); /* one too many */
	shard_bed_expect(&bed, "");
}
END_TEST

START_TEST(late_timer_does_nothing)
{
	shard_bed_fetching(&bed);
	shard_bed_timer(&bed, 100);
	shard_bed_expect(&bed, "");
}
END_TEST

START_TEST(delivery_error_makes_the_shard_stuck)
{
	shard_bed_fetching(&bed);
	shard_bed_batch(&bed, "20", 5, 700);
	shard_bed_ignore(&bed);
	shard_bed_delivered(&bed, LTS_BADDATA);
	shard_bed_expect(&bed, "cancel\nSTUCK BADDATA the reason\n");
	ck_assert_int_eq(shard_state(bed.shard), SHARD_STUCK);
	ck_assert_uint_eq(bed.dropped, 5);
}
END_TEST

START_TEST(stuck_shard_holds_no_bytes)
{
	shard_bed_fetching(&bed);
	shard_bed_batch(&bed, "20", 5, 700);
	shard_bed_batch(&bed, "30", 6, 800);
	shard_bed_delivered(&bed, LTS_BADDATA);
	ck_assert_int_eq(shard_state(bed.shard), SHARD_STUCK);
	ck_assert_int_eq(bed.used_bytes, 0);
	ck_assert_uint_eq(bed.dropped, 11);
}
END_TEST

Suite *
suite_shard(void)
{
	Suite *suite = suite_create("shard");
	TCase *tc = tcase_create("fetching");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, take_with_a_position_begins_to_fetch_there);
	tcase_add_test(tc, take_of_a_reset_asks_for_the_place_that_it_says);
	tcase_add_test(tc, take_without_a_position_asks_for_the_start_and_takes_again);
	tcase_add_test(tc, next_fetch_goes_out_when_a_batch_is_submitted);
	tcase_add_test(tc, at_most_one_batch_is_fetched_ahead);
	tcase_add_test(tc, batches_are_submitted_each_where_the_last_one_ended);
	tcase_add_test(tc, empty_batches_wait_longer_up_to_fetch_interval);
	tcase_add_test(tc, empty_batch_that_moved_is_committed);
	tcase_add_loop_test(tc, records_without_a_new_position_are_refused, 0, 2);
	tcase_add_loop_test(tc, batch_that_leads_back_to_where_we_have_been_is_refused, 0, 2);
	tcase_add_test(tc, refused_answers_wait_longer_and_longer);
	tcase_add_test(tc, retry_after_is_honoured);
	tcase_add_loop_test(tc, any_error_is_tried_again_from_the_same_place, 0, 7);
	tcase_add_test(tc, body_above_the_cap_is_asked_for_in_halves_down_to_ten_then_stuck);
	tcase_add_test(tc, limit_grows_back_after_a_large_body);
	tcase_add_test(tc, room_for_an_answer_follows_the_last_ones);
	tcase_add_test(tc, answer_above_its_room_is_asked_for_again_with_more);
	tcase_add_test(tc, size_that_an_answer_says_is_the_room_of_the_next);
	tcase_add_test(tc, size_above_max_body_bytes_says_how_many_records_fit);
	tcase_add_test(tc, limit_does_not_grow_beyond_what_fits);
	tcase_add_test(tc, shard_without_room_asks_when_there_is_some);
	tcase_add_test(tc, late_timer_does_nothing);
	tcase_add_test(tc, delivery_error_makes_the_shard_stuck);
	tcase_add_test(tc, stuck_shard_holds_no_bytes);
	suite_add_tcase(suite, tc);
	return suite;
}
