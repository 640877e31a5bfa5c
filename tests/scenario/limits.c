/*
 * limits.c - limits of a process that are reached: descriptors, sizes of files, memory; and of the
 * host.
 *
 * Real programs against lts-sim, with limits set while they run, and under strace. Holds kind 1 of
 * tests/world.md: what is used up is waited for, named with whose limit it is, and nothing is
 * lost, repeated, stuck or killed for it.
 */
#include "tests/suites.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "common/clock.h"
#include "common/xalloc.h"
#include "tests/support/one_host.h"
#include "tests/support/strace.h"

enum { SHARDS = 4, RECORDS = 5000 };

#define SIM "--tls off --shards 4 --records 5000 --consumer_timeout 3"
#define AGENT                                                        \
	"--consumer_count 1 --end_time end --consume_batch_size 50 " \
	"--checkpoint_interval 20ms "

/* One worker at work, which makes a new file every few batches. */
static pid_t
begin(struct one_host *h, const char *rotate_bytes)
{
	pid_t pids[AGENT_WORKERS_MAX];
	sim_start(&h->sim, &h->scenario, SIM);
	char *options = xasprintf(AGENT "--rotate_bytes %s", rotate_bytes);
	agent_init(&h->agent, &h->sim, "host", options);
	free(options);
	agent_start(&h->agent);
	sim_faults(&h->sim, "batch latency=5");
	until("it is at work", agent_committed(&h->agent) > 300);
	ck_assert_uint_eq(agent_workers(&h->agent, pids), 1);
	return pids[0];
}

static void
end(struct one_host *h)
{
	sim_faults(&h->sim, "");
	one_host_expect_drained(h, SHARDS, RECORDS);
	ck_assert_uint_eq(agent_said(&h->agent, "shard stopped"), 0);
	ck_assert_uint_eq(agent_said(&h->agent, "worker ended"), 1); /* in order */
	agent_fini(&h->agent);
	sim_stop(&h->sim);
	scenario_end(&h->scenario);
}

/* It pauses, names the cause where people look, and goes on when the limit is what it was. */
static void
expect_wait(struct one_host *h, pid_t pid, __rlimit_resource_t what, rlim_t few, const char *named)
{
	struct rlimit before, limit;
	ck_assert_int_eq(prlimit(pid, what, NULL, &before), 0);
	limit = (struct rlimit){ few, before.rlim_max };
	ck_assert_int_eq(prlimit(pid, what, &limit, NULL), 0);
	until("it pauses", agent_said(&h->agent, "deliveries pause") >= 1);
	ck_assert_uint_ge(agent_said(&h->agent, named), 1);
	char *leases = NULL;
	for (bool seen = false; !seen; free(leases)) {
		leases = one_host_state(h, "leases");
		seen = strstr(leases, named) != NULL;
	}
	ck_assert_int_eq(prlimit(pid, what, &before, NULL), 0);
	until("it goes on", agent_said(&h->agent, "deliveries go on") >= 1);
}

START_TEST(descriptors_used_up_are_waited_for_and_named)
{
	struct one_host h;
	scenario_begin(&h.scenario);
	pid_t pid = begin(&h, "16KiB");
	ck_assert_uint_eq(agent_said(&h.agent, "the limit of descriptors"), 0);
	char *whose = xasprintf("process %d may have 3 descriptors (RLIMIT_NOFILE)", (int)pid);
	expect_wait(&h, pid, RLIMIT_NOFILE, 3, whose);
	free(whose);
	ck_assert_uint_eq(agent_said(&h.agent, "the limit of descriptors may be too low"), 1);
	end(&h);
}
END_TEST

/* Those that are open go on; the service ends them. */
START_TEST(connections_for_which_there_are_no_descriptors_are_named_at_once)
{
	struct one_host h;
	struct rlimit before;
	scenario_begin(&h.scenario);
	pid_t pid = begin(&h, "1MiB");
	char *named = xasprintf("cannot be fetched: Too many open files: process %d may have 3 "
				"descriptors (RLIMIT_NOFILE)",
				(int)pid);
	ck_assert_int_eq(prlimit(pid, RLIMIT_NOFILE, NULL, &before), 0);
	ck_assert_int_eq(prlimit(pid, RLIMIT_NOFILE,
				 &(struct rlimit){ 3, before.rlim_max }, NULL),
			 0);
	sim_faults(&h.sim, "batch reset");
	char *leases = NULL;
	for (bool seen = false; !seen; free(leases)) {
		leases = one_host_state(&h, "leases");
		seen = strstr(leases, named) != NULL;
	}
	sim_faults(&h.sim, "");
	ck_assert_int_eq(prlimit(pid, RLIMIT_NOFILE, &before, NULL), 0);
	free(named);
	end(&h);
}
END_TEST

START_TEST(largest_file_is_waited_for_and_named)
{
	struct one_host h;
	scenario_begin(&h.scenario);
	pid_t pid = begin(&h, "1MiB");
	/* Room for the log and the state, and for less than a shard. */
	expect_wait(&h, pid, RLIMIT_FSIZE, 1000000, "a file may have 1000000 bytes (RLIMIT_FSIZE)");
	end(&h);
}
END_TEST

START_TEST(host_without_descriptors_for_a_moment_costs_no_shard)
{
	struct one_host h;
	struct process strace;
	scenario_begin(&h.scenario);
	if (!strace_is_possible(&h.scenario)) {
		scenario_end(&h.scenario);
		return;
	}
	pid_t pid = begin(&h, "16KiB");
	char *rules = xasprintf("-P %s/host.out -e trace=openat "
				"-e inject=openat:error=ENFILE:when=1..3",
				h.scenario.dir);
	strace_attach(&strace, &h.scenario, pid, "worker", rules);
	free(rules);
	until("it was refused", strace_saw(&h.scenario, "worker", "ENFILE") >= 3);
	until("it goes on", agent_said(&h.agent, "deliveries go on") >= 1);
	ck_assert_uint_ge(agent_said(&h.agent, "fs.file-max"), 1);
	strace_detach(&strace);
	end(&h);
}
END_TEST

/* A limit that the agent inherits. */
static struct rlimit
lower(__rlimit_resource_t what, rlim_t most)
{
	struct rlimit before, limit;
	ck_assert_int_eq(getrlimit(what, &before), 0);
	limit = (struct rlimit){ most, before.rlim_max };
	ck_assert_int_eq(setrlimit(what, &limit), 0);
	return before;
}

/* Where the state cannot be made, or the log not be written. */
START_TEST(small_files_at_a_start_are_no_signal)
{
	struct one_host h;
	scenario_begin(&h.scenario);
	sim_start(&h.sim, &h.scenario, SIM);
	agent_init(&h.agent, &h.sim, "host", AGENT "--log_file host.own.log");
	sigaction(SIGXFSZ, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL); /* us */
	struct rlimit before = lower(RLIMIT_FSIZE, _i ? 4096 : 0);
	agent_start(&h.agent);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &before), 0);
	ck_assert_int_eq(agent_wait(&h.agent), 1);
	agent_start(&h.agent);
	one_host_expect_drained(&h, SHARDS, RECORDS);
	one_host_end(&h);
}
END_TEST

START_TEST(log_at_its_largest_size_costs_lines_and_nothing_else)
{
	struct one_host h;
	pid_t pids[AGENT_WORKERS_MAX];
	struct rlimit before, limit;
	scenario_begin(&h.scenario);
	sim_start(&h.sim, &h.scenario, SIM);
	agent_init(&h.agent, &h.sim, "host", AGENT "--log_file host.own.log --log_level debug");
	agent_start(&h.agent);
	until("it is at work", agent_committed(&h.agent) > 300);
	ck_assert_uint_eq(agent_workers(&h.agent, pids), 1);
	pid_t pid = h.agent.process.pid;
	ck_assert_int_eq(prlimit(pid, RLIMIT_FSIZE, NULL, &before), 0);
	limit = (struct rlimit){ 100, before.rlim_max };
	ck_assert_int_eq(prlimit(pid, RLIMIT_FSIZE, &limit, NULL), 0);
	process_signal(&h.agent.process, SIGUSR2); /* it has something to say */
	one_host_expect_drained(&h, SHARDS, RECORDS);
	one_host_end(&h);
}
END_TEST

/* Two workers whose batches are more than there is memory for: they take less, until it fits. */
START_TEST(too_little_memory_makes_batches_smaller_until_they_fit)
{
	struct one_host h;
	scenario_begin(&h.scenario);
#ifdef __SANITIZE_ADDRESS__
	scenario_skip("a sanitizer needs more address space than there is");
#else
	sim_start(&h.sim, &h.scenario,
		  "--tls off --shards 4 --records 60 --record_bytes 900000 --consumer_timeout 3");
	agent_init(&h.agent, &h.sim, "host", "--consumer_count 2 --end_time end");
	struct rlimit before = lower(RLIMIT_AS, 170 << 20);
	agent_start(&h.agent);
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &before), 0);
	one_host_expect_drained(&h, 4, 60);
	ck_assert_uint_ge(agent_said(&h.agent, "out of memory: the worker gets fewer"), 1);
	ck_assert_uint_ge(agent_said(&h.agent, "RLIMIT_AS of 178257920 bytes"), 1);
	ck_assert_uint_le(agent_said(&h.agent, "exit=4"), 12);
	agent_fini(&h.agent);
	sim_stop(&h.sim);
#endif
	scenario_end(&h.scenario);
}
END_TEST

Suite *
suite_limits(void)
{
	Suite *suite = suite_create("limits");
	TCase *tc = scenario_case(suite, "limits");
	tcase_add_test(tc, descriptors_used_up_are_waited_for_and_named);
	tcase_add_test(tc, connections_for_which_there_are_no_descriptors_are_named_at_once);
	tcase_add_test(tc, largest_file_is_waited_for_and_named);
	tcase_add_test(tc, host_without_descriptors_for_a_moment_costs_no_shard);
	tcase_add_loop_test(tc, small_files_at_a_start_are_no_signal, 0, 2);
	tcase_add_test(tc, log_at_its_largest_size_costs_lines_and_nothing_else);
	tcase_add_test(tc, too_little_memory_makes_batches_smaller_until_they_fit);
	return suite;
}
