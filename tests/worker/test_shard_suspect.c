/*
 * test_shard_suspect.c - holds the shard machine to what it does about a suspect batch:
 * fetched as it was cut before, alone; the shard stops in front of one with too many
 * deaths, and of no other.
 */
#include <check.h>

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
	shard_bed_fini(&bed);
}

/* Taken at 10; the batch at that cursor is suspect. */
static void
suspect(const char *cursor, uint32_t count, uint32_t attempts)
{
	shard_bed_suspect(&bed, cursor, count, attempts);
	shard_start(bed.shard);
	shard_bed_taken(&bed, LTS_OK, "10");
}

START_TEST(suspect_batch_is_cut_as_it_was_before)
{
	suspect("30", 42, 1);
	shard_bed_expect(&bed, "take -\nHELD local\nbatch 10 30 100\n");
	shard_bed_batch(&bed, "30", 20, 500);
	shard_bed_expect(&bed, "submit 10>30 20\nbatch 30 - 42\n");
	shard_bed_batch(&bed, "72", 42, 500);
	shard_bed_delivered(&bed, LTS_OK);
	shard_bed_expect(&bed, "submit 30>72 42\nbatch 72 - 100\n");
	shard_bed_delivered(&bed, LTS_OK);
	shard_on_gone(bed.shard, bed.now_ms);
	shard_bed_closed(&bed, LTS_OK);
}
END_TEST

START_TEST(few_records_are_asked_for_with_the_least_limit_that_there_is)
{
	suspect("10", 3, 1);
	shard_bed_expect(&bed, "take -\nHELD local\nbatch 10 - 100\n");
	shard_on_gone(bed.shard, bed.now_ms);
	shard_bed_closed(&bed, LTS_OK);
}
END_TEST

START_TEST(shard_stops_in_front_of_the_poison_once_all_before_it_is_delivered)
{
	suspect("30", 42, SUSPECT_ATTEMPTS_MAX);
	shard_bed_batch(&bed, "30", 20, 500);
	shard_bed_expect(&bed, "take -\nHELD local\nbatch 10 30 100\nsubmit 10>30 20\n");
	shard_bed_delivered(&bed, LTS_OK);
	shard_bed_expect(&bed, "STUCK BADDATA 5 workers died or hung with the batch at cursor 30 "
			       "(42 records) inside the sink; mend that and restart the agent\n");
	ck_assert_int_eq(shard_state(bed.shard), SHARD_STUCK);
	shard_on_revoke(bed.shard, LEASE_RELEASED, bed.now_ms);
	shard_bed_closed(&bed, LTS_OK);
}
END_TEST

START_TEST(poison_at_the_committed_cursor_is_not_even_fetched)
{
	suspect("10", 42, SUSPECT_ATTEMPTS_MAX);
	ck_assert_int_eq(shard_state(bed.shard), SHARD_STUCK);
	shard_bed_ignore(&bed);
	shard_on_revoke(bed.shard, LEASE_RELEASED, bed.now_ms);
	shard_bed_closed(&bed, LTS_OK);
}
END_TEST

START_TEST(cursor_that_no_record_leads_to_is_no_bound_for_ever)
{
	suspect("30", 42, SUSPECT_ATTEMPTS_MAX);
	shard_bed_ignore(&bed);
	shard_bed_batch(&bed, "10", 0, 100);
	shard_bed_ignore(&bed);
	shard_bed_timer(&bed, 200);
	shard_bed_expect(&bed, "batch 10 - 100\n");
	shard_bed_error(&bed, LTS_AGAIN, -1);
	shard_on_gone(bed.shard, bed.now_ms);
	shard_bed_closed(&bed, LTS_OK);
}
END_TEST

Suite *
suite_shard_suspect(void)
{
	Suite *suite = suite_create("shard_suspect");
	TCase *tc = tcase_create("shard_suspect");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, suspect_batch_is_cut_as_it_was_before);
	tcase_add_test(tc, few_records_are_asked_for_with_the_least_limit_that_there_is);
	tcase_add_test(tc, shard_stops_in_front_of_the_poison_once_all_before_it_is_delivered);
	tcase_add_test(tc, poison_at_the_committed_cursor_is_not_even_fetched);
	tcase_add_test(tc, cursor_that_no_record_leads_to_is_no_bound_for_ever);
	suite_add_tcase(suite, tc);
	return suite;
}
