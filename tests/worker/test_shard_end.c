/*
 * test_shard_end.c - holds worker/shard_fetch.c to end_time and to expired cursors:
 * nothing from behind end_time is delivered, its cursor is asked for only once the
 * service's clock has passed it, and a gap is stepped over as on_expired says, or not at
 * all.
 */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "tests/suites.h"
#include "tests/worker/shard_bed.h"

static const int64_t END_NS = 1767322800000000000;
static const int64_t SECOND_NS = 1000000000;

static struct shard_bed bed;

static void
setup(void)
{
	shard_bed_init(&bed, END_NS);
}

static void
teardown(void)
{
	if (shard_state(bed.shard) != SHARD_DONE) {
		shard_on_revoke(bed.shard, LEASE_RELEASED, bed.now_ms);
		if (bed.submitted)
			shard_bed_delivered(&bed, LTS_OK);
		shard_bed_closed(&bed, LTS_OK);
	}
	shard_bed_fini(&bed);
}

START_TEST(end_cursor_is_asked_for_once_the_services_clock_has_passed_it)
{
	shard_bed_set_service_clock(&bed, END_NS);
	shard_start(bed.shard);
	shard_bed_taken(&bed, LTS_OK, "10");
	shard_bed_expect(&bed, "take -\nHELD local\ncursor 1767322800000000000\n");
	shard_bed_cursor(&bed, "90");
	shard_bed_expect(&bed, "batch 10 90 100\n");
	shard_bed_batch(&bed, "20", 5, 500);
	shard_bed_expect(&bed, "submit 10>20 5\nbatch 20 90 100\n");
}
END_TEST

START_TEST(before_end_time_batches_are_fetched_without_an_end)
{
	shard_bed_set_service_clock(&bed, END_NS - 3600 * SECOND_NS);
	shard_start(bed.shard);
	shard_bed_taken(&bed, LTS_OK, "10");
	shard_bed_expect(&bed, "take -\nHELD local\nbatch 10 - 100\n");
	shard_bed_batch(&bed, "20", 5, 500);
	shard_bed_expect(&bed, "submit 10>20 5\nbatch 20 - 100\n");
	/* The hour is over: now there is an end. */
	bed.now_ms += 3601 * 1000;
	shard_bed_batch(&bed, "30", 5, 500);
	shard_bed_expect(&bed, "cursor 1767322800000000000\n");
	/* What came after end_time may be in it: fetched again, with the end. */
	ck_assert_uint_eq(bed.dropped, 5);
	shard_bed_cursor(&bed, "25");
	shard_bed_expect(&bed, "batch 20 25 100\n");
	shard_bed_batch(&bed, "25", 2, 500);
	shard_bed_delivered(&bed, LTS_OK);
	shard_bed_confirm_end(&bed, "25");
	shard_bed_delivered(&bed, LTS_OK);
	shard_bed_expect(&bed, "close finished 1767322800000000000\n");
}
END_TEST

START_TEST(last_stretch_waits_for_end_time)
{
	shard_bed_set_service_clock(&bed, END_NS - SECOND_NS * 3 / 2);
	shard_start(bed.shard);
	shard_bed_taken(&bed, LTS_OK, "10");
	shard_bed_expect(&bed, "take -\nHELD local\nwait 1501\n");
	shard_bed_timer(&bed, 1501);
	shard_bed_expect(&bed, "cursor 1767322800000000000\n");
}
END_TEST

START_TEST(answer_of_the_last_stretch_is_dropped)
{
	shard_bed_set_service_clock(&bed, END_NS - SECOND_NS * 5 / 2);
	shard_start(bed.shard);
	shard_bed_taken(&bed, LTS_OK, "10");
	shard_bed_expect(&bed, "take -\nHELD local\nbatch 10 - 100\n");
	bed.now_ms += 1000; /* on the way */
	shard_bed_batch(&bed, "20", 5, 500);
	shard_bed_expect(&bed, "wait 1501\n");
	ck_assert_uint_eq(bed.dropped, 5);
}
END_TEST

static void
fetch_with_end(const char *end)
{
	shard_bed_set_service_clock(&bed, END_NS + SECOND_NS);
	shard_start(bed.shard);
	shard_bed_taken(&bed, LTS_OK, "10");
	shard_bed_cursor(&bed, end);
	if (strcmp(end, "10") == 0)
		shard_bed_confirm_end(&bed, end);
	shard_bed_ignore(&bed);
}

START_TEST(shard_whose_processor_ended_instead_of_saving_goes_back)
{
	fetch_with_end("20");
	shard_bed_batch(&bed, "20", 5, 500);
	shard_bed_delivered(&bed, LTS_OK);
	shard_bed_confirm_end(&bed, "20");
	shard_bed_ignore(&bed);
	bed.back = (struct cursor){ "10" };
	shard_bed_closed(&bed, LTS_AGAIN);
	shard_bed_expect(&bed, "batch 10 20 100\n");
}
END_TEST

START_TEST(shard_whose_processor_has_not_saved_all_stops_at_its_end)
{
	fetch_with_end("10");
	shard_bed_closed(&bed, LTS_AGAIN);
	shard_bed_expect(&bed, "STUCK AGAIN told so\n");
	ck_assert_int_eq(shard_state(bed.shard), SHARD_STUCK);
	shard_on_revoke(bed.shard, LEASE_PAUSED, bed.now_ms);
	shard_bed_expect(&bed, "close paused 0\n");
	shard_bed_closed(&bed, LTS_OK);
	shard_bed_expect(&bed, "RELEASED OK\nforget\n");
}
END_TEST

START_TEST(shard_taken_back_while_its_processor_has_not_saved_all_is_released)
{
	fetch_with_end("10");
	shard_on_revoke(bed.shard, LEASE_RELEASED, bed.now_ms);
	shard_bed_closed(&bed, LTS_AGAIN);
	shard_bed_expect(&bed, "close released 0\n");
	shard_bed_closed(&bed, LTS_OK);
	shard_bed_expect(&bed, "RELEASED OK\nforget\n");
}
END_TEST

START_TEST(shard_that_starts_at_its_end_is_finished)
{
	shard_bed_set_service_clock(&bed, END_NS + SECOND_NS);
	shard_start(bed.shard);
	shard_bed_taken(&bed, LTS_OK, "10");
	shard_bed_ignore(&bed);
	shard_bed_cursor(&bed, "10");
	shard_bed_expect(&bed, "wait 250\n"); /* one answer proves nothing */
	shard_bed_timer(&bed, 250);
	shard_bed_expect(&bed, "cursor 1767322800000000000\n");
	shard_bed_cursor(&bed, "10");
	shard_bed_expect(&bed, "close finished 1767322800000000000\n");
	ck_assert_int_eq(shard_state(bed.shard), SHARD_FINISHING);
	shard_bed_closed(&bed, LTS_OK);
	shard_bed_expect(&bed, "FINISHED\n");
	ck_assert_int_eq(shard_state(bed.shard), SHARD_FINISHED);
}
END_TEST

START_TEST(shard_is_finished_when_next_is_its_end)
{
	fetch_with_end("90");
	shard_bed_batch(&bed, "90", 5, 500);
	shard_bed_expect(&bed, "submit 10>90 5\nwait 250\n");
	shard_bed_timer(&bed, 250);
	shard_bed_ignore(&bed);
	shard_bed_cursor(&bed, "90");
	shard_bed_delivered(&bed, LTS_OK);
	shard_bed_expect(&bed, "close finished 1767322800000000000\n");
}
END_TEST

START_TEST(shard_is_finished_by_repeated_empty_answers_that_do_not_move)
{
	fetch_with_end("90");
	int64_t from_ms = bed.now_ms;
	while (bed.now_ms - from_ms < 5000) {
		shard_bed_batch(&bed, _i ? "10" : "", 0, 50);
		ck_assert_int_eq(shard_state(bed.shard), SHARD_FETCHING);
		shard_bed_timer(&bed, shard_bed_expect_wait(&bed));
		shard_bed_expect(&bed, "batch 10 90 100\n");
	}
	shard_bed_batch(&bed, _i ? "10" : "", 0, 50);
	shard_bed_expect(&bed, "trouble BADDATA\ncursor 1767322800000000000\n");
	shard_bed_cursor(&bed, "90");
	shard_bed_expect(&bed, "close finished 1767322800000000000\n");
}
END_TEST

START_TEST(empty_answer_that_moves_does_not_finish)
{
	fetch_with_end("90");
	shard_bed_empty_twice(&bed, "50");
	shard_bed_expect(&bed, "submit 10>50 0\nbatch 50 90 100\n");
}
END_TEST

START_TEST(finish_waits_for_everything_delivered)
{
	fetch_with_end("90");
	shard_bed_batch(&bed, "50", 5, 500);
	shard_bed_batch(&bed, "90", 5, 500);
	shard_bed_expect(&bed, "submit 10>50 5\nbatch 50 90 100\n");
	shard_bed_delivered(&bed, LTS_OK);
	shard_bed_expect(&bed, "submit 50>90 5\nwait 250\n");
	shard_bed_timer(&bed, 250);
	shard_bed_ignore(&bed);
	shard_bed_cursor(&bed, "90");
	shard_bed_delivered(&bed, LTS_OK);
	shard_bed_expect(&bed, "close finished 1767322800000000000\n");
}
END_TEST

static void
take_finished(void)
{
	struct lease_taken taken = { .origin = LEASE_FROM_LOCAL };
	snprintf(taken.checkpoint.cursor.text, sizeof(taken.checkpoint.cursor.text), "90");
	taken.checkpoint.finished_end_ns = END_NS;
	shard_bed_set_service_clock(&bed, END_NS);
	shard_start(bed.shard);
	shard_on_taken(bed.shard, LTS_OK, &taken, "", bed.now_ms);
	shard_bed_expect(&bed, "take -\nHELD local\ncursor 1767322800000000000\n");
}

START_TEST(stored_finish_is_verified_without_a_batch)
{
	take_finished();
	shard_bed_cursor(&bed, "90");
	shard_bed_confirm_end(&bed, "90");
	shard_bed_expect(&bed, "close finished 1767322800000000000\n");
}
END_TEST

START_TEST(stored_finish_that_was_wrong_is_healed)
{
	take_finished();
	shard_bed_cursor(&bed, "120");
	shard_bed_expect(&bed, "batch 90 120 100\n");
	shard_bed_batch(&bed, "120", 30, 500);
	shard_bed_confirm_end(&bed, "120");
	shard_bed_delivered(&bed, LTS_OK);
	shard_bed_expect(&bed, "close finished 1767322800000000000\n");
}
END_TEST

START_TEST(stored_finish_whose_cursor_has_expired_stays)
{
	bed.config.on_expired = EXPIRED_STOP;
	take_finished();
	shard_bed_cursor(&bed, "120");
	shard_bed_ignore(&bed);
	shard_bed_expired(&bed);
	shard_bed_expect(&bed, "trouble EXPIRED\ncursor 1767322800000000000\n");
	shard_bed_cursor(&bed, "120");
	shard_bed_expect(&bed, "close finished 1767322800000000000\n");
}
END_TEST

/* What the most say that say it is past does to fetch up to; only what is certain ends. */
START_TEST(wrong_time_delivers_and_finishes_nothing)
{
	fetch_with_end("30");
	bed.clock.told_ns = SERVICE_CLOCK_UNKNOWN;
	shard_bed_batch(&bed, "30", 5, 500);
	shard_bed_expect(&bed, "submit 10>30 5\nwait 250\n");
	shard_bed_delivered(&bed, LTS_OK);
	for (int i = 0; i < 50; i++) {
		shard_bed_timer(&bed, i ? shard_bed_expect_wait(&bed) : 250);
		shard_bed_expect(&bed, "cursor 1767322800000000000\n");
		shard_bed_cursor(&bed, "30");
		ck_assert_int_eq(shard_state(bed.shard), SHARD_FETCHING);
	}
	shard_bed_timer(&bed, shard_bed_expect_wait(&bed));
	shard_bed_ignore(&bed);
	shard_bed_cursor(&bed, "40"); /* it was too early, and so there is more */
	shard_bed_expect(&bed, "batch 30 40 100\n");
	shard_bed_set_service_clock(&bed, END_NS - 3600 * SECOND_NS); /* the outlier is forgotten */
	shard_bed_batch(&bed, "40", 5, 500);
	shard_bed_expect(&bed, "submit 30>40 5\nbatch 40 - 100\n");
	shard_bed_delivered(&bed, LTS_OK);
}
END_TEST

START_TEST(end_cursor_asked_for_before_the_time_was_certain_finishes_nothing)
{
	fetch_with_end("90");
	bed.clock.told_ns -= 2 * SECOND_NS;
	shard_bed_batch(&bed, "90", 5, 500);
	shard_bed_timer(&bed, 250); /* asked for, a second too early... */
	bed.now_ms += 5000;         /* ...and answered late */
	shard_bed_ignore(&bed);
	shard_bed_cursor(&bed, "90");
	ck_assert_int_eq(shard_state(bed.shard), SHARD_FETCHING);
	shard_bed_timer(&bed, shard_bed_expect_wait(&bed));
	shard_bed_ignore(&bed);
	shard_bed_cursor(&bed, "90");
	shard_bed_delivered(&bed, LTS_OK);
	shard_bed_expect(&bed, "close finished 1767322800000000000\n");
}
END_TEST

START_TEST(shard_finished_for_another_end_time_goes_on)
{
	struct lease_taken taken = { .origin = LEASE_FROM_LOCAL };
	snprintf(taken.checkpoint.cursor.text, sizeof(taken.checkpoint.cursor.text), "90");
	taken.checkpoint.finished_end_ns = END_NS - SECOND_NS;
	shard_bed_set_service_clock(&bed, END_NS);
	shard_start(bed.shard);
	shard_on_taken(bed.shard, LTS_OK, &taken, "", bed.now_ms);
	shard_bed_expect(&bed, "take -\nHELD local\ncursor 1767322800000000000\n");
}
END_TEST

START_TEST(finish_that_cannot_be_committed_gives_the_shard_back)
{
	fetch_with_end("10");
	shard_bed_ignore(&bed);
	shard_bed_closed(&bed, LTS_GONE);
	shard_bed_expect(&bed, "close released 0\n");
	shard_bed_closed(&bed, LTS_GONE);
	shard_bed_expect(&bed, "RELEASED GONE\nforget\n");
}
END_TEST

START_TEST(expired_cursor_stops_the_shard_when_told_to_stop)
{
	bed.config.on_expired = EXPIRED_STOP;
	shard_bed_again(&bed, 0);
	shard_bed_fetching(&bed);
	shard_bed_expired(&bed);
	shard_bed_expect(&bed, "STUCK EXPIRED the reason\n");
	ck_assert_int_eq(bed.used_bytes, 0);
}
END_TEST

START_TEST(one_answer_that_it_has_expired_is_not_believed)
{
	bed.config.on_expired = EXPIRED_END;
	shard_bed_again(&bed, 0);
	shard_bed_fetching(&bed);
	for (int i = 0; i < 3; i++) {
		shard_bed_error(&bed, LTS_EXPIRED, -1);
		shard_bed_expect(&bed, "trouble EXPIRED\nwait 1000\n");
		shard_bed_timer(&bed, 1000);
		shard_bed_expect(&bed, i ? "batch 20 - 100\n" : "batch 10 - 100\n");
		shard_bed_batch(&bed, "20", i ? 0 : 5, 500);
		if (!i) {
			shard_bed_expect(&bed, "submit 10>20 5\nbatch 20 - 100\n");
			shard_bed_delivered(&bed, LTS_OK);
		} else {
			shard_bed_timer(&bed, shard_bed_expect_wait(&bed));
			shard_bed_ignore(&bed);
		}
	}
}
END_TEST

START_TEST(expired_cursor_steps_over_the_gap_when_told_to)
{
	bed.config.on_expired = _i ? EXPIRED_END : EXPIRED_BEGIN;
	shard_bed_again(&bed, 0);
	shard_bed_fetching(&bed);
	shard_bed_batch(&bed, "20", 5, 500);
	shard_bed_expect(&bed, "submit 10>20 5\nbatch 20 - 100\n");
	shard_bed_expired(&bed);
	shard_bed_expect(&bed, _i ? "cursor end\n" : "cursor begin\n");
	shard_bed_error(&bed, LTS_AGAIN, -1); /* asking for it fails, too */
	shard_bed_ignore(&bed);
	shard_bed_timer(&bed, 30000);
	shard_bed_expect(&bed, _i ? "cursor end\n" : "cursor begin\n");
	shard_bed_cursor_twice(&bed, "70");
	shard_bed_expect(&bed, "trouble EXPIRED\n");
	shard_bed_delivered(&bed, LTS_OK);
	shard_bed_expect(&bed, "submit 20>70 0 gap\nbatch 70 - 100\n");
}
END_TEST

START_TEST(cursor_that_expires_again_and_again_is_not_asked_for_without_a_wait)
{
	bed.config.on_expired = EXPIRED_BEGIN;
	shard_bed_again(&bed, 0);
	shard_bed_fetching(&bed);
	shard_bed_expired(&bed);
	shard_bed_cursor_twice(&bed, "70");
	shard_bed_ignore(&bed);
	shard_bed_error(&bed, LTS_EXPIRED, -1);
	ck_assert(strstr(bed.said.data, "trouble EXPIRED\nwait "));
	shard_bed_ignore(&bed);
	shard_bed_timer(&bed, 30000);
	shard_bed_expect(&bed, "cursor begin\n");
}
END_TEST

Suite *
suite_shard_end(void)
{
	Suite *suite = suite_create("shard_end");
	TCase *tc = tcase_create("end_time");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, end_cursor_is_asked_for_once_the_services_clock_has_passed_it);
	tcase_add_test(tc, before_end_time_batches_are_fetched_without_an_end);
	tcase_add_test(tc, last_stretch_waits_for_end_time);
	tcase_add_test(tc, answer_of_the_last_stretch_is_dropped);
	tcase_add_test(tc, shard_whose_processor_ended_instead_of_saving_goes_back);
	tcase_add_test(tc, shard_whose_processor_has_not_saved_all_stops_at_its_end);
	tcase_add_test(tc, shard_taken_back_while_its_processor_has_not_saved_all_is_released);
	tcase_add_test(tc, shard_that_starts_at_its_end_is_finished);
	tcase_add_test(tc, shard_is_finished_when_next_is_its_end);
	tcase_add_loop_test(tc, shard_is_finished_by_repeated_empty_answers_that_do_not_move, 0,
			    2);
	tcase_add_test(tc, empty_answer_that_moves_does_not_finish);
	tcase_add_test(tc, finish_waits_for_everything_delivered);
	tcase_add_test(tc, stored_finish_is_verified_without_a_batch);
	tcase_add_test(tc, stored_finish_that_was_wrong_is_healed);
	tcase_add_test(tc, stored_finish_whose_cursor_has_expired_stays);
	tcase_add_test(tc, wrong_time_delivers_and_finishes_nothing);
	tcase_add_test(tc, end_cursor_asked_for_before_the_time_was_certain_finishes_nothing);
	tcase_add_test(tc, shard_finished_for_another_end_time_goes_on);
	tcase_add_test(tc, finish_that_cannot_be_committed_gives_the_shard_back);
	suite_add_tcase(suite, tc);
	tc = tcase_create("expired cursors");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, expired_cursor_stops_the_shard_when_told_to_stop);
	tcase_add_test(tc, one_answer_that_it_has_expired_is_not_believed);
	tcase_add_loop_test(tc, expired_cursor_steps_over_the_gap_when_told_to, 0, 2);
	tcase_add_test(tc, cursor_that_expires_again_and_again_is_not_asked_for_without_a_wait);
	suite_add_tcase(suite, tc);
	return suite;
}
