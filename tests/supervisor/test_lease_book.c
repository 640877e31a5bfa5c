/*
 * test_lease_book.c - holds supervisor/lease_book.c and lease_plan.c to rules 4 to 7 of
 * the architecture: grants, epochs, deadlines, and who holds what. What is published is
 * in test_lease_publish.c.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"
#include "tests/suites.h"
#include "tests/supervisor/book_bed.h"

static struct book_bed bed;

static void
setup(void)
{
	book_bed_init(&bed, 0);
}

static void
teardown(void)
{
	book_bed_fini(&bed);
}

START_TEST(granted_shard_is_asked_for_assigned_and_held)
{
	book_bed_live(&bed, 0);
	book_bed_heartbeat(&bed, 0, "A");
	book_bed_expect(&bed, "ask A\n");
	book_bed_expect_note(&bed, "A granted");
	book_bed_service(&bed, "A", "c5", false);
	book_bed_expect(&bed, "assign A w0 e1 service=c5\n");
	ck_assert_str_eq(book_bed_shard(&bed, "A").state, "taking");
	book_bed_message(&bed, 0, MSG_HELD, "A", 1);
	book_bed_expect(&bed, "");
	ck_assert_str_eq(book_bed_shard(&bed, "A").state, "held");
	ck_assert_int_eq(book_bed_shard(&bed, "A").holder, 0);
}
END_TEST

START_TEST(service_name_of_ours_is_handed_on)
{
	book_bed_live(&bed, 0);
	book_bed_heartbeat(&bed, 0, "A");
	book_bed_service(&bed, "A", "c5", true);
	book_bed_expect(&bed, "ask A\nassign A w0 e1 service=c5 ours\n");
}
END_TEST

START_TEST(nothing_is_assigned_before_a_worker_lives)
{
	book_bed_heartbeat(&bed, 0, "A");
	book_bed_service(&bed, "A", "", false);
	book_bed_expect(&bed, "ask A\n");
	book_bed_live(&bed, 2);
	book_bed_expect(&bed, "assign A w2 e1\n");
}
END_TEST

START_TEST(unanswered_question_is_asked_again)
{
	struct shard_id shard = { "A" };
	book_bed_live(&bed, 0);
	book_bed_heartbeat(&bed, 0, "A");
	book_on_service(bed.book, &shard, bed.question, LTS_AGAIN, &(struct cursor){ 0 }, false,
			bed.now_ms);
	book_bed_expect(&bed, "ask A\n");
	book_bed_tick(&bed, 500);
	book_bed_expect(&bed, "");
	book_bed_tick(&bed, 15000);
	book_bed_expect(&bed, "ask A\n");
	book_bed_service(&bed, "A", "", false);
	book_bed_expect(&bed, "assign A w0 e1\n");
}
END_TEST

START_TEST(question_of_a_former_grant_is_not_answered_under_the_next)
{
	struct shard_id shard = { "A" };
	book_bed_live(&bed, 0);
	book_bed_heartbeat(&bed, 0, "A");
	uint64_t former = bed.question;
	book_bed_heartbeat(&bed, 0, ""); /* another host has it, and moves it */
	book_bed_expect(&bed, "ask A\nleft h0\n");
	book_bed_heartbeat(&bed, 0, "A");
	book_bed_expect(&bed, "ask A\n");
	book_on_service(bed.book, &shard, former, LTS_OK, &(struct cursor){ "c1" }, false,
			bed.now_ms);
	book_bed_expect(&bed, "");
	book_bed_service(&bed, "A", "c9", false);
	book_bed_expect(&bed, "assign A w0 e1 service=c9\n");
}
END_TEST

START_TEST(what_was_not_asked_for_is_not_believed)
{
	book_bed_live(&bed, 0);
	book_bed_hold(&bed, 0, "A");
	book_bed_service(&bed, "A", "c9", false);
	book_bed_service(&bed, "Z", "c9", false);
	book_bed_expect(&bed, "");
	ck_assert_str_eq(book_bed_shard(&bed, "A").published.text, "");
}
END_TEST

START_TEST(answered_heartbeat_renews_what_it_listed)
{
	book_bed_live(&bed, 0);
	book_bed_hold(&bed, 0, "A B");
	bed.now_ms += 1000;
	book_bed_heartbeat(&bed, 0, "A B");
	book_bed_expect(&bed, "renew w0 e1 e2 until 52000\n");
}
END_TEST

START_TEST(deadline_counts_from_the_sending_of_the_heartbeat)
{
	book_bed_live(&bed, 0);
	book_bed_hold(&bed, 0, "A");
	bed.now_ms = 9000;
	book_bed_answer(&bed, 0, "A", "A", 3000);
	book_bed_expect(&bed, "renew w0 e1 until 53000\n");
	bed.now_ms = 53000 - 1;
	book_bed_expect_list(&bed, 0, "A");
	bed.now_ms++;
	book_bed_expect_list(&bed, 0, "");
}
END_TEST

START_TEST(shard_that_was_not_listed_is_not_renewed)
{
	book_bed_live(&bed, 0);
	book_bed_hold(&bed, 0, "A B");
	bed.now_ms += 1000;
	book_bed_answer(&bed, 0, "A", "A B", bed.now_ms);
	book_bed_expect(&bed, "renew w0 e1 until 52000\n");
	book_bed_tick(&bed, BED_LEASE_MS - 1000);
	book_bed_expect(&bed, "revoke B w0 e2\n");
	book_bed_expect_list(&bed, 0, "A");
}
END_TEST

START_TEST(draining_shard_is_renewed)
{
	book_bed_live(&bed, 0);
	book_bed_hold(&bed, 0, "A B");
	bed.now_ms += 1000;
	book_bed_heartbeat(&bed, 0, "B");
	book_bed_expect(&bed, "renew w0 e1 e2 until 52000\nrevoke A w0 e1\n");
	ck_assert_str_eq(book_bed_shard(&bed, "A").state, "draining");
	bed.now_ms += 1000;
	book_bed_heartbeat(&bed, 0, "B");
	book_bed_expect(&bed, "renew w0 e1 e2 until 53000\n");
	book_bed_expect_list(&bed, 0, "A B");
}
END_TEST

START_TEST(heartbeat_of_another_consumer_renews_nothing_of_ours)
{
	book_bed_live(&bed, 0);
	book_bed_hold(&bed, 0, "A");
	bed.now_ms += 1000;
	book_bed_answer(&bed, 1, "A", "", bed.now_ms);
	book_bed_answer(&bed, 1, "", "A", bed.now_ms);
	book_bed_expect(&bed, "");
	ck_assert_uint_eq(book_bed_shard(&bed, "A").home, 0);
	book_bed_tick(&bed, BED_LEASE_MS - 1000);
	book_bed_expect(&bed, "revoke A w0 e1\n");
}
END_TEST

START_TEST(shard_held_by_a_sibling_is_renewed_at_the_sibling)
{
	book_bed_live(&bed, 1);
	book_bed_hold(&bed, 0, "A");
	bed.now_ms += 1000;
	book_bed_heartbeat(&bed, 0, "A");
	book_bed_expect(&bed, "renew w1 e1 until 52000\n");
}
END_TEST

START_TEST(ended_lease_is_not_listed_published_or_assigned)
{
	book_bed_live(&bed, 0);
	book_bed_hold(&bed, 0, "A");
	book_bed_commit(&bed, "A", 1, "c3");
	bed.now_ms += BED_LEASE_MS;
	/* Already before anybody has noticed. */
	book_bed_expect_list(&bed, 0, "");
	book_bed_publish(&bed);
	book_bed_expect(&bed, "");
	book_bed_tick(&bed, 0);
	book_bed_expect(&bed, "revoke A w0 e1\n");
	book_bed_expect_note(&bed, "A lease ended");
	book_bed_publish(&bed);
	book_bed_message(&bed, 0, MSG_RELEASED, "A", 1);
	book_bed_tick(&bed, 100000);
	book_bed_expect(&bed, "");
	ck_assert_uint_eq(lease_book_count(bed.book), 0);
}
END_TEST

START_TEST(ended_lease_that_is_granted_again_has_a_new_epoch)
{
	book_bed_live(&bed, 0);
	book_bed_hold(&bed, 0, "A");
	book_bed_tick(&bed, BED_LEASE_MS);
	book_bed_message(&bed, 0, MSG_RELEASED, "A", 1);
	book_bed_expect(&bed, "revoke A w0 e1\n");
	book_bed_heartbeat(&bed, 0, "A");
	book_bed_expect(&bed, "ask A\n");
	/* Somebody else may have had it: where the service stands counts again. */
	book_bed_service(&bed, "A", "c8", false);
	book_bed_expect(&bed, "assign A w0 e2 service=c8\n");
}
END_TEST

START_TEST(regrant_does_not_renew_the_former_holder)
{
	book_bed_live(&bed, 0);
	book_bed_hold(&bed, 0, "A");
	book_bed_tick(&bed, BED_LEASE_MS);
	book_bed_expect(&bed, "revoke A w0 e1\n");
	/* Granted anew while worker 0 is still letting go. */
	book_bed_heartbeat(&bed, 0, "A");
	book_bed_expect(&bed, "ask A\n");
	bed.now_ms += 1000;
	book_bed_heartbeat(&bed, 0, "A");
	book_bed_expect(&bed, "");
	book_bed_service(&bed, "A", "", false);
	book_bed_message(&bed, 0, MSG_RELEASED, "A", 1);
	book_bed_expect(&bed, "assign A w0 e2\n");
}
END_TEST

START_TEST(dead_workers_shards_go_to_siblings_at_once)
{
	book_bed_live(&bed, 0);
	book_bed_hold(&bed, 0, "A B");
	book_bed_live(&bed, 1);
	book_bed_live(&bed, 2);
	/* Balance moves one of them; which, and to whom, is assign.c's. */
	book_bed_expect(&bed, "revoke B w0 e2\n");
	book_bed_message(&bed, 0, MSG_RELEASED, "B", 2);
	book_bed_expect(&bed, "assign B w1 e3 unbroken\n");
	book_bed_message(&bed, 1, MSG_HELD, "B", 3);
	book_bed_gone(&bed, 0, FATE_KILLED);
	book_bed_expect(&bed, "assign A w2 e4 unbroken killed w0\n");
	book_bed_gone(&bed, 1, FATE_DIED);
	book_bed_expect(&bed, "assign B w2 e5 unbroken died w1\n");
}
END_TEST

START_TEST(fate_is_told_once)
{
	book_bed_live(&bed, 0);
	book_bed_hold(&bed, 0, "A");
	book_bed_gone(&bed, 0, FATE_DIED);
	book_bed_live(&bed, 1);
	book_bed_expect(&bed, "assign A w1 e2 unbroken died w0\n");
	book_bed_message(&bed, 1, MSG_RELEASED, "A", 2);
	book_bed_expect(&bed, "assign A w1 e3 unbroken\n");
}
END_TEST

START_TEST(holder_that_died_before_its_take_leaves_the_grant_open)
{
	book_bed_live(&bed, 0);
	book_bed_heartbeat(&bed, 0, "A");
	book_bed_service(&bed, "A", "c5", false);
	book_bed_expect(&bed, "ask A\nassign A w0 e1 service=c5\n");
	book_bed_live(&bed, 1);
	book_bed_gone(&bed, 0, FATE_DIED);
	/* Nobody has held it under this grant: the service's position is still the
	 * question. */
	book_bed_expect(&bed, "assign A w1 e2 service=c5 died w0\n");
}
END_TEST

START_TEST(shard_is_never_assigned_while_its_holder_neither_released_nor_died)
{
	book_bed_live(&bed, 0);
	book_bed_hold(&bed, 0, "A B C");
	book_bed_live(&bed, 1);
	book_bed_expect(&bed, "revoke C w0 e3\n");
	/* Whatever happens meanwhile, nobody else is given C. */
	for (int i = 0; i < 60; i++) {
		book_bed_heartbeat(&bed, 0, "A B C");
		book_bed_tick(&bed, 1000);
		book_bed_publish(&bed);
		book_bed_service(&bed, "C", "", false);
		ck_assert(!strstr(bed.said.data, "assign"));
	}
	book_bed_live(&bed, 2);
	ck_assert(!strstr(bed.said.data, "assign"));
	/* Words of another assignment, another worker or another kind do not free it. */
	book_bed_message(&bed, 0, MSG_RELEASED, "C", 2);
	book_bed_message(&bed, 1, MSG_RELEASED, "C", 3);
	book_bed_message(&bed, 0, MSG_HELD, "C", 3);
	book_bed_gone(&bed, 2, FATE_DIED);
	ck_assert(!strstr(bed.said.data, "assign C"));
	book_bed_message(&bed, 0, MSG_RELEASED, "C", 3);
	ck_assert(strstr(bed.said.data, "assign C w"));
}
END_TEST

START_TEST(shards_move_back_home_when_their_worker_returns)
{
	book_bed_live(&bed, 0);
	book_bed_live(&bed, 1);
	book_bed_hold(&bed, 0, "A");
	book_bed_hold(&bed, 1, "B");
	book_bed_gone(&bed, 1, FATE_DIED);
	book_bed_expect(&bed, "assign B w0 e3 unbroken died w1\n");
	book_bed_message(&bed, 0, MSG_HELD, "B", 3);
	book_bed_live(&bed, 1);
	book_bed_expect(&bed, "revoke B w0 e3\n");
	book_bed_message(&bed, 0, MSG_RELEASED, "B", 3);
	book_bed_expect(&bed, "assign B w1 e4 unbroken\n");
	book_bed_message(&bed, 1, MSG_HELD, "B", 4);
	book_bed_expect(&bed, "");
}
END_TEST

START_TEST(shard_being_taken_is_not_moved_before_it_is_held)
{
	book_bed_live(&bed, 0);
	book_bed_hold(&bed, 0, "A");
	book_bed_heartbeat(&bed, 0, "A B");
	book_bed_service(&bed, "B", "", false);
	book_bed_expect(&bed, "renew w0 e1 until 51000\nask B\nassign B w0 e2\n");
	book_bed_message(&bed, 0, MSG_RELEASED, "A", 1);
	book_bed_expect(&bed, "assign A w0 e3 unbroken\n");
	book_bed_live(&bed, 1);
	book_bed_expect(&bed, "");
	book_bed_message(&bed, 0, MSG_HELD, "B", 2);
	book_bed_expect(&bed, "revoke B w0 e2\n");
}
END_TEST

START_TEST(stopping_book_grants_and_assigns_nothing)
{
	book_bed_live(&bed, 0);
	book_bed_hold(&bed, 0, "A");
	book_stop(bed.book);
	book_bed_heartbeat(&bed, 0, "A B");
	book_bed_expect(&bed, "renew w0 e1 until 51000\n");
	book_bed_message(&bed, 0, MSG_RELEASED, "A", 1);
	book_bed_live(&bed, 1);
	book_bed_gone(&bed, 0, FATE_RELEASED);
	book_bed_expect(&bed, "");
	ck_assert_uint_eq(lease_book_count(bed.book), 1);
	/* Still listed: what it committed last is to be published first. */
	book_bed_expect_list(&bed, 0, "A");
}
END_TEST

START_TEST(restarted_book_is_given_what_the_first_heartbeat_listed)
{
	book_bed_live(&bed, 0);
	book_bed_answer(&bed, 0, "A B", "A", 500);
	book_bed_expect(&bed, "ask A\n");
	/* Its lease is as old as the heartbeat. */
	bed.now_ms = 50499;
	book_bed_expect_list(&bed, 0, "A");
	bed.now_ms = 50500;
	book_bed_expect_list(&bed, 0, "");
}
END_TEST

START_TEST(epochs_carry_the_boot_and_rise)
{
	uint32_t sequence = 1;
	book_bed_live(&bed, 0);
	book_bed_hold(&bed, 0, "A");
	for (; sequence < 100; sequence++) {
		struct epoch before = book_bed_shard(&bed, "A").epoch;
		ck_assert_uint_eq(before.value, (uint64_t)BED_BOOT << 32 | sequence);
		book_bed_message(&bed, 0, MSG_RELEASED, "A", sequence);
		ck_assert_uint_gt(book_bed_shard(&bed, "A").epoch.value, before.value);
	}
}
END_TEST

START_TEST(stuck_shard_stays_with_its_worker)
{
	book_bed_live(&bed, 0);
	book_bed_hold(&bed, 0, "A B");
	book_bed_message(&bed, 0, MSG_STUCK, "A", 1);
	book_bed_message(&bed, 0, MSG_STUCK, "B", 2);
	ck_assert_str_eq(book_bed_shard(&bed, "A").state, "stuck");
	ck_assert_str_eq(book_bed_shard(&bed, "A").why, "the reason");
	book_bed_live(&bed, 1);
	book_bed_expect(&bed, "");
	/* Another worker may fare better. */
	book_bed_gone(&bed, 0, FATE_KILLED);
	book_bed_expect(&bed, "assign A w1 e3 unbroken killed w0\n"
			      "assign B w1 e4 unbroken killed w0\n");
	ck_assert(!book_bed_shard(&bed, "A").stuck);
}
END_TEST

START_TEST(finished_shard_is_listed_and_given_to_nobody_else)
{
	book_bed_live(&bed, 0);
	book_bed_hold(&bed, 0, "A B");
	book_bed_message(&bed, 0, MSG_FINISHED, "A", 1);
	book_bed_message(&bed, 0, MSG_FINISHED, "B", 2);
	ck_assert_str_eq(book_bed_shard(&bed, "A").state, "finished");
	book_bed_live(&bed, 1);
	book_bed_gone(&bed, 0, FATE_DIED);
	book_bed_live(&bed, 0);
	book_bed_expect(&bed, "");
	book_bed_expect_list(&bed, 0, "A B");
}
END_TEST

START_TEST(book_remembers_every_shard_it_was_ever_granted)
{
	book_bed_live(&bed, 0);
	book_bed_hold(&bed, 0, "A B");
	book_bed_heartbeat(&bed, 0, "A");
	book_bed_message(&bed, 0, MSG_RELEASED, "B", 2);
	ck_assert_uint_eq(lease_book_count(bed.book), 1);
	ck_assert_str_eq(lease_book_seen(bed.book, 0)->text, "A");
	ck_assert_str_eq(lease_book_seen(bed.book, 1)->text, "B");
	ck_assert_ptr_null(lease_book_seen(bed.book, 2));
}
END_TEST

/* A service that invents shards must not cost ever more. */
START_TEST(shards_seen_are_remembered_up_to_a_bound)
{
	enum { ANSWER = 4096, SEEN_MAX = 8192 };
	struct shard_id *owned = xcalloc(ANSWER, sizeof(*owned));
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < ANSWER; i++)
			snprintf(owned[i].text, sizeof(owned[i].text), "%u-%u", round, i);
		book_on_answer(bed.book, 0, NULL, 0, owned, ANSWER, bed.now_ms, bed.now_ms);
		ck_assert_uint_eq(lease_book_count(bed.book), ANSWER);
		bed.now_ms += BED_LEASE_MS; /* no worker has any of them: they are gone */
		book_on_tick(bed.book, bed.now_ms);
		ck_assert_uint_eq(lease_book_count(bed.book), 0);
	}
	ck_assert_ptr_nonnull(lease_book_seen(bed.book, SEEN_MAX - 1));
	ck_assert_ptr_null(lease_book_seen(bed.book, SEEN_MAX));
	free(owned);
}
END_TEST

Suite *
suite_lease_book(void)
{
	Suite *suite = suite_create("lease_book");
	TCase *tc = tcase_create("grants and deadlines");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, granted_shard_is_asked_for_assigned_and_held);
	tcase_add_test(tc, service_name_of_ours_is_handed_on);
	tcase_add_test(tc, nothing_is_assigned_before_a_worker_lives);
	tcase_add_test(tc, unanswered_question_is_asked_again);
	tcase_add_test(tc, question_of_a_former_grant_is_not_answered_under_the_next);
	tcase_add_test(tc, what_was_not_asked_for_is_not_believed);
	tcase_add_test(tc, answered_heartbeat_renews_what_it_listed);
	tcase_add_test(tc, deadline_counts_from_the_sending_of_the_heartbeat);
	tcase_add_test(tc, shard_that_was_not_listed_is_not_renewed);
	tcase_add_test(tc, draining_shard_is_renewed);
	tcase_add_test(tc, heartbeat_of_another_consumer_renews_nothing_of_ours);
	tcase_add_test(tc, shard_held_by_a_sibling_is_renewed_at_the_sibling);
	tcase_add_test(tc, ended_lease_is_not_listed_published_or_assigned);
	tcase_add_test(tc, ended_lease_that_is_granted_again_has_a_new_epoch);
	tcase_add_test(tc, regrant_does_not_renew_the_former_holder);
	tcase_add_test(tc, restarted_book_is_given_what_the_first_heartbeat_listed);
	tcase_add_test(tc, stopping_book_grants_and_assigns_nothing);
	suite_add_tcase(suite, tc);
	tc = tcase_create("holders");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, dead_workers_shards_go_to_siblings_at_once);
	tcase_add_test(tc, fate_is_told_once);
	tcase_add_test(tc, holder_that_died_before_its_take_leaves_the_grant_open);
	tcase_add_test(tc, shard_is_never_assigned_while_its_holder_neither_released_nor_died);
	tcase_add_test(tc, shards_move_back_home_when_their_worker_returns);
	tcase_add_test(tc, shard_being_taken_is_not_moved_before_it_is_held);
	tcase_add_test(tc, epochs_carry_the_boot_and_rise);
	tcase_add_test(tc, stuck_shard_stays_with_its_worker);
	tcase_add_test(tc, finished_shard_is_listed_and_given_to_nobody_else);
	tcase_add_test(tc, book_remembers_every_shard_it_was_ever_granted);
	tcase_add_test(tc, shards_seen_are_remembered_up_to_a_bound);
	suite_add_tcase(suite, tc);
	return suite;
}
