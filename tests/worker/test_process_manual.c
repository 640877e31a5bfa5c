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
	return committer_close(bed.commit.committer, &bed.commit.a, state, 777,
			       &bed.commit.back, &bed.commit.why);
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

/* ---- dead letters ahead of what is saved ---- */

static const struct process_bed_batch batches[] = {
	{ "10", "20", 100, 107 },
	{ "20", "30", 108, 115 },
	{ "30", "40", 116, 123 },
};

/* Nothing is lost, and the dead letters are exactly what kills or is refused. */
static void
expect_account(unsigned first, unsigned last)
{
	for (unsigned n = first; n <= last; n++) {
		bool bad = bed.kills[n] || bed.refuses[n];
		ck_assert_msg(process_bed_dead(&bed, n) == bad, "record %u", n);
		ck_assert_msg(bad ? !bed.acked[n] : bed.acked[n] > 0, "record %u", n);
	}
}

static void
live(unsigned most)
{
	process_bed_die(&bed);
	process_bed_live(&bed, batches, 3, most);
	expect_account(100, 123);
}

START_TEST(records_of_two_batches_that_end_workers_are_dead_letters_once)
{
	bed.kills[103] = bed.kills[112] = true;
	live(20);
	bed.closing.saved = true;
	ck_assert_int_eq(end(LEASE_FINISHED), LTS_OK);
	commit_bed_commit(&bed.commit);
	expect_account(100, 123);
	process_bed_expect_stored(&bed, "40", 0, 2);
}
END_TEST

START_TEST(records_of_one_batch_that_end_workers_are_dead_letters_once)
{
	bed.kills[101] = bed.kills[102] = bed.kills[107] = true;
	live(30);
	commit_bed_commit(&bed.commit);
	process_bed_expect_stored(&bed, "10", 0, 3); /* what was acknowledged is not saved */
}
END_TEST

START_TEST(records_that_are_refused_and_that_end_workers_are_dead_letters_once)
{
	bed.kills[103] = bed.kills[115] = bed.kills[116] = true;
	bed.refuses[100] = bed.refuses[104] = bed.refuses[114] = true;
	live(40);
}
END_TEST

START_TEST(every_record_of_a_batch_may_end_workers)
{
	for (unsigned n = 108; n <= 115; n++)
		bed.kills[n] = true;
	live(60);
}
END_TEST

/* Up to the moment in which 101 is a dead letter, behind 100, which is not saved. */
static struct batch *
put_101_aside(void)
{
	struct batch *batch = commit_bed_batch(&bed.commit.a, "10", "20", 100, 103);
	bed.refuses[101] = true;
	while (!process_bed_dead(&bed, 101))
		ck_assert_int_eq(process_bed_step(&bed, batch), LTS_AGAIN);
	buf_clear(&bed.called);
	return batch;
}

START_TEST(nothing_goes_on_behind_a_dead_letter_ahead_that_is_not_committed)
{
	struct batch *batch = put_101_aside();
	ck_assert_int_le(committer_due_ms(bed.commit.committer), clock_mono_ms());
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(process_bed_step(&bed, batch), LTS_AGAIN);
	process_bed_expect(&bed, "");
	commit_bed_commit(&bed.commit);
	ck_assert_int_eq(process_bed_step(&bed, batch), LTS_OK);
	process_bed_expect(&bed, "committed 10\n10>20 2+2 last failed 0\n");
	batch_destroy(&batch);
	process_bed_expect_stored(&bed, "10", 0, 1);
}
END_TEST

START_TEST(dead_letter_ahead_is_passed_over_however_its_batch_is_cut)
{
	struct batch *batch = put_101_aside();
	commit_bed_commit(&bed.commit);
	batch_destroy(&batch);
	process_bed_die(&bed);
	process_bed_open(&bed, "");
	buf_clear(&bed.called);
	deliver("10", "15", 100, 100);
	deliver("15", "20", 101, 103);
	process_bed_expect(&bed, "10>15 0+1 last failed 0\n15>20 1+2 last failed 0\n");
	ck_assert_uint_eq(process_bed_dead(&bed, 101), 1);
}
END_TEST

START_TEST(dead_letter_ahead_that_a_lost_lease_undoes_is_not_passed_over)
{
	struct batch *batch = put_101_aside();
	batch_destroy(&batch);
	atomic_store(&bed.commit.a.deadline_ms, 1);
	ck_assert_int_eq(end(LEASE_RELEASED), LTS_OK);
	commit_bed_commit(&bed.commit); /* falls back */
	commit_bed_commit(&bed.commit); /* and is released */
	commit_bed_expect_reports(&bed.commit, "A GONE closed\n");
	process_bed_expect_stored(&bed, "10", 0, 0);
	process_bed_open(&bed, "");
	deliver("10", "20", 100, 103);
	ck_assert_uint_eq(process_bed_dead(&bed, 101), 1);
}
END_TEST

START_TEST(dead_letter_ahead_is_passed_over_after_a_rollback)
{
	bed.refuses[101] = true;
	deliver("10", "20", 100, 103);
	process_bed_say(&bed, VERDICT_ROLLBACK)->rollback = cursor_of("10");
	deliver("20", "30", 104, 107);
	buf_clear(&bed.called);
	deliver("10", "20", 100, 103);
	process_bed_expect(&bed, "10>20 0+1 failed 0\n10>20 2+2 last failed 0\n");
	process_bed_say(&bed, VERDICT_ACK)->saved = true;
	deliver("20", "30", 104, 107);
	commit_bed_commit(&bed.commit);
	ck_assert_uint_eq(process_bed_dead(&bed, 101), 1);
	process_bed_expect_stored(&bed, "30", 0, 1);
}
END_TEST

START_TEST(place_that_a_rollback_leaves_unknown_passes_over_nothing)
{
	bed.refuses[101] = true;
	deliver("10", "20", 100, 103);
	deliver("20", "30", 104, 107);
	process_bed_say(&bed, VERDICT_ROLLBACK)->rollback = cursor_of("20");
	deliver("30", "40", 108, 111);
	buf_clear(&bed.called);
	deliver("20", "30", 104, 107);
	process_bed_expect(&bed, "20>30 0+4 last failed 0\n");
}
END_TEST

START_TEST(records_refused_beyond_what_can_be_kept_are_dead_letters_once_saved)
{
	for (unsigned n = 101; n <= 140; n++)
		bed.refuses[n] = true;
	bed.commit.config.process.max_attempts = 1;
	process_bed_die(&bed);
	process_bed_open(&bed, "10");
	deliver("10", "20", 100, 140);
	process_bed_say(&bed, VERDICT_ACK)->saved = true;
	deliver("20", "30", 141, 141);
	commit_bed_commit(&bed.commit);
	expect_account(100, 140);
	process_bed_expect_stored(&bed, "30", 0, 40);
}
END_TEST

START_TEST(record_that_ends_workers_beyond_what_can_be_kept_stops_the_shard)
{
	for (unsigned n = 101; n < 101 + ASIDES_MAX; n++)
		bed.refuses[n] = true;
	bed.commit.config.process.max_attempts = 1;
	process_bed_die(&bed);
	bed.commit.a.suspect = (struct suspect){ cursor_of("20"), 0, 1, 1 };
	process_bed_open(&bed, "10");
	deliver("10", "20", 100, 100 + ASIDES_MAX);
	ck_assert_int_eq(process_bed_deliver(&bed, "20", "30", 150, 150), LTS_BADDATA);
	ck_assert_ptr_nonnull(
		strstr(bed.commit.why.data, "too many dead letters are ahead of the last save"));
	ck_assert_uint_eq(process_bed_dead(&bed, 150), 0);
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
	tcase_add_test(tc, records_of_two_batches_that_end_workers_are_dead_letters_once);
	tcase_add_test(tc, records_of_one_batch_that_end_workers_are_dead_letters_once);
	tcase_add_test(tc, records_that_are_refused_and_that_end_workers_are_dead_letters_once);
	tcase_add_test(tc, every_record_of_a_batch_may_end_workers);
	tcase_add_test(tc, nothing_goes_on_behind_a_dead_letter_ahead_that_is_not_committed);
	tcase_add_test(tc, dead_letter_ahead_is_passed_over_however_its_batch_is_cut);
	tcase_add_test(tc, dead_letter_ahead_that_a_lost_lease_undoes_is_not_passed_over);
	tcase_add_test(tc, dead_letter_ahead_is_passed_over_after_a_rollback);
	tcase_add_test(tc, place_that_a_rollback_leaves_unknown_passes_over_nothing);
	tcase_add_test(tc, records_refused_beyond_what_can_be_kept_are_dead_letters_once_saved);
	tcase_add_test(tc, record_that_ends_workers_beyond_what_can_be_kept_stops_the_shard);
	suite_add_tcase(suite, tc);
	return suite;
}
