/*
 * chaos.c - several things go wrong at once, in an order that a seed picks.
 *
 * Real programs against lts-sim. Holds I1..I5 and I9 when deaths, stops, restarts,
 * signals and a bad service meet.
 */
#include "tests/suites.h"

#include <signal.h>

#include "tests/support/one_host.h"

enum { SHARDS = 6, RECORDS = 20000, BLOWS = 14 };

/* One of the workers, or all of them; false: none lives just now. */
static bool
hit_worker(struct one_host *h, uint64_t *seed, int sig, bool all)
{
	pid_t pids[AGENT_WORKERS_MAX];
	size_t n = agent_workers(&h->agent, pids);
	if (!n)
		return false;
	if (!all)
		return kill(pids[scenario_draw(seed, (unsigned)n)], sig) == 0;
	for (size_t i = 0; i < n; i++)
		kill(pids[i], sig);
	return true;
}

static void
restart(struct one_host *h, int sig)
{
	process_signal(&h->agent.process, sig);
	until("it has ended", process_has_ended(&h->agent.process));
	agent_start(&h->agent);
}

static void
change_service(struct one_host *h, uint64_t *seed)
{
	static const char *const moods[] = {
		"batch latency=10",
		"batch latency=10\nany p=0.05 reset\nbatch p=0.1 truncate=2000",
		"batch latency=10\ncheckpoint_write p=0.5 lose_reply\nheartbeat p=0.2 "
		"status=500",
		"batch latency=10\nbatch p=0.2 status=429 retry_after=1\ncheckpoint_read "
		"p=0.3 html",
		"batch latency=40\nheartbeat p=0.3 latency=400\ncheckpoint_write p=0.3 "
		"status=503",
	};
	sim_faults(&h->sim, moods[scenario_draw(seed, sizeof(moods) / sizeof(moods[0]))]);
}

static void
strike(struct one_host *h, uint64_t *seed)
{
	switch (scenario_draw(seed, 9)) {
	case 0:
		until("a worker is killed", hit_worker(h, seed, SIGKILL, false));
		break;
	case 1:
		until("a worker is stopped", hit_worker(h, seed, SIGSTOP, false));
		break;
	case 2:
		until("a worker is told to end", hit_worker(h, seed, SIGTERM, false));
		break;
	case 3:
		until("all workers are killed", hit_worker(h, seed, SIGKILL, true));
		break;
	case 4:
		restart(h, SIGKILL);
		break;
	case 5:
		restart(h, SIGTERM);
		break;
	case 6:
		process_signal(&h->agent.process, SIGUSR1);
		process_signal(&h->agent.process, SIGHUP);
		break;
	default:
		change_service(h, seed);
	}
}

START_TEST(many_blows_cost_nothing)
{
	struct one_host h;
	double served = 0;
	uint64_t seed = scenario_seed(700 + (unsigned)_i);
	one_host_begin(&h, "--tls off --shards 6 --records 20000 --consumer_timeout 3",
		       "--consumer_count 4 --end_time end --consume_batch_size 200 "
		       "--checkpoint_interval 50ms --publish_interval 300ms");
	sim_faults(&h.sim, "batch latency=10");
	for (int blows = 0; blows < BLOWS; blows++) {
		one_host_await_served(&h, scenario_draw(&seed, 7000), &served);
		strike(&h, &seed);
	}
	sim_faults(&h.sim, "");
	one_host_expect_drained(&h, SHARDS, RECORDS);
	one_host_end(&h);
}
END_TEST

Suite *
suite_chaos(void)
{
	Suite *suite = suite_create("chaos");
	TCase *tc = scenario_case(suite, "chaos");
	tcase_add_loop_test(tc, many_blows_cost_nothing, 0, 4);
	return suite;
}
