/*
 * drain.c - an agent that nothing goes wrong with.
 *
 * Real programs against lts-sim. Holds the supervisor, the workers and the file sink to
 * I1..I4.
 */
#include "tests/suites.h"

#include <stdio.h>

#include "tests/support/one_host.h"

START_TEST(stream_is_drained_to_its_end_over_tls)
{
	struct one_host h;
	one_host_begin(&h, "--shards 4 --records 20000 --consumer_timeout 3",
		       "--consumer_count 4 --end_time end");
	one_host_expect_drained(&h, 4, 20000);
	ck_assert_uint_eq(agent_said(&h.agent, "msg=\"shard finished\""), 4);
	ck_assert_uint_eq(agent_said(&h.agent, "msg=finished shards=4 records=80000"), 1);
	ck_assert_uint_eq(agent_said(&h.agent, "level=error"), 0);
	for (int i = 0; i < 4; i++) {
		char path[32];
		snprintf(path, sizeof(path), "shards/%d/checkpoint", i);
		ck_assert_double_eq(sim_number(&h.sim, path), 20000);
	}
	one_host_end(&h);
}
END_TEST

START_TEST(finished_stream_is_not_delivered_again)
{
	struct one_host h;
	one_host_begin(&h, "--tls off --shards 3 --records 2000 --consumer_timeout 3",
		       "--consumer_count 2 --end_time end");
	one_host_expect_drained(&h, 3, 2000);
	double served = sim_number(&h.sim, "served_records");
	agent_start(&h.agent);
	one_host_expect_drained(&h, 3, 2000);
	ck_assert_double_eq(sim_number(&h.sim, "served_records"), served);
	one_host_end(&h);
}
END_TEST

START_TEST(stream_without_records_has_an_end)
{
	struct one_host h;
	one_host_begin(&h, "--tls off --shards 2 --records 0 --consumer_timeout 3",
		       "--consumer_count 3 --end_time end");
	one_host_expect_drained(&h, 2, 0);
	one_host_end(&h);
}
END_TEST

Suite *
suite_drain(void)
{
	Suite *suite = suite_create("drain");
	TCase *tc = scenario_case(suite, "drain");
	tcase_add_test(tc, stream_is_drained_to_its_end_over_tls);
	tcase_add_test(tc, finished_stream_is_not_delivered_again);
	tcase_add_test(tc, stream_without_records_has_an_end);
	return suite;
}
