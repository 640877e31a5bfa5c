/*
 * test_shard_life.c - holds worker/shard.c to how a shard is let go: in every state a
 * revoke or a loss leads to exactly one RELEASED and one forget, after the delivery
 * thread's last completion for it.
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

static void
teardown(void)
{
	ck_assert_int_eq(shard_state(bed.shard), SHARD_DONE);
	ck_assert_uint_eq(bed.released, 1);
	ck_assert_uint_eq(bed.forgotten, 1);
	shard_bed_fini(&bed);
}

static void
revoke(void)
{
	shard_on_revoke(bed.shard, LEASE_RELEASED, bed.now_ms);
}

static void
expect_released(void)
{
	shard_bed_closed(&bed, LTS_OK);
	shard_bed_expect(&bed, "RELEASED OK\nforget\n");
}

START_TEST(revoked_during_the_take_is_released_behind_it)
{
	shard_start(bed.shard);
	revoke();
	shard_bed_expect(&bed, "take -\n");
	ck_assert(atomic_load(&bed.lease.letting_go));
	shard_bed_taken(&bed, LTS_OK, "10");
	shard_bed_expect(&bed, "close released 0\n");
	expect_released();
}
END_TEST

START_TEST(revoked_during_a_take_that_fails_is_released_without_a_close)
{
	static const enum lts_err errors[] = { LTS_GONE, LTS_NOTFOUND, LTS_NOSPACE };
	shard_start(bed.shard);
	revoke();
	shard_bed_taken(&bed, errors[_i], "");
	shard_bed_expect(&bed, "take -\nRELEASED OK\nforget\n");
}
END_TEST

START_TEST(revoked_while_the_start_is_asked_for_is_released_at_once)
{
	shard_start(bed.shard);
	shard_bed_taken(&bed, LTS_NOTFOUND, "");
	shard_bed_ignore(&bed);
	if (_i) /* or waited for */
		shard_bed_error(&bed, LTS_AGAIN, -1);
	shard_bed_ignore(&bed);
	revoke();
	shard_bed_expect(&bed, "cancel\nRELEASED OK\nforget\n");
}
END_TEST

START_TEST(revoked_during_the_second_take_is_released_behind_it)
{
	shard_start(bed.shard);
	shard_bed_taken(&bed, LTS_NOTFOUND, "");
	shard_bed_cursor_twice(&bed, "5");
	shard_bed_ignore(&bed);
	revoke();
	shard_bed_expect(&bed, "");
	shard_bed_taken(&bed, LTS_OK, "5");
	shard_bed_expect(&bed, "close released 0\n");
	expect_released();
}
END_TEST

START_TEST(take_that_finds_another_holder_is_released_as_gone)
{
	shard_start(bed.shard);
	shard_bed_taken(&bed, LTS_GONE, "");
	shard_bed_expect(&bed, "take -\nRELEASED GONE\nforget\n");
}
END_TEST

START_TEST(revoked_while_fetching_cancels_and_closes)
{
	shard_bed_fetching(&bed);
	revoke();
	shard_bed_expect(&bed, "cancel\nclose released 0\n");
	expect_released();
}
END_TEST

START_TEST(revoked_while_waiting_cancels_and_closes)
{
	shard_bed_fetching(&bed);
	if (_i)
		shard_bed_batch(&bed, "10", 0, 50);
	else
		shard_bed_error(&bed, LTS_AGAIN, -1);
	shard_bed_ignore(&bed);
	revoke();
	shard_bed_expect(&bed, "cancel\nclose released 0\n");
	expect_released();
}
END_TEST

START_TEST(revoked_without_room_leaves_the_queue)
{
	bed.full = true;
	shard_bed_fetching(&bed);
	revoke();
	shard_bed_expect(&bed, "cancel\nclose released 0\n");
	expect_released();
}
END_TEST

START_TEST(revoked_with_a_batch_in_hand_finishes_that_and_drops_the_next)
{
	shard_bed_fetching(&bed);
	shard_bed_batch(&bed, "20", 5, 500);
	shard_bed_batch(&bed, "30", 6, 500);
	shard_bed_ignore(&bed);
	revoke();
	shard_bed_expect(&bed, "");
	ck_assert_uint_eq(bed.dropped, 6);
	shard_bed_delivered(&bed, _i ? LTS_GONE : LTS_OK);
	shard_bed_expect(&bed, "close released 0\n");
	expect_released();
}
END_TEST

START_TEST(worker_that_stops_pauses_its_shards)
{
	shard_bed_fetching(&bed);
	shard_on_revoke(bed.shard, LEASE_PAUSED, bed.now_ms);
	shard_bed_expect(&bed, "cancel\nclose paused 0\n");
	expect_released();
}
END_TEST

START_TEST(revoked_twice_is_released_once)
{
	shard_bed_fetching(&bed);
	shard_bed_batch(&bed, "20", 5, 500);
	revoke();
	revoke();
	shard_on_gone(bed.shard, bed.now_ms);
	shard_on_revoke(bed.shard, LEASE_PAUSED, bed.now_ms);
	shard_bed_ignore(&bed);
	shard_bed_delivered(&bed, LTS_OK);
	shard_bed_expect(&bed, "close paused 0\n");
	revoke();
	shard_bed_closed(&bed, LTS_OK);
	revoke();
	shard_on_gone(bed.shard, bed.now_ms);
	shard_bed_expect(&bed, "RELEASED OK\nforget\n");
}
END_TEST

static void
go_to_finishing(void)
{
	shard_bed_set_service_clock(&bed, 2000000000);
	shard_bed_again(&bed, 1000000000);
	shard_bed_fetching(&bed);
	shard_bed_cursor(&bed, "10");
	shard_bed_confirm_end(&bed, "10");
	ck_assert_int_eq(shard_state(bed.shard), SHARD_FINISHING);
	shard_bed_ignore(&bed);
}

START_TEST(revoked_during_the_finish_is_released_behind_it)
{
	go_to_finishing();
	revoke();
	shard_bed_expect(&bed, "");
	shard_bed_closed(&bed, LTS_OK);
	shard_bed_expect(&bed, "close released 0\n");
	expect_released();
}
END_TEST

START_TEST(revoked_when_finished_is_released)
{
	go_to_finishing();
	shard_bed_closed(&bed, LTS_OK);
	shard_bed_ignore(&bed);
	revoke();
	shard_bed_expect(&bed, "close released 0\n");
	expect_released();
}
END_TEST

START_TEST(revoked_when_stuck_is_released)
{
	shard_start(bed.shard);
	shard_bed_taken(&bed, LTS_BUSY, "");
	shard_bed_expect(&bed, "take -\nSTUCK BUSY the reason\n");
	revoke();
	shard_bed_expect(&bed, "close released 0\n");
	expect_released();
}
END_TEST

START_TEST(revoked_when_stuck_with_a_batch_in_hand_waits_for_it)
{
	shard_bed_fetching(&bed);
	shard_bed_batch(&bed, "20", 5, 500);
	shard_bed_ignore(&bed);
	shard_bed_expired(&bed);
	shard_bed_ignore(&bed);
	revoke();
	shard_bed_expect(&bed, "");
	shard_bed_delivered(&bed, LTS_OK);
	shard_bed_expect(&bed, "close released 0\n");
	expect_released();
}
END_TEST

START_TEST(stuck_shard_takes_its_last_batch_back)
{
	shard_bed_fetching(&bed);
	shard_bed_batch(&bed, "20", 5, 500);
	shard_bed_ignore(&bed);
	shard_bed_expired(&bed);
	shard_bed_ignore(&bed);
	shard_bed_delivered(&bed, _i ? LTS_GONE : LTS_OK);
	shard_bed_expect(&bed, "");
	ck_assert_int_eq(shard_state(bed.shard), SHARD_STUCK);
	ck_assert_int_eq(bed.used_bytes, 0);
	revoke();
	shard_bed_closed(&bed, LTS_OK);
}
END_TEST

START_TEST(lost_lease_lets_go_and_says_why)
{
	shard_bed_fetching(&bed);
	shard_bed_batch(&bed, "20", 5, 500);
	shard_bed_ignore(&bed);
	shard_on_gone(bed.shard, bed.now_ms);
	shard_bed_expect(&bed, "cancel\n");
	shard_bed_delivered(&bed, LTS_GONE);
	shard_bed_expect(&bed, "close released 0\n");
	shard_bed_closed(&bed, LTS_GONE);
	shard_bed_expect(&bed, "RELEASED GONE\nforget\n");
	ck_assert_uint_eq(bed.dropped, 5);
}
END_TEST

START_TEST(batch_that_comes_back_gone_lets_go)
{
	shard_bed_fetching(&bed);
	shard_bed_batch(&bed, "20", 5, 500);
	shard_bed_batch(&bed, "30", 5, 500);
	shard_bed_ignore(&bed);
	shard_bed_delivered(&bed, LTS_GONE);
	shard_bed_expect(&bed, "close released 0\n");
	shard_bed_closed(&bed, LTS_GONE);
	shard_bed_expect(&bed, "RELEASED GONE\nforget\n");
	ck_assert_uint_eq(bed.dropped, 10);
}
END_TEST

START_TEST(letting_go_asks_for_nothing_more)
{
	shard_bed_fetching(&bed);
	shard_bed_batch(&bed, "20", 5, 500);
	revoke();
	shard_bed_ignore(&bed);
	shard_bed_timer(&bed, 1000);
	shard_on_room(bed.shard, bed.now_ms);
	shard_bed_expect(&bed, "");
	shard_bed_delivered(&bed, LTS_OK);
	shard_bed_timer(&bed, 1000);
	shard_on_room(bed.shard, bed.now_ms);
	shard_bed_expect(&bed, "close released 0\n");
	expect_released();
}
END_TEST

START_TEST(shard_that_is_only_to_be_sealed_is_closed_and_never_fetched)
{
	bed.seal_only = true;
	shard_bed_again(&bed, 0);
	shard_start(bed.shard);
	shard_bed_expect(&bed, "take -\n");
	ck_assert(atomic_load(&bed.lease.letting_go));
	shard_bed_taken(&bed, LTS_OK, "10");
	shard_bed_expect(&bed, "close released 0\n");
	shard_bed_closed(&bed, LTS_OK);
	shard_bed_expect(&bed, "RELEASED OK\nforget\n");
}
END_TEST

/* ---- what ended unsaved with user code ---- */

static void
end_in_hand(void)
{
	revoke();
	shard_bed_delivered(&bed, LTS_OK);
	shard_bed_closed(&bed, LTS_OK);
}

START_TEST(shard_that_is_sent_back_fetches_there_and_drops_what_it_has)
{
	shard_bed_fetching(&bed);
	shard_bed_batch(&bed, "20", 5, 500);
	shard_bed_delivered(&bed, LTS_OK);
	shard_bed_ignore(&bed);
	shard_on_back(bed.shard, &(struct cursor){ "10" }, bed.now_ms);
	shard_bed_expect(&bed, "cancel\nbatch 10 - 100\n");
	shard_bed_batch(&bed, "20", 5, 500);
	shard_bed_expect(&bed, "submit 10>20 5\nbatch 20 - 100\n");
	end_in_hand();
}
END_TEST

START_TEST(shard_with_a_batch_in_hand_is_sent_back_by_that)
{
	shard_bed_fetching(&bed);
	shard_bed_batch(&bed, "20", 5, 500);
	shard_bed_ignore(&bed);
	shard_on_back(bed.shard, &(struct cursor){ "5" }, bed.now_ms);
	shard_bed_expect(&bed, "");
	bed.submitted->rollback = (struct cursor){ "5" };
	/* It is cut again as it was. */
	bed.submitted->suspect = (struct suspect){ { "10" }, 0, 15, 1 };
	shard_bed_delivered(&bed, LTS_OK);
	shard_bed_expect(&bed, "cancel\nbatch 5 10 100\n");
	shard_bed_batch(&bed, "10", 3, 500);
	shard_bed_expect(&bed, "submit 5>10 3\nbatch 10 - 15\n");
	end_in_hand();
}
END_TEST

START_TEST(shard_that_is_let_go_is_not_sent_back)
{
	shard_bed_fetching(&bed);
	revoke();
	shard_bed_ignore(&bed);
	shard_on_back(bed.shard, &(struct cursor){ "5" }, bed.now_ms);
	shard_bed_expect(&bed, "");
	shard_bed_closed(&bed, LTS_OK);
}
END_TEST

Suite *
suite_shard_life(void)
{
	Suite *suite = suite_create("shard_life");
	TCase *tc = tcase_create("letting go");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, revoked_during_the_take_is_released_behind_it);
	tcase_add_loop_test(tc, revoked_during_a_take_that_fails_is_released_without_a_close, 0,
			    3);
	tcase_add_loop_test(tc, revoked_while_the_start_is_asked_for_is_released_at_once, 0, 2);
	tcase_add_test(tc, revoked_during_the_second_take_is_released_behind_it);
	tcase_add_test(tc, take_that_finds_another_holder_is_released_as_gone);
	tcase_add_test(tc, revoked_while_fetching_cancels_and_closes);
	tcase_add_loop_test(tc, revoked_while_waiting_cancels_and_closes, 0, 2);
	tcase_add_test(tc, revoked_without_room_leaves_the_queue);
	tcase_add_loop_test(tc, revoked_with_a_batch_in_hand_finishes_that_and_drops_the_next, 0,
			    2);
	tcase_add_test(tc, worker_that_stops_pauses_its_shards);
	tcase_add_test(tc, revoked_twice_is_released_once);
	tcase_add_test(tc, revoked_during_the_finish_is_released_behind_it);
	tcase_add_test(tc, revoked_when_finished_is_released);
	tcase_add_test(tc, revoked_when_stuck_is_released);
	tcase_add_test(tc, revoked_when_stuck_with_a_batch_in_hand_waits_for_it);
	tcase_add_loop_test(tc, stuck_shard_takes_its_last_batch_back, 0, 2);
	tcase_add_test(tc, lost_lease_lets_go_and_says_why);
	tcase_add_test(tc, batch_that_comes_back_gone_lets_go);
	tcase_add_test(tc, letting_go_asks_for_nothing_more);
	tcase_add_test(tc, shard_that_is_only_to_be_sealed_is_closed_and_never_fetched);
	tcase_add_test(tc, shard_that_is_sent_back_fetches_there_and_drops_what_it_has);
	tcase_add_test(tc, shard_with_a_batch_in_hand_is_sent_back_by_that);
	tcase_add_test(tc, shard_that_is_let_go_is_not_sent_back);
	suite_add_tcase(suite, tc);
	return suite;
}
