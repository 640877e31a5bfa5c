/*
 * test_lease_publish.c - holds supervisor/lease_publish.c to rule 9 of the architecture
 * (only the present grant is published, one write in flight, a lost answer is read back).
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
	/* It had arrived; only now its holder is told. */
	book_bed_service(&bed, "A", "c3", true);
	book_bed_expect(&bed, "told A w0 e1 c3\n");
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
	book_bed_tick(&bed, BED_TIMEOUT_MS / 3); /* nobody waits longer for an answer */
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
	tcase_add_test(tc, regrant_publishes_nothing_of_the_former_grant);
	tcase_add_test(tc, nobody_is_told_of_a_publish_that_belongs_to_no_holder);
	tcase_add_test(tc, finish_counts_once_it_is_published);
	tcase_add_test(tc, stuck_shards_are_counted_when_all_is_finished);
	tcase_add_test(tc, last_checkpoints_are_published_while_stopping);
	suite_add_tcase(suite, tc);
	return suite;
}
