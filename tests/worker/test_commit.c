/*
 * test_commit.c - holds worker/commit.c to rules 4, 6, 8 and 12 of the architecture, with LMDB and the file
 * sink as they are: the order append, sync, commit, rename; a group commit without those that are gone;
 * deadlines; and what ends the process.
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
static struct committer *committer;
static struct buf why;
static struct buf said; /* reports, as lines */
static struct lease a, b;

static void
on_report(void *arg, struct lease *lease, enum lts_err result, bool closed)
{
	ck_assert_int_eq(buf_printf(&said, "%s %s%s\n", lease->shard.text, lts_err_name(result),
				    closed ? " closed" : ""),
			 LTS_OK);
}

static void
expect_reports(const char *lines)
{
	ck_assert_str_eq(said.data, lines);
	buf_clear(&said);
	said.data[0] = '\0';
}

static void
open_committer(void)
{
	ck_assert_int_eq(committer_create(&bed.config, &committer, &why), LTS_OK);
}

static void
setup(void)
{
	commit_bed_init(&bed);
	buf_init(&why, 0);
	buf_init(&said, 0);
	ck_assert_int_eq(buf_put_text(&said, ""), LTS_OK);
	a = commit_bed_lease("A", 1);
	b = commit_bed_lease("B", 2);
	open_committer();
}

/* As when the worker dies: nothing is committed that was not. */
static void
drop_committer(void)
{
	sys_spy_set(NULL);
	if (!committer)
		return;
	committer_forget(committer, &a);
	committer_forget(committer, &b);
	committer_destroy(&committer);
}

static void
teardown(void)
{
	drop_committer();
	buf_fini(&why);
	buf_fini(&said);
	commit_bed_fini(&bed);
}

static enum lts_err
take(struct lease *lease, const char *start)
{
	struct lease_take order = commit_bed_take(lease, start);
	struct lease_taken taken;
	return committer_take(committer, lease, &order, &taken, &why);
}

static enum lts_err
submit(struct lease *lease, const char *from, const char *to, unsigned first, unsigned last)
{
	struct batch *batch = commit_bed_batch(lease, from, to, first, last);
	enum lts_err err = committer_submit(committer, batch, &why);
	batch_destroy(&batch);
	return err;
}

static void
commit(void)
{
	ck_assert_int_eq(committer_commit(committer, on_report, NULL), LTS_OK);
}

/* ---- the order of things ---- */

static struct buf calls;

static int
note_call(void *arg, enum sys_spy_call call, const char *path, size_t *bytes)
{
	static const char *const names[] = { "fsync", "fdatasync", "rename", "unlink", "truncate",
					     "write" };
	const char *what = strstr(path, "data.mdb") ? "lmdb" :
			   strstr(path, "-abc-")    ? "segment" :
						      "dir";
	char line[64];
	snprintf(line, sizeof(line), "%s %s\n", names[call], what);
	/* Several in a row are one. */
	if (calls.len < strlen(line) ||
	    strcmp(calls.data + calls.len - strlen(line), line) != 0)
		ck_assert_int_eq(buf_put_text(&calls, line), LTS_OK);
	return 0;
}

static const struct sys_spy note_taker = { .before = note_call };

START_TEST(append_sync_commit_rename_in_this_order)
{
	ck_assert_int_eq(take(&a, "10"), LTS_OK);
	buf_init(&calls, 0);
	sys_spy_set(&note_taker);
	ck_assert_int_eq(submit(&a, "10", "20", 100, 104), LTS_OK);
	/* Created, and its name durable, before anything can name it. */
	ck_assert_str_eq(calls.data, "fsync segment\nfsync dir\nwrite segment\n");
	ck_assert_int_eq(committer_close(committer, &a, LEASE_RELEASED, 0), LTS_OK);
	buf_clear(&calls);
	commit();
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
	ck_assert_int_eq(take(&a, "10"), LTS_OK);
	ck_assert_int_eq(submit(&a, "10", "20", 100, 104), LTS_OK);
	drop_committer();
	commit_bed_expect_checkpoint(&bed, "A", "10", 0, 0);
}
END_TEST

START_TEST(committed_position_is_the_sinks)
{
	ck_assert_int_eq(take(&a, "10"), LTS_OK);
	ck_assert_int_eq(submit(&a, "10", "20", 100, 104), LTS_OK);
	ck_assert_int_eq(submit(&a, "20", "30", 105, 109), LTS_OK);
	commit();
	expect_reports("");
	ck_assert_int_eq(submit(&a, "30", "40", 110, 114), LTS_OK);
	drop_committer();
	commit_bed_expect_checkpoint(&bed, "A", "30", 0, 100);
	struct checkpoint_record record;
	ck_assert_int_eq(state_env_checkpoint(&bed.env, "A", &record), LTS_OK);
	ck_assert_uint_eq(record.records, 10);
	ck_assert_uint_eq(record.bytes, 100);
}
END_TEST

START_TEST(next_holder_goes_on_where_the_commit_stands)
{
	ck_assert_int_eq(take(&a, "10"), LTS_OK);
	ck_assert_int_eq(submit(&a, "10", "20", 100, 104), LTS_OK);
	commit();
	ck_assert_int_eq(submit(&a, "20", "30", 105, 109), LTS_OK);
	drop_committer();
	open_committer();
	a = commit_bed_lease("A", 7);
	ck_assert_int_eq(take(&a, ""), LTS_OK);
	commit_bed_expect(&bed, "A", 100, 104);
	ck_assert_int_eq(submit(&a, "20", "25", 105, 106), LTS_OK);
	commit();
	commit_bed_expect(&bed, "A", 100, 106);
}
END_TEST

START_TEST(empty_batch_that_moved_is_committed)
{
	ck_assert_int_eq(take(&a, "10"), LTS_OK);
	ck_assert_int_eq(submit(&a, "10", "20", 0, 0), LTS_OK);
	commit();
	drop_committer();
	commit_bed_expect_checkpoint(&bed, "A", "20", 0, 0);
}
END_TEST

START_TEST(one_commit_carries_all_shards)
{
	ck_assert_int_eq(take(&a, "10"), LTS_OK);
	ck_assert_int_eq(take(&b, "50"), LTS_OK);
	ck_assert_int_eq(submit(&a, "10", "20", 100, 104), LTS_OK);
	ck_assert_int_eq(submit(&b, "50", "60", 200, 209), LTS_OK);
	uint64_t before = bed.board->counters.commits;
	commit();
	ck_assert_uint_eq(bed.board->counters.commits, before + 1);
	commit(); /* nothing left to commit */
	ck_assert_uint_eq(bed.board->counters.commits, before + 1);
	drop_committer();
	commit_bed_expect_checkpoint(&bed, "A", "20", 0, 50);
	commit_bed_expect_checkpoint(&bed, "B", "60", 0, 100);
}
END_TEST

/* ---- who is gone ---- */

START_TEST(stale_epoch_cannot_take)
{
	struct lease later = commit_bed_lease("A", 9);
	ck_assert_int_eq(take(&later, "10"), LTS_OK);
	ck_assert_int_eq(take(&a, "10"), LTS_GONE);
	ck_assert_ptr_null(a.delivery_side);
	committer_forget(committer, &later);
}
END_TEST

START_TEST(shard_that_is_gone_is_left_out_of_the_commit)
{
	struct lease later = commit_bed_lease("A", 9);
	ck_assert_int_eq(take(&a, "10"), LTS_OK);
	ck_assert_int_eq(take(&b, "50"), LTS_OK);
	ck_assert_int_eq(submit(&a, "10", "20", 100, 104), LTS_OK);
	ck_assert_int_eq(submit(&b, "50", "60", 200, 209), LTS_OK);
	/* A zombie's: somebody took the shard after it. Its segment is locked. */
	ck_assert_int_eq(take(&later, ""), LTS_BUSY);
	commit();
	expect_reports("A GONE\n");
	ck_assert_int_eq(submit(&a, "20", "30", 105, 106), LTS_GONE);
	ck_assert_int_eq(committer_close(committer, &a, LEASE_RELEASED, 0), LTS_GONE);
	committer_forget(committer, &later);
	drop_committer();
	commit_bed_expect_checkpoint(&bed, "A", "10", 0, 0);
	commit_bed_expect_checkpoint(&bed, "B", "60", 0, 100);
}
END_TEST

START_TEST(closing_shard_that_is_gone_is_reported_once)
{
	ck_assert_int_eq(take(&a, "10"), LTS_OK);
	ck_assert_int_eq(submit(&a, "10", "20", 100, 104), LTS_OK);
	ck_assert_int_eq(committer_close(committer, &a, LEASE_RELEASED, 0), LTS_OK);
	atomic_store(&a.deadline_ms, 1);
	commit();
	expect_reports("A GONE closed\n");
	commit();
	expect_reports("");
}
END_TEST

START_TEST(nothing_is_done_past_the_deadline)
{
	ck_assert_int_eq(take(&a, "10"), LTS_OK);
	ck_assert_int_eq(submit(&a, "10", "20", 100, 104), LTS_OK);
	atomic_store(&a.deadline_ms, clock_boot_ms());
	ck_assert_int_eq(submit(&a, "20", "30", 105, 106), LTS_GONE);
	commit_bed_expect(&bed, "A", 100, 104);
	commit();
	expect_reports("A GONE\n");
	atomic_store(&b.deadline_ms, clock_boot_ms());
	ck_assert_int_eq(take(&b, "50"), LTS_GONE);
	drop_committer();
	commit_bed_expect_checkpoint(&bed, "A", "10", 0, 0);
	struct lease_record lease;
	ck_assert_int_eq(state_env_lease(&bed.env, "B", &lease), LTS_NOTFOUND);
}
END_TEST

START_TEST(renewed_lease_goes_on)
{
	ck_assert_int_eq(take(&a, "10"), LTS_OK);
	atomic_store(&a.deadline_ms, clock_boot_ms());
	ck_assert_int_eq(submit(&a, "10", "20", 100, 104), LTS_GONE);
	atomic_store(&a.deadline_ms, clock_boot_ms() + 60000);
	ck_assert_int_eq(submit(&a, "10", "20", 100, 104), LTS_OK);
	commit();
	expect_reports("");
	commit_bed_expect(&bed, "A", 100, 104);
}
END_TEST

START_TEST(take_without_a_position_stores_nothing)
{
	ck_assert_int_eq(take(&a, ""), LTS_NOTFOUND);
	ck_assert_ptr_null(a.delivery_side);
	ck_assert_int_eq(take(&a, "10"), LTS_OK);
}
END_TEST

START_TEST(sink_that_is_not_well_leaves_the_lease_ours)
{
	ck_assert_int_eq(take(&a, "10"), LTS_OK);
	ck_assert_int_eq(submit(&a, "10", "20", 100, 104), LTS_OK);
	commit();
	drop_committer();
	char *path = tmpdir_path(bed.sink_dir, "A-abc-00000000.log.part");
	ck_assert_int_eq(unlink(path), 0);
	free(path);
	open_committer();
	a = commit_bed_lease("A", 7);
	ck_assert_int_eq(take(&a, ""), LTS_BADDATA);
	ck_assert(strstr(why.data, "missing"));
	ck_assert_int_eq(committer_close(committer, &a, LEASE_RELEASED, 0), LTS_OK);
	commit();
	expect_reports("A OK closed\n");
	drop_committer();
	commit_bed_expect_checkpoint(&bed, "A", "20", 0, 50);
}
END_TEST

/* ---- closing ---- */

START_TEST(closed_shard_is_sealed_and_let_go)
{
	static const enum lease_state states[] = { LEASE_RELEASED, LEASE_PAUSED, LEASE_FINISHED };
	struct lease_record lease;
	struct checkpoint_record record;
	ck_assert_int_eq(take(&a, "10"), LTS_OK);
	ck_assert_int_eq(submit(&a, "10", "20", 100, 104), LTS_OK);
	ck_assert_int_eq(committer_close(committer, &a, states[_i], _i == 2 ? 777 : 0), LTS_OK);
	ck_assert_int_le(committer_due_ms(committer), clock_mono_ms());
	commit();
	expect_reports("A OK closed\n");
	drop_committer();
	size_t len;
	free(tmpdir_read(bed.sink_dir, "A-abc-00000000.log", &len));
	ck_assert_uint_eq(len, 50);
	commit_bed_expect_checkpoint(&bed, "A", "20", 1, 0);
	ck_assert_int_eq(state_env_lease(&bed.env, "A", &lease), LTS_OK);
	ck_assert_str_eq(lease_state_name(lease.state), lease_state_name(states[_i]));
	ck_assert_int_eq(state_env_checkpoint(&bed.env, "A", &record), LTS_OK);
	ck_assert_int_eq(record.finished_end_ns, _i == 2 ? 777 : 0);
}
END_TEST

START_TEST(finished_shard_can_be_released)
{
	struct lease_record lease;
	ck_assert_int_eq(take(&a, "10"), LTS_OK);
	ck_assert_int_eq(committer_close(committer, &a, LEASE_FINISHED, 777), LTS_OK);
	commit();
	ck_assert_int_eq(committer_close(committer, &a, LEASE_RELEASED, 0), LTS_OK);
	commit();
	expect_reports("A OK closed\nA OK closed\n");
	drop_committer();
	ck_assert_int_eq(state_env_lease(commit_bed_state(&bed), "A", &lease), LTS_OK);
	ck_assert_int_eq(lease.state, LEASE_RELEASED);
}
END_TEST

START_TEST(forgotten_shard_commits_nothing)
{
	ck_assert_int_eq(take(&a, "10"), LTS_OK);
	ck_assert_int_eq(submit(&a, "10", "20", 100, 104), LTS_OK);
	committer_forget(committer, &a);
	ck_assert_ptr_null(a.delivery_side);
	ck_assert_int_eq(committer_due_ms(committer), INT64_MAX);
	committer_forget(committer, &a); /* twice is once */
	commit();
	drop_committer();
	commit_bed_expect_checkpoint(&bed, "A", "10", 0, 0);
}
END_TEST

/* ---- when ---- */

START_TEST(commit_is_due_an_interval_after_the_first_batch)
{
	bed.config.interval_ms = 200;
	drop_committer();
	open_committer();
	ck_assert_int_eq(committer_due_ms(committer), INT64_MAX);
	ck_assert_int_eq(take(&a, "10"), LTS_OK);
	ck_assert_int_eq(committer_due_ms(committer), INT64_MAX);
	int64_t before_ms = clock_mono_ms();
	ck_assert_int_eq(submit(&a, "10", "20", 100, 104), LTS_OK);
	int64_t due_ms = committer_due_ms(committer);
	ck_assert_int_ge(due_ms, before_ms + 200);
	ck_assert_int_le(due_ms, clock_mono_ms() + 200);
	ck_assert_int_eq(submit(&a, "20", "30", 105, 106), LTS_OK);
	ck_assert_int_eq(committer_due_ms(committer), due_ms); /* not put off */
	commit();
	ck_assert_int_eq(committer_due_ms(committer), INT64_MAX);
}
END_TEST

START_TEST(forgotten_shard_does_not_bring_the_next_commit_forward)
{
	ck_assert_int_eq(take(&a, "10"), LTS_OK);
	ck_assert_int_eq(committer_close(committer, &a, LEASE_RELEASED, 0), LTS_OK);
	committer_forget(committer, &a);
	ck_assert_int_eq(take(&b, "50"), LTS_OK);
	ck_assert_int_eq(submit(&b, "50", "60", 200, 209), LTS_OK);
	ck_assert_int_gt(committer_due_ms(committer), clock_mono_ms() + 60000);
}
END_TEST

START_TEST(uncommitted_bytes_bring_a_commit_forward)
{
	struct batch *batch = commit_bed_batch(&a, "10", "20", 100, 104);
	bed.config.uncommitted_max = 2 * batch->bytes;
	batch_destroy(&batch);
	drop_committer();
	open_committer();
	ck_assert_int_eq(take(&a, "10"), LTS_OK);
	ck_assert_int_eq(submit(&a, "10", "20", 100, 104), LTS_OK);
	ck_assert_int_gt(committer_due_ms(committer), clock_mono_ms());
	ck_assert_int_eq(submit(&a, "20", "30", 105, 109), LTS_OK);
	ck_assert_int_le(committer_due_ms(committer), clock_mono_ms());
	commit();
	ck_assert_int_eq(submit(&a, "30", "40", 110, 114), LTS_OK);
	ck_assert_int_gt(committer_due_ms(committer), clock_mono_ms());
}
END_TEST

START_TEST(published_is_stored_lazily)
{
	struct cursor cursor = cursor_of("15");
	struct checkpoint_record record;
	ck_assert_int_eq(take(&a, "10"), LTS_OK);
	int64_t before_ms = clock_mono_ms();
	committer_published(committer, &a, &cursor);
	ck_assert_int_ge(committer_due_ms(committer), before_ms + 500);
	ck_assert_int_lt(committer_due_ms(committer), before_ms + 10000);
	commit();
	drop_committer();
	ck_assert_int_eq(state_env_checkpoint(commit_bed_state(&bed), "A", &record), LTS_OK);
	ck_assert_str_eq(record.service.text, "15");
	ck_assert_str_eq(record.cursor.text, "10");
}
END_TEST

START_TEST(worker_signs_off)
{
	struct worker_record self;
	struct store_txn txn = { 0 };
	ck_assert_int_eq(take(&a, "10"), LTS_OK);
	ck_assert_int_eq(submit(&a, "10", "20", 100, 104), LTS_OK);
	commit();
	committer_sign_off(committer);
	drop_committer();
	ck_assert_int_eq(store_read_begin(commit_bed_state(&bed)->store, &txn), LTS_OK);
	ck_assert_int_eq(worker_record_read(&txn, 3, &self), LTS_OK);
	store_abort(&txn);
	ck_assert(self.exited);
	ck_assert_uint_eq(self.records, 5);
	ck_assert_uint_eq(self.commits, 1);
}
END_TEST

/* ---- what ends the process ---- */

static int
fail_sync(void *arg, enum sys_spy_call call, const char *path, size_t *bytes)
{
	const char *where = arg;
	return call == SPY_FDATASYNC && strstr(path, where) ? EIO : 0;
}

START_TEST(sync_of_the_sink_that_fails_ends_the_process)
{
	struct sys_spy spy = { .before = fail_sync, .arg = (char[]){ "-abc-" } };
	ck_assert_int_eq(take(&a, "10"), LTS_OK);
	ck_assert_int_eq(submit(&a, "10", "20", 100, 104), LTS_OK);
	sys_spy_set(&spy);
	commit();
}
END_TEST

START_TEST(sync_of_the_state_that_fails_ends_the_process)
{
	struct sys_spy spy = { .before = fail_sync, .arg = (char[]){ "data.mdb" } };
	ck_assert_int_eq(take(&a, "10"), LTS_OK);
	ck_assert_int_eq(submit(&a, "10", "20", 100, 104), LTS_OK);
	sys_spy_set(&spy);
	commit();
}
END_TEST

START_TEST(replaced_state_ends_the_process)
{
	char *path = tmpdir_path(bed.env.dir, "lock.mdb");
	ck_assert_int_eq(take(&a, "10"), LTS_OK);
	ck_assert_int_eq(submit(&a, "10", "20", 100, 104), LTS_OK);
	ck_assert_int_eq(unlink(path), 0);
	commit();
}
END_TEST

START_TEST(batch_out_of_order_aborts)
{
	ck_assert_int_eq(take(&a, "10"), LTS_OK);
	ck_assert_int_eq(submit(&a, "10", "20", 100, 104), LTS_OK);
	ck_assert_int_eq(submit(&a, "10", "20", 100, 104), LTS_OK);
}
END_TEST

START_TEST(state_that_is_not_there_is_said)
{
	struct committer *none = NULL;
	drop_committer();
	bed.config.state_dir = bed.sink_dir;
	ck_assert_int_eq(committer_create(&bed.config, &none, &why), LTS_NOTFOUND);
	ck_assert_ptr_null(none);
	ck_assert(strstr(why.data, bed.sink_dir));
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
	tcase_add_test(tc, commit_is_due_an_interval_after_the_first_batch);
	tcase_add_test(tc, forgotten_shard_does_not_bring_the_next_commit_forward);
	tcase_add_test(tc, uncommitted_bytes_bring_a_commit_forward);
	tcase_add_test(tc, published_is_stored_lazily);
	tcase_add_test(tc, worker_signs_off);
	suite_add_tcase(suite, tc);
	tc = tcase_create("leases");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, stale_epoch_cannot_take);
	tcase_add_test(tc, shard_that_is_gone_is_left_out_of_the_commit);
	tcase_add_test(tc, closing_shard_that_is_gone_is_reported_once);
	tcase_add_test(tc, nothing_is_done_past_the_deadline);
	tcase_add_test(tc, renewed_lease_goes_on);
	tcase_add_test(tc, take_without_a_position_stores_nothing);
	tcase_add_test(tc, sink_that_is_not_well_leaves_the_lease_ours);
	tcase_add_loop_test(tc, closed_shard_is_sealed_and_let_go, 0, 3);
	tcase_add_test(tc, finished_shard_can_be_released);
	tcase_add_test(tc, forgotten_shard_commits_nothing);
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
