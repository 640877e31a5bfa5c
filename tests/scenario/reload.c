/*
 * reload.c - HUP under load: values that change at once, as workers are started anew, or not
 * before a restart; more workers and fewer.
 *
 * Real programs against lts-sim. Holds supervisor/supervisor_reload.c: nothing is lost or
 * repeated by any of it, nothing grows.
 */
#include "tests/suites.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "tests/support/json_path.h"
#include "tests/support/one_host.h"
#include "tests/support/tmpdir.h"

#define SIM_OPTIONS "--tls off --shards 8 --records 4000 --consumer_timeout 3 "

static void
write_config(struct one_host *h, const char *text)
{
	tmpdir_write(h->scenario.dir, "agent.conf", text, strlen(text));
}

/* The configuration is `text` from now on, and the agent has said what it makes of it. */
static void
reload(struct one_host *h, const char *text)
{
	size_t before = agent_said(&h->agent, "msg=reloaded ");
	write_config(h, text);
	process_signal(&h->agent.process, SIGHUP);
	until("it is reloaded", agent_said(&h->agent, "msg=reloaded ") == before + 1);
}

static void
begin(struct one_host *h, const char *text, const char *options)
{
	scenario_begin(&h->scenario);
	write_config(h, text);
	sim_start(&h->sim, &h->scenario, SIM_OPTIONS);
	sim_faults(&h->sim, "batch latency=30");
	char *all = NULL;
	ck_assert_int_gt(asprintf(&all, "--config agent.conf %s", options), 0);
	agent_init(&h->agent, &h->sim, "host", all);
	free(all);
	agent_start(&h->agent);
}

static size_t
workers_of(struct one_host *h)
{
	pid_t pids[AGENT_WORKERS_MAX];
	return agent_workers(&h->agent, pids);
}

/* Held up no more, it delivers all there is, once. */
static void
end_drained(struct one_host *h)
{
	sim_faults(&h->sim, "");
	until("all is committed", agent_committed(&h->agent) == 8 * 4000);
	agent_stop(&h->agent);
	scenario_expect_exact(&h->scenario, 8, 4000, "host.out");
	agent_expect_sound(&h->agent, &h->sim);
	one_host_end(h);
}

START_TEST(workers_are_started_anew_one_by_one)
{
	struct one_host h;
	double served = 0;
	begin(&h, "consume_batch_size = 50\n", "--consumer_count 3 --end_time end");
	one_host_await_served(&h, 2000, &served);
	reload(&h, "consume_batch_size = 60\n");
	ck_assert_uint_eq(agent_said(&h.agent, "changed=consume_batch_size"), 1);
	until("each was started anew", agent_said(&h.agent, "from=DRAINING state=STARTING") == 3);
	until("each is at work", agent_said(&h.agent, "from=STARTING state=LIVE") == 6);
	one_host_expect_drained(&h, 8, 4000);
	ck_assert_uint_eq(agent_said(&h.agent, "restarts=1"), 0);
	one_host_end(&h);
}
END_TEST

START_TEST(only_worker_is_started_anew)
{
	struct one_host h;
	double served = 0;
	begin(&h, "fetch_interval = 100ms\n", "--consumer_count 1 --end_time end");
	one_host_await_served(&h, 2000, &served);
	reload(&h, "fetch_interval = 50ms\nheartbeat_interval = 100ms\n");
	until("it is at work", agent_said(&h.agent, "from=STARTING state=LIVE") == 2);
	one_host_expect_drained(&h, 8, 4000);
	one_host_end(&h);
}
END_TEST

START_TEST(what_needs_a_restart_is_named_and_changes_nothing)
{
	struct one_host h;
	begin(&h, "", "--consumer_count 2 --end_time end --consume_batch_size 50");
	until("it is at work", sim_number(&h.sim, "served_records") >= 1000);
	reload(&h, "rotate_bytes = 64MiB\nheartbeat_timeout = 59s\nlog_format = json\n");
	ck_assert_uint_eq(agent_said(&h.agent, "log_format"), 1);
	ck_assert_uint_eq(agent_said(&h.agent, "not in force before the agent is restarted"), 1);
	one_host_expect_drained(&h, 8, 4000);
	one_host_end(&h);
}
END_TEST

START_TEST(count_of_workers_follows_the_configuration)
{
	static const unsigned counts[] = { 4, 1, 6, 2, 5 };
	char text[64];
	struct one_host h;
	double served = 0;
	begin(&h, "consumer_count = 2\n", "--consume_batch_size 50");
	one_host_await_served(&h, 1000, &served);
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		snprintf(text, sizeof(text), "consumer_count = %u\n", counts[i]);
		reload(&h, text);
		until("there are so many", workers_of(&h) == counts[i]);
		one_host_await_served(&h, 1500, &served);
	}
	end_drained(&h);
}
END_TEST

/* The service does not miss anybody in time. */
START_TEST(consumers_of_a_crashed_life_are_served_by_the_workers_that_are_left)
{
	struct one_host h;
	scenario_begin(&h.scenario);
	write_config(&h, "consumer_count = 4\n");
	sim_start(&h.sim, &h.scenario,
		  "--tls off --shards 8 --records 4000 --consumer_timeout 600");
	sim_faults(&h.sim, "batch latency=30");
	agent_init(&h.agent, &h.sim, "host",
		   "--config agent.conf --consume_batch_size 50 --heartbeat_timeout 600s");
	agent_start(&h.agent);
	until("each has its share", sim_is_settled(&h.sim, 4) && workers_of(&h) == 4);
	reload(&h, "consumer_count = 1\n");
	until("one is left", workers_of(&h) == 1);
	until("it has all of them", sim_is_settled(&h.sim, 4) &&
					    agent_said(&h.agent, "msg=\"shard held\"") >= 8);
	agent_kill_whole(&h.agent);
	agent_start(&h.agent);
	end_drained(&h);
}
END_TEST

START_TEST(count_that_there_are_no_descriptors_for_stays_as_it_was)
{
	struct one_host h;
	struct rlimit limit, few;
	double served = 0;
	begin(&h, "consumer_count = 2\n", "--consume_batch_size 50");
	pid_t pid = h.agent.process.pid;
	one_host_await_served(&h, 1000, &served);
	ck_assert_int_eq(prlimit(pid, RLIMIT_NOFILE, NULL, &limit), 0);
	few = (struct rlimit){ process_descriptors(pid) + 8, limit.rlim_max };
	ck_assert_int_eq(prlimit(pid, RLIMIT_NOFILE, &few, NULL), 0);
	reload(&h, "consumer_count = 60\n");
	ck_assert_uint_eq(agent_said(&h.agent, "msg=\"consumer_count stays as it was"), 1);
	ck_assert_int_eq(prlimit(pid, RLIMIT_NOFILE, &limit, NULL), 0);
	process_signal(&h.agent.process, SIGUSR2);
	until("every worker is told of", agent_said(&h.agent, "msg=summary worker=") == 2);
	reload(&h, "consumer_count = 3\n");
	until("there are so many", workers_of(&h) == 3);
	end_drained(&h);
}
END_TEST

START_TEST(five_hundred_reloads_under_load_lose_and_leak_nothing)
{
	enum { RELOADS = 500, ROUNDS = 20 };
	struct one_host h;
	uint64_t seed = scenario_seed(1);
	char text[128];
	begin(&h, "", "--consumer_count 2 --consume_batch_size 50");
	until("it is at work", sim_number(&h.sim, "served_records") >= 1000);
	size_t before = process_descriptors(h.agent.process.pid);
	for (unsigned i = 0; i < RELOADS; i++) {
		/* Most change nothing; some have each worker started anew; some are no good. */
		bool good = i % 7 != 3;
		snprintf(text, sizeof(text), "fetch_interval = %ums\n%s", 50 + i / ROUNDS,
			 good ? "" : "nonsense\n");
		size_t said = agent_said(&h.agent, "msg=reloaded ") +
			      agent_said(&h.agent, "not reloaded");
		write_config(&h, text);
		process_signal(&h.agent.process, SIGHUP);
		until("it is looked at", agent_said(&h.agent, "msg=reloaded ") +
							 agent_said(&h.agent, "not reloaded") >
						 said);
		if (scenario_draw(&seed, 10) == 0)
			sim_post(&h.sim, "/sim/produce?records=20");
	}
	sim_faults(&h.sim, "");
	double produced = sim_number(&h.sim, "produced");
	until("all is committed", agent_committed(&h.agent) == produced);
	until("the last worker is at work",
	      agent_said(&h.agent, "from=DRAINING state=STARTING") + 2 ==
		      agent_said(&h.agent, "from=STARTING state=LIVE"));
	/* Connections that are kept come and go. */
	until("no descriptor is left over",
	      process_descriptors(h.agent.process.pid) <= before + 8);
	agent_stop(&h.agent);
	ck_assert_uint_eq(agent_said(&h.agent, "state=BACKOFF"), 0);
	sim_expect_exact(&h.sim, "host.out");
	agent_expect_sound(&h.agent, &h.sim);
	one_host_end(&h);
}
END_TEST

Suite *
suite_reload(void)
{
	Suite *suite = suite_create("reload");
	TCase *tc = scenario_case(suite, "reload");
	tcase_add_test(tc, workers_are_started_anew_one_by_one);
	tcase_add_test(tc, only_worker_is_started_anew);
	tcase_add_test(tc, what_needs_a_restart_is_named_and_changes_nothing);
	tcase_add_test(tc, count_of_workers_follows_the_configuration);
	tcase_add_test(tc, consumers_of_a_crashed_life_are_served_by_the_workers_that_are_left);
	tcase_add_test(tc, count_that_there_are_no_descriptors_for_stays_as_it_was);
	tcase_add_test(tc, five_hundred_reloads_under_load_lose_and_leak_nothing);
	return suite;
}
