/*
 * hosts.c - two hosts in one consumer group.
 *
 * Real programs against lts-sim, each agent with its own state and sink. Holds the drain
 * order: a planned move of a shard between hosts neither loses nor repeats a record; a
 * lost host loses none.
 */
#include "tests/suites.h"

#include <signal.h>

#include "tests/support/json_path.h"
#include "tests/support/one_host.h"

struct two_hosts {
	struct scenario scenario;
	struct sim_process sim;
	struct agent a, b;
};

#define AGENT "--consumer_count 2 --end_time end --consume_batch_size 100 "

/* `a` has been at work for a while when `b` joins; returns once they share. */
static void
begin(struct two_hosts *h)
{
	scenario_begin(&h->scenario);
	sim_start(&h->sim, &h->scenario,
		  "--tls off --shards 8 --records 10000 --consumer_timeout 3");
	sim_faults(&h->sim, "batch latency=20");
	agent_init(&h->a, &h->sim, "a", AGENT);
	agent_init(&h->b, &h->sim, "b", AGENT);
	agent_start(&h->a);
	until("the first is at work", sim_number(&h->sim, "served_records") >= 8000);
	agent_start(&h->b);
	until("they share the shards", sim_is_settled(&h->sim, 4));
	until("the second has its share", agent_said(&h->b, "msg=\"shard held\"") >= 4);
}

static void
end(struct two_hosts *h)
{
	agent_fini(&h->a);
	agent_fini(&h->b);
	sim_stop(&h->sim);
	scenario_end(&h->scenario);
}

START_TEST(host_that_joins_shares_the_work_and_repeats_nothing)
{
	struct two_hosts h;
	begin(&h);
	ck_assert_int_eq(agent_wait(&h.a), 0);
	ck_assert_int_eq(agent_wait(&h.b), 0);
	scenario_expect_exact(&h.scenario, 8, 10000, "a.out b.out");
	ck_assert_double_gt(agent_committed(&h.b), 10000);
	agent_expect_sound(&h.a, &h.sim);
	agent_expect_sound(&h.b, &h.sim);
	end(&h);
}
END_TEST

START_TEST(host_that_is_stopped_hands_over_without_loss_or_repetition)
{
	struct two_hosts h;
	begin(&h);
	double mark = sim_number(&h.sim, "served_records");
	until("the load goes on", sim_number(&h.sim, "served_records") > mark + 4000);
	agent_stop(&h.b);
	struct verdict v = scenario_verify(&h.scenario, "--shards 8 b.out");
	ck_assert_uint_eq(v.duplicated + v.reordered + v.torn + v.unsealed, 0);
	ck_assert_int_eq(agent_wait(&h.a), 0);
	scenario_expect_exact(&h.scenario, 8, 10000, "a.out b.out");
	agent_expect_sound(&h.a, &h.sim);
	end(&h);
}
END_TEST

START_TEST(lost_host_loses_no_record)
{
	struct two_hosts h;
	begin(&h);
	double mark = sim_number(&h.sim, "served_records");
	until("the load goes on", sim_number(&h.sim, "served_records") > mark + 4000);
	process_kill(&h.b.process);
	ck_assert_int_eq(agent_wait(&h.a), 0);
	struct verdict v =
		scenario_verify(&h.scenario, "--shards 8 --records 10000 --parts a.out b.out");
	ck_assert_uint_eq(v.lost + v.reordered + v.torn, 0);
	agent_expect_sound(&h.a, &h.sim);
	end(&h);
}
END_TEST

Suite *
suite_hosts(void)
{
	Suite *suite = suite_create("hosts");
	TCase *tc = scenario_case(suite, "hosts");
	tcase_add_test(tc, host_that_joins_shares_the_work_and_repeats_nothing);
	tcase_add_test(tc, host_that_is_stopped_hands_over_without_loss_or_repetition);
	tcase_add_test(tc, lost_host_loses_no_record);
	return suite;
}
