/*
 * gaps.c - records that the service no longer keeps when we come for them.
 *
 * Real programs against lts-sim. Holds on_expired: `stop` leaves that shard where it is,
 * loudly; `begin` and `end` step over the gap, and say so.
 */
#include "tests/suites.h"

#include <signal.h>
#include <string.h>

#include "tests/support/json_path.h"
#include "tests/support/one_host.h"

enum { SHARDS = 3, RECORDS = 4000, KEPT_FROM = 3000 };

static bool
has_records_of_shard_1(const struct one_host *h)
{
	cJSON *state = agent_state(&h->agent);
	const cJSON *checkpoint;
	bool has = false;
	cJSON_ArrayForEach(checkpoint, json_path_at(state, "checkpoints"))
	{
		if (strcmp(json_path_text(checkpoint, "shard"), "1") == 0)
			has = json_path_number(checkpoint, "records") > 0;
	}
	cJSON_Delete(state);
	return has;
}

/* The agent has begun every shard and was stopped; then shard 1 loses its first 3,000
 * records. */
static void
begin(struct one_host *h, const char *agent_options)
{
	double served = 0;
	one_host_begin(h, "--tls off --shards 3 --records 4000 --consumer_timeout 3",
		       agent_options);
	sim_faults(&h->sim, "batch latency=30");
	one_host_await_served(h, 1000, &served);
	until("every shard is begun", agent_said(&h->agent, "msg=\"shard held\"") >= 3);
	until("shard 1 has delivered", has_records_of_shard_1(h));
	agent_stop(&h->agent);
	sim_post(&h->sim, "/sim/expire?shard=1&before=3000");
	agent_start(&h->agent);
}

#define AGENT "--consumer_count 2 --end_time end --consume_batch_size 50 "

/* Where shard 1 stood in the service's eyes before. */
static double
lost_from(struct one_host *h)
{
	struct verdict v = scenario_verify(&h->scenario, "--shards 3 --records 4000 host.out");
	return KEPT_FROM - (double)v.lost;
}

START_TEST(expired_cursor_stops_its_shard_and_no_other)
{
	struct one_host h;
	begin(&h, AGENT);
	ck_assert_int_eq(agent_wait(&h.agent), 1);
	ck_assert_uint_eq(agent_said(&h.agent, "msg=\"shard stopped\" shard=1 "), 1);
	ck_assert_uint_ge(agent_said(&h.agent, "EXPIRED"), 1);
	ck_assert_uint_ge(agent_said(&h.agent, "LTS.0410"), 1);
	struct verdict v = scenario_verify(&h.scenario, "--shards 3 host.out");
	ck_assert_uint_eq(v.lost + v.duplicated + v.reordered + v.torn + v.unsealed, 0);
	ck_assert_uint_gt(v.records, 2 * RECORDS);
	ck_assert_uint_lt(v.records, 2 * RECORDS + KEPT_FROM);
	agent_expect_sound(&h.agent, &h.sim);
	one_host_end(&h);
}
END_TEST

static bool
has_expired_event(const cJSON *state)
{
	const cJSON *event;
	cJSON_ArrayForEach(event, json_path_at(state, "events"))
	{
		if (strcmp(json_path_text(event, "event"), "expired") == 0 &&
		    strcmp(json_path_text(event, "shard"), "1") == 0)
			return true;
	}
	return false;
}

START_TEST(on_expired_begin_goes_on_behind_the_gap_and_says_so)
{
	struct one_host h;
	begin(&h, AGENT "--on_expired begin");
	ck_assert_int_eq(agent_wait(&h.agent), 0);
	ck_assert_uint_ge(agent_said(&h.agent, "records were dropped by the service"), 1);
	struct verdict v = scenario_verify(&h.scenario, "--shards 3 --records 4000 host.out");
	ck_assert_uint_gt(v.lost, 0);
	ck_assert_double_ge(lost_from(&h), 50);
	ck_assert_uint_eq(v.duplicated + v.reordered + v.torn + v.unsealed, 0);
	cJSON *state = agent_state(&h.agent);
	ck_assert(has_expired_event(state));
	cJSON_Delete(state);
	agent_expect_sound(&h.agent, &h.sim);
	one_host_end(&h);
}
END_TEST

START_TEST(on_expired_end_goes_on_with_what_comes_next)
{
	struct one_host h;
	begin(&h, "--consumer_count 2 --consume_batch_size 50 --on_expired end");
	until("the gap is stepped over",
	      agent_said(&h.agent, "records were dropped by the service") == 1);
	sim_faults(&h.sim, "");
	until("the other shards are drained",
	      sim_number(&h.sim, "shards/0/checkpoint") +
			      sim_number(&h.sim, "shards/2/checkpoint") ==
		      2. * RECORDS);
	until("shard 1 stands at its end", sim_number(&h.sim, "shards/1/checkpoint") == RECORDS);
	sim_post(&h.sim, "/sim/produce?shard=1&records=500");
	until("what came next is delivered",
	      sim_number(&h.sim, "shards/1/checkpoint") == RECORDS + 500);
	agent_stop(&h.agent);
	struct verdict v = scenario_verify(&h.scenario, "--shards 3 host.out");
	ck_assert_uint_ge(v.lost, RECORDS - KEPT_FROM);
	ck_assert_uint_eq(v.duplicated + v.reordered + v.torn + v.unsealed, 0);
	one_host_end(&h);
}
END_TEST

Suite *
suite_gaps(void)
{
	Suite *suite = suite_create("gaps");
	TCase *tc = scenario_case(suite, "gaps");
	tcase_add_test(tc, expired_cursor_stops_its_shard_and_no_other);
	tcase_add_test(tc, on_expired_begin_goes_on_behind_the_gap_and_says_so);
	tcase_add_test(tc, on_expired_end_goes_on_with_what_comes_next);
	return suite;
}
