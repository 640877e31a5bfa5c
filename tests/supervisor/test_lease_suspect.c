/*
 * test_lease_suspect.c - holds supervisor/lease_suspect.c: deaths are counted by batch, and
 * the next holder hears of a batch that is still ahead of it, and of no other.
 */
#include <check.h>

#include "tests/suites.h"
#include "tests/support/state_env.h"
#include "tests/supervisor/book_bed.h"

static struct book_bed bed;

static void
setup(void)
{
	book_bed_init(&bed, 0);
	book_bed_live(&bed, 0);
	book_bed_live(&bed, 1);
	book_bed_hold(&bed, 0, "A");
	book_bed_commit(&bed, "A", 1, "100");
}

static void
teardown(void)
{
	book_bed_fini(&bed);
}

/* Its holder dies over the batch; the next one holds the shard. */
static void
die_in(const char *cursor, uint32_t first, uint32_t count)
{
	struct shard_id shard = shard_of("A");
	struct suspect dead = { cursor_of(cursor), first, count, 1 };
	uint32_t worker = (uint32_t)book_bed_shard(&bed, "A").holder;
	book_on_suspect(bed.book, worker, &shard, &dead);
	book_bed_gone(&bed, worker, FATE_DIED);
	book_bed_live(&bed, worker);
	struct book_shard now = book_bed_shard(&bed, "A");
	book_bed_message(&bed, (uint32_t)now.holder, MSG_HELD, "A", (uint32_t)now.epoch.value);
}

static void
die_over(const char *cursor, uint32_t count)
{
	die_in(cursor, 0, count);
}

START_TEST(death_over_some_of_the_suspect_records_counts_with_them)
{
	die_over("200", 50);
	die_in("200", 25, 25);
	die_in("200", 30, 10);
	die_in("200", 30, 1);
	book_bed_expect(&bed, "assign A w1 e2 unbroken died w0 suspect 200 50 1\n"
			      "assign A w0 e3 unbroken died w1 suspect 200 25 2 from 25\n"
			      "assign A w1 e4 unbroken died w0 suspect 200 10 3 from 30\n"
			      "assign A w0 e5 unbroken died w1 suspect 200 1 4 from 30\n");
}
END_TEST

START_TEST(death_over_other_records_of_the_batch_is_counted_from_one)
{
	die_in("200", 10, 10);
	die_in("200", 20, 1);
	die_in("200", 15, 10);
	book_bed_expect(&bed, "assign A w1 e2 unbroken died w0 suspect 200 10 1 from 10\n"
			      "assign A w0 e3 unbroken died w1 suspect 200 1 1 from 20\n"
			      "assign A w1 e4 unbroken died w0 suspect 200 10 1 from 15\n");
}
END_TEST

START_TEST(next_holder_is_told_of_the_batch_and_its_deaths)
{
	die_over("200", 50);
	book_bed_expect(&bed, "assign A w1 e2 unbroken died w0 suspect 200 50 1\n");
	book_bed_expect_note(&bed, "A batch suspected");
	die_over("200", 50);
	book_bed_expect(&bed, "assign A w0 e3 unbroken died w1 suspect 200 50 2\n");
}
END_TEST

START_TEST(another_batch_is_counted_from_one)
{
	die_over("200", 50);
	die_over("200", 50);
	die_over("300", 7);
	book_bed_expect(&bed, "assign A w1 e2 unbroken died w0 suspect 200 50 1\n"
			      "assign A w0 e3 unbroken died w1 suspect 200 50 2\n"
			      "assign A w1 e4 unbroken died w0 suspect 300 7 1\n");
}
END_TEST

START_TEST(count_survives_commits_up_to_the_batch)
{
	die_over("200", 50);
	book_bed_commit(&bed, "A", 2, "200");
	book_bed_gone(&bed, 1, FATE_KILLED);
	book_bed_expect(&bed, "assign A w1 e2 unbroken died w0 suspect 200 50 1\n"
			      "assign A w0 e3 unbroken killed w1 suspect 200 50 1\n");
}
END_TEST

START_TEST(batch_that_is_past_is_not_mentioned_again)
{
	die_over("200", 50);
	book_bed_commit(&bed, "A", 2, "250");
	book_bed_gone(&bed, 1, FATE_KILLED);
	book_bed_expect(&bed, "assign A w1 e2 unbroken died w0 suspect 200 50 1\n"
			      "assign A w0 e3 unbroken killed w1\n");
}
END_TEST

START_TEST(only_the_holder_s_death_counts)
{
	struct shard_id shard = shard_of("A");
	struct suspect now = { cursor_of("200"), 0, 50, 1 };
	book_on_suspect(bed.book, 1, &shard, &now);
	book_bed_gone(&bed, 0, FATE_DIED);
	book_bed_expect(&bed, "assign A w1 e2 unbroken died w0\n");
}
END_TEST

Suite *
suite_lease_suspect(void)
{
	Suite *suite = suite_create("lease_suspect");
	TCase *tc = tcase_create("lease_suspect");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, next_holder_is_told_of_the_batch_and_its_deaths);
	tcase_add_test(tc, death_over_some_of_the_suspect_records_counts_with_them);
	tcase_add_test(tc, death_over_other_records_of_the_batch_is_counted_from_one);
	tcase_add_test(tc, another_batch_is_counted_from_one);
	tcase_add_test(tc, count_survives_commits_up_to_the_batch);
	tcase_add_test(tc, batch_that_is_past_is_not_mentioned_again);
	tcase_add_test(tc, only_the_holder_s_death_counts);
	suite_add_tcase(suite, tc);
	return suite;
}
