/*
 * manual.c - checkpoint_mode=manual: what the processor has not saved comes again, and nothing
 * else does.
 *
 * Real programs against lts-sim, the plugin of tests/plugin. Holds worker/process.c: a shard
 * that is not saved up to its end is not finished, and records that end workers ahead of the
 * last save are dead letters once each.
 */
#include "tests/suites.h"

#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/xalloc.h"
#include "tests/support/test_plugin.h"
#include "tests/support/tmpdir.h"

enum { SHARDS = 4, RECORDS = 2000 };

#define SIM "--tls off --shards 4 --records 2000 --consumer_timeout 3"
#define AGENT                                                                     \
	"--consumer_count 2 --consume_batch_size 100 --checkpoint_interval 50ms " \
	"--checkpoint_mode manual --process_timeout 1500ms --worker_beat_timeout 1s "
#define TO_THE_END "--end_time end "

/* What is not saved comes again; also when a shard moves to another worker, so there is one. */
START_TEST(checkpoint_is_behind_what_was_saved)
{
	struct one_host h;
	test_plugin_begin(&h, SIM, AGENT "--consumer_count 1", "persist * 799 0\n");
	until("all is given", test_plugin_done(&h, SHARDS) == SHARDS * RECORDS);
	until("800 of each are committed", agent_committed(&h.agent) == SHARDS * 800);
	agent_kill_whole(&h.agent);
	test_plugin_rules(&h, "persist * * 0\n");
	agent_start(&h.agent);
	until("the rest is given again", agent_committed(&h.agent) == SHARDS * RECORDS);
	agent_stop(&h.agent);
	struct test_plugin_account *account = test_plugin_account(&h, SHARDS, RECORDS);
	for (unsigned i = 0; i < RECORDS; i++)
		ck_assert_uint_eq(account->times[1][i], i < 800 ? 1 : 2);
	ck_assert_uint_eq(account->lost, 0);
	free(account);
	one_host_end(&h);
}
END_TEST

static unsigned
events_of_kind(const struct agent *agent, const char *kind)
{
	unsigned n = 0;
	cJSON *state = agent_state(agent), *event;
	cJSON_ArrayForEach(event, json_member(state, "events")) n +=
		strcmp(json_text(event, "event"), kind) == 0;
	cJSON_Delete(state);
	return n;
}

START_TEST(shards_not_saved_up_to_their_end_are_not_finished_and_come_again)
{
	struct one_host h;
	test_plugin_begin(&h, SIM, AGENT TO_THE_END "--consumer_count 1", "persist * 799 0\n");
	ck_assert_int_eq(agent_wait(&h.agent), 1);
	ck_assert_uint_eq(agent_said(&h.agent, "msg=\"shard finished\""), 0);
	ck_assert_uint_ge(agent_said(&h.agent, "1200 acknowledged records are behind the last "
					       "save: they come again at the next start"),
			  SHARDS);
	ck_assert_double_eq(agent_committed(&h.agent), SHARDS * 800);
	ck_assert_uint_eq(events_of_kind(&h.agent, "stuck"), SHARDS);
	ck_assert_uint_eq(events_of_kind(&h.agent, "finished"), 0);
	ck_assert_uint_eq(agent_said(&h.agent, "shard stalled"), 0); /* nobody owes a commit */
	agent_expect_sound(&h.agent, &h.sim);
	test_plugin_rules(&h, "persist * * 0\n");
	agent_start(&h.agent);
	ck_assert_int_eq(agent_wait(&h.agent), 0);
	struct test_plugin_account *account = test_plugin_account(&h, SHARDS, RECORDS);
	for (unsigned s = 0; s < SHARDS; s++)
		for (unsigned i = 0; i < RECORDS; i++)
			ck_assert_uint_eq(account->times[s][i], i < 800 ? 1 : 2);
	free(account);
	agent_expect_sound(&h.agent, &h.sim);
	one_host_end(&h);
}
END_TEST

START_TEST(shards_saved_as_they_end_are_finished)
{
	struct one_host h;
	test_plugin_begin(&h, SIM, AGENT TO_THE_END, "slow * 0 100\n");
	tmpdir_write(h.scenario.dir, "save.at.shutdown", "", 0);
	ck_assert_int_eq(agent_wait(&h.agent), 0);
	ck_assert_uint_eq(agent_said(&h.agent, "msg=\"shard finished\""), SHARDS);
	ck_assert_double_eq(agent_committed(&h.agent), SHARDS * RECORDS);
	agent_expect_sound(&h.agent, &h.sim);
	one_host_end(&h);
}
END_TEST

/* Ahead of the only save, at the shard's end, records of shard 1 end their workers. */
static void
expect_dead(const char *rules, const unsigned *seqs, unsigned n)
{
	struct one_host h;
	char *all = xasprintf("%spersist * 1999 0\n", rules);
	test_plugin_begin(&h, SIM, AGENT TO_THE_END "--max_attempts 2 --process_timeout 500ms",
			  all);
	free(all);
	ck_assert_int_eq(agent_wait(&h.agent), 0);
	struct test_plugin_account *account = test_plugin_account(&h, SHARDS, RECORDS);
	ck_assert_uint_eq(account->lost, 0);
	ck_assert_uint_eq(account->dead, n);
	ck_assert_uint_eq(account->dead_twice, 0);
	ck_assert_uint_eq(account->both, 0);
	for (unsigned i = 0; i < n; i++)
		ck_assert(account->is_dead[1][seqs[i]]);
	free(account);
	ck_assert_uint_eq(agent_said(&h.agent, "msg=\"poison record\""), n);
	ck_assert_uint_eq(agent_said(&h.agent, "shard stalled"), 0);
	agent_expect_sound(&h.agent, &h.sim);
	one_host_end(&h);
}

START_TEST(records_of_two_batches_that_end_workers_are_dead_letters_once)
{
	static const unsigned two[] = { 550, 1210 };
	expect_dead(_i ? "hang 1 550 0\nabort 1 1210 0\n" : "abort 1 550 0\nabort 1 1210 0\n",
		    two, 2);
}
END_TEST

START_TEST(records_of_one_batch_that_end_workers_are_dead_letters_once)
{
	static const unsigned two[] = { 510, 580 };
	expect_dead(_i ? "abort 1 510 0\nrefuse 1 580 0\n" : "abort 1 510 0\nabort 1 580 0\n",
		    two, 2);
}
END_TEST

START_TEST(agent_killed_between_two_dead_letters_repeats_neither)
{
	static const char *const rules = "abort 1 510 0\nabort 1 1580 0\npersist * 1999 0\n";
	struct one_host h;
	test_plugin_begin(&h, SIM, AGENT TO_THE_END "--max_attempts 2", rules);
	until("one is put aside", agent_said(&h.agent, "next=\"put aside\"") == 1);
	agent_kill_whole(&h.agent);
	agent_start(&h.agent);
	ck_assert_int_eq(agent_wait(&h.agent), 0);
	struct test_plugin_account *account = test_plugin_account(&h, SHARDS, RECORDS);
	ck_assert_uint_eq(account->lost, 0);
	ck_assert_uint_eq(account->dead, 2);
	ck_assert_uint_eq(account->both, 0);
	ck_assert(account->is_dead[1][510] && account->is_dead[1][1580]);
	free(account);
	agent_expect_sound(&h.agent, &h.sim);
	one_host_end(&h);
}
END_TEST

Suite *
suite_manual(void)
{
	Suite *suite = suite_create("manual");
	TCase *tc = scenario_case(suite, "manual");
	tcase_add_test(tc, checkpoint_is_behind_what_was_saved);
	tcase_add_test(tc, shards_not_saved_up_to_their_end_are_not_finished_and_come_again);
	tcase_add_test(tc, shards_saved_as_they_end_are_finished);
	tcase_add_loop_test(tc, records_of_two_batches_that_end_workers_are_dead_letters_once, 0,
			    2);
	tcase_add_loop_test(tc, records_of_one_batch_that_end_workers_are_dead_letters_once, 0,
			    2);
	tcase_add_test(tc, agent_killed_between_two_dead_letters_repeats_neither);
	return suite;
}
