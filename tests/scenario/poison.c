/*
 * poison.c - a record over which the worker dies or hangs, again and again.
 *
 * Real programs against lts-sim, the sink of tests/sink. Holds counting and attributing:
 * after five attempts the shard stops loudly, in front of that batch and no other; all
 * else is delivered once. Deaths that are not the batch's count against nobody.
 */
#include "tests/suites.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/json_path.h"
#include "tests/support/test_sink.h"
#include "tests/support/tmpdir.h"

/* Batches of 100: record 2,050 is in the one that starts behind record 2,000. */
enum { SHARDS = 4, RECORDS = 4000, GOOD = 2000 };

#define SIM "--tls off --shards 4 --records 4000 --consumer_timeout 3"
#define AGENT                                                                      \
	"--consumer_count 3 --end_time end --consume_batch_size 100 "              \
	"--checkpoint_interval 50ms --process_timeout 1500ms --memory_budget 1MiB" \
	" --worker_beat_timeout 1s"

static cJSON *
lease_of(cJSON *state, const char *shard)
{
	cJSON *lease;
	cJSON_ArrayForEach(lease, (cJSON *)(uintptr_t)json_path_at(state, "leases"))
	{
		if (strcmp(json_path_text(lease, "shard"), shard) == 0)
			return lease;
	}
	return NULL;
}

static unsigned
events_of(const cJSON *state, const char *shard, const char *kind, const char *text)
{
	unsigned n = 0;
	const cJSON *event;
	cJSON_ArrayForEach(event, json_path_at(state, "events"))
	{
		n += strcmp(json_path_text(event, "shard"), shard) == 0 &&
		     strcmp(json_path_text(event, "event"), kind) == 0 &&
		     strstr(json_path_text(event, "text"), text) != NULL;
	}
	return n;
}

/* It ended by itself, with shard 1 stopped in front of the batch, and only that. */
static void
expect_poisoned(struct one_host *h)
{
	ck_assert_int_eq(agent_wait(&h->agent), 1);
	ck_assert_uint_eq(agent_said(&h->agent, "msg=\"batch suspected\" shard=1 "), 5);
	ck_assert_uint_eq(agent_said(&h->agent, "msg=\"batch suspected\""), 5);
	ck_assert_uint_eq(agent_said(&h->agent, "records=100 attempts=5"), 1);
	/* By each holder, should it move while it stops. */
	ck_assert_uint_ge(agent_said(&h->agent, "msg=\"shard stopped\" shard=1 "), 1);
	ck_assert_uint_ge(agent_said(&h->agent, "text=\"5 workers died or hung with"), 2);
	test_sink_expect_stopped(h, SHARDS, RECORDS, GOOD, GOOD + 1);
	cJSON *state = agent_state(&h->agent);
	ck_assert_uint_ge(events_of(state, "1", "stuck", "5 workers died"), 1);
	ck_assert_uint_eq(events_of(state, "1", "inherited", "attempts=4"), 1);
	cJSON_Delete(state);
	agent_expect_sound(&h->agent, &h->sim);
}

/* The ways a sink can end its worker. */
static const char *const ends[] = {
	"abort",
	"exit",
#ifndef __SANITIZE_ADDRESS__ /* which would report these two, as it should */
	"segv",
	"overflow",
#endif
};

START_TEST(poison_record_stops_its_shard_alone_after_five_deaths)
{
	struct one_host h;
	char rule[40];
	snprintf(rule, sizeof(rule), "%s 1 2050 9\n", ends[_i]);
	test_sink_begin(&h, SIM, AGENT, rule);
	expect_poisoned(&h);
	one_host_end(&h);
}
END_TEST

START_TEST(record_that_hangs_counts_as_one_that_kills)
{
	struct one_host h;
	test_sink_begin(&h, SIM, AGENT, "hang 1 2050 0\n");
	expect_poisoned(&h);
	ck_assert_uint_eq(agent_said(&h.agent, "reason=\"process_timeout: "), 5);
	ck_assert_uint_eq(agent_said(&h.agent, "killed_by_us=true"), 5);
	one_host_end(&h);
}
END_TEST

START_TEST(stuck_shard_is_shown_and_goes_on_once_that_is_mended)
{
	struct one_host h;
	test_sink_begin(&h, SIM,
			"--consumer_count 3 --consume_batch_size 100 --checkpoint_interval 50ms",
			"abort 1 2050 0\n");
	until("the shard stops", agent_said(&h.agent, "msg=\"shard stopped\" shard=1 "));
	until("the others are drained",
	      agent_committed(&h.agent) == (SHARDS - 1) * RECORDS + GOOD);
	cJSON *state = agent_state(&h.agent);
	ck_assert_str_eq(json_path_text(lease_of(state, "1"), "state"), "stuck");
	cJSON_Delete(state);
	process_signal(&h.agent.process, SIGTERM);
	ck_assert_int_eq(agent_wait(&h.agent), 1);
	ck_assert_uint_eq(agent_said(&h.agent, "stopped with a shard that is stuck"), 1);
	char *leases = one_host_state(&h, "leases");
	ck_assert_msg(strstr(leases, "shard 1 was stuck when the agent stopped: "), "%s", leases);
	free(leases);
	test_sink_rules(&h, "");
	agent_start(&h.agent);
	until("it goes on", agent_committed(&h.agent) == SHARDS * RECORDS);
	agent_stop(&h.agent);
	scenario_expect_exact(&h.scenario, SHARDS, RECORDS, "host.out");
	agent_expect_sound(&h.agent, &h.sim);
	one_host_end(&h);
}
END_TEST

START_TEST(loop_that_hangs_is_killed_and_counts_against_nobody)
{
	struct one_host h;
	test_sink_begin(&h, SIM, AGENT, "stop_loop 1 2050 0\nhang 1 2050 0\n");
	until("its loop is missed",
	      agent_said(&h.agent, "reason=\"its loop does not beat\"") >= 6);
	test_sink_rules(&h, "");
	one_host_expect_drained(&h, SHARDS, RECORDS);
	ck_assert_uint_eq(agent_said(&h.agent, "batch suspected"), 0);
	one_host_end(&h);
}
END_TEST

/* The summary says so, as it did not before. */
static bool
is_in_submit(const struct one_host *h, size_t before)
{
	process_signal(&h->agent.process, SIGUSR2);
	return agent_said(&h->agent, "stage=submit") > before;
}

START_TEST(worker_killed_by_others_inside_a_submit_blames_nobody)
{
	struct one_host h;
	pid_t pids[AGENT_WORKERS_MAX];
	test_sink_begin(&h, SIM, "--consumer_count 1 --end_time end --consume_batch_size 100",
			"hang 1 2050 0\n");
	until("it runs", agent_said(&h.agent, "state=LIVE") == 1);
	for (unsigned kills = 0; kills < 6; kills++) {
		until("there is a worker", agent_workers(&h.agent, pids) == 1);
		size_t before = agent_said(&h.agent, "stage=submit");
		until("it hangs in the sink", is_in_submit(&h, before));
		kill(pids[0], SIGKILL);
		until("it is reaped", agent_said(&h.agent, "signal=9") == kills + 1);
	}
	test_sink_rules(&h, "");
	one_host_expect_drained(&h, SHARDS, RECORDS);
	ck_assert_uint_eq(agent_said(&h.agent, "batch suspected"), 0);
	one_host_end(&h);
}
END_TEST

START_TEST(worker_that_exits_at_start_backs_off_beside_its_siblings)
{
	struct one_host h;
	test_sink_begin(&h, SIM, AGENT, "start 1 9\n");
	ck_assert_int_eq(agent_wait(&h.agent), 0);
	ck_assert_uint_ge(agent_said(&h.agent, "exit=9"), 2);
	ck_assert_uint_ge(agent_said(&h.agent, "state=BACKOFF"), 2);
	ck_assert_uint_eq(agent_said(&h.agent, "msg=\"worker ended\" worker=0 "), 1);
	ck_assert_uint_eq(agent_said(&h.agent, "msg=\"worker ended\" worker=2 "), 1);
	scenario_expect_exact(&h.scenario, SHARDS, RECORDS, "host.out");
	one_host_end(&h);
}
END_TEST

START_TEST(worker_that_exits_with_2_is_not_started_again)
{
	struct one_host h;
	test_sink_begin(&h, SIM, AGENT, "start 1 2\n");
	ck_assert_int_eq(agent_wait(&h.agent), 0);
	ck_assert_uint_eq(agent_said(&h.agent, "exit=2"), 1);
	ck_assert_uint_eq(agent_said(&h.agent, "state=REFUSED"), 1);
	scenario_expect_exact(&h.scenario, SHARDS, RECORDS, "host.out");
	one_host_end(&h);
}
END_TEST

static bool
is_there(const struct one_host *h, const char *name)
{
	char *path = tmpdir_path(h->scenario.dir, name);
	bool there = access(path, F_OK) == 0;
	free(path);
	return there;
}

START_TEST(grandchild_is_reaped_before_its_shard_moves)
{
	struct one_host h;
	pid_t pids[AGENT_WORKERS_MAX];
	double served = 0;
	uint64_t seed = scenario_seed(800);
	test_sink_begin(&h, SIM, AGENT, "child * * 0\nslow * * 40\n");
	for (size_t kills = 1; kills <= 5; kills++) {
		one_host_await_served(&h, 300 + scenario_draw(&seed, 1000), &served);
		size_t n = agent_workers(&h.agent, pids);
		ck_assert_uint_gt(n, 0);
		kill(pids[scenario_draw(&seed, (unsigned)n)], SIGKILL);
		until("it is reaped", agent_said(&h.agent, "signal=9") == kills);
	}
	test_sink_rules(&h, "");
	one_host_expect_drained(&h, SHARDS, RECORDS);
	ck_assert(is_there(&h, "child.1"));
	ck_assert(!is_there(&h, "overlaps"));
	one_host_end(&h);
}
END_TEST

Suite *
suite_poison(void)
{
	Suite *suite = suite_create("poison");
	TCase *tc = scenario_case(suite, "poison");
	tcase_add_loop_test(tc, poison_record_stops_its_shard_alone_after_five_deaths, 0,
			    sizeof(ends) / sizeof(ends[0]));
	tcase_add_test(tc, record_that_hangs_counts_as_one_that_kills);
	tcase_add_test(tc, stuck_shard_is_shown_and_goes_on_once_that_is_mended);
	tcase_add_test(tc, loop_that_hangs_is_killed_and_counts_against_nobody);
	tcase_add_test(tc, worker_killed_by_others_inside_a_submit_blames_nobody);
	tcase_add_test(tc, worker_that_exits_at_start_backs_off_beside_its_siblings);
	tcase_add_test(tc, worker_that_exits_with_2_is_not_started_again);
	tcase_add_test(tc, grandchild_is_reaped_before_its_shard_moves);
	return suite;
}
