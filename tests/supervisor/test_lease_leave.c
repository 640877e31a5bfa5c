/*
 * test_lease_leave.c - holds supervisor/lease_publish.c and lease_book.c to the order in
 * which a shard is given back: drained, its last checkpoint published, then listed no more;
 * and to what becomes of what the last life left behind.
 */
#include <check.h>
#include <string.h>

#include "tests/suites.h"
#include "tests/supervisor/book_bed.h"

static struct book_bed bed;

static void
setup(void)
{
	book_bed_init(&bed, 0);
	book_bed_live(&bed, 0);
	book_bed_hold(&bed, 0, "A B");
}

static void
teardown(void)
{
	book_bed_fini(&bed);
}

/* The service takes A back, and worker 0 lets go of it; c3 is committed and unpublished.
 */
static void
drain_a(void)
{
	book_bed_commit(&bed, "A", 1, "c3");
	book_bed_heartbeat(&bed, 0, "B");
	book_bed_expect(&bed, "renew w0 e1 e2 until 51000\nrevoke A w0 e1\n");
}

START_TEST(shard_wanted_back_is_listed_until_released_and_published)
{
	drain_a();
	book_bed_expect_list(&bed, 0, "A B");
	book_bed_commit(&bed, "A", 1, "c5"); /* the batch in hand */
	book_bed_message(&bed, 0, MSG_RELEASED, "A", 1);
	book_bed_expect(&bed, "publish h0 A=c5\n");
	book_bed_expect_list(&bed, 0, "A B");
	book_bed_written(&bed, "A", "c5", LTS_OK);
	book_bed_expect(&bed, "ask A\n");
	book_bed_expect_list(&bed, 0, "A B");
	book_bed_service(&bed, "A", "c5", true);
	book_bed_expect(&bed, "left h0\n");
	book_bed_expect_note(&bed, "A given back");
	book_bed_expect_list(&bed, 0, "B");
}
END_TEST

START_TEST(shard_wanted_back_with_nothing_new_leaves_at_once)
{
	book_bed_heartbeat(&bed, 0, "B");
	book_bed_message(&bed, 0, MSG_RELEASED, "A", 1);
	book_bed_expect(&bed, "renew w0 e1 e2 until 51000\nrevoke A w0 e1\nleft h0\n");
	book_bed_expect_list(&bed, 0, "B");
}
END_TEST

START_TEST(shard_wanted_back_and_left_to_us_after_all_stays)
{
	drain_a();
	book_bed_heartbeat(&bed, 0, "A B");
	book_bed_expect(&bed, "renew w0 e1 e2 until 51000\n");
	book_bed_message(&bed, 0, MSG_RELEASED, "A", 1);
	book_bed_expect(&bed, "assign A w0 e3 unbroken\n");
	book_bed_expect_list(&bed, 0, "A B");
}
END_TEST

/* What fails is not tried again at once (the service may be busy), but within a sixth of
 * the timeout. */
START_TEST(last_publish_is_tried_for_half_the_timeout)
{
	drain_a();
	book_bed_message(&bed, 0, MSG_RELEASED, "A", 1);
	book_bed_expect(&bed, "publish h0 A=c3\n");
	book_bed_written(&bed, "A", "c3", LTS_AGAIN);
	book_bed_expect(&bed, "");
	bed.now_ms += BED_TIMEOUT_MS / 6;
	book_bed_answer(&bed, 0, "A B", "B", bed.now_ms);
	book_bed_expect(&bed, "renew w0 e2 until 61000\npublish h0 A=c3\n");
	book_bed_written(&bed, "A", "c3", LTS_AGAIN);
	bed.now_ms = 1000 + BED_TIMEOUT_MS / 2 - 1;
	book_bed_answer(&bed, 0, "A B", "B", bed.now_ms);
	book_bed_expect(&bed, "renew w0 e2 until 80999\npublish h0 A=c3\n");
	book_bed_expect_list(&bed, 0, "A B");
	bed.now_ms++;
	book_bed_written(&bed, "A", "c3", LTS_AGAIN);
	book_bed_expect_note(&bed, "A given back without its last checkpoint");
	book_bed_expect_list(&bed, 0, "B");
}
END_TEST

/* A service says 400 and 404 on a bad day, too. */
START_TEST(last_publish_is_given_up_only_after_two_refusals_some_time_apart)
{
	static const enum lts_err refusals[] = { LTS_NOTFOUND, LTS_INVALID };
	drain_a();
	book_bed_message(&bed, 0, MSG_RELEASED, "A", 1);
	book_bed_written(&bed, "A", "c3", refusals[_i]);
	book_bed_expect_note(&bed, "A the service refuses its checkpoint");
	book_bed_tick(&bed, 999);
	book_bed_expect(&bed, "publish h0 A=c3\n");
	book_bed_expect_list(&bed, 0, "A B");
	book_bed_tick(&bed, 1);
	book_bed_expect(&bed, "publish h0 A=c3\n");
	book_bed_written(&bed, "A", "c3", refusals[_i]);
	book_bed_expect_list(&bed, 0, "B");
	book_bed_tick(&bed, 20000);
	book_bed_expect(&bed, "left h0\n");
}
END_TEST

START_TEST(holder_that_dies_while_draining_frees_the_shard_too)
{
	drain_a();
	book_bed_gone(&bed, 0, FATE_KILLED);
	book_bed_expect(&bed, "publish h0 A=c3\n");
	book_bed_written(&bed, "A", "c3", LTS_OK);
	book_bed_service(&bed, "A", "c3", true);
	book_bed_expect(&bed, "ask A\nleft h0\n");
	book_bed_expect_list(&bed, 0, "B");
}
END_TEST

START_TEST(shard_does_not_leave_the_book_while_a_write_is_in_flight)
{
	/* Else the same shard, granted anew, could have two writes in flight. */
	drain_a();
	book_bed_message(&bed, 0, MSG_RELEASED, "A", 1);
	book_bed_expect(&bed, "publish h0 A=c3\n");
	bed.now_ms += BED_TIMEOUT_MS / 2;
	book_bed_answer(&bed, 0, "A B", "B", bed.now_ms);
	book_bed_tick(&bed, 0);
	ck_assert_uint_eq(lease_book_count(bed.book), 2);
	book_bed_written(&bed, "A", "c3", LTS_AGAIN);
	ck_assert_uint_eq(lease_book_count(bed.book), 1);
}
END_TEST

/* C was held in our last life, up to c5; the service grants it to somebody else by now. */
static void
leave_c_behind(void)
{
	book_bed_commit(&bed, "C", 1, "c5");
	bed.committed[bed.n_committed - 1].epoch.value = 1;
	book_bed_first_answer(&bed, 1, "C", "");
	book_bed_expect_note(&bed, "C left behind by our last life; to be closed");
	ck_assert(lease_book_is_closing(bed.book, 1));
	book_bed_expect(&bed, "ask C\n");
}

START_TEST(shard_left_behind_is_sealed_published_and_given_back)
{
	leave_c_behind();
	book_bed_service(&bed, "C", "c4", true);
	book_bed_expect(&bed, "assign C w0 e3 service=c4 ours unbroken seal\n");
	book_bed_commit(&bed, "C", 3, "c5");
	book_bed_message(&bed, 0, MSG_RELEASED, "C", 3);
	book_bed_expect(&bed, "publish h1 C=c5\n");
	book_bed_written(&bed, "C", "c5", LTS_OK);
	book_bed_expect(&bed, "left h1\n");
	ck_assert(!lease_book_is_closing(bed.book, 1));
}
END_TEST

/* Listed, it would be ours as soon as the other host lets go of it, and what we know of its
 * checkpoint would be old. */
START_TEST(shard_left_behind_is_never_listed_nor_published_after_the_next_heartbeat)
{
	leave_c_behind();
	book_bed_service(&bed, "C", "c4", true);
	book_bed_expect(&bed, "assign C w0 e3 service=c4 ours unbroken seal\n");
	book_bed_commit(&bed, "C", 3, "c5");
	book_bed_expect_list(&bed, 1, "");
	book_bed_expect_note(&bed, "C given back without its last checkpoint");
	ck_assert(!lease_book_is_closing(bed.book, 1));
	book_bed_message(&bed, 0, MSG_RELEASED, "C", 3);
	book_bed_expect(&bed, "");
	ck_assert(!lease_book_has(bed.book, &(struct shard_id){ "C" }));
}
END_TEST

START_TEST(shard_left_behind_is_sealed_also_when_the_heartbeat_cannot_wait_for_it)
{
	leave_c_behind();
	book_bed_expect_list(&bed, 1, "");
	book_bed_tick(&bed, 200);
	book_bed_service(&bed, "C", "c4", true);
	book_bed_expect(&bed, "assign C w0 e3 service=c4 ours unbroken seal\n");
	book_bed_commit(&bed, "C", 3, "c5");
	book_bed_message(&bed, 0, MSG_RELEASED, "C", 3);
	book_bed_expect(&bed, "");
	ck_assert(!lease_book_has(bed.book, &(struct shard_id){ "C" }));
}
END_TEST

/* On a machine under load its file would keep its .part until the next start. */
START_TEST(shard_left_behind_is_sealed_however_late_a_worker_is_there)
{
	book_bed_fini(&bed);
	book_bed_init(&bed, 0);
	leave_c_behind();
	book_bed_expect_list(&bed, 1, "");
	book_bed_service(&bed, "C", "c4", true);
	book_bed_tick(&bed, 2 * BED_TIMEOUT_MS);
	book_bed_expect(&bed, "");
	book_bed_live(&bed, 0);
	book_bed_expect(&bed, "assign C w0 e1 service=c4 ours unbroken seal\n");
	ck_assert_int_gt(bed.deadline_ms, bed.now_ms);
	book_bed_commit(&bed, "C", 1, "c5");
	book_bed_message(&bed, 0, MSG_RELEASED, "C", 1);
	book_bed_expect(&bed, "");
	ck_assert(!lease_book_has(bed.book, &(struct shard_id){ "C" }));
}
END_TEST

START_TEST(shard_left_behind_is_only_sealed_when_another_host_has_moved_on)
{
	leave_c_behind();
	book_bed_service(&bed, "C", "c9", false);
	book_bed_expect(&bed, "assign C w0 e3 service=c9 unbroken seal\n");
	book_bed_commit(&bed, "C", 3, "c5");
	book_bed_message(&bed, 0, MSG_RELEASED, "C", 3);
	book_bed_expect(&bed, "left h1\n");
	ck_assert(!lease_book_has(bed.book, &(struct shard_id){ "C" }));
}
END_TEST

START_TEST(shard_left_behind_and_granted_to_another_of_ours_is_held_as_any)
{
	leave_c_behind();
	book_bed_service(&bed, "C", "c4", true);
	book_bed_expect(&bed, "assign C w0 e3 service=c4 ours unbroken seal\n");
	book_bed_answer(&bed, 2, "", "C", bed.now_ms);
	book_bed_expect(&bed, "ask C\n");
	book_bed_service(&bed, "C", "c4", true);
	book_bed_message(&bed, 0, MSG_RELEASED, "C", 3);
	book_bed_expect(&bed, "assign C w0 e4 service=c4 ours\n");
}
END_TEST

START_TEST(shard_left_behind_is_forgotten_when_it_cannot_be_closed)
{
	leave_c_behind();
	book_bed_service(&bed, "C", "c4", true);
	book_bed_expect(&bed, "assign C w0 e3 service=c4 ours unbroken seal\n");
	book_bed_gone(&bed, 0, FATE_DIED);
	bed.now_ms += BED_TIMEOUT_MS / 2;
	book_bed_tick(&bed, 0);
	ck_assert(!lease_book_has(bed.book, &(struct shard_id){ "C" }));
}
END_TEST

START_TEST(shard_wanted_back_before_its_first_take_is_closed_in_order)
{
	book_bed_commit(&bed, "C", 1, "c5");
	bed.committed[bed.n_committed - 1].epoch.value = 1;
	book_bed_answer(&bed, 1, "C", "C", bed.now_ms);
	book_bed_heartbeat(&bed, 1, "");
	book_bed_expect(&bed, "ask C\n");
	book_bed_expect_list(&bed, 1, "C");
	book_bed_service(&bed, "C", "c4", true);
	book_bed_expect(&bed, "assign C w0 e3 service=c4 ours unbroken seal\n");
	book_bed_commit(&bed, "C", 3, "c5");
	book_bed_message(&bed, 0, MSG_RELEASED, "C", 3);
	book_bed_expect(&bed, "publish h1 C=c5\n");
	book_bed_written(&bed, "C", "c5", LTS_OK);
	book_bed_service(&bed, "C", "c5", true);
	book_bed_expect(&bed, "ask C\nleft h1\n");
}
END_TEST

/* Another host has moved on to c9: what was sealed is c5, and is not ours to publish over it. */
START_TEST(shard_left_to_us_while_it_is_closed_is_taken_anew)
{
	book_bed_commit(&bed, "C", 1, "c5");
	bed.committed[bed.n_committed - 1].epoch.value = 1;
	book_bed_answer(&bed, 1, "C", "C", bed.now_ms);
	book_bed_heartbeat(&bed, 1, "");
	book_bed_expect(&bed, "ask C\n");
	book_bed_service(&bed, "C", "c9", false);
	book_bed_expect(&bed, "assign C w0 e3 service=c9 unbroken seal\n");
	book_bed_commit(&bed, "C", 3, "c5");
	book_bed_heartbeat(&bed, 1, "C");
	book_bed_expect(&bed, "ask C\n");
	book_bed_publish(&bed);
	book_bed_expect(&bed, "");
	book_bed_service(&bed, "C", "c9", false);
	book_bed_message(&bed, 0, MSG_RELEASED, "C", 3);
	book_bed_expect(&bed, "assign C w0 e4 service=c9\n");
	book_bed_publish(&bed);
	book_bed_expect(&bed, "");
}
END_TEST

START_TEST(refusal_while_draining_is_forgotten_when_the_shard_is_left_to_us_after_all)
{
	book_bed_commit(&bed, "A", 1, "c3");
	book_bed_publish(&bed);
	book_bed_heartbeat(&bed, 0, "B");
	book_bed_written(&bed, "A", "c3", LTS_INVALID);
	book_bed_heartbeat(&bed, 0, "A B");
	book_bed_message(&bed, 0, MSG_RELEASED, "A", 1);
	book_bed_message(&bed, 0, MSG_HELD, "A", 3);
	book_bed_commit(&bed, "A", 3, "c4");
	book_bed_tick(&bed, 1000);
	book_bed_publish(&bed);
	ck_assert_ptr_nonnull(strstr(bed.said.data, "publish h0 A=c4\n"));
}
END_TEST

Suite *
suite_lease_leave(void)
{
	Suite *suite = suite_create("lease_leave");
	TCase *tc = tcase_create("giving back");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, shard_wanted_back_is_listed_until_released_and_published);
	tcase_add_test(tc, shard_wanted_back_with_nothing_new_leaves_at_once);
	tcase_add_test(tc, shard_wanted_back_and_left_to_us_after_all_stays);
	tcase_add_test(tc, last_publish_is_tried_for_half_the_timeout);
	tcase_add_loop_test(tc, last_publish_is_given_up_only_after_two_refusals_some_time_apart, 0,
			    2);
	tcase_add_test(tc, holder_that_dies_while_draining_frees_the_shard_too);
	tcase_add_test(tc, shard_does_not_leave_the_book_while_a_write_is_in_flight);
	tcase_add_test(tc, shard_left_behind_is_sealed_published_and_given_back);
	tcase_add_test(tc,
		       shard_left_behind_is_never_listed_nor_published_after_the_next_heartbeat);
	tcase_add_test(tc,
		       shard_left_behind_is_sealed_also_when_the_heartbeat_cannot_wait_for_it);
	tcase_add_test(tc, shard_left_behind_is_sealed_however_late_a_worker_is_there);
	tcase_add_test(tc, shard_left_behind_is_only_sealed_when_another_host_has_moved_on);
	tcase_add_test(tc, shard_left_behind_and_granted_to_another_of_ours_is_held_as_any);
	tcase_add_test(tc, shard_left_behind_is_forgotten_when_it_cannot_be_closed);
	tcase_add_test(tc, shard_wanted_back_before_its_first_take_is_closed_in_order);
	tcase_add_test(tc, shard_left_to_us_while_it_is_closed_is_taken_anew);
	tcase_add_test(
		tc, refusal_while_draining_is_forgotten_when_the_shard_is_left_to_us_after_all);
	suite_add_tcase(suite, tc);
	return suite;
}
