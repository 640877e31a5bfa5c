/*
 * disks.c - disks that are full, slow, broken or read-only, and workers that die or stop
 * while they have the state's write lock.
 *
 * Real programs against lts-sim, on small tmpfs mounts (root) and under strace. Holds
 * I1..I4: nothing is acknowledged that is not durable, no fsync is tried twice, slow is
 * not dead, and all goes on by itself when the disk does.
 */
#include "tests/suites.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"
#include "tests/support/one_host.h"
#include "tests/support/small_disk.h"
#include "tests/support/strace.h"

static void
begin(struct one_host *h, const char *sim_options, const char *agent_options)
{
	sim_start(&h->sim, &h->scenario, sim_options);
	agent_init(&h->agent, &h->sim, "host", agent_options);
	agent_start(&h->agent);
}

static void
expect_no_torn_line(const struct one_host *h, const char *shards)
{
	struct verdict v = scenario_verify(&h->scenario, shards);
	ck_assert_uint_eq(v.torn + v.duplicated + v.reordered, 0);
}

/* As `lts-state leases` tells, a line each. The line "not ready" may name the disk, too. */
static size_t
workers_waiting(const struct one_host *h)
{
	char *leases = one_host_state(h, "leases"), *rest = leases, *line;
	size_t n = 0;
	while ((line = strsep(&rest, "\n")))
		n += strncmp(line, "waits for ", 10) == 0 && strstr(line, strerror(ENOSPC));
	free(leases);
	return n;
}

START_TEST(full_disk_under_the_sink_pauses_and_resumes_by_itself)
{
	struct one_host h;
	scenario_begin(&h.scenario);
	if (small_disk_mount(&h.scenario, "host.out", "size=4m")) {
		begin(&h, "--tls off --shards 4 --records 5000 --consumer_timeout 3",
		      "--consumer_count 2 --end_time end --consume_batch_size 300");
		until("each worker says so", agent_said(&h.agent, "deliveries pause") >= 2);
		until("both are said to wait", workers_waiting(&h) == 2);
		expect_no_torn_line(&h, "--shards 4 host.out");
		double stands = (double)scenario_lines(&h.scenario, "host.out");
		until("what is delivered is committed", agent_committed(&h.agent) == stands);
		double before = sim_number(&h.sim, "requests/heartbeat/200");
		until("some heartbeats are over",
		      sim_number(&h.sim, "requests/heartbeat/200") >= before + 40);
		ck_assert_double_eq(agent_committed(&h.agent), stands);
		ck_assert_double_le(sim_published(&h.sim), stands);
		small_disk_remount(&h.scenario, "host.out", "size=64m");
		one_host_expect_drained(&h, 4, 5000);
		ck_assert_uint_eq(agent_said(&h.agent, "restarts=1"), 0);
		ck_assert_uint_eq(agent_said(&h.agent, "lease ended"), 0);
		agent_fini(&h.agent);
		sim_stop(&h.sim);
		small_disk_unmount(&h.scenario, "host.out");
	}
	scenario_end(&h.scenario);
}
END_TEST

/* Takes write events, for which the state must grow. */
static void
kill_until_no_space(struct one_host *h)
{
	pid_t pids[AGENT_WORKERS_MAX];
	for (size_t live = 2; !agent_said(&h->agent, "no space"); live++) {
		until("both live, or it has no space",
		      agent_said(&h->agent, "no space") ||
			      (agent_said(&h->agent, "state=LIVE restarts=") >= live &&
			       agent_workers(&h->agent, pids) == 2));
		kill(pids[live % 2], SIGKILL);
	}
}

START_TEST(full_disk_under_the_state_acknowledges_nothing_and_resumes)
{
	struct one_host h;
	scenario_begin(&h.scenario);
	if (small_disk_mount(&h.scenario, "host.st", "size=1m")) {
		begin(&h, "--tls off --shards 64 --records 2000 --consumer_timeout 3",
		      "--consumer_count 2 --end_time end --publish_interval 200ms");
		sim_faults(&h.sim, "batch latency=20");
		until("it begins", agent_said(&h.agent, "msg=\"shard held\"") > 0);
		small_disk_fill(&h.scenario, "host.st", 0);
		kill_until_no_space(&h);
		ck_assert_double_le(sim_published(&h.sim), agent_committed(&h.agent));
		small_disk_drain(&h.scenario, "host.st");
		one_host_expect_drained(&h, 64, 2000);
		agent_fini(&h.agent);
		sim_stop(&h.sim);
		small_disk_unmount(&h.scenario, "host.st");
	}
	scenario_end(&h.scenario);
}
END_TEST

START_TEST(start_on_a_disk_with_little_space_is_a_clear_error_and_harms_nothing)
{
	struct one_host h;
	scenario_begin(&h.scenario);
	if (small_disk_mount(&h.scenario, "host.st", "size=1m")) {
		small_disk_fill(&h.scenario, "host.st", (unsigned)_i);
		begin(&h, "--tls off --shards 2 --records 100", "--end_time end");
		until("it ends, or waits for space, or has enough",
		      process_has_ended(&h.agent.process) ||
			      agent_said(&h.agent, "pause") ||
			      agent_committed(&h.agent) == 200);
		bool ended = process_has_ended(&h.agent.process) && agent_wait(&h.agent) != 0;
		if (ended) {
			ck_assert_int_eq(agent_wait(&h.agent), 1);
			ck_assert_uint_eq(agent_said(&h.agent, "\n"), 1);
			ck_assert_uint_eq(agent_said(&h.agent, "cannot start"), 1);
			ck_assert_uint_ge(agent_said(&h.agent, "o space"), 1);
		}
		small_disk_drain(&h.scenario, "host.st");
		if (ended)
			agent_start(&h.agent);
		one_host_expect_drained(&h, 2, 100);
		agent_fini(&h.agent);
		sim_stop(&h.sim);
		small_disk_unmount(&h.scenario, "host.st");
	}
	scenario_end(&h.scenario);
}
END_TEST

START_TEST(sink_that_is_read_only_stops_its_shards_loudly_until_a_restart)
{
	struct one_host h;
	scenario_begin(&h.scenario);
	if (small_disk_mount(&h.scenario, "host.out", "size=64m")) {
		begin(&h, "--tls off --shards 2 --records 0 --consumer_timeout 3",
		      "--consumer_count 1");
		until("it holds its shards", agent_said(&h.agent, "msg=\"shard held\"") == 2);
		small_disk_remount(&h.scenario, "host.out", "ro");
		sim_post(&h.sim, "/sim/produce?records=1000");
		until("they stop", agent_said(&h.agent, "msg=\"shard stuck\"") == 2);
		ck_assert_uint_ge(agent_said(&h.agent, "Read-only file system"), 2);
		ck_assert_double_eq(agent_committed(&h.agent), 0);
		ck_assert_double_eq(sim_published(&h.sim), 0);
		small_disk_remount(&h.scenario, "host.out", "size=64m");
		process_signal(&h.agent.process, SIGTERM);
		ck_assert_int_eq(agent_wait(&h.agent), 1);
		ck_assert_uint_eq(agent_said(&h.agent, "with a shard that is stuck"), 2);
		agent_start(&h.agent);
		until("all is delivered", agent_committed(&h.agent) == 2000);
		agent_stop(&h.agent);
		scenario_expect_exact(&h.scenario, 2, 1000, "host.out");
		agent_fini(&h.agent);
		sim_stop(&h.sim);
		small_disk_unmount(&h.scenario, "host.out");
	}
	scenario_end(&h.scenario);
}
END_TEST

#define TRACED_SIM "--tls off --shards 4 --records 20000 --consumer_timeout 3"
#define TRACED_AGENT                                                  \
	"--consumer_count 4 --end_time end --consume_batch_size 200 " \
	"--checkpoint_interval 50ms"

/* A worker under strace with rules that are about one file of the agent's, or all. */
static pid_t
begin_traced(struct one_host *h, struct process *strace, const char *only, const char *rules)
{
	pid_t pids[AGENT_WORKERS_MAX];
	begin(h, TRACED_SIM, TRACED_AGENT);
	sim_faults(&h->sim, "batch latency=10");
	until("all are at work", agent_said(&h->agent, "msg=\"shard held\"") >= 4 &&
					 agent_committed(&h->agent) > 1000);
	ck_assert_uint_eq(agent_workers(&h->agent, pids), 4);
	char *all = only[0] ? xasprintf("-P %s/%s %s", h->scenario.dir, only, rules)
			    : xasprintf("%s", rules);
	strace_attach(strace, &h->scenario, pids[0], "worker", all);
	free(all);
	return pids[0];
}

static void
end(struct one_host *h, struct process *strace)
{
	strace_detach(strace);
	one_host_expect_drained(h, 4, 20000);
	agent_fini(&h->agent);
	sim_stop(&h->sim);
	scenario_end(&h->scenario);
}

START_TEST(worker_killed_inside_a_write_transaction_delays_nobody)
{
	struct one_host h;
	struct process strace;
	scenario_begin(&h.scenario);
	if (!strace_is_possible(&h.scenario)) {
		scenario_end(&h.scenario);
		return;
	}
	char *rules = xasprintf("-e inject=fdatasync:signal=SIGKILL:when=%d", _i + 1);
	begin_traced(&h, &strace, "host.st/data.mdb", rules);
	free(rules);
	until("it is killed", agent_said(&h.agent, "signal=9") == 1);
	ck_assert_uint_eq(agent_said(&h.agent, "stage=in_txn"), 1);
	double stands = agent_committed(&h.agent);
	until("the others go on", agent_committed(&h.agent) > stands);
	end(&h, &strace);
}
END_TEST

START_TEST(worker_stopped_inside_a_write_transaction_is_killed_and_the_others_go_on)
{
	struct one_host h;
	struct process strace;
	scenario_begin(&h.scenario);
	if (!strace_is_possible(&h.scenario)) {
		scenario_end(&h.scenario);
		return;
	}
	begin_traced(&h, &strace, "host.st/data.mdb",
		     "-e inject=fdatasync:signal=SIGSTOP:when=2");
	until("it is killed", agent_said(&h.agent, "killed_by_us=true") == 1);
	ck_assert_uint_eq(agent_said(&h.agent, "stage=in_txn"), 1);
	end(&h, &strace);
}
END_TEST

static const char *const syncs[] = { "host.st/data.mdb", "" };

START_TEST(sync_that_fails_ends_the_worker_and_is_never_tried_again)
{
	struct one_host h;
	struct process strace;
	scenario_begin(&h.scenario);
	if (!strace_is_possible(&h.scenario)) {
		scenario_end(&h.scenario);
		return;
	}
	begin_traced(&h, &strace, syncs[_i], "-e inject=fdatasync:error=EIO:when=2");
	until("it ends", agent_said(&h.agent, "exit=5 ") >= 1 && process_has_ended(&strace));
	ck_assert_uint_eq(agent_said(&h.agent, "could not be synced"), 1);
	ck_assert_uint_eq(strace_saw(&h.scenario, "worker", "fdatasync("), 2);
	ck_assert_uint_eq(strace_saw(&h.scenario, "worker", "EIO"), 1);
	end(&h, &strace);
}
END_TEST

START_TEST(slow_disk_is_neither_killed_nor_costs_a_lease)
{
	struct one_host h;
	struct process strace;
	scenario_begin(&h.scenario);
	if (!strace_is_possible(&h.scenario)) {
		scenario_end(&h.scenario);
		return;
	}
	begin_traced(&h, &strace, syncs[_i], "-e inject=fdatasync:delay_enter=5000000");
	until("two syncs have taken five seconds each",
	      strace_saw(&h.scenario, "worker", "DELAYED") >= 2);
	ck_assert_uint_eq(agent_said(&h.agent, "worker ended"), 0);
	ck_assert_uint_eq(agent_said(&h.agent, "lease ended"), 0);
	end(&h, &strace);
}
END_TEST

Suite *
suite_disks(void)
{
	Suite *suite = suite_create("disks");
	TCase *tc = scenario_case(suite, "disks");
	tcase_add_test(tc, full_disk_under_the_sink_pauses_and_resumes_by_itself);
	tcase_add_test(tc, full_disk_under_the_state_acknowledges_nothing_and_resumes);
	for (int pages = 0; pages <= 40; pages += pages < 4 ? 1 : 6)
		tcase_add_loop_test(
			tc, start_on_a_disk_with_little_space_is_a_clear_error_and_harms_nothing,
			pages, pages + 1);
	tcase_add_test(tc, sink_that_is_read_only_stops_its_shards_loudly_until_a_restart);
	tcase_add_loop_test(tc, worker_killed_inside_a_write_transaction_delays_nobody, 0, 2);
	tcase_add_test(tc,
		       worker_stopped_inside_a_write_transaction_is_killed_and_the_others_go_on);
	tcase_add_loop_test(tc, sync_that_fails_ends_the_worker_and_is_never_tried_again, 0, 2);
	tcase_add_loop_test(tc, slow_disk_is_neither_killed_nor_costs_a_lease, 0, 2);
	return suite;
}
