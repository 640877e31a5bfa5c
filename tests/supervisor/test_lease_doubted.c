/*
 * test_lease_doubted.c - holds supervisor/lease_publish.c and lease_look.c to what one 409 to a
 * checkpoint write is worth: nothing is given up for it, nothing of another is written over, and
 * the doubt ends.
 */
#include <check.h>
#include <string.h>

#include "tests/suites.h"
#include "tests/supervisor/book_bed.h"

static struct book_bed bed;

/* A stands at c2 at the service, c3 is committed, and its write was told that another owns A. */
static void
setup(void)
{
	book_bed_init(&bed, 0);
	book_bed_live(&bed, 0);
	book_bed_hold(&bed, 0, "A B");
	book_bed_commit(&bed, "A", 1, "c2");
	book_bed_publish(&bed);
	book_bed_written(&bed, "A", "c2", LTS_OK);
	book_bed_commit(&bed, "A", 1, "c3");
	book_bed_publish(&bed);
	book_bed_expect(&bed, "publish h0 A=c2\ntold A w0 e1 c2\npublish h0 A=c3\n");
	book_bed_written(&bed, "A", "c3", LTS_GONE);
}

static void
teardown(void)
{
	book_bed_fini(&bed);
}

START_TEST(one_word_of_another_owner_ends_no_lease)
{
	book_bed_expect(&bed, "");
	book_bed_expect_note(&bed, "A the service refuses its checkpoint");
	book_bed_expect_list(&bed, 0, "A B");
	book_bed_tick(&bed, 1000);
	book_bed_publish(&bed);
	book_bed_expect(&bed, "ask A\n");
	book_bed_service(&bed, "A", "c2", true);
	book_bed_publish(&bed);
	book_bed_expect(&bed, "publish h0 A=c3\n");
	book_bed_written(&bed, "A", "c3", LTS_OK);
	book_bed_expect(&bed, "told A w0 e1 c3\n");
	book_bed_expect_list(&bed, 0, "A B");
}
END_TEST

START_TEST(nothing_is_written_in_doubt_before_it_was_seen_what_stands_there)
{
	book_bed_expect(&bed, "");
	book_bed_tick(&bed, 1000);
	book_bed_expect(&bed, "ask A\n");
	for (int i = 0; i < 10; i++) {
		book_bed_tick(&bed, 1000);
		book_bed_publish(&bed);
	}
	book_bed_expect(&bed, "");
}
END_TEST

START_TEST(what_another_has_written_ends_the_doubted_lease)
{
	book_bed_expect(&bed, "");
	book_bed_tick(&bed, 200);
	book_bed_service(&bed, "A", "c9", false);
	book_bed_expect(&bed, "ask A\nrevoke A w0 e1\n");
	book_bed_expect_note(&bed, "A lease lost");
	book_bed_expect_list(&bed, 0, "B");
	book_bed_tick(&bed, 1000);
	book_bed_publish(&bed);
	book_bed_message(&bed, 0, MSG_RELEASED, "A", 1);
	book_bed_expect(&bed, "");
	ck_assert_uint_eq(lease_book_count(bed.book), 1);
}
END_TEST

/* Another may have been granted it, and have written nothing yet. */
static void
be_told_so_for(int64_t time_ms, const char *owned)
{
	for (int64_t end_ms = bed.now_ms + time_ms; bed.now_ms < end_ms;) {
		book_bed_tick(&bed, 200);
		if (strstr(bed.said.data, "ask A"))
			book_bed_service(&bed, "A", "c2", true);
		book_bed_publish(&bed);
		bool written = strstr(bed.said.data, "publish h0 A=c3");
		buf_clear(&bed.said);
		bed.said.data[0] = '\0';
		book_bed_heartbeat(&bed, 0, owned);
		if (written)
			book_bed_written(&bed, "A", "c3", LTS_GONE);
	}
}

START_TEST(doubt_ends_after_half_the_timeout_and_no_sooner)
{
	book_bed_expect(&bed, "");
	be_told_so_for(BED_TIMEOUT_MS / 2 - 200, "A B");
	book_bed_expect_list(&bed, 0, "A B");
	be_told_so_for(BED_TIMEOUT_MS / 6 + 600, "B");
	book_bed_expect_note(&bed, "A lease lost");
	book_bed_expect_list(&bed, 0, "B");
}
END_TEST

/* A heartbeat that leaves it out says as much of a shard that only moves. */
START_TEST(doubted_shard_that_is_wanted_back_stays_listed_until_its_last_checkpoint_stands)
{
	book_bed_expect(&bed, "");
	book_bed_heartbeat(&bed, 0, "B");
	book_bed_message(&bed, 0, MSG_RELEASED, "A", 1);
	be_told_so_for(5000, "B");
	book_bed_expect_list(&bed, 0, "A B");
	book_bed_tick(&bed, 10000);
	book_bed_service(&bed, "A", "c2", true);
	book_bed_written(&bed, "A", "c3", LTS_OK);
	book_bed_tick(&bed, 200);
	book_bed_service(&bed, "A", "c3", true);
	book_bed_expect_note(&bed, "A given back");
	book_bed_expect_list(&bed, 0, "B");
}
END_TEST

START_TEST(doubted_shard_that_is_wanted_back_leaves_after_half_the_timeout)
{
	book_bed_expect(&bed, "");
	book_bed_heartbeat(&bed, 0, "B");
	book_bed_message(&bed, 0, MSG_RELEASED, "A", 1);
	be_told_so_for(BED_TIMEOUT_MS / 2 - 400, "B");
	book_bed_expect_list(&bed, 0, "A B");
	be_told_so_for(1000, "B");
	book_bed_expect_note(&bed, "A given back without its last checkpoint");
	book_bed_expect_list(&bed, 0, "B");
}
END_TEST

START_TEST(doubt_is_forgotten_by_a_new_grant)
{
	book_bed_expect(&bed, "");
	book_bed_tick(&bed, BED_LEASE_MS);
	book_bed_message(&bed, 0, MSG_RELEASED, "A", 1);
	book_bed_heartbeat(&bed, 0, "A");
	book_bed_service(&bed, "A", "c2", true);
	book_bed_message(&bed, 0, MSG_HELD, "A", 3);
	book_bed_commit(&bed, "A", 3, "c4");
	book_bed_publish(&bed);
	ck_assert_ptr_nonnull(strstr(bed.said.data, "publish h0 A=c4\n"));
}
END_TEST

Suite *
suite_lease_doubted(void)
{
	Suite *suite = suite_create("lease_doubted");
	TCase *tc = tcase_create("doubt");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, one_word_of_another_owner_ends_no_lease);
	tcase_add_test(tc, nothing_is_written_in_doubt_before_it_was_seen_what_stands_there);
	tcase_add_test(tc, what_another_has_written_ends_the_doubted_lease);
	tcase_add_test(tc, doubt_ends_after_half_the_timeout_and_no_sooner);
	tcase_add_test(
		tc,
		doubted_shard_that_is_wanted_back_stays_listed_until_its_last_checkpoint_stands);
	tcase_add_test(tc, doubted_shard_that_is_wanted_back_leaves_after_half_the_timeout);
	tcase_add_test(tc, doubt_is_forgotten_by_a_new_grant);
	suite_add_tcase(suite, tc);
	return suite;
}
