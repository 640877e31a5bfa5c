/*
 * test_process_manual.c - holds worker/process.c to checkpoint_mode=manual: a commit names only
 * what the processor has saved, a shard that is not saved up to its end is not finished, and
 * dead letters ahead of what is saved are kept, once each.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "tests/suites.h"
#include "tests/worker/process_bed.h"

static struct process_bed bed;

static void
setup(void)
{
	process_bed_init(&bed, true);
	process_bed_open(&bed, "10");
	process_bed_expect(&bed, "open 10\n");
}

static void
teardown(void)
{
	process_bed_fini(&bed);
}

static void
deliver(const char *from, const char *to, unsigned first, unsigned last)
{
	ck_assert_int_eq(process_bed_deliver(&bed, from, to, first, last), LTS_OK);
}

static enum lts_err
end(enum lease_state state)
{
	return committer_close(bed.commit.committer, &bed.commit.a, state, 777, &bed.commit.why);
}

/* ---- saves ---- */

START_TEST(acknowledged_batch_is_behind_no_commit_until_it_is_saved)
{
	deliver("10", "20", 100, 109);
	commit_bed_commit(&bed.commit);
	process_bed_say(&bed, VERDICT_ACK)->saved = true;
	deliver("20", "30", 110, 119);
	deliver("30", "40", 120, 129);
	commit_bed_commit(&bed.commit);
	process_bed_expect_stored(&bed, "30", 0, 0);
}
END_TEST

START_TEST(save_is_committed_at_once_only_when_it_is_to_be_persistent)
{
	process_bed_say(&bed, VERDICT_ACK)->saved = true;
	deliver("10", "20", 100, 109);
	ck_assert_int_gt(committer_due_ms(bed.commit.committer), clock_mono_ms());
	struct verdict *verdict = process_bed_say(&bed, VERDICT_ACK);
	verdict->saved = verdict->persistent = true;
	deliver("20", "30", 110, 119);
	ck_assert_int_le(committer_due_ms(bed.commit.committer), clock_mono_ms());
}
END_TEST

START_TEST(save_in_the_middle_of_a_batch_is_a_place_in_it)
{
	bed.refuses[102] = true;
	bed.saves = true;
	deliver("10", "20", 100, 103);
	process_bed_expect_stored(&bed, "10", 3, 1); /* the last half was not committed yet */
}
END_TEST

START_TEST(between_two_places_without_an_acknowledged_record_nobody_needs_to_save)
{
	deliver("10", "20", 0, 0);
	bed.refuses[100] = true;
	deliver("20", "30", 100, 100);
	commit_bed_commit(&bed.commit);
	process_bed_expect_stored(&bed, "30", 0, 1);
}
END_TEST

START_TEST(what_is_saved_as_the_shard_is_let_go_is_committed)
{
	deliver("10", "20", 100, 109);
	bed.closing.saved = true;
	ck_assert_int_eq(end(LEASE_PAUSED), LTS_OK);
	commit_bed_commit(&bed.commit);
	process_bed_expect_stored(&bed, "20", 0, 0);
}
END_TEST

START_TEST(shard_let_go_without_a_save_keeps_its_place)
{
	deliver("10", "20", 100, 109);
	ck_assert_int_eq(end(LEASE_RELEASED), LTS_OK);
	commit_bed_commit(&bed.commit);
	commit_bed_expect_reports(&bed.commit, "A OK closed\n");
	process_bed_expect_stored(&bed, "10", 0, 0);
}
END_TEST

/* ---- the end ---- */

static struct checkpoint_record
stored(void)
{
	struct checkpoint_record record;
	process_bed_die(&bed);
	ck_assert_int_eq(state_env_checkpoint(commit_bed_state(&bed.commit), "A", &record),
			 LTS_OK);
	return record;
}

START_TEST(shard_that_is_saved_at_its_end_is_finished)
{
	deliver("10", "20", 100, 109);
	bed.closing.saved = true;
	ck_assert_int_eq(end(LEASE_FINISHED), LTS_OK);
	commit_bed_commit(&bed.commit);
	commit_bed_expect_reports(&bed.commit, "A OK closed\n");
	ck_assert_int_eq(stored().finished_end_ns, 777);
}
END_TEST

START_TEST(shard_that_is_not_saved_at_its_end_is_not_finished)
{
	process_bed_say(&bed, VERDICT_ACK)->saved = true;
	deliver("10", "20", 100, 109);
	deliver("20", "30", 110, 116);
	buf_clear(&bed.called);
	ck_assert_int_eq(end(LEASE_FINISHED), LTS_AGAIN);
	process_bed_expect(&bed, "close finished\n");
	ck_assert_str_eq(bed.commit.why.data,
			 "7 acknowledged records are behind the last save: they come again at "
			 "the next start");
	ck_assert_int_eq(end(LEASE_PAUSED), LTS_OK);
	commit_bed_commit(&bed.commit);
	process_bed_expect(&bed, ""); /* its last call was that */
	struct checkpoint_record record = stored();
	ck_assert_int_eq(record.finished_end_ns, 0);
	ck_assert_str_eq(record.cursor.text, "20");
}
END_TEST

Suite *
suite_process_manual(void)
{
	Suite *suite = suite_create("process_manual");
	TCase *tc = tcase_create("process_manual");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, acknowledged_batch_is_behind_no_commit_until_it_is_saved);
	tcase_add_test(tc, save_is_committed_at_once_only_when_it_is_to_be_persistent);
	tcase_add_test(tc, save_in_the_middle_of_a_batch_is_a_place_in_it);
	tcase_add_test(tc,
		       between_two_places_without_an_acknowledged_record_nobody_needs_to_save);
	tcase_add_test(tc, what_is_saved_as_the_shard_is_let_go_is_committed);
	tcase_add_test(tc, shard_let_go_without_a_save_keeps_its_place);
	tcase_add_test(tc, shard_that_is_saved_at_its_end_is_finished);
	tcase_add_test(tc, shard_that_is_not_saved_at_its_end_is_not_finished);
	suite_add_tcase(suite, tc);
	return suite;
}
