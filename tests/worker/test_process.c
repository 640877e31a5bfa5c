/*
 * test_process.c - holds worker/process.c: a commit names only what was acknowledged or is with
 * the dead letters, and nothing goes on behind a dead letter that is not committed. LMDB and
 * the dead letters' file as they are, the processor the test's.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/suites.h"
#include "tests/support/sys_spy.h"
#include "tests/worker/process_bed.h"

static struct process_bed bed;

static void
setup(void)
{
	process_bed_init(&bed, false);
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

static struct batch *
batch_of(const char *from, const char *to, unsigned first, unsigned last)
{
	return commit_bed_batch(&bed.commit.a, from, to, first, last);
}

START_TEST(acknowledged_batch_is_behind_the_next_commit)
{
	deliver("10", "20", 100, 109);
	process_bed_expect(&bed, "10>20 0+10 last failed 0\n");
	commit_bed_commit(&bed.commit);
	process_bed_expect(&bed, "committed 20\n");
	deliver("20", "30", 110, 119);
	process_bed_expect_stored(&bed, "20", 0, 0);
}
END_TEST

START_TEST(batch_that_moves_without_records_is_not_shown_and_is_committed)
{
	deliver("10", "20", 0, 0);
	process_bed_expect(&bed, "");
	commit_bed_commit(&bed.commit);
	process_bed_expect_stored(&bed, "20", 0, 0);
}
END_TEST

START_TEST(later_is_the_same_again_and_no_attempt)
{
	process_bed_say(&bed, VERDICT_LATER);
	process_bed_say(&bed, VERDICT_LATER);
	deliver("10", "20", 100, 109);
	process_bed_expect(&bed, "10>20 0+10 last failed 0\n10>20 0+10 last failed 0\n"
				 "10>20 0+10 last failed 0\n");
}
END_TEST

START_TEST(nothing_is_committed_of_a_batch_that_is_not_over)
{
	struct batch *batch = batch_of("10", "20", 100, 109);
	process_bed_say(&bed, VERDICT_LATER);
	ck_assert_int_eq(process_bed_step(&bed, batch), LTS_AGAIN);
	commit_bed_commit(&bed.commit);
	batch_destroy(&batch);
	process_bed_expect_stored(&bed, "10", 0, 0);
}
END_TEST

START_TEST(refused_batch_comes_again_then_in_halves_until_the_poison_stands_alone)
{
	bed.refuses[102] = true;
	deliver("10", "20", 100, 103);
	process_bed_expect(&bed, "10>20 0+4 last failed 0\n"
				 "10>20 0+4 last failed 1\n"
				 "10>20 0+2 failed 0\n"
				 "10>20 2+2 last failed 0\n"
				 "10>20 2+1 failed 0\n"
				 "10>20 2+1 failed 1\n"
				 "committed 10\n"
				 "10>20 3+1 last failed 0\n");
	ck_assert_uint_eq(process_bed_dead(&bed, 102), 1);
	commit_bed_commit(&bed.commit);
	process_bed_expect_stored(&bed, "20", 0, 1);
}
END_TEST

START_TEST(blamed_record_is_tried_alone_at_once)
{
	*process_bed_say(&bed, VERDICT_REFUSED) =
		(struct verdict){ .kind = VERDICT_REFUSED, .has_bad = true, .bad = 2 };
	bed.refuses[102] = true;
	deliver("10", "20", 100, 103);
	process_bed_expect(&bed, "10>20 0+4 last failed 0\n"
				 "10>20 0+2 failed 0\n"
				 "10>20 2+1 failed 0\n"
				 "10>20 2+1 failed 1\n"
				 "committed 10\n"
				 "10>20 3+1 last failed 0\n");
}
END_TEST

START_TEST(failed_attempts_are_stored_for_people)
{
	struct checkpoint_record record;
	struct batch *batch = batch_of("10", "20", 100, 103);
	process_bed_say(&bed, VERDICT_REFUSED);
	ck_assert_int_eq(process_bed_step(&bed, batch), LTS_AGAIN);
	commit_bed_commit(&bed.commit);
	batch_destroy(&batch);
	process_bed_die(&bed);
	ck_assert_int_eq(state_env_checkpoint(commit_bed_state(&bed.commit), "A", &record),
			 LTS_OK);
	ck_assert_uint_eq(record.attempts, 1);
	ck_assert_str_eq(record.cursor.text, "10");
}
END_TEST

/* ---- the dead letters ---- */

/* Up to the moment in which the poison record 100 has been put aside. */
static struct batch *
put_100_aside(void)
{
	struct batch *batch = batch_of("10", "20", 100, 103);
	bed.refuses[100] = true;
	while (!process_bed_dead(&bed, 100))
		ck_assert_int_eq(process_bed_step(&bed, batch), LTS_AGAIN);
	buf_clear(&bed.called);
	return batch;
}

START_TEST(nothing_goes_on_behind_a_dead_letter_that_is_not_committed)
{
	struct batch *batch = put_100_aside();
	for (int i = 0; i < 5; i++)
		ck_assert_int_eq(process_bed_step(&bed, batch), LTS_AGAIN);
	process_bed_expect(&bed, "");
	commit_bed_commit(&bed.commit);
	ck_assert_int_eq(process_bed_step(&bed, batch), LTS_AGAIN);
	process_bed_expect(&bed, "committed 10\n10>20 1+1 failed 0\n");
	batch_destroy(&batch);
	process_bed_expect_stored(&bed, "10", 1, 1);
}
END_TEST

/* The dead letters' file made durable: s; the state written: c. */
static char order[8];
static size_t n_order;

static int
note_order(void *arg, enum sys_spy_call call, const char *path, size_t *bytes)
{
	const struct commit_bed *commit = arg;
	bool letters = path && strstr(path, commit->letters_dir) == path;
	bool state = path && strncmp(path, commit->env.dir, strlen(commit->env.dir)) == 0;
	bool sync = call == SPY_FSYNC || call == SPY_FDATASYNC;
	char what = letters && call == SPY_FDATASYNC       ? 's'
		    : state && (sync || call == SPY_WRITE) ? 'c'
							   : '\0';
	bool again = what == 'c' && n_order && order[n_order - 1] == 'c';
	if (what && !again && n_order < sizeof(order) - 1)
		order[n_order++] = what;
	return 0;
}

START_TEST(dead_letter_is_durable_before_the_checkpoint_passes_it)
{
	const struct sys_spy spy = { note_order, &bed.commit };
	sys_spy_set(&spy);
	struct batch *batch = put_100_aside();
	commit_bed_commit(&bed.commit);
	sys_spy_set(NULL);
	ck_assert_str_eq(order, "sc");
	batch_destroy(&batch);
}
END_TEST

START_TEST(letter_of_a_worker_that_died_before_the_commit_is_written_anew)
{
	struct batch *batch = put_100_aside();
	batch_destroy(&batch);
	process_bed_die(&bed);
	process_bed_open(&bed, "");
	ck_assert_uint_eq(process_bed_dead(&bed, 100), 0);
	deliver("10", "20", 100, 103);
	commit_bed_commit(&bed.commit);
	ck_assert_uint_eq(process_bed_dead(&bed, 100), 1);
	process_bed_expect_stored(&bed, "20", 0, 1);
}
END_TEST

START_TEST(records_done_with_behind_the_cursor_are_not_given_again)
{
	struct batch *batch = put_100_aside();
	commit_bed_commit(&bed.commit);
	batch_destroy(&batch);
	process_bed_die(&bed);
	process_bed_open(&bed, "");
	process_bed_expect(&bed, "committed 10\nclose lease lost\nopen 10\n");
	/* Cut otherwise than before, the same record comes first all the same. */
	deliver("10", "15", 100, 100);
	deliver("15", "20", 101, 103);
	process_bed_expect(&bed, "15>20 0+3 last failed 0\n");
	ck_assert_uint_eq(process_bed_dead(&bed, 100), 1);
}
END_TEST

static int
no_space(void *arg, enum sys_spy_call call, const char *path, size_t *bytes)
{
	const struct commit_bed *commit = arg;
	bool letters = path && strstr(path, commit->letters_dir) == path;
	return letters && call == SPY_WRITE ? ENOSPC : 0;
}

START_TEST(full_disk_of_the_dead_letters_is_no_step_on)
{
	const struct sys_spy spy = { no_space, &bed.commit };
	struct batch *batch = batch_of("10", "20", 100, 103);
	enum lts_err err;
	bed.refuses[100] = true;
	sys_spy_set(&spy);
	while ((err = process_bed_step(&bed, batch)) == LTS_AGAIN)
		continue;
	ck_assert_int_eq(err, LTS_NOSPACE);
	buf_clear(&bed.called);
	ck_assert_int_eq(process_bed_step(&bed, batch), LTS_NOSPACE);
	process_bed_expect(&bed, ""); /* it is not tried again for that */
	ck_assert_uint_eq(process_bed_dead(&bed, 100), 0);
	sys_spy_set(NULL);
	ck_assert_int_eq(process_bed_step(&bed, batch), LTS_AGAIN);
	ck_assert_uint_eq(process_bed_dead(&bed, 100), 1);
	batch_destroy(&batch);
}
END_TEST

START_TEST(shard_stops_at_the_poison_and_keeps_its_place_when_told_to)
{
	bed.commit.config.process.on_poison = POISON_STOP;
	process_bed_die(&bed);
	process_bed_open(&bed, "10");
	bed.refuses[101] = true;
	ck_assert_int_eq(process_bed_deliver(&bed, "10", "20", 100, 103), LTS_BADDATA);
	ck_assert_ptr_nonnull(strstr(bed.commit.why.data, "poison record 1 behind cursor 10"));
	commit_bed_commit(&bed.commit);
	ck_assert_uint_eq(process_bed_dead(&bed, 101), 0);
	process_bed_expect_stored(&bed, "10", 1, 0);
}
END_TEST

/* ---- rollback ---- */

static struct verdict *
say_rollback(const char *to)
{
	struct verdict *verdict = process_bed_say(&bed, VERDICT_ROLLBACK);
	verdict->rollback = cursor_of(to);
	return verdict;
}

START_TEST(rollback_tells_the_shard_where_it_goes_on)
{
	struct batch *batch = batch_of("20", "30", 110, 119);
	deliver("10", "20", 100, 109);
	commit_bed_commit(&bed.commit);
	say_rollback("10");
	ck_assert_int_eq(process_bed_step(&bed, batch), LTS_OK);
	ck_assert_str_eq(batch->rollback.text, "10");
	batch_destroy(&batch);
	commit_bed_commit(&bed.commit);
	buf_clear(&bed.called);
	deliver("10", "20", 100, 109);
	process_bed_expect(&bed, "10>20 0+10 last failed 0\n");
	process_bed_expect_stored(&bed, "10", 0, 0); /* also when we die before it is there */
}
END_TEST

START_TEST(second_rollback_from_the_same_batch_is_a_failure)
{
	bed.refuses[100] = true;
	say_rollback("10");
	say_rollback("10");
	deliver("10", "20", 100, 100);
	deliver("10", "20", 100, 100);
	process_bed_expect(&bed, "10>20 0+1 last failed 0\n10>20 0+1 last failed 0\n"
				 "10>20 0+1 last failed 1\n");
	ck_assert_uint_eq(process_bed_dead(&bed, 100), 1);
}
END_TEST

START_TEST(rollback_to_no_cursor_is_a_failure)
{
	process_bed_say(&bed, VERDICT_ROLLBACK);
	deliver("10", "20", 100, 109);
	process_bed_expect(&bed, "10>20 0+10 last failed 0\n10>20 0+10 last failed 1\n");
}
END_TEST

/* ---- under way ---- */

START_TEST(batch_under_way_is_looked_at_and_not_given_again)
{
	struct batch *batch = batch_of("10", "20", 100, 109);
	int64_t due_ms = 0;
	process_bed_say(&bed, VERDICT_PENDING);
	process_bed_say(&bed, VERDICT_PENDING);
	ck_assert_int_eq(committer_submit(bed.commit.committer, batch, &due_ms, &bed.commit.why),
			 LTS_AGAIN);
	ck_assert_int_eq(due_ms, INT64_MAX);
	ck_assert_int_eq(process_bed_step(&bed, batch), LTS_AGAIN);
	ck_assert_int_eq(process_bed_step(&bed, batch), LTS_OK);
	process_bed_expect(&bed, "10>20 0+10 last failed 0\nlook\nlook\n");
	batch_destroy(&batch);
}
END_TEST

START_TEST(batch_given_up_under_way_closes_its_processor_and_commits_nothing_of_it)
{
	struct batch *batch = batch_of("10", "20", 100, 109);
	process_bed_say(&bed, VERDICT_PENDING);
	ck_assert_int_eq(process_bed_step(&bed, batch), LTS_AGAIN);
	committer_give_up(bed.commit.committer, &bed.commit.a);
	batch_destroy(&batch);
	process_bed_expect(&bed, "10>20 0+10 last failed 0\nclose stopping\n");
	ck_assert_int_eq(committer_close(bed.commit.committer, &bed.commit.a, LEASE_PAUSED, 0,
					 &bed.commit.back, &bed.commit.why),
			 LTS_OK);
	commit_bed_commit(&bed.commit);
	commit_bed_expect_reports(&bed.commit, "A OK closed\n");
	process_bed_expect_stored(&bed, "10", 0, 0);
}
END_TEST

START_TEST(batch_given_up_between_two_attempts_keeps_its_processor_to_the_close)
{
	struct batch *batch = batch_of("10", "20", 100, 109);
	process_bed_say(&bed, VERDICT_LATER);
	ck_assert_int_eq(process_bed_step(&bed, batch), LTS_AGAIN);
	committer_give_up(bed.commit.committer, &bed.commit.a);
	batch_destroy(&batch);
	process_bed_expect(&bed, "10>20 0+10 last failed 0\n");
	ck_assert_int_eq(committer_close(bed.commit.committer, &bed.commit.a, LEASE_PAUSED, 0,
					 &bed.commit.back, &bed.commit.why),
			 LTS_OK);
	process_bed_expect(&bed, "close stopping\n");
	commit_bed_commit(&bed.commit);
	process_bed_expect_stored(&bed, "10", 0, 0);
}
END_TEST

START_TEST(lost_shard_is_closed_once_and_not_saved)
{
	bed.closing.saved = true;
	deliver("10", "20", 100, 109);
	atomic_store(&bed.commit.a.deadline_ms, 1);
	commit_bed_commit(&bed.commit);
	commit_bed_expect_reports(&bed.commit, "A GONE\n");
	process_bed_expect(&bed, "10>20 0+10 last failed 0\nclose lease lost\n");
	process_bed_expect_stored(&bed, "10", 0, 0);
	process_bed_expect(&bed, "");
}
END_TEST

/* ---- records over which workers died ---- */

START_TEST(records_that_ended_workers_are_a_piece_of_their_own_and_committed_singly)
{
	process_bed_die(&bed);
	buf_clear(&bed.called);
	bed.commit.a.suspect = (struct suspect){ cursor_of("20"), 2, 3, 1 };
	process_bed_open(&bed, "");
	deliver("10", "20", 100, 103);
	deliver("20", "30", 104, 109);
	process_bed_expect(&bed, "open 10\n"
				 "10>20 0+4 last failed 0\n"
				 "committed 20\n"
				 "20>30 0+2 failed 0\n"
				 "committed 20\n"
				 "20>30 2+3 failed 1\n"
				 "committed 20\n"
				 "20>30 5+1 last failed 0\n");
}
END_TEST

START_TEST(processor_that_ends_workers_as_it_is_made_is_not_made_again)
{
	process_bed_die(&bed);
	buf_clear(&bed.called);
	bed.commit.a.suspect = (struct suspect){ cursor_of("10"), 0, 0, 2 };
	ck_assert_int_eq(process_bed_try(&bed, "10"), LTS_BADDATA);
	ck_assert_ptr_nonnull(strstr(bed.commit.why.data, "2 workers died or hung"));
	process_bed_expect(&bed, "");
}
END_TEST

static const struct process_bed_batch two_batches[] = {
	{ "10", "20", 100, 107 },
	{ "20", "30", 108, 115 },
};

START_TEST(records_that_end_workers_are_dead_letters_once_and_the_rest_is_delivered)
{
	process_bed_die(&bed);
	bed.kills[101] = bed.kills[106] = bed.kills[112] = true;
	process_bed_live(&bed, two_batches, 2, 40);
	commit_bed_commit(&bed.commit);
	for (unsigned n = 100; n <= 115; n++) {
		ck_assert_uint_eq(process_bed_dead(&bed, n), bed.kills[n]);
		ck_assert(bed.kills[n] ? !bed.acked[n] : bed.acked[n] >= 1);
	}
	process_bed_expect_stored(&bed, "30", 0, 3);
}
END_TEST

Suite *
suite_process(void)
{
	Suite *suite = suite_create("process");
	TCase *tc = tcase_create("process");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, acknowledged_batch_is_behind_the_next_commit);
	tcase_add_test(tc, batch_that_moves_without_records_is_not_shown_and_is_committed);
	tcase_add_test(tc, later_is_the_same_again_and_no_attempt);
	tcase_add_test(tc, nothing_is_committed_of_a_batch_that_is_not_over);
	tcase_add_test(tc,
		       refused_batch_comes_again_then_in_halves_until_the_poison_stands_alone);
	tcase_add_test(tc, blamed_record_is_tried_alone_at_once);
	tcase_add_test(tc, failed_attempts_are_stored_for_people);
	tcase_add_test(tc, nothing_goes_on_behind_a_dead_letter_that_is_not_committed);
	tcase_add_test(tc, dead_letter_is_durable_before_the_checkpoint_passes_it);
	tcase_add_test(tc, letter_of_a_worker_that_died_before_the_commit_is_written_anew);
	tcase_add_test(tc, records_done_with_behind_the_cursor_are_not_given_again);
	tcase_add_test(tc, full_disk_of_the_dead_letters_is_no_step_on);
	tcase_add_test(tc, shard_stops_at_the_poison_and_keeps_its_place_when_told_to);
	tcase_add_test(tc, rollback_tells_the_shard_where_it_goes_on);
	tcase_add_test(tc, second_rollback_from_the_same_batch_is_a_failure);
	tcase_add_test(tc, rollback_to_no_cursor_is_a_failure);
	tcase_add_test(tc, batch_under_way_is_looked_at_and_not_given_again);
	tcase_add_test(tc,
		       batch_given_up_under_way_closes_its_processor_and_commits_nothing_of_it);
	tcase_add_test(tc, batch_given_up_between_two_attempts_keeps_its_processor_to_the_close);
	tcase_add_test(tc, lost_shard_is_closed_once_and_not_saved);
	tcase_add_test(tc,
		       records_that_ended_workers_are_a_piece_of_their_own_and_committed_singly);
	tcase_add_test(tc, processor_that_ends_workers_as_it_is_made_is_not_made_again);
	tcase_add_test(tc,
		       records_that_end_workers_are_dead_letters_once_and_the_rest_is_delivered);
	suite_add_tcase(suite, tc);
	return suite;
}
