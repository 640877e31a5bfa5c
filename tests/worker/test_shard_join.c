/*
 * test_shard_join.c - holds worker/shard_join.c to joining what follows and nothing else, to
 * as many records as are wanted, and to keeping nothing back: not for longer than batch_linger,
 * not at an end, a drain, a gap or a suspect batch, not while somebody waits for room.
 */
#include <check.h>

#include "tests/suites.h"
#include "tests/support/state_env.h"
#include "tests/worker/shard_bed.h"
#include "worker/shard_waits.h"

enum { JOIN = 250, LINGER_MS = 1000 };

static struct shard_bed bed;

static void
begin(int64_t end_ns)
{
	shard_bed_init(&bed, end_ns);
	bed.config.join_records = JOIN;
	bed.config.linger_ms = LINGER_MS;
	bed.config.on_expired = EXPIRED_BEGIN;
}

static void
setup(void)
{
	begin(0);
	shard_bed_fetching(&bed);
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

static void
linger(int64_t later_ms)
{
	bed.now_ms += later_ms;
	shard_on_linger(bed.shard, bed.now_ms);
}

/* The batch in delivery has the records from..to of all that were fetched, in order. */
static void
expect_records(size_t from, size_t to)
{
	ck_assert_uint_eq(bed.submitted->n_records, to - from);
	for (size_t i = from; i < to; i++)
		ck_assert_uint_eq(bed.submitted->records[i - from].len, i);
}

START_TEST(batches_are_joined_until_there_are_enough_records)
{
	shard_bed_batch(&bed, "20", 100, 1000);
	shard_bed_expect(&bed, "linger 1000\nbatch 20 - 100\n");
	shard_bed_batch(&bed, "30", 100, 1000);
	/* No more than is wanted. */
	shard_bed_expect(&bed, "batch 30 - 50\n");
	shard_bed_batch(&bed, "40", 50, 500);
	shard_bed_expect(&bed, "submit 10>40 250\nbatch 40 - 100\n");
	expect_records(0, 250);
	ck_assert_uint_eq(bed.submitted->bytes, 2500);
}
END_TEST

/* Ten is the least that the service can be asked for: what lacks fewer is enough. */
START_TEST(a_batch_never_has_more_records_than_wanted)
{
	shard_bed_batch(&bed, "20", 100, 1000);
	shard_bed_ignore(&bed);
	shard_bed_batch(&bed, "30", 100, 1000);
	shard_bed_ignore(&bed);
	shard_bed_batch(&bed, "40", 41, 500);
	shard_bed_expect(&bed, "submit 10>40 241\nbatch 40 - 100\n");
}
END_TEST

START_TEST(few_records_wait_no_longer_than_batch_linger)
{
	shard_bed_batch(&bed, "20", 3, 100);
	shard_bed_expect(&bed, "linger 1000\nbatch 20 - 100\n");
	shard_bed_batch(&bed, "20", 0, 100);
	shard_bed_expect(&bed, "wait 10\n");
	/* A timer may come early. */
	linger(LINGER_MS - 1);
	shard_bed_expect(&bed, "linger 1\n");
	linger(1);
	shard_bed_expect(&bed, "submit 10>20 3\n");
	expect_records(0, 3);
	/* And late, for a batch that is gone. */
	linger(1);
	shard_bed_expect(&bed, "");
}
END_TEST

/* While a batch is in delivery the next one grows, however old it is. */
START_TEST(what_comes_while_a_batch_is_in_delivery_is_joined)
{
	shard_bed_batch(&bed, "20", 3, 100);
	linger(LINGER_MS);
	shard_bed_expect(&bed, "linger 1000\nbatch 20 - 100\nsubmit 10>20 3\n");
	shard_bed_batch(&bed, "30", 4, 100);
	linger(2 * LINGER_MS);
	shard_bed_expect(&bed, "linger 1000\nbatch 30 - 100\n");
	shard_bed_batch(&bed, "40", 5, 100);
	shard_bed_expect(&bed, "batch 40 - 100\n");
	shard_bed_delivered(&bed, LTS_OK);
	shard_bed_expect(&bed, "submit 20>40 9\n");
	expect_records(3, 12);
}
END_TEST

/* No more than one batch that is enough lies behind the one in delivery. */
START_TEST(what_is_enough_is_not_fetched_behind)
{
	shard_bed_batch(&bed, "20", 3, 100);
	linger(LINGER_MS);
	for (int i = 0; i < 2; i++)
		shard_bed_batch(&bed, i ? "40" : "30", 100, 100);
	shard_bed_ignore(&bed);
	shard_bed_batch(&bed, "50", 45, 100);
	shard_bed_expect(&bed, "");
	shard_bed_delivered(&bed, LTS_OK);
	shard_bed_expect(&bed, "submit 20>50 245\nbatch 50 - 100\n");
}
END_TEST

START_TEST(an_empty_step_is_joined_too_and_alone_waits_for_nothing)
{
	shard_bed_empty_twice(&bed, "20");
	shard_bed_expect(&bed, "submit 10>20 0\nbatch 20 - 100\n");
	shard_bed_empty_twice(&bed, "30");
	shard_bed_expect(&bed, "batch 30 - 100\n");
	shard_bed_batch(&bed, "40", 5, 100);
	shard_bed_expect(&bed, "linger 1000\nbatch 40 - 100\n");
	shard_bed_empty_twice(&bed, "50");
	shard_bed_expect(&bed, "batch 50 - 100\n");
	shard_bed_delivered(&bed, LTS_OK);
	shard_bed_expect(&bed, "");
	linger(LINGER_MS);
	shard_bed_expect(&bed, "submit 20>50 5\n");
	expect_records(0, 5);
}
END_TEST

START_TEST(a_shard_that_waits_for_room_keeps_none_itself)
{
	bed.full = true;
	shard_bed_batch(&bed, "20", 3, 100);
	shard_bed_expect(&bed, "linger 1000\nsubmit 10>20 3\n");
	bed.full = false;
	shard_on_room(bed.shard, bed.now_ms);
	shard_bed_expect(&bed, "batch 20 - 100\n");
}
END_TEST

START_TEST(what_lingers_makes_room_for_another_shard)
{
	shard_press(bed.shard);
	shard_bed_expect(&bed, "");
	shard_bed_batch(&bed, "20", 3, 100);
	shard_bed_ignore(&bed);
	shard_press(bed.shard);
	shard_bed_expect(&bed, "submit 10>20 3\n");
	/* With one in delivery, the next takes no more and follows it. */
	shard_bed_batch(&bed, "30", 4, 100);
	shard_bed_ignore(&bed);
	shard_press(bed.shard);
	shard_bed_expect(&bed, "");
	shard_bed_delivered(&bed, LTS_OK);
	shard_bed_expect(&bed, "submit 20>30 4\n");
	shard_bed_batch(&bed, "40", 4, 100);
	shard_bed_expect(&bed, "linger 1000\nbatch 40 - 100\n");
}
END_TEST

START_TEST(what_lingers_is_delivered_before_the_shard_is_let_go)
{
	shard_bed_batch(&bed, "20", 3, 100);
	shard_bed_ignore(&bed);
	shard_on_revoke(bed.shard, LEASE_RELEASED, bed.now_ms);
	shard_bed_expect(&bed, "cancel\nsubmit 10>20 3\n");
	linger(LINGER_MS);
	shard_bed_expect(&bed, "");
	shard_bed_delivered(&bed, LTS_OK);
	shard_bed_expect(&bed, "close released 0\n");
	ck_assert_uint_eq(bed.delivered, 3);
}
END_TEST

START_TEST(what_lingers_is_given_back_when_the_shard_is_not_ours)
{
	shard_bed_batch(&bed, "20", 3, 100);
	shard_bed_ignore(&bed);
	shard_on_gone(bed.shard, bed.now_ms);
	shard_bed_expect(&bed, "cancel\nclose released 0\n");
	ck_assert_uint_eq(bed.dropped, 3);
}
END_TEST

START_TEST(a_gap_is_stepped_over_behind_what_came_before_it)
{
	shard_bed_batch(&bed, "20", 3, 100);
	shard_bed_ignore(&bed);
	shard_bed_error(&bed, LTS_EXPIRED, -1);
	shard_bed_expect(&bed, "submit 10>20 3\nbatch 20 - 100\n");
	shard_bed_expired(&bed);
	shard_bed_expect(&bed, "cursor begin\n");
	shard_bed_cursor_twice(&bed, "70");
	shard_bed_expect(&bed, "trouble EXPIRED\n");
	shard_bed_delivered(&bed, LTS_OK);
	shard_bed_expect(&bed, "submit 20>70 0 gap\nbatch 70 - 100\n");
}
END_TEST

START_TEST(a_shard_that_stops_at_a_gap_has_delivered_what_came_before_it)
{
	bed.config.on_expired = EXPIRED_STOP;
	shard_bed_batch(&bed, "20", 3, 100);
	shard_bed_ignore(&bed);
	shard_bed_error(&bed, LTS_EXPIRED, -1);
	shard_bed_expect(&bed, "submit 10>20 3\nbatch 20 - 100\n");
	shard_bed_expired(&bed);
	shard_bed_expect(&bed, "STUCK EXPIRED the reason\n");
	shard_bed_delivered(&bed, LTS_OK);
	ck_assert_uint_eq(bed.dropped, 0);
}
END_TEST

START_TEST(a_suspect_batch_is_not_joined_to_what_is_before_it)
{
	begin(0);
	shard_bed_suspect(&bed, "30", 50, 2);
	shard_start(bed.shard);
	shard_bed_taken(&bed, LTS_OK, "10");
	shard_bed_expect(&bed, "take -\nHELD local\nbatch 10 30 100\n");
	shard_bed_batch(&bed, "20", 3, 100);
	shard_bed_expect(&bed, "linger 1000\nbatch 20 30 100\n");
	shard_bed_batch(&bed, "30", 4, 100);
	shard_bed_expect(&bed, "submit 10>30 7\nbatch 30 - 50\n");
	teardown();
}
END_TEST

START_TEST(nothing_lingers_at_the_end)
{
	static const int64_t end_ns = 1767322800000000000;
	begin(end_ns);
	shard_bed_again(&bed, end_ns);
	shard_bed_set_service_clock(&bed, end_ns);
	shard_start(bed.shard);
	shard_bed_taken(&bed, LTS_OK, "10");
	shard_bed_cursor(&bed, "30");
	shard_bed_ignore(&bed);
	shard_bed_batch(&bed, "20", 3, 100);
	shard_bed_expect(&bed, "linger 1000\nbatch 20 30 100\n");
	shard_bed_batch(&bed, "30", 4, 100);
	shard_bed_confirm_end(&bed, "30");
	shard_bed_expect(&bed, "submit 10>30 7\n");
	shard_bed_delivered(&bed, LTS_OK);
	shard_bed_expect(&bed, "close finished 1767322800000000000\n");
	shard_bed_closed(&bed, LTS_OK);
	shard_bed_expect(&bed, "FINISHED\n");
	teardown();
}
END_TEST

START_TEST(a_shard_that_only_lingers_waits_for_nobody)
{
	shard_bed_batch(&bed, "20", 3, 100);
	shard_bed_batch(&bed, "20", 0, 100);
	struct shard_waits waits = shard_waits(bed.shard);
	ck_assert_int_eq(waits.fetch, STAGE_IDLE);
	ck_assert_int_eq(waits.delivery, STAGE_IDLE);
}
END_TEST

Suite *
suite_shard_join(void)
{
	Suite *suite = suite_create("shard_join");
	TCase *tc = tcase_create("join"), *ends = tcase_create("ends");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, batches_are_joined_until_there_are_enough_records);
	tcase_add_test(tc, a_batch_never_has_more_records_than_wanted);
	tcase_add_test(tc, few_records_wait_no_longer_than_batch_linger);
	tcase_add_test(tc, what_comes_while_a_batch_is_in_delivery_is_joined);
	tcase_add_test(tc, what_is_enough_is_not_fetched_behind);
	tcase_add_test(tc, an_empty_step_is_joined_too_and_alone_waits_for_nothing);
	tcase_add_test(tc, a_shard_that_waits_for_room_keeps_none_itself);
	tcase_add_test(tc, what_lingers_makes_room_for_another_shard);
	tcase_add_test(tc, what_lingers_is_delivered_before_the_shard_is_let_go);
	tcase_add_test(tc, what_lingers_is_given_back_when_the_shard_is_not_ours);
	tcase_add_test(tc, a_gap_is_stepped_over_behind_what_came_before_it);
	tcase_add_test(tc, a_shard_that_stops_at_a_gap_has_delivered_what_came_before_it);
	tcase_add_test(ends, a_suspect_batch_is_not_joined_to_what_is_before_it);
	tcase_add_test(tc, a_shard_that_only_lingers_waits_for_nobody);
	suite_add_tcase(suite, tc);
	tcase_add_test(ends, nothing_lingers_at_the_end);
	suite_add_tcase(suite, ends);
	return suite;
}
