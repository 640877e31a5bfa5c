/*
 * early.c - a shard that catches up asks for its next batch while the one before comes in, and
 * that one may fail in any way.
 *
 * Real programs against an lts-sim with slow links. Holds the agent to asking early, and to
 * delivering everything exactly once whatever becomes of the bodies.
 */
#include "tests/suites.h"

#include <signal.h>
#include <stdio.h>

#include "tests/support/one_host.h"

#define SLOW "bandwidth=100000"

static void
begin(struct one_host *h, const char *sim_options, const char *faults, const char *agent_options)
{
	scenario_begin(&h->scenario);
	sim_start(&h->sim, &h->scenario, sim_options);
	sim_faults(&h->sim, faults);
	agent_init(&h->agent, &h->sim, "host", agent_options);
	agent_start(&h->agent);
}

/* The first body takes seconds: comes whole, is cut short, or leads back to its own start. */
START_TEST(next_batch_is_asked_for_while_the_first_comes_in)
{
	static const char *const faults[] = { "batch count=1 " SLOW,
					      "batch count=1 truncate=150000 " SLOW,
					      "batch after=1 count=1 back=2000 " SLOW };
	struct one_host h;
	begin(&h, "--tls off --shards 1 --records 10000 --record_bytes 200", faults[_i],
	      "--consumer_count 1 --end_time end");
	until("the next was asked for", sim_number(&h.sim, "requests/batch/200") >= 2);
	if (_i < 2)
		ck_assert_double_eq(agent_committed(&h.agent), 0);
	one_host_expect_drained(&h, 1, 10000);
	one_host_end(&h);
}
END_TEST

/* A third of what comes over a slow link goes wrong, mostly after its first bytes; the last part
 * does not, for the waits after many errors in a row are long. */
START_TEST(bodies_that_fail_midway_lose_and_repeat_nothing)
{
	static const char faults[] = "batch p=0.1 truncate=40000\nbatch p=0.05 reset\n"
				     "batch p=0.05 same_next\nbatch p=0.05 back=400\n"
				     "batch p=0.03 empty\nbatch p=0.03 status=429 retry_after=0\n"
				     "batch p=0.03 html\nbatch p=0.03 garbage={\"count\":200,"
				     "\"next\":1767322800000001001,\"logs\":[\n"
				     "batch latency=3 bandwidth=4000000";
	struct one_host h;
	begin(&h, "--tls off --shards 3 --records 8000 --consumer_timeout 3", faults,
	      _i ? "--consumer_count 2 --end_time end --consume_batch_size 200 "
		   "--memory_budget 1MiB"
		 : "--consumer_count 2 --end_time end --consume_batch_size 200");
	double served = 0;
	one_host_await_served(&h, 4000, &served);
	pid_t pids[AGENT_WORKERS_MAX];
	if (agent_workers(&h.agent, pids))
		kill(pids[0], SIGKILL);
	one_host_await_served(&h, 12000, &served);
	sim_faults(&h.sim, "batch latency=3 bandwidth=4000000");
	one_host_expect_drained(&h, 3, 8000);
	one_host_end(&h);
}
END_TEST

/* A shard is taken back while both of its requests are under way. */
START_TEST(worker_that_ends_between_two_requests_leaves_nothing_behind)
{
	struct one_host h;
	begin(&h, "--tls off --shards 2 --records 8000 --consumer_timeout 3",
	      "batch latency=5 bandwidth=2000000", "--consumer_count 2");
	double served = 0;
	for (int i = 0; i < 4; i++) {
		one_host_await_served(&h, 2000, &served);
		agent_stop(&h.agent);
		agent_start(&h.agent);
	}
	sim_faults(&h.sim, "");
	until("all is committed", agent_committed(&h.agent) == 16000);
	agent_stop(&h.agent);
	scenario_expect_exact(&h.scenario, 2, 8000, "host.out");
	one_host_end(&h);
}
END_TEST

Suite *
suite_early(void)
{
	Suite *suite = suite_create("early");
	TCase *tc = scenario_case(suite, "early");
	tcase_add_loop_test(tc, next_batch_is_asked_for_while_the_first_comes_in, 0, 3);
	tcase_add_loop_test(tc, bodies_that_fail_midway_lose_and_repeat_nothing, 0, 2);
	tcase_add_test(tc, worker_that_ends_between_two_requests_leaves_nothing_behind);
	return suite;
}
