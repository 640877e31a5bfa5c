/*
 * restarts.c - an agent that is told to stop, and started again.
 *
 * Real programs against lts-sim. Holds TERM to draining, sealing and publishing
 * everything in time, and a restart to being the same member of the consumer group.
 */
#include "tests/suites.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"
#include "state/identity.h"
#include "tests/support/one_host.h"
#include "tests/support/tmpdir.h"

START_TEST(told_to_stop_under_load_it_seals_and_publishes_all_it_has)
{
	struct one_host h;
	double served = 0;
	one_host_begin(&h, "--tls off --shards 4 --records 20000 --consumer_timeout 3",
		       "--consumer_count 4 --end_time end --consume_batch_size 200 "
		       "--shutdown_timeout 10s --publish_interval 1h");
	sim_faults(&h.sim, "batch latency=10");
	for (int stops = 0; stops < 3; stops++) {
		one_host_await_served(&h, 8000, &served);
		process_signal(&h.agent.process, SIGTERM);
		until_within(10000, "it has stopped within shutdown_timeout",
			     process_has_ended(&h.agent.process));
		ck_assert_int_eq(agent_wait(&h.agent), 0);
		struct verdict v = scenario_verify(&h.scenario, "--shards 4 host.out");
		ck_assert_uint_eq(v.lost + v.duplicated + v.reordered + v.torn, 0);
		ck_assert_uint_eq(v.unsealed, 0);
		ck_assert_double_eq(agent_committed(&h.agent), (double)v.records);
		ck_assert_double_eq(sim_published(&h.sim), (double)v.records);
		ck_assert_uint_lt(v.records, 80000);
		agent_start(&h.agent);
	}
	one_host_expect_drained(&h, 4, 20000);
	one_host_end(&h);
}
END_TEST

/* As if an earlier version had been the last to start on it. */
static void
make_state_of_before(const struct one_host *h)
{
	struct store *store;
	struct store_txn txn = { 0 };
	struct identity_record identity;
	char *dir = tmpdir_path(h->scenario.dir, h->agent.state_dir);
	ck_assert_int_eq(store_open(dir, STORE_WRITE, &store), LTS_OK);
	ck_assert_int_eq(store_write_begin(store, &txn), LTS_OK);
	ck_assert_int_eq(identity_read(&txn, &identity), LTS_OK);
	identity.schema = SCHEMA_VERSION_ESCAPES - 1;
	ck_assert_int_eq(identity_put(&txn, &identity), LTS_OK);
	ck_assert_int_eq(store_commit(&txn), LTS_OK);
	store_close(&store);
	free(dir);
}

START_TEST(that_contents_are_written_otherwise_is_said_once_on_a_state_of_before)
{
	static const unsigned said[] = { 0, 1, 0 };
	struct one_host h;
	one_host_begin(&h, "--tls off --records 20 --consumer_timeout 3",
		       "--end_time end --format content");
	for (int start = 0; start < 3; start++) {
		if (start)
			agent_start(&h.agent);
		ck_assert_int_eq(agent_wait(&h.agent), 0);
		ck_assert_uint_eq(agent_said(&h.agent, "other lines than before"), said[start]);
		if (start == 0)
			make_state_of_before(&h);
	}
	one_host_end(&h);
}
END_TEST

/* 6 shards on 3 consumers; what a restart must not change. */
static void
restart_by(int sig)
{
	struct one_host h;
	one_host_begin(&h, "--tls off --shards 6 --records 2000 --rate 3000",
		       "--consumer_count 3 --heartbeat_timeout 60s");
	until("the group is settled", sim_is_settled(&h.sim, 3));
	until("every shard has moved", agent_committed(&h.agent) > 12000);
	char *before = sim_describe_group(&h.sim);
	for (int i = 0; i < 3; i++) {
		process_signal(&h.agent.process, sig);
		until("it has ended", process_has_ended(&h.agent.process));
		agent_start(&h.agent);
		until("it holds its shards again",
		      agent_said(&h.agent, "msg=\"shard held\"") >= 6);
		char *after = sim_describe_group(&h.sim);
		ck_assert_str_eq(before, after);
		free(after);
		ck_assert_uint_eq(agent_said(&h.agent, "msg=granted"), 6);
		ck_assert_uint_eq(agent_said(&h.agent, "given back"), 0);
		ck_assert_uint_eq(agent_said(&h.agent, "start_time counts only for"), 1);
	}
	free(before);
	agent_stop(&h.agent);
	struct verdict v = scenario_verify(&h.scenario, "--shards 6 host.out");
	ck_assert_uint_eq(v.lost + v.duplicated + v.reordered + v.torn + v.unsealed, 0);
	agent_expect_sound(&h.agent, &h.sim);
	one_host_end(&h);
}

START_TEST(restart_is_the_same_member_with_the_same_shards)
{
	restart_by(SIGTERM);
}
END_TEST

START_TEST(restart_after_a_kill_is_the_same_member_with_the_same_shards)
{
	restart_by(SIGKILL);
}
END_TEST

START_TEST(second_supervisor_on_one_state_dir_is_refused_and_disturbs_nothing)
{
	struct one_host h;
	struct agent second;
	pid_t before[AGENT_WORKERS_MAX], after[AGENT_WORKERS_MAX];
	double served = 0;
	char pid[32];
	one_host_begin(&h, "--tls off --shards 4 --records 10000 --consumer_timeout 3",
		       "--consumer_count 4 --end_time end --consume_batch_size 100");
	sim_faults(&h.sim, "batch latency=10");
	agent_init(&second, &h.sim, "second",
		   "--state_dir host.st --sink file:host.out --consumer_count 4");
	one_host_await_served(&h, 4000, &served);
	size_t n = agent_workers(&h.agent, before);
	ck_assert_uint_eq(n, 4);
	for (int i = 0; i < 3; i++) {
		agent_start(&second);
		ck_assert_int_eq(agent_wait(&second), 3);
		ck_assert_uint_eq(agent_said(&second, "\n"), 1);
		snprintf(pid, sizeof(pid), "with pid %d:", h.agent.process.pid);
		ck_assert_uint_eq(agent_said(&second, pid), 1);
	}
	ck_assert_uint_eq(agent_workers(&h.agent, after), n);
	ck_assert_int_eq(memcmp(before, after, n * sizeof(pid_t)), 0);
	one_host_expect_drained(&h, 4, 10000);
	ck_assert_uint_eq(agent_said(&h.agent, "level=warn"), 0);
	agent_fini(&second);
	one_host_end(&h);
}
END_TEST

START_TEST(state_of_another_stream_is_refused_with_the_ways_out)
{
	struct one_host h;
	struct agent other;
	one_host_begin(&h, "--tls off --shards 2 --records 100", "--end_time end");
	one_host_expect_drained(&h, 2, 100);
	agent_init(&other, &h.sim, "other",
		   "--state_dir host.st --stream_id 66666666-7777-8888-9999-bbbbbbbbbbbb");
	agent_start(&other);
	ck_assert_int_eq(agent_wait(&other), 2);
	ck_assert_uint_eq(agent_said(&other, "\n"), 1);
	ck_assert_uint_ge(agent_said(&other, "66666666-7777-8888-9999-aaaaaaaaaaaa"), 1);
	ck_assert_uint_ge(agent_said(&other, "state_dir"), 1);
	agent_fini(&other);
	agent_expect_sound(&h.agent, &h.sim);
	one_host_end(&h);
}
END_TEST

Suite *
suite_restarts(void)
{
	Suite *suite = suite_create("restarts");
	TCase *tc = scenario_case(suite, "restarts");
	tcase_add_test(tc, that_contents_are_written_otherwise_is_said_once_on_a_state_of_before);
	tcase_add_test(tc, told_to_stop_under_load_it_seals_and_publishes_all_it_has);
	tcase_add_test(tc, restart_is_the_same_member_with_the_same_shards);
	tcase_add_test(tc, restart_after_a_kill_is_the_same_member_with_the_same_shards);
	tcase_add_test(tc, second_supervisor_on_one_state_dir_is_refused_and_disturbs_nothing);
	tcase_add_test(tc, state_of_another_stream_is_refused_with_the_ways_out);
	return suite;
}
