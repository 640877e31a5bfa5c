/*
 * test_lease_publish.c - holds supervisor/lease_publish.c to rule 9 of the architecture
 * (only the present grant is published, one write in flight, a lost answer is read back)
 * and to the drain order of a shard that the service takes back.
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

START_TEST(what_is_committed_is_published_in_one_write_per_consumer)
{
	book_bed_commit(&bed, "A", 1, "c3");
	book_bed_commit(&bed, "B", 2, "c4");
	book_bed_publish(&bed);
	book_bed_expect(&bed, "publish h0 A=c3 B=c4\n");
	book_bed_written(&bed, "A", "c3", LTS_OK);
	book_bed_written(&bed, "B", "c4", LTS_OK);
	book_bed_expect(&bed, "told A w0 e1 c3\ntold B w0 e2 c4\n");
	ck_assert_str_eq(book_bed_shard(&bed, "A").published.text, "c3");
	ck_assert(lease_book_all_published(bed.book, bed.now_ms));
	book_bed_publish(&bed);
	book_bed_expect(&bed, "");
}
END_TEST

/* Until then another host cannot know of it. */
START_TEST(where_a_new_shard_starts_is_published_by_the_next_tick)
{
	book_bed_commit(&bed, "A", 1, "c1");
	book_bed_tick(&bed, 200);
	book_bed_expect(&bed, "publish h0 A=c1\n");
	book_bed_written(&bed, "A", "c1", LTS_OK);
	book_bed_expect(&bed, "told A w0 e1 c1\n");
	book_bed_commit(&bed, "A", 1, "c2");
	book_bed_tick(&bed, 200);
	book_bed_expect(&bed, "");
}
END_TEST

START_TEST(nothing_of_another_epoch_is_published)
{
	book_bed_commit(&bed, "A", 2, "c3");
	book_bed_commit(&bed, "B", 1, "c4");
	book_bed_publish(&bed);
	book_bed_expect(&bed, "");
}
END_TEST

START_TEST(nothing_is_published_past_the_deadline)
{
	book_bed_commit(&bed, "A", 1, "c3");
	bed.now_ms += BED_LEASE_MS; /* and nothing has happened since */
	book_bed_publish(&bed);
	book_bed_expect(&bed, "");
}
END_TEST

START_TEST(write_never_goes_out_while_one_is_in_flight)
{
	book_bed_commit(&bed, "A", 1, "c3");
	book_bed_publish(&bed);
	book_bed_expect(&bed, "publish h0 A=c3\n");
	book_bed_commit(&bed, "A", 1, "c4");
	book_bed_publish(&bed);
	book_bed_expect(&bed, "");
	ck_assert(!lease_book_all_published(bed.book, bed.now_ms));
	book_bed_written(&bed, "A", "c3", LTS_OK);
	book_bed_expect(&bed, "told A w0 e1 c3\n");
	ck_assert(!lease_book_all_published(bed.book, bed.now_ms));
	book_bed_publish(&bed);
	book_bed_expect(&bed, "publish h0 A=c4\n");
}
END_TEST

START_TEST(failed_write_is_made_again_with_what_is_committed_then)
{
	book_bed_commit(&bed, "A", 1, "c3");
	book_bed_publish(&bed);
	book_bed_written(&bed, "A", "c3", LTS_AGAIN);
	book_bed_commit(&bed, "A", 1, "c4");
	bed.now_ms += BED_TIMEOUT_MS / 6;
	book_bed_publish(&bed);
	book_bed_expect(&bed, "publish h0 A=c3\npublish h0 A=c4\n");
}
END_TEST

START_TEST(lost_answer_is_read_back_before_the_next_write)
{
	book_bed_commit(&bed, "A", 1, "c3");
	book_bed_publish(&bed);
	book_bed_written(&bed, "A", "c3", LTS_UNKNOWN);
	book_bed_expect(&bed, "publish h0 A=c3\nask A\n");
	book_bed_commit(&bed, "A", 1, "c4");
	book_bed_publish(&bed);
	book_bed_tick(&bed, 100);
	book_bed_publish(&bed);
	book_bed_expect(&bed, "");
	ck_assert(!lease_book_all_published(bed.book, bed.now_ms));
	/* It had arrived. */
	book_bed_service(&bed, "A", "c3", true);
	ck_assert_str_eq(book_bed_shard(&bed, "A").published.text, "c3");
	book_bed_publish(&bed);
	book_bed_expect(&bed, "publish h0 A=c4\n");
}
END_TEST

START_TEST(what_was_asked_before_the_write_does_not_read_it_back)
{
	struct shard_id shard = { "A" };
	book_bed_commit(&bed, "A", 1, "c3");
	book_bed_publish(&bed);
	uint64_t before = bed.question;
	book_bed_written(&bed, "A", "c3", LTS_UNKNOWN);
	book_bed_expect(&bed, "publish h0 A=c3\nask A\n");
	book_on_service(bed.book, &shard, before, LTS_OK, &(struct cursor){ "c1" }, false,
			bed.now_ms);
	book_bed_tick(&bed, 1000);
	book_bed_publish(&bed);
	book_bed_expect(&bed, "ask A\n");
	book_bed_service(&bed, "A", "c3", true);
	ck_assert(lease_book_all_published(bed.book, bed.now_ms));
}
END_TEST

START_TEST(group_write_is_repeated_singly_only_under_its_grant)
{
	struct shard_id shard = { "A" };
	book_bed_commit(&bed, "A", 1, "c3");
	book_bed_publish(&bed);
	ck_assert(lease_book_may_repeat(bed.book, &shard, bed.now_ms));
	ck_assert(!lease_book_may_repeat(bed.book, &shard, bed.now_ms + BED_LEASE_MS));
	book_bed_tick(&bed, BED_LEASE_MS);
	book_bed_heartbeat(&bed, 0, "A");
	ck_assert(!lease_book_may_repeat(bed.book, &shard, bed.now_ms));
}
END_TEST

START_TEST(lost_write_that_did_not_arrive_is_made_again)
{
	book_bed_commit(&bed, "A", 1, "c3");
	book_bed_publish(&bed);
	book_bed_written(&bed, "A", "c3", LTS_UNKNOWN);
	book_bed_service(&bed, "A", "", false);
	book_bed_expect(&bed, "publish h0 A=c3\nask A\n");
	book_bed_publish(&bed);
	book_bed_expect(&bed, ""); /* not at once: a service that resets would be stormed */
	book_bed_tick(&bed, 1000);
	book_bed_publish(&bed);
	book_bed_expect(&bed, "publish h0 A=c3\n");
}
END_TEST

START_TEST(refused_checkpoint_ends_the_lease)
{
	book_bed_commit(&bed, "A", 1, "c3");
	book_bed_publish(&bed);
	book_bed_written(&bed, "A", "c3", LTS_GONE);
	book_bed_expect(&bed, "publish h0 A=c3\nrevoke A w0 e1\n");
	book_bed_expect_note(&bed, "A lease lost");
	book_bed_expect_list(&bed, 0, "B");
	book_bed_publish(&bed);
	book_bed_message(&bed, 0, MSG_RELEASED, "A", 1);
	book_bed_expect(&bed, "");
	ck_assert_uint_eq(lease_book_count(bed.book), 1);
}
END_TEST

START_TEST(regrant_publishes_nothing_of_the_former_grant)
{
	book_bed_commit(&bed, "A", 1, "c3");
	book_bed_tick(&bed, BED_LEASE_MS);
	book_bed_expect(&bed, "revoke A w0 e1\nrevoke B w0 e2\n");
	/* Another host has moved on to c9 and given it back; worker 0 has not let go yet.
	 */
	book_bed_heartbeat(&bed, 0, "A");
	book_bed_service(&bed, "A", "c9", false);
	book_bed_publish(&bed);
	book_bed_expect(&bed, "ask A\n");
	book_bed_message(&bed, 0, MSG_RELEASED, "A", 1);
	book_bed_expect(&bed, "assign A w0 e3 service=c9\n");
	book_bed_publish(&bed);
	book_bed_expect(&bed, "");
	book_bed_commit(&bed, "A", 3, "c9");
	book_bed_publish(&bed);
	book_bed_expect(&bed, ""); /* it stands there already */
	book_bed_commit(&bed, "A", 3, "d0");
	book_bed_publish(&bed);
	book_bed_expect(&bed, "publish h0 A=d0\n");
}
END_TEST

START_TEST(shard_wanted_back_is_listed_until_released_and_published)
{
	drain_a();
	book_bed_expect_list(&bed, 0, "A B");
	book_bed_commit(&bed, "A", 1, "c5"); /* the batch in hand */
	book_bed_message(&bed, 0, MSG_RELEASED, "A", 1);
	book_bed_expect(&bed, "publish h0 A=c5\n");
	book_bed_expect_list(&bed, 0, "A B");
	book_bed_written(&bed, "A", "c5", LTS_OK);
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

START_TEST(last_publish_is_not_tried_again_after_a_refusal)
{
	static const enum lts_err refusals[] = { LTS_GONE, LTS_NOTFOUND, LTS_INVALID };
	drain_a();
	book_bed_message(&bed, 0, MSG_RELEASED, "A", 1);
	book_bed_expect(&bed, "publish h0 A=c3\n");
	book_bed_written(&bed, "A", "c3", refusals[_i]);
	book_bed_expect_list(&bed, 0, "B");
	book_bed_publish(&bed);
	ck_assert(!bed.said.data || !strstr(bed.said.data, "publish"));
}
END_TEST

START_TEST(holder_that_dies_while_draining_frees_the_shard_too)
{
	drain_a();
	book_bed_gone(&bed, 0, FATE_KILLED);
	book_bed_expect(&bed, "publish h0 A=c3\n");
	book_bed_written(&bed, "A", "c3", LTS_OK);
	book_bed_expect(&bed, "left h0\n");
	book_bed_expect_list(&bed, 0, "B");
}
END_TEST

START_TEST(nobody_is_told_of_a_publish_that_belongs_to_no_holder)
{
	book_bed_commit(&bed, "A", 1, "c3");
	book_bed_publish(&bed);
	book_bed_gone(&bed, 0, FATE_DIED);
	book_bed_expect(&bed, "publish h0 A=c3\n");
	book_bed_written(&bed, "A", "c3", LTS_OK);
	book_bed_expect(&bed, "");
	ck_assert_str_eq(book_bed_shard(&bed, "A").published.text, "c3");
}
END_TEST

START_TEST(finish_counts_once_it_is_published)
{
	size_t stuck = 9;
	book_bed_commit(&bed, "A", 1, "c3");
	book_bed_message(&bed, 0, MSG_FINISHED, "A", 1);
	book_bed_expect(&bed, "publish h0 A=c3\n");
	book_bed_commit(&bed, "B", 2, "c4");
	book_bed_message(&bed, 0, MSG_FINISHED, "B", 2);
	book_bed_expect(&bed, "publish h0 B=c4\n");
	ck_assert(!lease_book_all_finished(bed.book, &stuck));
	book_bed_written(&bed, "A", "c3", LTS_OK);
	ck_assert(!lease_book_all_finished(bed.book, &stuck));
	book_bed_written(&bed, "B", "c4", LTS_UNKNOWN);
	ck_assert(!lease_book_all_finished(bed.book, &stuck));
	book_bed_service(&bed, "B", "c4", true);
	ck_assert(lease_book_all_finished(bed.book, &stuck));
	ck_assert_uint_eq(stuck, 0);
}
END_TEST

START_TEST(stuck_shards_are_counted_when_all_is_finished)
{
	size_t stuck = 9;
	book_bed_message(&bed, 0, MSG_STUCK, "A", 1);
	ck_assert(!lease_book_all_finished(bed.book, &stuck));
	book_bed_message(&bed, 0, MSG_FINISHED, "B", 2);
	ck_assert(lease_book_all_finished(bed.book, &stuck));
	ck_assert_uint_eq(stuck, 1);
}
END_TEST

START_TEST(last_checkpoints_are_published_while_stopping)
{
	book_stop(bed.book);
	book_bed_commit(&bed, "A", 1, "c3");
	book_bed_message(&bed, 0, MSG_RELEASED, "A", 1);
	book_bed_message(&bed, 0, MSG_RELEASED, "B", 2);
	book_bed_gone(&bed, 0, FATE_RELEASED);
	ck_assert(!lease_book_all_published(bed.book, bed.now_ms));
	book_bed_publish(&bed);
	book_bed_expect(&bed, "publish h0 A=c3\n");
	book_bed_written(&bed, "A", "c3", LTS_OK);
	ck_assert(lease_book_all_published(bed.book, bed.now_ms));
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
	book_bed_expect(&bed, "left h1\n");
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
suite_lease_publish(void)
{
	Suite *suite = suite_create("lease_publish");
	TCase *tc = tcase_create("publishing");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, what_is_committed_is_published_in_one_write_per_consumer);
	tcase_add_test(tc, where_a_new_shard_starts_is_published_by_the_next_tick);
	tcase_add_test(tc, nothing_of_another_epoch_is_published);
	tcase_add_test(tc, nothing_is_published_past_the_deadline);
	tcase_add_test(tc, write_never_goes_out_while_one_is_in_flight);
	tcase_add_test(tc, failed_write_is_made_again_with_what_is_committed_then);
	tcase_add_test(tc, lost_answer_is_read_back_before_the_next_write);
	tcase_add_test(tc, what_was_asked_before_the_write_does_not_read_it_back);
	tcase_add_test(tc, group_write_is_repeated_singly_only_under_its_grant);
	tcase_add_test(tc, lost_write_that_did_not_arrive_is_made_again);
	tcase_add_test(tc, refused_checkpoint_ends_the_lease);
	tcase_add_test(tc, regrant_publishes_nothing_of_the_former_grant);
	tcase_add_test(tc, nobody_is_told_of_a_publish_that_belongs_to_no_holder);
	tcase_add_test(tc, finish_counts_once_it_is_published);
	tcase_add_test(tc, stuck_shards_are_counted_when_all_is_finished);
	tcase_add_test(tc, last_checkpoints_are_published_while_stopping);
	suite_add_tcase(suite, tc);
	tc = tcase_create("giving back");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, shard_wanted_back_is_listed_until_released_and_published);
	tcase_add_test(tc, shard_wanted_back_with_nothing_new_leaves_at_once);
	tcase_add_test(tc, shard_wanted_back_and_left_to_us_after_all_stays);
	tcase_add_test(tc, last_publish_is_tried_for_half_the_timeout);
	tcase_add_loop_test(tc, last_publish_is_not_tried_again_after_a_refusal, 0, 3);
	tcase_add_test(tc, holder_that_dies_while_draining_frees_the_shard_too);
	tcase_add_test(tc, shard_does_not_leave_the_book_while_a_write_is_in_flight);
	tcase_add_test(tc, shard_left_behind_is_sealed_published_and_given_back);
	tcase_add_test(tc,
		       shard_left_behind_is_never_listed_nor_published_after_the_next_heartbeat);
	tcase_add_test(tc,
		       shard_left_behind_is_sealed_also_when_the_heartbeat_cannot_wait_for_it);
	tcase_add_test(tc, shard_left_behind_is_only_sealed_when_another_host_has_moved_on);
	tcase_add_test(tc, shard_left_behind_and_granted_to_another_of_ours_is_held_as_any);
	tcase_add_test(tc, shard_left_behind_is_forgotten_when_it_cannot_be_closed);
	tcase_add_test(tc, shard_wanted_back_before_its_first_take_is_closed_in_order);
	tcase_add_test(
		tc, refusal_while_draining_is_forgotten_when_the_shard_is_left_to_us_after_all);
	suite_add_tcase(suite, tc);
	return suite;
}
