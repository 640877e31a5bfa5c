/*
 * stops.c - processes that stand still.
 *
 * Real programs against lts-sim. Holds the supervisor to killing a stopped worker, and
 * the workers to letting go before the service gives their shards away.
 */
#include "tests/suites.h"

#include <signal.h>

#include "tests/support/json_path.h"
#include "tests/support/one_host.h"

START_TEST(stopped_worker_is_killed_and_costs_nothing)
{
	struct one_host h;
	pid_t pids[AGENT_WORKERS_MAX];
	double served = 0;
	uint64_t seed = scenario_seed(500 + (unsigned)_i);
	one_host_begin(&h, "--tls off --shards 4 --records 20000 --consumer_timeout 3",
		       "--consumer_count 4 --end_time end --consume_batch_size 200");
	sim_faults(&h.sim, "batch latency=10");
	for (size_t stops = 1; stops <= 4; stops++) {
		one_host_await_served(&h, 2000 + scenario_draw(&seed, 8000), &served);
		size_t n = agent_workers(&h.agent, pids);
		ck_assert_uint_gt(n, 0);
		kill(pids[scenario_draw(&seed, (unsigned)n)], SIGSTOP);
		until("the stopped worker is killed",
		      agent_said(&h.agent, "killed_by_us=true") == stops);
	}
	one_host_expect_drained(&h, 4, 20000);
	one_host_end(&h);
}
END_TEST

/* How long ago the service has heard from whomever it heard from last; its age is the
 * leases' age. */
static double
silence_ms(const struct sim_process *sim)
{
	cJSON *status = sim_status(sim);
	const cJSON *member;
	double least = 1e9;
	cJSON_ArrayForEach(member, json_path_at(status, "members"))
	{
		double age = json_path_number(member, "age_ms");
		least = age < least ? age : least;
	}
	cJSON_Delete(status);
	return least;
}

/* The service takes shards away after 3 s of silence, a lease ends a sixth earlier. */
START_TEST(stopped_supervisor_s_workers_let_go_before_the_service_does)
{
	struct one_host h;
	double served = 0;
	one_host_begin(&h, "--tls off --shards 4 --records 40000 --consumer_timeout 3",
		       "--consumer_count 4 --end_time end --consume_batch_size 100");
	sim_faults(&h.sim, "batch latency=20");
	one_host_await_served(&h, 10000, &served);
	process_signal(&h.agent.process, SIGSTOP);
	size_t at_stop = scenario_lines(&h.scenario, "host.out");
	until("a second of silence", silence_ms(&h.sim) >= 1000);
	ck_assert_uint_gt(scenario_lines(&h.scenario, "host.out"), at_stop);
	until("the service is about to take the shards away", silence_ms(&h.sim) >= 2900);
	size_t let_go = scenario_lines(&h.scenario, "host.out");
	until("it would have given them to others", silence_ms(&h.sim) >= 4500);
	ck_assert_uint_eq(scenario_lines(&h.scenario, "host.out"), let_go);
	process_signal(&h.agent.process, SIGCONT);
	one_host_expect_drained(&h, 4, 40000);
	one_host_end(&h);
}
END_TEST

Suite *
suite_stops(void)
{
	Suite *suite = suite_create("stops");
	TCase *tc = scenario_case(suite, "stops");
	tcase_add_loop_test(tc, stopped_worker_is_killed_and_costs_nothing, 0, 2);
	tcase_add_test(tc, stopped_supervisor_s_workers_let_go_before_the_service_does);
	return suite;
}
