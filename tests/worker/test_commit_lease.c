/*
 * test_commit_lease.c - holds worker/commit.c to rules 4 and 6 of the architecture: a
 * group commit without those that are gone, nothing past a deadline, and the closing of a
 * shard. LMDB and the file sink as they are.
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

/* ---- who is gone ---- */

START_TEST(stale_epoch_cannot_take)
{
	struct lease later = commit_bed_lease("A", 9);
	ck_assert_int_eq(commit_bed_take(&bed, &later, "10"), LTS_OK);
	ck_assert_int_eq(commit_bed_take(&bed, &bed.a, "10"), LTS_GONE);
	ck_assert_ptr_null(bed.a.delivery_side);
	committer_forget(bed.committer, &later);
}
END_TEST

START_TEST(shard_that_is_gone_is_left_out_of_the_commit)
{
	struct lease later = commit_bed_lease("A", 9);
	ck_assert_int_eq(commit_bed_take(&bed, &bed.a, "10"), LTS_OK);
	ck_assert_int_eq(commit_bed_take(&bed, &bed.b, "50"), LTS_OK);
	ck_assert_int_eq(commit_bed_submit(&bed, &bed.a, "10", "20", 100, 104), LTS_OK);
	ck_assert_int_eq(commit_bed_submit(&bed, &bed.b, "50", "60", 200, 209), LTS_OK);
	/* A zombie's: somebody took the shard after it. Its segment is locked. */
	ck_assert_int_eq(commit_bed_take(&bed, &later, ""), LTS_BUSY);
	commit_bed_commit(&bed);
	commit_bed_expect_reports(&bed, "A GONE\n");
	ck_assert_int_eq(commit_bed_submit(&bed, &bed.a, "20", "30", 105, 106), LTS_GONE);
	ck_assert_int_eq(committer_close(bed.committer, &bed.a, LEASE_RELEASED, 0,
					 &bed.back, &bed.why),
			 LTS_GONE);
	committer_forget(bed.committer, &later);
	commit_bed_drop(&bed);
	commit_bed_expect_checkpoint(&bed, "A", "10", 0, 0);
	commit_bed_expect_checkpoint(&bed, "B", "60", 0, 100);
}
END_TEST

START_TEST(closing_shard_that_is_gone_is_reported_once)
{
	ck_assert_int_eq(commit_bed_take(&bed, &bed.a, "10"), LTS_OK);
	ck_assert_int_eq(commit_bed_submit(&bed, &bed.a, "10", "20", 100, 104), LTS_OK);
	ck_assert_int_eq(committer_close(bed.committer, &bed.a, LEASE_RELEASED, 0,
					 &bed.back, &bed.why),
			 LTS_OK);
	atomic_store(&bed.a.deadline_ms, 1);
	commit_bed_commit(&bed); /* falls back to what is committed */
	commit_bed_expect_reports(&bed, "");
	commit_bed_commit(&bed); /* and closes that */
	commit_bed_expect_reports(&bed, "A GONE closed\n");
	commit_bed_commit(&bed);
	commit_bed_expect_reports(&bed, "");
	commit_bed_expect_checkpoint(&bed, "A", "10", 0, 0);
}
END_TEST

START_TEST(shard_past_its_deadline_seals_what_is_committed_and_no_more)
{
	struct lease_record lease;
	ck_assert_int_eq(commit_bed_take(&bed, &bed.a, "10"), LTS_OK);
	ck_assert_int_eq(commit_bed_submit(&bed, &bed.a, "10", "20", 100, 104), LTS_OK);
	commit_bed_commit(&bed);
	ck_assert_int_eq(commit_bed_submit(&bed, &bed.a, "20", "30", 105, 106), LTS_OK);
	atomic_store(&bed.a.deadline_ms, clock_boot_ms());
	commit_bed_commit(&bed);
	commit_bed_expect_reports(&bed, "A GONE\n");
	ck_assert_int_eq(committer_close(bed.committer, &bed.a, LEASE_FINISHED, 7,
					 &bed.back, &bed.why),
			 LTS_OK);
	commit_bed_commit(&bed);
	commit_bed_expect_reports(&bed, "A GONE closed\n");
	commit_bed_expect_checkpoint(&bed, "A", "20", 1, 0);
	ck_assert_int_eq(state_env_lease(&bed.env, "A", &lease), LTS_OK);
	ck_assert_int_eq(lease.state, LEASE_RELEASED);
	char *path = tmpdir_path(bed.sink_dir, "A-abc-00000000.log");
	ck_assert_int_eq(access(path, F_OK), 0);
	free(path);
}
END_TEST

START_TEST(nothing_is_done_past_the_deadline)
{
	ck_assert_int_eq(commit_bed_take(&bed, &bed.a, "10"), LTS_OK);
	ck_assert_int_eq(commit_bed_submit(&bed, &bed.a, "10", "20", 100, 104), LTS_OK);
	atomic_store(&bed.a.deadline_ms, clock_boot_ms());
	ck_assert_int_eq(commit_bed_submit(&bed, &bed.a, "20", "30", 105, 106), LTS_GONE);
	commit_bed_expect(&bed, "A", 100, 104);
	commit_bed_commit(&bed);
	commit_bed_expect_reports(&bed, "A GONE\n");
	atomic_store(&bed.b.deadline_ms, clock_boot_ms());
	ck_assert_int_eq(commit_bed_take(&bed, &bed.b, "50"), LTS_GONE);
	commit_bed_drop(&bed);
	commit_bed_expect_checkpoint(&bed, "A", "10", 0, 0);
	struct lease_record lease;
	ck_assert_int_eq(state_env_lease(&bed.env, "B", &lease), LTS_NOTFOUND);
}
END_TEST

START_TEST(renewed_lease_goes_on)
{
	ck_assert_int_eq(commit_bed_take(&bed, &bed.a, "10"), LTS_OK);
	atomic_store(&bed.a.deadline_ms, clock_boot_ms());
	ck_assert_int_eq(commit_bed_submit(&bed, &bed.a, "10", "20", 100, 104), LTS_GONE);
	atomic_store(&bed.a.deadline_ms, clock_boot_ms() + 60000);
	ck_assert_int_eq(commit_bed_submit(&bed, &bed.a, "10", "20", 100, 104), LTS_OK);
	commit_bed_commit(&bed);
	commit_bed_expect_reports(&bed, "");
	commit_bed_expect(&bed, "A", 100, 104);
}
END_TEST

START_TEST(take_without_a_position_stores_nothing)
{
	ck_assert_int_eq(commit_bed_take(&bed, &bed.a, ""), LTS_NOTFOUND);
	ck_assert_ptr_null(bed.a.delivery_side);
	ck_assert_int_eq(commit_bed_take(&bed, &bed.a, "10"), LTS_OK);
}
END_TEST

START_TEST(sink_that_is_not_well_leaves_the_lease_ours)
{
	ck_assert_int_eq(commit_bed_take(&bed, &bed.a, "10"), LTS_OK);
	ck_assert_int_eq(commit_bed_submit(&bed, &bed.a, "10", "20", 100, 104), LTS_OK);
	commit_bed_commit(&bed);
	commit_bed_drop(&bed);
	char *path = tmpdir_path(bed.sink_dir, "A-abc-00000000.log.part");
	ck_assert_int_eq(unlink(path), 0);
	free(path);
	commit_bed_open(&bed);
	bed.a = commit_bed_lease("A", 7);
	ck_assert_int_eq(commit_bed_take(&bed, &bed.a, ""), LTS_BADDATA);
	ck_assert(strstr(bed.why.data, "missing"));
	ck_assert_int_eq(committer_close(bed.committer, &bed.a, LEASE_RELEASED, 0,
					 &bed.back, &bed.why),
			 LTS_OK);
	commit_bed_commit(&bed);
	commit_bed_expect_reports(&bed, "A OK closed\n");
	commit_bed_drop(&bed);
	commit_bed_expect_checkpoint(&bed, "A", "20", 0, 50);
}
END_TEST

/* ---- closing ---- */

START_TEST(closed_shard_is_sealed_and_let_go)
{
	static const enum lease_state states[] = { LEASE_RELEASED, LEASE_PAUSED, LEASE_FINISHED };
	struct lease_record lease;
	struct checkpoint_record record;
	ck_assert_int_eq(commit_bed_take(&bed, &bed.a, "10"), LTS_OK);
	ck_assert_int_eq(commit_bed_submit(&bed, &bed.a, "10", "20", 100, 104), LTS_OK);
	ck_assert_int_eq(
		committer_close(bed.committer, &bed.a, states[_i], _i == 2 ? 777 : 0,
						&bed.back, &bed.why),
		LTS_OK);
	ck_assert_int_le(committer_due_ms(bed.committer), clock_mono_ms());
	commit_bed_commit(&bed);
	commit_bed_expect_reports(&bed, "A OK closed\n");
	commit_bed_drop(&bed);
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
	ck_assert_int_eq(commit_bed_take(&bed, &bed.a, "10"), LTS_OK);
	ck_assert_int_eq(committer_close(bed.committer, &bed.a, LEASE_FINISHED, 777,
					 &bed.back, &bed.why),
			 LTS_OK);
	commit_bed_commit(&bed);
	ck_assert_int_eq(committer_close(bed.committer, &bed.a, LEASE_RELEASED, 0,
					 &bed.back, &bed.why),
			 LTS_OK);
	commit_bed_commit(&bed);
	commit_bed_expect_reports(&bed, "A OK closed\nA OK closed\n");
	commit_bed_drop(&bed);
	ck_assert_int_eq(state_env_lease(commit_bed_state(&bed), "A", &lease), LTS_OK);
	ck_assert_int_eq(lease.state, LEASE_RELEASED);
}
END_TEST

START_TEST(forgotten_shard_commits_nothing)
{
	ck_assert_int_eq(commit_bed_take(&bed, &bed.a, "10"), LTS_OK);
	ck_assert_int_eq(commit_bed_submit(&bed, &bed.a, "10", "20", 100, 104), LTS_OK);
	committer_forget(bed.committer, &bed.a);
	ck_assert_ptr_null(bed.a.delivery_side);
	ck_assert_int_eq(committer_due_ms(bed.committer), INT64_MAX);
	committer_forget(bed.committer, &bed.a); /* twice is once */
	commit_bed_commit(&bed);
	commit_bed_drop(&bed);
	commit_bed_expect_checkpoint(&bed, "A", "10", 0, 0);
}
END_TEST

Suite *
suite_commit_lease(void)
{
	Suite *suite = suite_create("commit_lease");
	TCase *tc = tcase_create("leases");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, stale_epoch_cannot_take);
	tcase_add_test(tc, shard_that_is_gone_is_left_out_of_the_commit);
	tcase_add_test(tc, closing_shard_that_is_gone_is_reported_once);
	tcase_add_test(tc, shard_past_its_deadline_seals_what_is_committed_and_no_more);
	tcase_add_test(tc, nothing_is_done_past_the_deadline);
	tcase_add_test(tc, renewed_lease_goes_on);
	tcase_add_test(tc, take_without_a_position_stores_nothing);
	tcase_add_test(tc, sink_that_is_not_well_leaves_the_lease_ours);
	tcase_add_loop_test(tc, closed_shard_is_sealed_and_let_go, 0, 3);
	tcase_add_test(tc, finished_shard_can_be_released);
	tcase_add_test(tc, forgotten_shard_commits_nothing);
	suite_add_tcase(suite, tc);
	return suite;
}
