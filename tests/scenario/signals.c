/*
 * signals.c - what an operator sends: USR1, USR2, HUP, QUIT, TERM and TERM again.
 *
 * Real programs against lts-sim. Holds the supervisor's signals to what the man page says
 * of them.
 */
#include "tests/suites.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "tests/support/json_path.h"
#include "tests/support/test_sink.h"
#include "tests/support/tmpdir.h"

enum { SOON_MS = 5000 * PATIENCE_SLOWNESS };

#define SIM_OPTIONS "--tls off --shards 4 --records 5000 --consumer_timeout 3 "

START_TEST(usr1_makes_all_that_was_delivered_durable_committed_and_published)
{
	struct one_host h;
	one_host_begin(&h, "--tls off --shards 4 --records 0 --consumer_timeout 3",
		       "--consumer_count 2 --checkpoint_interval 10m --publish_interval 1h "
		       "--memory_budget 1GiB");
	until("the group is settled", sim_is_settled(&h.sim, 2));
	until("every shard is held", agent_said(&h.agent, "msg=\"shard held\"") >= 4);
	for (int i = 1; i <= 2; i++) {
		double delivered = 20000. * i;
		sim_post(&h.sim, "/sim/produce?records=5000");
		until("all is in the sink",
		      (double)scenario_lines(&h.scenario, "host.out") == delivered);
		ck_assert_double_lt(agent_committed(&h.agent), delivered);
		process_signal(&h.agent.process, SIGUSR1);
		until("it says so", agent_said(&h.agent, "flushed") == (size_t)i);
		ck_assert_double_eq(agent_committed(&h.agent), delivered);
		ck_assert_double_eq(sim_published(&h.sim), delivered);
	}
	agent_stop(&h.agent);
	scenario_expect_exact(&h.scenario, 4, 10000, "host.out");
	one_host_end(&h);
}
END_TEST

START_TEST(usr2_prints_a_summary_that_adds_up)
{
	struct one_host h;
	one_host_begin(&h, SIM_OPTIONS, "--consumer_count 2");
	until("the group is settled", sim_is_settled(&h.sim, 2));
	until("all is committed", agent_committed(&h.agent) == 20000);
	process_signal(&h.agent.process, SIGUSR2);
	until("every worker and shard is listed", agent_said(&h.agent, "msg=summary") == 6);
	ck_assert_uint_eq(agent_said(&h.agent, "msg=summary worker="), 2);
	ck_assert_uint_eq(agent_said(&h.agent, "msg=summary shard="), 4);
	ck_assert_uint_eq(agent_sum(&h.agent, " delivered="), 20000);
	ck_assert_uint_eq(agent_sum(&h.agent, " fetched="),
			  20000 + agent_sum(&h.agent, " dropped="));
	agent_stop(&h.agent);
	one_host_end(&h);
}
END_TEST

static void
write_config(const struct scenario *scenario, const char *text)
{
	tmpdir_write(scenario->dir, "agent.conf", text, strlen(text));
}

START_TEST(hup_takes_a_good_configuration_and_leaves_a_broken_one)
{
	struct one_host h;
	scenario_begin(&h.scenario);
	write_config(&h.scenario, "log_level = info\n");
	sim_start(&h.sim, &h.scenario, SIM_OPTIONS);
	sim_faults(&h.sim, "batch latency=30");
	agent_init(&h.agent, &h.sim, "host",
		   "--config agent.conf --consumer_count 2 --end_time end "
		   "--consume_batch_size 50");
	agent_start(&h.agent);
	until("it is at work", sim_number(&h.sim, "served_records") >= 1000);

	write_config(&h.scenario, "log_level = info\nprocess_timeout = never\n");
	process_signal(&h.agent.process, SIGHUP);
	until("it says no",
	      agent_said(&h.agent, "not reloaded; everything stays as it was") == 1);
	ck_assert_uint_ge(agent_said(&h.agent, "process_timeout"), 1);

	write_config(&h.scenario, "log_level = debug\n");
	process_signal(&h.agent.process, SIGHUP);
	until("it says yes", agent_said(&h.agent, "msg=reloaded") == 1);

	write_config(&h.scenario, "no such thing\n");
	process_signal(&h.agent.process, SIGHUP);
	until("it says no again",
	      agent_said(&h.agent, "not reloaded; everything stays as it was") == 2);
	one_host_expect_drained(&h, 4, 5000);
	one_host_end(&h);
}
END_TEST

START_TEST(quit_is_out_at_once_with_exit_code_1)
{
	struct one_host h;
	pid_t pids[AGENT_WORKERS_MAX];
	double served = 0;
	one_host_begin(&h, SIM_OPTIONS,
		       "--consumer_count 4 --end_time end --consume_batch_size 50");
	sim_faults(&h.sim, "batch latency=30");
	one_host_await_served(&h, 2000, &served);
	size_t n = agent_workers(&h.agent, pids);
	ck_assert_uint_eq(n, 4);
	process_signal(&h.agent.process, SIGQUIT);
	until_within(SOON_MS, "it is out", process_has_ended(&h.agent.process));
	ck_assert_int_eq(agent_wait(&h.agent), 1);
	for (size_t i = 0; i < n; i++)
		ck_assert_int_eq(kill(pids[i], 0), -1);
	agent_start(&h.agent);
	one_host_expect_drained(&h, 4, 5000);
	one_host_end(&h);
}
END_TEST

/* Its workers are inside a sink that does not return. */
static void
begin_blocked(struct one_host *h, const char *options)
{
	test_sink_begin(h, SIM_OPTIONS, options, "hang * * 0\n");
	until("a batch is inside the sink", scenario_lines(&h->scenario, "host.out") > 0);
}

/* So much later than `since_ms`. */
static bool
is_later(int64_t since_ms, int64_t ms)
{
	return clock_boot_ms() - since_ms > ms;
}

START_TEST(second_term_kills_what_cannot_drain)
{
	struct one_host h;
	begin_blocked(&h, "--consumer_count 2");
	process_signal(&h.agent.process, SIGTERM);
	until("it is stopping", agent_said(&h.agent, "msg=stopping") == 1);
	int64_t since_ms = clock_boot_ms();
	until("the second is no echo of the first", is_later(since_ms, 1000));
	process_signal(&h.agent.process, SIGTERM);
	until_within(SOON_MS, "it is out", process_has_ended(&h.agent.process));
	ck_assert_int_eq(agent_wait(&h.agent), 1);
	ck_assert_uint_eq(agent_said(&h.agent, "told to stop twice"), 1);
	one_host_end(&h);
}
END_TEST

/* A shell's timeout signals the process and its group, tini -g the group. */
START_TEST(two_terms_within_a_second_are_one)
{
	struct one_host h;
	one_host_begin(&h, SIM_OPTIONS, "--consumer_count 2");
	until("something is delivered", scenario_lines(&h.scenario, "host.out") > 0);
	process_signal(&h.agent.process, SIGTERM);
	until("it is stopping", agent_said(&h.agent, "msg=stopping") == 1);
	process_signal(&h.agent.process, _i ? SIGINT : SIGTERM);
	ck_assert_int_eq(agent_wait(&h.agent), 0);
	ck_assert_uint_eq(agent_said(&h.agent, "told to stop twice"), 0);
	one_host_end(&h);
}
END_TEST

START_TEST(shutdown_timeout_ends_a_drain_that_does_not)
{
	struct one_host h;
	begin_blocked(&h, "--consumer_count 2 --shutdown_timeout 1s");
	process_signal(&h.agent.process, SIGTERM);
	until_within(1000 + SOON_MS, "it is out", process_has_ended(&h.agent.process));
	ck_assert_int_eq(agent_wait(&h.agent), 1);
	ck_assert_uint_eq(agent_said(&h.agent, "shutdown_timeout is over"), 1);
	one_host_end(&h);
}
END_TEST

START_TEST(storm_of_signals_is_weathered)
{
	static const int storm[] = { SIGHUP, SIGUSR1, SIGUSR2, SIGCHLD, SIGCONT };
	struct one_host h;
	one_host_begin(&h, SIM_OPTIONS,
		       "--consumer_count 4 --end_time end --consume_batch_size 100");
	sim_faults(&h.sim, "batch latency=20");
	until("it is at work", sim_number(&h.sim, "served_records") >= 1000);
	for (int i = 0; i < 20000; i++)
		process_signal(&h.agent.process, storm[i % 5]);
	one_host_expect_drained(&h, 4, 5000);
	one_host_end(&h);
}
END_TEST

static bool
has_state_dir(const struct agent *agent)
{
	char *holder = scenario_read(agent->scenario, "host.st/supervisor.lock");
	bool has = strtol(holder, NULL, 10) == agent->process.pid;
	free(holder);
	return has;
}

START_TEST(signals_during_a_start_that_waits_do_no_harm)
{
	struct one_host h;
	pid_t pids[AGENT_WORKERS_MAX];
	double served = 0;
	one_host_begin(&h, SIM_OPTIONS,
		       "--consumer_count 2 --end_time end --consume_batch_size 100");
	sim_faults(&h.sim, "batch latency=20");
	one_host_await_served(&h, 1000, &served);
	until("both workers live", agent_workers(&h.agent, pids) == 2);
	process_signal(&h.agent.process, SIGSTOP);
	kill(pids[0], SIGSTOP); /* the next supervisor waits for it, and then kills it */
	process_kill(&h.agent.process);
	agent_start(&h.agent);
	until("it waits for the stopped one", has_state_dir(&h.agent));
	process_signal(&h.agent.process, SIGHUP);
	process_signal(&h.agent.process, SIGUSR1);
	process_signal(&h.agent.process, SIGUSR2);
	one_host_expect_drained(&h, 4, 5000);
	one_host_end(&h);
}
END_TEST

Suite *
suite_signals(void)
{
	Suite *suite = suite_create("signals");
	TCase *tc = scenario_case(suite, "signals");
	tcase_add_test(tc, usr1_makes_all_that_was_delivered_durable_committed_and_published);
	tcase_add_test(tc, usr2_prints_a_summary_that_adds_up);
	tcase_add_test(tc, hup_takes_a_good_configuration_and_leaves_a_broken_one);
	tcase_add_test(tc, quit_is_out_at_once_with_exit_code_1);
	tcase_add_test(tc, second_term_kills_what_cannot_drain);
	tcase_add_loop_test(tc, two_terms_within_a_second_are_one, 0, 2);
	tcase_add_test(tc, shutdown_timeout_ends_a_drain_that_does_not);
	tcase_add_test(tc, storm_of_signals_is_weathered);
	tcase_add_test(tc, signals_during_a_start_that_waits_do_no_harm);
	return suite;
}
