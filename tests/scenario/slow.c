/*
 * slow.c - a sink that takes its time.
 *
 * Real programs against lts-sim, the sink of tests/sink. Holds the supervisor and the
 * leases to "slow is not dead": each submit lasts longer than the timeouts of heartbeat
 * and beat, and nothing is killed, moved or repeated.
 */
#include "tests/suites.h"

#include "tests/support/test_sink.h"

START_TEST(slow_sink_is_neither_killed_nor_rebalanced)
{
	struct one_host h;
	test_sink_begin(&h, "--tls off --shards 2 --records 500 --consumer_timeout 1",
			"--consumer_count 2 --end_time end --consume_batch_size 100 "
			"--heartbeat_timeout 1s --worker_beat_timeout 500ms "
			"--process_timeout 60s",
			"slow * * 1500\n");
	until("each consumer has a shard", sim_is_settled(&h.sim, 2));
	size_t grants = agent_said(&h.agent, "msg=granted");
	one_host_expect_drained(&h, 2, 500);
	ck_assert_uint_eq(agent_said(&h.agent, "worker killed"), 0);
	ck_assert_uint_eq(agent_said(&h.agent, "ending this worker"), 0);
	ck_assert_uint_eq(agent_said(&h.agent, "signal="), 0);
	ck_assert_uint_eq(agent_said(&h.agent, "lease ended"), 0);
	ck_assert_uint_eq(agent_said(&h.agent, "msg=granted"), grants);
	one_host_end(&h);
}
END_TEST

Suite *
suite_slow(void)
{
	Suite *suite = suite_create("slow");
	TCase *tc = scenario_case(suite, "slow");
	tcase_add_test(tc, slow_sink_is_neither_killed_nor_rebalanced);
	return suite;
}
