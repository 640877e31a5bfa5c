/*
 * slow.c - a sink that takes its time, and all that takes too long.
 *
 * Real programs against lts-sim, the sink of tests/sink. Holds the supervisor and the
 * leases to "slow is not dead": each submit lasts longer than the timeouts of heartbeat
 * and beat, and nothing is killed, moved or repeated. Holds both programs to "stuck is
 * never silent": the shard and its stage are named, and that it goes on.
 */
#include "tests/suites.h"

#include <stdlib.h>

#include "common/xalloc.h"
#include "state/store.h"
#include "tests/support/json_path.h"
#include "tests/support/test_sink.h"
#include "tests/support/tmpdir.h"

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

/* The fewest and the most records of a shard. */
static void
look_at_shards(const struct one_host *h, double *fewest_out, double *most_out)
{
	cJSON *state = agent_state(&h->agent);
	const cJSON *one;
	*fewest_out = *most_out = json_path_number(state, "checkpoints/0/records");
	cJSON_ArrayForEach(one, json_path_at(state, "checkpoints"))
	{
		double records = json_path_number(one, "records");
		*fewest_out = records < *fewest_out ? records : *fewest_out;
		*most_out = records > *most_out ? records : *most_out;
	}
	cJSON_Delete(state);
}

/* The budget has room for a few batches only, and a shard that has fetched nothing yet asks for
 * more room than one whose records are known. */
START_TEST(shards_share_a_small_budget_evenly)
{
	struct one_host h;
	double fewest, most = 0;
	test_sink_begin(&h, "--tls off --shards 4 --records 4000",
			"--consumer_count 1 --end_time end --consume_batch_size 100 "
			"--memory_budget 1MiB --checkpoint_interval 20ms",
			"slow * * 20\n");
	until("every shard is held", agent_said(&h.agent, "msg=\"shard held\"") == 4);
	until("one is far on", most >= 2500)
		look_at_shards(&h, &fewest, &most);
	ck_assert_double_ge(fewest, 1000);
	test_sink_rules(&h, "");
	one_host_expect_drained(&h, 4, 4000);
	one_host_end(&h);
}
END_TEST

/* One host whose sink is well; a heartbeat_timeout of 3 s is what these stages wait for. */
static void
begin(struct one_host *h)
{
	double served = 0;
	one_host_begin(h, "--tls off --shards 2 --records 20000 --consumer_timeout 3",
		       "--consumer_count 2 --end_time end --consume_batch_size 100 "
		       "--publish_interval 200ms");
	sim_faults(&h->sim, "batch latency=10");
	one_host_await_served(h, 2000, &served);
}

static void
expect_named(struct one_host *h, const char *stage)
{
	char *said = xasprintf("msg=\"shard stalled\" shard=0 stage=%s ", stage);
	until("it is named with its stage", agent_said(&h->agent, said) >= 1);
	free(said);
}

/* It goes on, says so, and has cost nothing. */
static void
end(struct one_host *h, const char *stage)
{
	char *said = xasprintf("msg=\"shard goes on\" shard=0 stage=%s ", stage);
	until("it says that it goes on", agent_said(&h->agent, said) >= 1);
	free(said);
	one_host_expect_drained(h, 2, 20000);
	ck_assert_uint_eq(agent_said(&h->agent, "worker killed"), 0);
	one_host_end(h);
}

START_TEST(service_that_answers_nothing_but_errors_is_named)
{
	struct one_host h;
	begin(&h);
	sim_faults(&h.sim, "batch status=503");
	expect_named(&h, "errors");
	sim_faults(&h.sim, "");
	end(&h, "errors");
}
END_TEST

START_TEST(checkpoints_that_cannot_be_published_are_named)
{
	struct one_host h;
	begin(&h);
	sim_faults(&h.sim, "batch latency=10\ncheckpoint_write status=503");
	expect_named(&h, "publish");
	sim_faults(&h.sim, "");
	end(&h, "publish");
}
END_TEST

/* As lts-state or another worker may hold it. */
START_TEST(lock_that_is_not_given_back_is_named)
{
	struct one_host h;
	struct store *store;
	struct store_txn txn = { 0 };
	begin(&h);
	char *dir = tmpdir_path(h.scenario.dir, "host.st");
	ck_assert_int_eq(store_open(dir, STORE_WRITE, &store), LTS_OK);
	free(dir);
	ck_assert_int_eq(store_write_begin(store, &txn), LTS_OK);
	expect_named(&h, "commit");
	store_abort(&txn);
	store_close(&store);
	end(&h, "commit");
}
END_TEST

Suite *
suite_slow(void)
{
	Suite *suite = suite_create("slow");
	TCase *tc = scenario_case(suite, "slow");
	tcase_add_test(tc, slow_sink_is_neither_killed_nor_rebalanced);
	tcase_add_test(tc, shards_share_a_small_budget_evenly);
	tcase_add_test(tc, service_that_answers_nothing_but_errors_is_named);
	tcase_add_test(tc, checkpoints_that_cannot_be_published_are_named);
	tcase_add_test(tc, lock_that_is_not_given_back_is_named);
	return suite;
}
