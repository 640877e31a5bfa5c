/*
 * kills.c - kill -9, of workers and of the supervisor, at moments that a seed picks.
 *
 * Real programs against lts-sim. Holds leases, group commits and the file sink to I1..I5:
 * nothing is lost, repeated, out of order or torn.
 */
#include "tests/suites.h"

#include <signal.h>

#include "tests/support/one_host.h"

enum { SHARDS = 4, RECORDS = 20000 };

static void
begin(struct one_host *h)
{
	one_host_begin(h, "--tls off --shards 4 --records 20000 --consumer_timeout 3",
		       "--consumer_count 4 --end_time end --consume_batch_size 200 "
		       "--checkpoint_interval 50ms");
	sim_faults(&h->sim, "batch latency=10");
}

static void
end(struct one_host *h)
{
	one_host_expect_drained(h, SHARDS, RECORDS);
	one_host_end(h);
}

/* Sends the signal to one of the workers; false: none lives just now. */
static bool
strike(struct one_host *h, uint64_t *seed, int sig)
{
	pid_t pids[AGENT_WORKERS_MAX];
	size_t n = agent_workers(&h->agent, pids);
	return n && kill(pids[scenario_draw(seed, (unsigned)n)], sig) == 0;
}

START_TEST(killed_worker_costs_nothing)
{
	struct one_host h;
	double served = 0;
	uint64_t seed = scenario_seed((unsigned)_i);
	begin(&h);
	for (int kills = 0; kills < 8; kills++) {
		one_host_await_served(&h, 2000 + scenario_draw(&seed, 6000), &served);
		until("a worker is killed", strike(&h, &seed, SIGKILL));
	}
	ck_assert_int_eq(agent_wait(&h.agent), 0);
	ck_assert_uint_eq(agent_said(&h.agent, "signal=9"), 8);
	end(&h);
}
END_TEST

START_TEST(all_workers_killed_at_once_cost_nothing)
{
	struct one_host h;
	pid_t pids[AGENT_WORKERS_MAX];
	double served = 0;
	uint64_t seed = scenario_seed(100 + (unsigned)_i);
	begin(&h);
	for (int kills = 0; kills < 4; kills++) {
		one_host_await_served(&h, 3000 + scenario_draw(&seed, 9000), &served);
		size_t n = agent_workers(&h.agent, pids);
		for (size_t i = 0; i < n; i++)
			kill(pids[i], SIGKILL);
	}
	end(&h);
}
END_TEST

START_TEST(killed_supervisor_costs_nothing)
{
	struct one_host h;
	double served = 0;
	uint64_t seed = scenario_seed(200 + (unsigned)_i);
	begin(&h);
	for (int kills = 0; kills < 4; kills++) {
		one_host_await_served(&h, 2000 + scenario_draw(&seed, 8000), &served);
		process_kill(&h.agent.process);
		agent_start(&h.agent);
	}
	end(&h);
}
END_TEST

START_TEST(supervisor_killed_beside_a_stopped_worker_costs_nothing)
{
	struct one_host h;
	double served = 0;
	uint64_t seed = scenario_seed(300);
	begin(&h);
	one_host_await_served(&h, 5000, &served);
	process_signal(&h.agent.process, SIGSTOP); /* lest it kills the stopped worker itself */
	until("a worker is stopped", strike(&h, &seed, SIGSTOP));
	process_kill(&h.agent.process);
	agent_start(&h.agent);
	end(&h);
}
END_TEST

START_TEST(worker_told_to_end_drains_and_is_started_again)
{
	struct one_host h;
	double served = 0;
	uint64_t seed = scenario_seed(400);
	begin(&h);
	for (int ends = 0; ends < 4; ends++) {
		one_host_await_served(&h, 3000 + scenario_draw(&seed, 6000), &served);
		until("a worker is told to end", strike(&h, &seed, SIGTERM));
	}
	ck_assert_int_eq(agent_wait(&h.agent), 0);
	ck_assert_uint_eq(agent_said(&h.agent, "signal="), 0);
	ck_assert_uint_ge(agent_said(&h.agent, "state=LIVE restarts=1"), 1);
	end(&h);
}
END_TEST

Suite *
suite_kills(void)
{
	Suite *suite = suite_create("kills");
	TCase *tc = scenario_case(suite, "kills");
	tcase_add_loop_test(tc, killed_worker_costs_nothing, 0, 2);
	tcase_add_loop_test(tc, all_workers_killed_at_once_cost_nothing, 0, 2);
	tcase_add_loop_test(tc, killed_supervisor_costs_nothing, 0, 2);
	tcase_add_test(tc, supervisor_killed_beside_a_stopped_worker_costs_nothing);
	tcase_add_test(tc, worker_told_to_end_drains_and_is_started_again);
	return suite;
}
