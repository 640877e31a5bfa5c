/*
 * test_process_back.c - holds worker/process_back.c: what ended unsaved with its user code comes
 * again before anything else does, a save reaches no further than what was acknowledged before
 * it, and a rollback goes only where the shard has been, and is never passed by a commit.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

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

static void
deliver_saved(const char *from, const char *to, unsigned first, unsigned last)
{
	process_bed_say(&bed, VERDICT_ACK)->saved = true;
	deliver(from, to, first, last);
}

/* Delivers it, and fails unless the shard is told to go on there; none: at its end. */
static void
expect_back(const char *from, const char *to, unsigned first, unsigned last, const char *back)
{
	struct batch *batch = commit_bed_batch(&bed.commit.a, from, to, first, last);
	enum lts_err err;
	while ((err = process_bed_step(&bed, batch)) == LTS_AGAIN)
		continue;
	ck_assert_int_eq(err, LTS_OK);
	ck_assert_str_eq(batch->rollback.text, back);
	batch_destroy(&batch);
}

static enum lts_err
end(enum lease_state state)
{
	return committer_close(bed.commit.committer, &bed.commit.a, state, 777, &bed.commit.back,
			       &bed.commit.why);
}

static bool
is_sent_back(struct cursor *to)
{
	struct lease *lease = NULL;
	bool is = committer_next_back(bed.commit.committer, &lease, to);
	ck_assert(!is || lease == &bed.commit.a);
	return is;
}

/* ---- user code that ended ---- */

START_TEST(nothing_is_given_to_the_next_life_before_what_the_last_had_not_saved)
{
	deliver_saved("10", "20", 100, 109);
	deliver("20", "30", 110, 119);
	buf_clear(&bed.called);
	bed.forgets = true;
	expect_back("30", "40", 120, 129, "20");
	process_bed_expect(&bed, "");
	bed.saves = true;
	deliver("20", "30", 110, 119);
	deliver("30", "40", 120, 129);
	process_bed_expect(&bed, "20>30 0+10 last failed 0\n30>40 0+10 last failed 0\n");
	commit_bed_commit(&bed.commit);
	process_bed_expect_stored(&bed, "40", 0, 0);
}
END_TEST

START_TEST(acknowledgement_of_a_life_that_ended_is_none)
{
	deliver_saved("10", "20", 100, 109);
	process_bed_say(&bed, VERDICT_PENDING);
	struct batch *batch = commit_bed_batch(&bed.commit.a, "20", "30", 110, 119);
	int64_t due_ms = 0;
	ck_assert_int_eq(committer_submit(bed.commit.committer, batch, &due_ms, &bed.commit.why),
			 LTS_AGAIN);
	bed.forgets = true; /* behind its acknowledgement, which a look finds */
	ck_assert_int_eq(process_bed_step(&bed, batch), LTS_OK);
	ck_assert_str_eq(batch->rollback.text, "20");
	batch_destroy(&batch);
}
END_TEST

START_TEST(save_of_a_life_that_ended_counts)
{
	process_bed_say(&bed, VERDICT_PENDING);
	process_bed_say(&bed, VERDICT_ACK)->saved = true;
	struct batch *batch = commit_bed_batch(&bed.commit.a, "10", "20", 100, 109);
	ck_assert_int_eq(process_bed_step(&bed, batch), LTS_AGAIN);
	bed.forgets = true;
	ck_assert_int_eq(process_bed_step(&bed, batch), LTS_OK);
	ck_assert_str_eq(batch->rollback.text, "");
	batch_destroy(&batch);
	commit_bed_commit(&bed.commit);
	process_bed_expect_stored(&bed, "20", 0, 0);
}
END_TEST

START_TEST(shard_without_a_batch_is_sent_back_once_and_a_batch_on_its_way_too)
{
	struct cursor to;
	deliver_saved("10", "20", 100, 109);
	deliver("20", "30", 110, 119);
	ck_assert(!is_sent_back(&to));
	bed.forgets = true;
	ck_assert(is_sent_back(&to));
	ck_assert_str_eq(to.text, "20");
	ck_assert(!is_sent_back(&to));
	buf_clear(&bed.called);
	expect_back("30", "40", 120, 129, "20");
	process_bed_expect(&bed, "");
	expect_back("20", "30", 110, 119, "");
	process_bed_expect(&bed, "20>30 0+10 last failed 0\n");
}
END_TEST

START_TEST(what_ended_with_user_code_is_not_saved_by_the_next_as_the_shard_ends)
{
	deliver_saved("10", "20", 100, 109);
	deliver("20", "30", 110, 119);
	bed.forgets = true;
	bed.closing.saved = true;
	ck_assert_int_eq(end(LEASE_RELEASED), LTS_OK);
	commit_bed_commit(&bed.commit);
	process_bed_expect_stored(&bed, "20", 0, 0);
}
END_TEST

START_TEST(shard_is_not_finished_but_goes_back_when_its_user_code_has_ended)
{
	deliver_saved("10", "20", 100, 109);
	deliver("20", "30", 110, 119);
	bed.forgets = true;
	bed.closing.saved = true;
	ck_assert_int_eq(end(LEASE_FINISHED), LTS_AGAIN);
	ck_assert_str_eq(bed.commit.back.text, "20");
	deliver("20", "30", 110, 119);
	ck_assert_int_eq(end(LEASE_FINISHED), LTS_OK);
	commit_bed_commit(&bed.commit);
	process_bed_expect_stored(&bed, "30", 0, 0);
}
END_TEST

START_TEST(user_code_that_ends_in_its_last_call_is_tried_again_and_not_for_ever)
{
	deliver("10", "20", 100, 109);
	buf_clear(&bed.called);
	bed.closing.kind = VERDICT_REFUSED;
	ck_assert_int_eq(end(LEASE_FINISHED), LTS_AGAIN);
	ck_assert_str_eq(bed.commit.back.text, "10");
	process_bed_expect(&bed, "close finished\nopen 10\n");
	deliver("10", "20", 100, 109);
	bed.commit.back = (struct cursor){ 0 };
	ck_assert_int_eq(end(LEASE_FINISHED), LTS_AGAIN);
	ck_assert_str_eq(bed.commit.back.text, ""); /* max_attempts are 2 */
	ck_assert_ptr_nonnull(strstr(bed.commit.why.data, "10 acknowledged records"));
}
END_TEST

/* Goes on as told until 105, over which the user's code ends each time, is a dead letter. */
START_TEST(record_over_which_user_code_ends_each_time_is_found_through_all_its_lives)
{
	struct cursor at = cursor_of("10");
	bool saved = false;
	bed.refuses[115] = true;
	for (unsigned lives = 0; !saved; lives++) {
		ck_assert_uint_lt(lives, 40);
		bool first = cursor_equal(&at, &(struct cursor){ "10" });
		struct batch *batch =
			first ? commit_bed_batch(&bed.commit.a, "10", "20", 100, 109)
			      : commit_bed_batch(&bed.commit.a, "20", "30", 110, 119);
		bed.saves = !first && process_bed_dead(&bed, 115);
		for (enum lts_err err = LTS_AGAIN; err == LTS_AGAIN;) {
			uint64_t before = bed.commit.board->counters.attempts;
			err = process_bed_step(&bed, batch);
			if (err != LTS_OK && before != bed.commit.board->counters.attempts)
				bed.forgets = true;
			if (committer_due_ms(bed.commit.committer) != INT64_MAX)
				commit_bed_commit(&bed.commit);
		}
		bool back = !cursor_is_none(&batch->rollback);
		saved = !first && !back;
		at = back ? batch->rollback : batch->to;
		batch_destroy(&batch);
	}
	for (unsigned n = 100; n < 120; n++)
		ck_assert_msg(n == 115 ? process_bed_dead(&bed, n) == 1 : bed.acked[n] > 0,
			      "record %u", n);
}
END_TEST

/* ---- saves over parts ---- */

START_TEST(save_reaches_no_further_than_what_was_acknowledged_before_it)
{
	struct verdict *verdict = process_bed_say(&bed, VERDICT_ACK);
	verdict->saved = true;
	verdict->unsaved = 7;
	deliver("10", "20", 100, 109);
	commit_bed_commit(&bed.commit);
	process_bed_expect_stored(&bed, "10", 3, 0);
}
END_TEST

START_TEST(records_acknowledged_before_a_refusal_are_not_given_again)
{
	struct verdict *verdict = process_bed_say(&bed, VERDICT_REFUSED);
	verdict->done = 4;
	verdict->saved = true;
	deliver("10", "20", 100, 109);
	process_bed_expect(&bed, "10>20 0+10 last failed 0\n10>20 4+6 last failed 1\n");
	commit_bed_commit(&bed.commit);
	process_bed_expect_stored(&bed, "10", 4, 0);
}
END_TEST

START_TEST(nothing_that_is_rolled_back_is_saved)
{
	struct verdict *verdict = process_bed_say(&bed, VERDICT_ROLLBACK);
	verdict->done = 4;
	verdict->saved = true;
	verdict->rollback = cursor_of("10");
	expect_back("10", "20", 100, 109, "10");
	commit_bed_commit(&bed.commit);
	process_bed_expect_stored(&bed, "10", 0, 0);
}
END_TEST

START_TEST(rollback_takes_back_what_was_saved_of_the_same_batch)
{
	struct verdict *verdict = process_bed_say(&bed, VERDICT_REFUSED);
	verdict->done = 4;
	verdict->saved = true;
	process_bed_say(&bed, VERDICT_ROLLBACK)->rollback = cursor_of("10");
	expect_back("10", "20", 100, 109, "10");
	commit_bed_commit(&bed.commit);
	process_bed_expect_stored(&bed, "10", 0, 0);
}
END_TEST

START_TEST(rollback_behind_a_save_takes_the_save_back)
{
	deliver_saved("10", "20", 100, 109);
	deliver_saved("20", "30", 110, 119);
	deliver_saved("30", "40", 120, 129);
	if (_i)
		commit_bed_commit(&bed.commit);
	process_bed_say(&bed, VERDICT_ROLLBACK)->rollback = cursor_of("20");
	expect_back("40", "50", 130, 139, "20");
	commit_bed_commit(&bed.commit);
	process_bed_expect_stored(&bed, "20", 0, 0);
}
END_TEST

START_TEST(rollback_ahead_of_the_last_save_leaves_the_save)
{
	deliver_saved("10", "20", 100, 109);
	deliver("20", "30", 110, 119);
	deliver("30", "40", 120, 129);
	process_bed_say(&bed, VERDICT_ROLLBACK)->rollback = cursor_of("30");
	expect_back("40", "50", 130, 139, "30");
	commit_bed_commit(&bed.commit);
	process_bed_expect_stored(&bed, "20", 0, 0);
}
END_TEST

START_TEST(save_in_its_last_call_is_void_when_that_rolls_back_too)
{
	deliver("10", "20", 100, 109);
	bed.closing = (struct verdict){ .kind = VERDICT_ROLLBACK, .saved = true };
	ck_assert_int_eq(end(LEASE_RELEASED), LTS_OK);
	commit_bed_commit(&bed.commit);
	process_bed_expect_stored(&bed, "10", 0, 0);
}
END_TEST

/* ---- cursors ---- */

static const char *const astray[] = { "abc", "15", "40", "50" };

START_TEST(cursor_that_was_not_given_is_refused_and_nothing_is_skipped)
{
	bed.commit.config.process.manual = _i % 2;
	process_bed_die(&bed);
	process_bed_open(&bed, "10");
	deliver_saved("10", "20", 100, 109);
	deliver("20", "30", 110, 119);
	commit_bed_commit(&bed.commit);
	buf_clear(&bed.called);
	process_bed_say(&bed, VERDICT_ROLLBACK)->rollback = cursor_of(astray[_i / 2]);
	bool manual = _i % 2;
	expect_back("30", "40", 120, 129, manual ? "20" : "");
	commit_bed_commit(&bed.commit);
	process_bed_expect_stored(&bed, manual ? "20" : "40", 0, 0);
}
END_TEST

START_TEST(cursor_ahead_of_a_rollback_was_not_given_since)
{
	bed.saves = true;
	deliver("10", "20", 100, 109);
	deliver("20", "30", 110, 119);
	deliver("30", "40", 120, 129);
	commit_bed_commit(&bed.commit);
	process_bed_say(&bed, VERDICT_ROLLBACK)->rollback = cursor_of("10");
	expect_back("40", "50", 130, 139, "10");
	for (int i = 0; i < 2; i++) {
		/* What was given last, and what is committed still. */
		struct verdict *verdict = process_bed_say(&bed, VERDICT_ROLLBACK);
		verdict->rollback = cursor_of(i ? "40" : "30");
	}
	expect_back("10", "20", 100, 109, "");
	deliver("20", "30", 110, 119);
}
END_TEST

Suite *
suite_process_back(void)
{
	Suite *suite = suite_create("process_back");
	TCase *tc = tcase_create("process_back");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc,
		       nothing_is_given_to_the_next_life_before_what_the_last_had_not_saved);
	tcase_add_test(tc, acknowledgement_of_a_life_that_ended_is_none);
	tcase_add_test(tc, save_of_a_life_that_ended_counts);
	tcase_add_test(tc, shard_without_a_batch_is_sent_back_once_and_a_batch_on_its_way_too);
	tcase_add_test(tc, what_ended_with_user_code_is_not_saved_by_the_next_as_the_shard_ends);
	tcase_add_test(tc, shard_is_not_finished_but_goes_back_when_its_user_code_has_ended);
	tcase_add_test(tc, user_code_that_ends_in_its_last_call_is_tried_again_and_not_for_ever);
	tcase_add_test(tc,
		       record_over_which_user_code_ends_each_time_is_found_through_all_its_lives);
	tcase_add_test(tc, save_reaches_no_further_than_what_was_acknowledged_before_it);
	tcase_add_test(tc, records_acknowledged_before_a_refusal_are_not_given_again);
	tcase_add_test(tc, nothing_that_is_rolled_back_is_saved);
	tcase_add_test(tc, rollback_takes_back_what_was_saved_of_the_same_batch);
	tcase_add_loop_test(tc, rollback_behind_a_save_takes_the_save_back, 0, 2);
	tcase_add_test(tc, rollback_ahead_of_the_last_save_leaves_the_save);
	tcase_add_test(tc, save_in_its_last_call_is_void_when_that_rolls_back_too);
	tcase_add_loop_test(tc, cursor_that_was_not_given_is_refused_and_nothing_is_skipped, 0,
			    2 * sizeof(astray) / sizeof(astray[0]));
	tcase_add_test(tc, cursor_ahead_of_a_rollback_was_not_given_since);
	suite_add_tcase(suite, tc);
	return suite;
}
