/*
 * test_lease_reset.c - holds supervisor/lease_reset.c to its header: a shard goes on where people
 * want it, once, whoever dies meanwhile; and they hear how it went.
 */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "tests/suites.h"
#include "tests/support/state_env.h"
#include "tests/supervisor/book_bed.h"

static struct book_bed bed;

/* A and B are held by worker 0 as e1, e2. */
static void
setup(void)
{
	book_bed_init(&bed, 0);
	book_bed_live(&bed, 0);
	book_bed_hold(&bed, 0, "A B");
	book_bed_commit(&bed, "A", 1, "c3");
}

static void
teardown(void)
{
	book_bed_fini(&bed);
}

static void
expect_reset(enum lts_err expected)
{
	ck_assert_int_eq(book_bed_reset(&bed, "A", "c1"), expected);
}

/* A is to go to c1, and worker 0 has let go of it: its assignment as e3 says so. */
static void
reset_and_release(void)
{
	expect_reset(LTS_OK);
	book_bed_expect(&bed, "revoke A w0 e1\n");
	book_bed_message(&bed, 0, MSG_RELEASED, "A", 1);
	book_bed_expect(&bed, "assign A w0 e3 unbroken reset=c1\n");
}

START_TEST(held_shard_is_let_go_taken_there_published_and_told)
{
	reset_and_release();
	ck_assert_int_eq(book_bed_reset(&bed, "A", "c2"), LTS_BUSY);
	book_bed_commit(&bed, "A", 3, "c1");
	book_bed_message(&bed, 0, MSG_HELD, "A", 3);
	book_bed_expect(&bed, "publish h0 A=c1\nreset A ok\n");
	ck_assert_int_eq(book_bed_reset(&bed, "A", "c2"), LTS_OK); /* the next one */
	book_bed_expect(&bed, "revoke A w0 e3\n");
}
END_TEST

START_TEST(next_assignment_after_it_says_nothing_of_it)
{
	reset_and_release();
	book_bed_commit(&bed, "A", 3, "c1");
	book_bed_message(&bed, 0, MSG_HELD, "A", 3);
	book_bed_message(&bed, 0, MSG_RELEASED, "A", 3);
	book_bed_expect(&bed,
			"publish h0 A=c1\nreset A ok\nassign A w0 e4 unbroken\n");
}
END_TEST

START_TEST(asked_before_the_service_has_said_where_it_stands_it_waits_for_that)
{
	book_bed_heartbeat(&bed, 0, "A B C");
	book_bed_expect(&bed, "renew w0 e1 e2 until 51000\nask C\n");
	ck_assert_int_eq(book_bed_reset(&bed, "C", "c1"), LTS_OK);
	book_bed_expect(&bed, "");
	book_bed_service(&bed, "C", "c9", true);
	book_bed_expect(&bed, "assign C w0 e3 service=c9 ours reset=c1\n");
}
END_TEST

START_TEST(held_of_an_earlier_assignment_does_not_count)
{
	book_bed_message(&bed, 0, MSG_RELEASED, "A", 1);
	book_bed_expect(&bed, "assign A w0 e3 unbroken\n");
	expect_reset(LTS_OK); /* while it is being taken */
	book_bed_expect(&bed, "revoke A w0 e3\n");
	book_bed_commit(&bed, "A", 3, "c3");
	book_bed_message(&bed, 0, MSG_HELD, "A", 3);
	book_bed_expect(&bed, "");
	book_bed_message(&bed, 0, MSG_RELEASED, "A", 3);
	book_bed_expect(&bed, "assign A w0 e4 unbroken reset=c1\n");
	book_bed_commit(&bed, "A", 4, "c1");
	book_bed_message(&bed, 0, MSG_HELD, "A", 4);
	book_bed_expect(&bed, "publish h0 A=c1\nreset A ok\n");
}
END_TEST

START_TEST(worker_that_dies_before_its_take_hands_the_wish_on)
{
	book_bed_live(&bed, 1);
	expect_reset(LTS_OK);
	book_bed_message(&bed, 0, MSG_RELEASED, "A", 1);
	buf_clear(&bed.said);
	book_bed_gone(&bed, 0, FATE_DIED);
	ck_assert_ptr_nonnull(strstr(bed.said.data, "reset=c1 died w0\n"));
	ck_assert_ptr_null(strstr(bed.said.data, "reset A"));
}
END_TEST

/* What was delivered since would come again. */
START_TEST(take_that_nobody_heard_of_is_not_done_again)
{
	reset_and_release();
	book_bed_commit(&bed, "A", 3, "c2"); /* it has gone on from c1 */
	book_bed_live(&bed, 1);
	buf_clear(&bed.said);
	book_bed_gone(&bed, 0, FATE_DIED);
	ck_assert_ptr_nonnull(strstr(bed.said.data, "publish h0 A=c2\nreset A ok\n"));
	ck_assert_ptr_nonnull(strstr(bed.said.data, "assign A w1 e"));
	ck_assert_ptr_null(strstr(bed.said.data, "reset=c1"));
}
END_TEST

START_TEST(revoked_in_the_take_that_says_so_it_is_done_all_the_same)
{
	reset_and_release();
	book_bed_heartbeat(&bed, 0, "B");
	book_bed_commit(&bed, "A", 3, "c1");
	book_bed_message(&bed, 0, MSG_RELEASED, "A", 3);
	book_bed_expect(&bed, "renew w0 e3 e2 until 51000\nrevoke A w0 e3\n"
			      "publish h0 A=c1\nreset A ok\n");
	book_bed_written(&bed, "A", "c1", LTS_OK);
	book_bed_service(&bed, "A", "c1", true);
	book_bed_expect(&bed, "ask A\nleft h0\n");
}
END_TEST

START_TEST(finished_in_flight_does_not_finish_it)
{
	expect_reset(LTS_OK);
	book_bed_message(&bed, 0, MSG_FINISHED, "A", 1);
	ck_assert(!book_bed_shard(&bed, "A").finished);
	book_bed_message(&bed, 0, MSG_RELEASED, "A", 1);
	ck_assert_ptr_nonnull(strstr(bed.said.data, "assign A w0 e3 unbroken reset=c1\n"));
}
END_TEST

START_TEST(finished_shard_goes_on_and_finishes_again)
{
	size_t stuck;
	book_bed_message(&bed, 0, MSG_FINISHED, "A", 1);
	book_bed_message(&bed, 0, MSG_FINISHED, "B", 2);
	book_bed_written(&bed, "A", "c3", LTS_OK);
	ck_assert(lease_book_all_finished(bed.book, &stuck));
	uint64_t changes = lease_book_changes(bed.book);
	buf_clear(&bed.said);
	reset_and_release();
	ck_assert(!lease_book_all_finished(bed.book, &stuck));
	ck_assert_uint_gt(lease_book_changes(bed.book), changes); /* the group is asked anew */
	book_bed_commit(&bed, "A", 3, "c1");
	book_bed_message(&bed, 0, MSG_HELD, "A", 3);
	book_bed_commit(&bed, "A", 3, "c3");
	book_bed_message(&bed, 0, MSG_FINISHED, "A", 3);
	ck_assert(book_bed_shard(&bed, "A").finished);
}
END_TEST

START_TEST(stuck_shard_goes_on_and_its_agent_does_not_end_meanwhile)
{
	size_t stuck;
	book_bed_message(&bed, 0, MSG_STUCK, "A", 1);
	book_bed_message(&bed, 0, MSG_FINISHED, "B", 2);
	buf_clear(&bed.said);
	expect_reset(LTS_OK);
	book_bed_message(&bed, 0, MSG_STUCK, "A", 1); /* late news */
	ck_assert(!lease_book_all_finished(bed.book, &stuck));
	book_bed_message(&bed, 0, MSG_RELEASED, "A", 1);
	ck_assert(!book_bed_shard(&bed, "A").stuck);
	ck_assert_ptr_nonnull(strstr(bed.said.data, "assign A w0 e3 unbroken reset=c1\n"));
}
END_TEST

START_TEST(shard_that_stops_in_the_very_take_is_told_and_may_be_reset_again)
{
	reset_and_release();
	book_bed_message(&bed, 0, MSG_STUCK, "A", 3);
	book_bed_expect(&bed, "reset A BADDATA\n");
	ck_assert(book_bed_shard(&bed, "A").stuck);
	expect_reset(LTS_OK);
}
END_TEST

START_TEST(shard_that_the_service_takes_back_before_is_told_gone)
{
	expect_reset(LTS_OK);
	book_bed_heartbeat(&bed, 0, "B");
	book_bed_message(&bed, 0, MSG_RELEASED, "A", 1);
	book_bed_written(&bed, "A", "c3", LTS_OK);
	book_bed_service(&bed, "A", "c3", true);
	book_bed_expect(&bed, "revoke A w0 e1\nrenew w0 e1 e2 until 51000\npublish h0 A=c3\n"
			      "ask A\nleft h0\nreset A GONE\n");
	expect_reset(LTS_NOTFOUND);
}
END_TEST

START_TEST(shard_being_given_back_or_past_its_deadline_is_refused)
{
	book_bed_heartbeat(&bed, 0, "B");
	expect_reset(LTS_GONE);
	ck_assert_int_eq(book_bed_reset(&bed, "C", "c1"), LTS_NOTFOUND);
	bed.now_ms += BED_LEASE_MS;
	book_bed_tick(&bed, 0);
	ck_assert_int_eq(book_bed_reset(&bed, "B", "c1"), LTS_GONE);
}
END_TEST

START_TEST(lease_that_ends_and_is_granted_anew_keeps_the_wish)
{
	expect_reset(LTS_OK);
	book_bed_tick(&bed, BED_LEASE_MS);
	book_bed_expect_note(&bed, "A lease ended");
	book_bed_heartbeat(&bed, 0, "A");
	book_bed_message(&bed, 0, MSG_RELEASED, "A", 1);
	buf_clear(&bed.said);
	book_bed_service(&bed, "A", "c9", false);
	book_bed_expect(&bed, "assign A w0 e3 service=c9 reset=c1\n");
}
END_TEST

START_TEST(lease_that_ends_for_good_is_told_gone)
{
	expect_reset(LTS_OK);
	book_bed_tick(&bed, BED_LEASE_MS);
	buf_clear(&bed.said);
	book_bed_message(&bed, 0, MSG_RELEASED, "A", 1);
	book_bed_expect(&bed, "reset A GONE\n");
}
END_TEST

START_TEST(what_the_last_life_left_behind_is_not_ours_to_reset)
{
	book_bed_commit(&bed, "X", 0, "c5");
	book_bed_first_answer(&bed, 1, "X", "");
	ck_assert_int_eq(book_bed_reset(&bed, "X", "c1"), LTS_NOTFOUND);
}
END_TEST

START_TEST(take_that_only_seals_is_not_the_wishs)
{
	reset_and_release();
	book_bed_gone(&bed, 0, FATE_DIED);
	book_bed_heartbeat(&bed, 0, "B"); /* the service wants it back */
	book_bed_live(&bed, 0);
	uint32_t sequence = (uint32_t)book_bed_shard(&bed, "A").epoch.value;
	book_bed_commit(&bed, "A", sequence, "c3"); /* where it was */
	book_bed_message(&bed, 0, MSG_HELD, "A", sequence);
	book_bed_message(&bed, 0, MSG_RELEASED, "A", sequence);
	ck_assert_ptr_null(strstr(bed.said.data, "reset A ok"));
}
END_TEST

START_TEST(wish_goes_along_when_the_shard_moves_for_balance)
{
	buf_clear(&bed.said);
	book_bed_live(&bed, 1); /* one of the two moves */
	const char *moved = strstr(bed.said.data, "revoke A") ? "A" : "B";
	uint32_t epoch = moved[0] == 'A' ? 1 : 2;
	ck_assert_int_eq(book_bed_reset(&bed, moved, "c1"), LTS_OK);
	buf_clear(&bed.said);
	book_bed_message(&bed, 0, MSG_RELEASED, moved, epoch);
	char line[80];
	snprintf(line, sizeof(line), "assign %s w1 e3 unbroken reset=c1\n", moved);
	book_bed_expect(&bed, line);
}
END_TEST

START_TEST(worker_that_leaves_while_it_lets_go_hands_it_to_a_sibling)
{
	book_bed_live(&bed, 1);
	book_bed_message(&bed, 0, MSG_RELEASED, "B", 2);
	buf_clear(&bed.said);
	expect_reset(LTS_OK);
	book_on_leaving(bed.book, 0, bed.now_ms);
	book_bed_message(&bed, 0, MSG_RELEASED, "A", 1);
	ck_assert_ptr_nonnull(strstr(bed.said.data, "assign A w1 e4 unbroken reset=c1\n"));
}
END_TEST

START_TEST(suspect_batch_is_forgotten)
{
	struct suspect now = { cursor_of("c3"), 0, 10, 1 };
	struct shard_id a = shard_of("A");
	book_on_suspect(bed.book, 0, &a, &now);
	expect_reset(LTS_OK);
	book_on_suspect(bed.book, 0, &a, &now); /* and if one dies over it while letting go */
	book_bed_gone(&bed, 0, FATE_DIED);
	buf_clear(&bed.said);
	book_bed_live(&bed, 0);
	ck_assert_ptr_nonnull(strstr(bed.said.data, "unbroken reset=c1 died w0\n"));
}
END_TEST

START_TEST(agent_that_stops_says_so_of_what_it_will_not_do)
{
	expect_reset(LTS_OK);
	book_stop(bed.book);
	ck_assert_int_eq(book_bed_reset(&bed, "B", "c1"), LTS_AGAIN);
	buf_clear(&bed.said);
	book_bed_message(&bed, 0, MSG_RELEASED, "A", 1);
	book_bed_expect(&bed, "reset A AGAIN\n");
}
END_TEST

START_TEST(agent_that_stops_says_at_once_what_no_worker_has)
{
	book_bed_heartbeat(&bed, 0, "A B C");
	ck_assert_int_eq(book_bed_reset(&bed, "C", "c1"), LTS_OK);
	buf_clear(&bed.said);
	book_stop(bed.book);
	book_bed_expect(&bed, "reset C AGAIN\n");
}
END_TEST

START_TEST(take_under_way_as_the_agent_stops_counts_when_it_committed)
{
	reset_and_release();
	book_stop(bed.book);
	book_bed_commit(&bed, "A", 3, "c1");
	book_bed_gone(&bed, 0, FATE_RELEASED);
	book_bed_expect(&bed, "publish h0 A=c1\nreset A ok\n");
}
END_TEST

Suite *
suite_lease_reset(void)
{
	Suite *suite = suite_create("lease_reset");
	TCase *tc = tcase_create("lease_reset");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, held_shard_is_let_go_taken_there_published_and_told);
	tcase_add_test(tc, next_assignment_after_it_says_nothing_of_it);
	tcase_add_test(tc, asked_before_the_service_has_said_where_it_stands_it_waits_for_that);
	tcase_add_test(tc, held_of_an_earlier_assignment_does_not_count);
	tcase_add_test(tc, worker_that_dies_before_its_take_hands_the_wish_on);
	tcase_add_test(tc, take_that_nobody_heard_of_is_not_done_again);
	tcase_add_test(tc, revoked_in_the_take_that_says_so_it_is_done_all_the_same);
	tcase_add_test(tc, finished_in_flight_does_not_finish_it);
	tcase_add_test(tc, finished_shard_goes_on_and_finishes_again);
	tcase_add_test(tc, stuck_shard_goes_on_and_its_agent_does_not_end_meanwhile);
	tcase_add_test(tc, shard_that_stops_in_the_very_take_is_told_and_may_be_reset_again);
	tcase_add_test(tc, shard_that_the_service_takes_back_before_is_told_gone);
	tcase_add_test(tc, shard_being_given_back_or_past_its_deadline_is_refused);
	tcase_add_test(tc, lease_that_ends_and_is_granted_anew_keeps_the_wish);
	tcase_add_test(tc, lease_that_ends_for_good_is_told_gone);
	tcase_add_test(tc, what_the_last_life_left_behind_is_not_ours_to_reset);
	tcase_add_test(tc, take_that_only_seals_is_not_the_wishs);
	tcase_add_test(tc, wish_goes_along_when_the_shard_moves_for_balance);
	tcase_add_test(tc, worker_that_leaves_while_it_lets_go_hands_it_to_a_sibling);
	tcase_add_test(tc, suspect_batch_is_forgotten);
	tcase_add_test(tc, agent_that_stops_says_so_of_what_it_will_not_do);
	tcase_add_test(tc, agent_that_stops_says_at_once_what_no_worker_has);
	tcase_add_test(tc, take_under_way_as_the_agent_stops_counts_when_it_committed);
	suite_add_tcase(suite, tc);
	return suite;
}
