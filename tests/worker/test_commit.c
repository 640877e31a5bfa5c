/*
 * test_commit.c - holds worker/commit.c to rules 8 and 12 of the architecture, with LMDB
 * and the file sink as they are: the order append, sync, commit, rename; when a commit is
 * due; and what ends the process.
 */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/handoff.h"
#include "state/worker_record.h"
#include "tests/suites.h"
#include "tests/support/sys_spy.h"
#include "tests/support/tmpdir.h"
#include "tests/worker/commit_bed.h"

static struct commit_bed bed;

static void
setup(void)
{
	commit_bed_init(&bed);
	commit_bed_open(&bed);
}

static void
teardown(void)
{
	commit_bed_fini(&bed);
}

/* ---- the order of things ---- */

static struct buf calls;

static int
note_call(void *arg, enum sys_spy_call call, const char *path, size_t *bytes)
{
	static const char *const names[] = { "fsync",  "fdatasync", "rename",
					     "unlink", "truncate",  "write" };
	const char *what = strstr(path, "data.mdb") ? "lmdb"
			   : strstr(path, "-abc-")  ? "segment"
						    : "dir";
	char line[64];
	snprintf(line, sizeof(line), "%s %s\n", names[call], what);
	/* Several in a row are one. */
	if (calls.len < strlen(line) || strcmp(calls.data + calls.len - strlen(line), line) != 0)
		ck_assert_int_eq(buf_put_text(&calls, line), LTS_OK);
	return 0;
}

static const struct sys_spy note_taker = { .before = note_call };

START_TEST(append_sync_commit_rename_in_this_order)
{
	ck_assert_int_eq(commit_bed_take(&bed, &bed.a, "10"), LTS_OK);
	buf_init(&calls, 0);
	sys_spy_set(&note_taker);
	ck_assert_int_eq(commit_bed_submit(&bed, &bed.a, "10", "20", 100, 104), LTS_OK);
	/* Created, and its name durable, before anything can name it. */
	ck_assert_str_eq(calls.data, "fsync segment\nfsync dir\nwrite segment\n");
	ck_assert_int_eq(committer_close(bed.committer, &bed.a, LEASE_RELEASED, 0,
					 &bed.back, &bed.why),
			 LTS_OK);
	buf_clear(&calls);
	commit_bed_commit(&bed);
	sys_spy_set(NULL);
	char *lmdb = strstr(calls.data, "fdatasync lmdb\n");
	ck_assert_ptr_nonnull(lmdb);
	ck_assert_ptr_eq(strstr(calls.data, "fdatasync segment\n"), calls.data);
	ck_assert_ptr_null(strstr(lmdb, "segment\nfdatasync"));
	char *renamed = strstr(calls.data, "rename segment\nfsync dir\n");
	ck_assert(renamed && renamed > lmdb);
	ck_assert_ptr_null(strstr(renamed, "lmdb"));
	buf_fini(&calls);
}
END_TEST

START_TEST(delivered_is_not_committed)
{
	ck_assert_int_eq(commit_bed_take(&bed, &bed.a, "10"), LTS_OK);
	ck_assert_int_eq(commit_bed_submit(&bed, &bed.a, "10", "20", 100, 104), LTS_OK);
	commit_bed_drop(&bed);
	commit_bed_expect_checkpoint(&bed, "A", "10", 0, 0);
}
END_TEST

START_TEST(committed_position_is_the_sinks)
{
	ck_assert_int_eq(commit_bed_take(&bed, &bed.a, "10"), LTS_OK);
	ck_assert_int_eq(commit_bed_submit(&bed, &bed.a, "10", "20", 100, 104), LTS_OK);
	ck_assert_int_eq(commit_bed_submit(&bed, &bed.a, "20", "30", 105, 109), LTS_OK);
	commit_bed_commit(&bed);
	commit_bed_expect_reports(&bed, "");
	ck_assert_int_eq(commit_bed_submit(&bed, &bed.a, "30", "40", 110, 114), LTS_OK);
	commit_bed_drop(&bed);
	commit_bed_expect_checkpoint(&bed, "A", "30", 0, 100);
	struct checkpoint_record record;
	ck_assert_int_eq(state_env_checkpoint(&bed.env, "A", &record), LTS_OK);
	ck_assert_uint_eq(record.records, 10);
	ck_assert_uint_eq(record.bytes, 100);
}
END_TEST

START_TEST(next_holder_goes_on_where_the_commit_stands)
{
	ck_assert_int_eq(commit_bed_take(&bed, &bed.a, "10"), LTS_OK);
	ck_assert_int_eq(commit_bed_submit(&bed, &bed.a, "10", "20", 100, 104), LTS_OK);
	commit_bed_commit(&bed);
	ck_assert_int_eq(commit_bed_submit(&bed, &bed.a, "20", "30", 105, 109), LTS_OK);
	commit_bed_drop(&bed);
	commit_bed_open(&bed);
	bed.a = commit_bed_lease("A", 7);
	ck_assert_int_eq(commit_bed_take(&bed, &bed.a, ""), LTS_OK);
	commit_bed_expect(&bed, "A", 100, 104);
	ck_assert_int_eq(commit_bed_submit(&bed, &bed.a, "20", "25", 105, 106), LTS_OK);
	commit_bed_commit(&bed);
	commit_bed_expect(&bed, "A", 100, 106);
}
END_TEST

START_TEST(empty_batch_that_moved_is_committed)
{
	ck_assert_int_eq(commit_bed_take(&bed, &bed.a, "10"), LTS_OK);
	ck_assert_int_eq(commit_bed_submit(&bed, &bed.a, "10", "20", 0, 0), LTS_OK);
	commit_bed_commit(&bed);
	commit_bed_drop(&bed);
	commit_bed_expect_checkpoint(&bed, "A", "20", 0, 0);
}
END_TEST

START_TEST(one_commit_carries_all_shards)
{
	ck_assert_int_eq(commit_bed_take(&bed, &bed.a, "10"), LTS_OK);
	ck_assert_int_eq(commit_bed_take(&bed, &bed.b, "50"), LTS_OK);
	ck_assert_int_eq(commit_bed_submit(&bed, &bed.a, "10", "20", 100, 104), LTS_OK);
	ck_assert_int_eq(commit_bed_submit(&bed, &bed.b, "50", "60", 200, 209), LTS_OK);
	uint64_t before = bed.board->counters.commits;
	commit_bed_commit(&bed);
	ck_assert_uint_eq(bed.board->counters.commits, before + 1);
	commit_bed_commit(&bed); /* nothing left to commit */
	ck_assert_uint_eq(bed.board->counters.commits, before + 1);
	commit_bed_drop(&bed);
	commit_bed_expect_checkpoint(&bed, "A", "20", 0, 50);
	commit_bed_expect_checkpoint(&bed, "B", "60", 0, 100);
}
END_TEST

/* ---- when ---- */

static int
fill_disk(void *arg, enum sys_spy_call call, const char *path, size_t *bytes)
{
	return call == SPY_WRITE && strstr(path, arg) ? ENOSPC : 0;
}

static void
ignore_report(void *arg, struct lease *lease, enum lts_err result, bool closed)
{
	ck_abort_msg("%s is reported, and not committed", lease->shard.text);
}

START_TEST(commit_that_finds_no_space_acknowledges_nothing_and_is_made_again)
{
	struct sys_spy spy = { .before = fill_disk, .arg = (char[]){ "data.mdb" } };
	ck_assert_int_eq(commit_bed_take(&bed, &bed.a, "10"), LTS_OK);
	ck_assert_int_eq(commit_bed_submit(&bed, &bed.a, "10", "20", 100, 104), LTS_OK);
	ck_assert_int_eq(committer_close(bed.committer, &bed.a, LEASE_RELEASED, 0,
					 &bed.back, &bed.why),
			 LTS_OK);
	sys_spy_set(&spy);
	ck_assert_int_eq(committer_commit(bed.committer, ignore_report, NULL), LTS_NOSPACE);
	sys_spy_set(NULL);
	ck_assert_int_gt(committer_due_ms(bed.committer), clock_mono_ms());
	ck_assert_int_lt(committer_due_ms(bed.committer), INT64_MAX);
	commit_bed_commit(&bed);
	commit_bed_expect_reports(&bed, "A OK closed\n");
	commit_bed_drop(&bed);
	commit_bed_expect_checkpoint(&bed, "A", "20", 1, 0);
}
END_TEST

START_TEST(batch_that_the_sink_did_not_take_moves_nothing)
{
	struct sys_spy spy = { .before = fill_disk, .arg = (char[]){ "A-abc-" } };
	ck_assert_int_eq(commit_bed_take(&bed, &bed.a, "10"), LTS_OK);
	ck_assert_int_eq(commit_bed_take(&bed, &bed.b, "10"), LTS_OK);
	sys_spy_set(&spy);
	ck_assert_int_eq(commit_bed_submit(&bed, &bed.a, "10", "20", 100, 104), LTS_NOSPACE);
	sys_spy_set(NULL);
	ck_assert_int_eq(commit_bed_submit(&bed, &bed.b, "10", "20", 200, 204), LTS_OK);
	ck_assert_int_eq(committer_close(bed.committer, &bed.a, LEASE_RELEASED, 0,
					 &bed.back, &bed.why),
			 LTS_OK);
	commit_bed_commit(&bed);
	commit_bed_expect_reports(&bed, "A OK closed\n");
	commit_bed_drop(&bed);
	commit_bed_expect_checkpoint(&bed, "A", "10", 0, 0);
	commit_bed_expect_checkpoint(&bed, "B", "20", 0, 50);
	commit_bed_expect(&bed, "A", 1, 0);
}
END_TEST

START_TEST(commit_is_due_an_interval_after_the_first_batch)
{
	bed.config.interval_ms = 200;
	commit_bed_drop(&bed);
	commit_bed_open(&bed);
	ck_assert_int_eq(committer_due_ms(bed.committer), INT64_MAX);
	ck_assert_int_eq(commit_bed_take(&bed, &bed.a, "10"), LTS_OK);
	ck_assert_int_eq(committer_due_ms(bed.committer), INT64_MAX);
	int64_t before_ms = clock_mono_ms();
	ck_assert_int_eq(commit_bed_submit(&bed, &bed.a, "10", "20", 100, 104), LTS_OK);
	int64_t due_ms = committer_due_ms(bed.committer);
	ck_assert_int_ge(due_ms, before_ms + 200);
	ck_assert_int_le(due_ms, clock_mono_ms() + 200);
	ck_assert_int_eq(commit_bed_submit(&bed, &bed.a, "20", "30", 105, 106), LTS_OK);
	ck_assert_int_eq(committer_due_ms(bed.committer), due_ms); /* not put off */
	commit_bed_commit(&bed);
	ck_assert_int_eq(committer_due_ms(bed.committer), INT64_MAX);
}
END_TEST

START_TEST(forgotten_shard_does_not_bring_the_next_commit_forward)
{
	ck_assert_int_eq(commit_bed_take(&bed, &bed.a, "10"), LTS_OK);
	ck_assert_int_eq(committer_close(bed.committer, &bed.a, LEASE_RELEASED, 0,
					 &bed.back, &bed.why),
			 LTS_OK);
	committer_forget(bed.committer, &bed.a);
	ck_assert_int_eq(commit_bed_take(&bed, &bed.b, "50"), LTS_OK);
	ck_assert_int_eq(commit_bed_submit(&bed, &bed.b, "50", "60", 200, 209), LTS_OK);
	ck_assert_int_gt(committer_due_ms(bed.committer), clock_mono_ms() + 60000);
}
END_TEST

START_TEST(published_is_stored_lazily)
{
	struct cursor cursor = cursor_of("15");
	struct checkpoint_record record;
	ck_assert_int_eq(commit_bed_take(&bed, &bed.a, "10"), LTS_OK);
	int64_t before_ms = clock_mono_ms();
	committer_published(bed.committer, &bed.a, &cursor);
	ck_assert_int_ge(committer_due_ms(bed.committer), before_ms + 500);
	ck_assert_int_lt(committer_due_ms(bed.committer), before_ms + 10000);
	commit_bed_commit(&bed);
	commit_bed_drop(&bed);
	ck_assert_int_eq(state_env_checkpoint(commit_bed_state(&bed), "A", &record), LTS_OK);
	ck_assert_str_eq(record.service.text, "15");
	ck_assert_str_eq(record.cursor.text, "10");
}
END_TEST

START_TEST(worker_signs_off)
{
	struct worker_record self;
	struct store_txn txn = { 0 };
	ck_assert_int_eq(commit_bed_take(&bed, &bed.a, "10"), LTS_OK);
	ck_assert_int_eq(commit_bed_submit(&bed, &bed.a, "10", "20", 100, 104), LTS_OK);
	commit_bed_commit(&bed);
	committer_sign_off(bed.committer);
	commit_bed_drop(&bed);
	ck_assert_int_eq(store_read_begin(commit_bed_state(&bed)->store, &txn), LTS_OK);
	ck_assert_int_eq(worker_record_read(&txn, 3, &self), LTS_OK);
	store_abort(&txn);
	ck_assert(self.exited);
	ck_assert_uint_eq(self.records, 5);
	ck_assert_uint_eq(self.commits, 1);
}
END_TEST

/* ---- what ends the process ---- */

/* The kernel says it once: who tries again is told that all is well. */
static int
fail_sync(void *arg, enum sys_spy_call call, const char *path, size_t *bytes)
{
	static bool said;
	if (said || call != SPY_FDATASYNC || !strstr(path, arg))
		return 0;
	said = true;
	return EIO;
}

START_TEST(sync_of_the_sink_that_fails_ends_the_process)
{
	struct sys_spy spy = { .before = fail_sync, .arg = (char[]){ "-abc-" } };
	ck_assert_int_eq(commit_bed_take(&bed, &bed.a, "10"), LTS_OK);
	ck_assert_int_eq(commit_bed_submit(&bed, &bed.a, "10", "20", 100, 104), LTS_OK);
	sys_spy_set(&spy);
	commit_bed_commit(&bed);
}
END_TEST

START_TEST(sync_of_the_state_that_fails_ends_the_process)
{
	struct sys_spy spy = { .before = fail_sync, .arg = (char[]){ "data.mdb" } };
	ck_assert_int_eq(commit_bed_take(&bed, &bed.a, "10"), LTS_OK);
	ck_assert_int_eq(commit_bed_submit(&bed, &bed.a, "10", "20", 100, 104), LTS_OK);
	sys_spy_set(&spy);
	commit_bed_commit(&bed);
}
END_TEST

START_TEST(replaced_state_ends_the_process)
{
	char *path = tmpdir_path(bed.env.dir, "lock.mdb");
	ck_assert_int_eq(commit_bed_take(&bed, &bed.a, "10"), LTS_OK);
	ck_assert_int_eq(commit_bed_submit(&bed, &bed.a, "10", "20", 100, 104), LTS_OK);
	ck_assert_int_eq(unlink(path), 0);
	commit_bed_commit(&bed);
}
END_TEST

START_TEST(batch_out_of_order_aborts)
{
	ck_assert_int_eq(commit_bed_take(&bed, &bed.a, "10"), LTS_OK);
	ck_assert_int_eq(commit_bed_submit(&bed, &bed.a, "10", "20", 100, 104), LTS_OK);
	ck_assert_int_eq(commit_bed_submit(&bed, &bed.a, "10", "20", 100, 104), LTS_OK);
}
END_TEST

START_TEST(state_that_is_not_there_is_said)
{
	struct committer *none = NULL;
	commit_bed_drop(&bed);
	bed.config.state_dir = bed.sink_dir;
	ck_assert_int_eq(committer_create(&bed.config, &none, &bed.why), LTS_NOTFOUND);
	ck_assert_ptr_null(none);
	ck_assert(strstr(bed.why.data, bed.sink_dir));
}
END_TEST

Suite *
suite_commit(void)
{
	Suite *suite = suite_create("commit");
	TCase *tc = tcase_create("commits");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, append_sync_commit_rename_in_this_order);
	tcase_add_test(tc, delivered_is_not_committed);
	tcase_add_test(tc, committed_position_is_the_sinks);
	tcase_add_test(tc, next_holder_goes_on_where_the_commit_stands);
	tcase_add_test(tc, empty_batch_that_moved_is_committed);
	tcase_add_test(tc, one_commit_carries_all_shards);
	tcase_add_test(tc, commit_that_finds_no_space_acknowledges_nothing_and_is_made_again);
	tcase_add_test(tc, batch_that_the_sink_did_not_take_moves_nothing);
	tcase_add_test(tc, commit_is_due_an_interval_after_the_first_batch);
	tcase_add_test(tc, forgotten_shard_does_not_bring_the_next_commit_forward);
	tcase_add_test(tc, published_is_stored_lazily);
	tcase_add_test(tc, worker_signs_off);
	suite_add_tcase(suite, tc);
	tc = tcase_create("ends");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_exit_test(tc, sync_of_the_sink_that_fails_ends_the_process, EXIT_SYNC_FAILED);
	tcase_add_exit_test(tc, sync_of_the_state_that_fails_ends_the_process, EXIT_SYNC_FAILED);
	tcase_add_exit_test(tc, replaced_state_ends_the_process, EXIT_DAMAGED);
	tcase_add_test_raise_signal(tc, batch_out_of_order_aborts, SIGABRT);
	tcase_add_test(tc, state_that_is_not_there_is_said);
	suite_add_tcase(suite, tc);
	return suite;
}
