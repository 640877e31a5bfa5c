/*
 * shards.c - shards that are split and merged while they are drained.
 *
 * Real programs against lts-sim. Holds that nothing is lost or repeated on the way from parents
 * to children, that a child begins after its parents' last record, and that end_time is reached
 * only when the children are at their ends, too: those that nobody was granted yet as well.
 */
#include "tests/suites.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/xalloc.h"
#include "tests/support/json_path.h"
#include "tests/support/one_host.h"

#define SIM "--tls off --consumer_timeout 3 "
#define AGENT "--consumer_count 2 --consume_batch_size 100 --publish_interval 200ms "

static bool
is_consumed(const struct sim_process *sim, const char *shard)
{
	char *checkpoint = xasprintf("shards/%s/checkpoint", shard);
	char *produced = xasprintf("shards/%s/produced", shard);
	bool consumed = sim_number(sim, checkpoint) == sim_number(sim, produced);
	free(checkpoint);
	free(produced);
	return consumed;
}

static bool
has_more_than(const struct sim_process *sim, const char *shard, double records)
{
	char *path = xasprintf("shards/%s/checkpoint", shard);
	bool more = sim_number(sim, path) > records;
	free(path);
	return more;
}

/* The age of the shard's last commit that moved it; -1: there is none. */
static double
commit_age(const cJSON *state, const char *shard)
{
	const cJSON *checkpoint;
	cJSON_ArrayForEach(checkpoint, json_path_at(state, "checkpoints"))
	{
		if (strcmp(json_path_text(checkpoint, "shard"), shard) == 0)
			return json_path_number(checkpoint, "age_ms");
	}
	return -1;
}

/* The age of the shard's first take; -1: there is none. */
static double
take_age(const cJSON *state, const char *shard)
{
	const cJSON *event;
	double oldest = -1;
	cJSON_ArrayForEach(event, json_path_at(state, "events"))
	{
		if (strcmp(json_path_text(event, "event"), "taken") == 0 &&
		    strcmp(json_path_text(event, "shard"), shard) == 0 &&
		    json_path_number(event, "age_ms") > oldest)
			oldest = json_path_number(event, "age_ms");
	}
	return oldest;
}

/* A parent's last record was committed before any host took a child of it. */
static void
expect_children_after_parents(const struct sim_process *sim, struct agent *const *agents,
			      size_t n)
{
	cJSON *status = sim_status(sim), *states[4];
	const cJSON *child, *parent;
	unsigned compared = 0;
	for (size_t i = 0; i < n; i++)
		states[i] = agent_state(agents[i]);
	cJSON_ArrayForEach(child, json_path_at(status, "shards"))
	{
		const char *name = json_path_text(child, "shard");
		cJSON_ArrayForEach(parent, json_path_at(child, "parents"))
		{
			for (size_t a = 0; a < n * n; a++) {
				double committed = commit_age(states[a / n], parent->valuestring);
				double taken = take_age(states[a % n], name);
				if (committed < 0 || taken < 0 || a / n != a % n)
					continue;
				ck_assert_msg(committed >= taken, "%s before %s", name,
					      parent->valuestring);
				compared++;
			}
		}
	}
	ck_assert_uint_gt(compared, 0);
	for (size_t i = 0; i < n; i++)
		cJSON_Delete(states[i]);
	cJSON_Delete(status);
}

static void
expect_all(struct one_host *h)
{
	struct agent *agent = &h->agent;
	sim_expect_exact(&h->sim, "host.out");
	expect_children_after_parents(&h->sim, &agent, 1);
	agent_expect_sound(&h->agent, &h->sim);
	one_host_end(h);
}

/* Ends the load, and the agent once it has everything. */
static void
drain_and_stop(struct one_host *h)
{
	sim_post(&h->sim, "/sim/rate?records=0");
	until("everything is published",
	      sim_published(&h->sim) == sim_number(&h->sim, "produced"));
	agent_stop(&h->agent);
}

START_TEST(split_under_load_goes_on_in_the_children)
{
	struct one_host h;
	double served = 0;
	one_host_begin(&h, SIM "--shards 2 --records 3000 --rate 3000", AGENT);
	one_host_await_served(&h, 2000, &served);
	sim_post(&h.sim, "/sim/split?shard=0");
	until("the children are at work",
	      has_more_than(&h.sim, "2", 300) && has_more_than(&h.sim, "3", 300));
	sim_post(&h.sim, "/sim/split?shard=3");
	until("the grandchildren are at work",
	      has_more_than(&h.sim, "4", 300) && has_more_than(&h.sim, "5", 300));
	ck_assert(is_consumed(&h.sim, "0") && is_consumed(&h.sim, "3"));
	drain_and_stop(&h);
	expect_all(&h);
}
END_TEST

START_TEST(merge_under_load_goes_on_in_the_child)
{
	struct one_host h;
	double served = 0;
	one_host_begin(&h, SIM "--shards 3 --records 3000 --rate 3000", AGENT);
	sim_faults(&h.sim, "batch shard=2 latency=30"); /* so that one parent ends first */
	one_host_await_served(&h, 3000, &served);
	sim_post(&h.sim, "/sim/merge?shard=0&with=2");
	until("the child is at work", has_more_than(&h.sim, "3", 500));
	ck_assert(is_consumed(&h.sim, "0") && is_consumed(&h.sim, "2"));
	drain_and_stop(&h);
	expect_all(&h);
}
END_TEST

START_TEST(empty_shard_that_is_split_or_merged_makes_way)
{
	struct one_host h;
	one_host_begin(&h, SIM "--shards 3 --records 0", AGENT);
	until("the shards are held", agent_said(&h.agent, "msg=\"shard held\"") >= 3);
	sim_post(&h.sim, "/sim/split?shard=0");
	sim_post(&h.sim, "/sim/merge?shard=1&with=2");
	sim_post(&h.sim, "/sim/merge?shard=3&with=4"); /* which never held a record */
	sim_post(&h.sim, "/sim/produce?records=1500");
	until("what came is delivered",
	      has_more_than(&h.sim, "5", 1499) && has_more_than(&h.sim, "6", 1499));
	drain_and_stop(&h);
	expect_all(&h);
}
END_TEST

/* Before the agent begins, shard 0 is split, the first of its children again, and the other is
 * merged with shard 1; so is shard 2, and the first of its children, which never held a record.
 */
static void
make_family(const struct sim_process *sim)
{
	sim_post(sim, "/sim/split?shard=0");
	sim_post(sim, "/sim/produce?records=1000");
	sim_post(sim, "/sim/split?shard=3");
	sim_post(sim, "/sim/merge?shard=4&with=1");
	sim_post(sim, "/sim/split?shard=2");
	sim_post(sim, "/sim/produce?shard=5&records=700");
	sim_post(sim, "/sim/produce?shard=7&records=900");
	sim_post(sim, "/sim/split?shard=8");
	sim_post(sim, "/sim/produce?shard=11&records=300");
}

START_TEST(end_of_a_run_waits_for_children_that_nobody_was_granted_yet)
{
	struct one_host h;
	scenario_begin(&h.scenario);
	sim_start(&h.sim, &h.scenario, SIM "--shards 3 --records 2000");
	make_family(&h.sim);
	agent_init(&h.agent, &h.sim, "host", AGENT "--end_time end");
	agent_start(&h.agent);
	ck_assert_int_eq(agent_wait(&h.agent), 0);
	expect_all(&h);
}
END_TEST

START_TEST(end_time_to_come_is_reached_in_parents_and_children)
{
	struct one_host h;
	double served = 0;
	time_t end = time(NULL) + 6;
	char *options = xasprintf(AGENT "--end_time %lld", (long long)end);
	one_host_begin(&h, SIM "--shards 2 --records 2000 --rate 2000", options);
	free(options);
	one_host_await_served(&h, 2000, &served);
	sim_post(&h.sim, "/sim/split?shard=1");
	until("the children are at work", has_more_than(&h.sim, "2", 100));
	sim_post(&h.sim, "/sim/merge?shard=0&with=3");
	sim_post(&h.sim, "/sim/split?shard=2");
	sim_post(&h.sim, "/sim/rate?records=0");
	bool in_time = time(NULL) < end; /* else some of it came too late to be delivered */
	ck_assert_int_eq(agent_wait(&h.agent), 0);
	struct verdict v = scenario_verify(&h.scenario, "--shards 7 host.out");
	ck_assert_uint_eq(v.lost + v.duplicated + v.reordered + v.torn + v.unsealed, 0);
	if (in_time)
		expect_all(&h);
	else
		one_host_end(&h);
}
END_TEST

START_TEST(two_hosts_share_parents_and_children_to_the_end)
{
	struct one_host h;
	struct agent other;
	scenario_begin(&h.scenario);
	sim_start(&h.sim, &h.scenario, SIM "--shards 3 --records 4000");
	sim_faults(&h.sim, "batch latency=10");
	make_family(&h.sim);
	agent_init(&h.agent, &h.sim, "host", AGENT "--end_time end");
	agent_init(&other, &h.sim, "other", AGENT "--end_time end");
	agent_start(&h.agent);
	agent_start(&other);
	ck_assert_int_eq(agent_wait(&h.agent), 0);
	ck_assert_int_eq(agent_wait(&other), 0);
	struct agent *both[] = { &h.agent, &other };
	sim_expect_exact(&h.sim, "host.out other.out");
	expect_children_after_parents(&h.sim, both, 2);
	agent_expect_sound(&h.agent, &h.sim);
	agent_expect_sound(&other, &h.sim);
	agent_fini(&other);
	one_host_end(&h);
}
END_TEST

Suite *
suite_shards(void)
{
	Suite *suite = suite_create("shards");
	TCase *tc = scenario_case(suite, "shards");
	tcase_add_test(tc, split_under_load_goes_on_in_the_children);
	tcase_add_test(tc, merge_under_load_goes_on_in_the_child);
	tcase_add_test(tc, empty_shard_that_is_split_or_merged_makes_way);
	tcase_add_test(tc, end_of_a_run_waits_for_children_that_nobody_was_granted_yet);
	tcase_add_test(tc, end_time_to_come_is_reached_in_parents_and_children);
	tcase_add_test(tc, two_hosts_share_parents_and_children_to_the_end);
	return suite;
}
