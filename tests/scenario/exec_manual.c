/*
 * exec_manual.c - checkpoint_mode=manual with a child of the user's that keeps what it
 * acknowledges in its memory until it saves, as a transaction would.
 *
 * Real programs against lts-sim, the child of tests/exec. Holds worker/process_back.c and
 * processor_exec.c: what was not saved when a child ends comes again, a save reaches no further
 * than what was acknowledged before it, and no cursor is believed that was not given.
 */
#include "tests/suites.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/xalloc.h"
#include "tests/support/test_plugin.h"
#include "tests/support/tmpdir.h"

enum { SHARDS = 4, RECORDS = 2000 };

#define SIM "--tls off --shards 4 --records 2000 --consumer_timeout 3"
#define AGENT                                                                             \
	"--consumer_count 2 --end_time end --consume_batch_size 100 --checkpoint_mode manual " \
	"--checkpoint_interval 50ms --process_timeout 1500ms --worker_beat_timeout 1s "

static void
add_agent(struct one_host *h, struct agent *agent, const char *name, const char *options)
{
	char *child = xasprintf("exec:exec python3 %s/test-exec/misbehave.py", h->scenario.bin);
	agent_init(agent, &h->sim, name, options);
	agent_add_word(agent, "--sink");
	agent_add_word(agent, child);
	free(child);
}

static void
begin(struct one_host *h, const char *sim, const char *options, const char *rules)
{
	scenario_begin(&h->scenario);
	tmpdir_write(h->scenario.dir, "hold", "", 0);
	test_plugin_rules(h, rules);
	sim_start(&h->sim, &h->scenario, sim);
	add_agent(h, &h->agent, "host", options);
}

static void
expect_nothing_lost(struct one_host *h, unsigned records)
{
	struct test_plugin_account *account = test_plugin_account(h, SHARDS, records);
	ck_assert_uint_eq(account->lost, 0);
	ck_assert_uint_eq(account->dead, 0);
	free(account);
}

static const char *const ends[] = { "crash", "exit", "hang", "ackexit", "garbage", "deaf" };

/* It saves every fourth batch, and ends over one in seven. */
START_TEST(child_that_ends_between_its_saves_loses_nothing)
{
	struct one_host h;
	struct buf rules;
	buf_init(&rules, 0);
	ck_assert_int_eq(buf_put_text(&rules, "every * * 4\n"), LTS_OK);
	for (unsigned s = 0; s < SHARDS; s++)
		for (unsigned seq = 350 + 100 * s; seq < RECORDS; seq += 700)
			ck_assert_int_eq(buf_printf(&rules, "%s %u %u 1\n", ends[_i], s, seq),
					 LTS_OK);
	begin(&h, SIM, AGENT "--process_timeout 500ms --max_attempts 5", rules.data);
	buf_fini(&rules);
	agent_start(&h.agent);
	ck_assert_int_eq(agent_wait(&h.agent), 0);
	ck_assert_uint_ge(agent_said(&h.agent, "what was not saved comes again"), 4);
	expect_nothing_lost(&h, RECORDS);
	ck_assert_double_eq(agent_committed(&h.agent), SHARDS * RECORDS);
	agent_expect_sound(&h.agent, &h.sim);
	one_host_end(&h);
}
END_TEST

/* No record comes behind the ones that were acknowledged and not saved. */
START_TEST(what_an_idle_child_had_not_saved_comes_again_at_once)
{
	struct one_host h;
	begin(&h, SIM, "--consumer_count 1 --consume_batch_size 100 --checkpoint_mode manual",
	      "ackexit 1 1950 1\nevery * * 3\nreborn * * 0\n");
	agent_start(&h.agent);
	until("the next child has saved it", test_plugin_done(&h, SHARDS) >= SHARDS * 2000);
	ck_assert_uint_ge(agent_said(&h.agent, "what was not saved comes again"), 1);
	agent_stop(&h.agent);
	expect_nothing_lost(&h, RECORDS);
	one_host_end(&h);
}
END_TEST

/* Another host takes half of the shards while the child is busy: it is killed, and the shards that
 * stay lose nothing. */
START_TEST(child_that_is_killed_as_a_shard_is_let_go_loses_nothing_of_the_others)
{
	struct one_host h;
	struct agent other;
	enum { FEW = 600 };
	static const char options[] = AGENT "--consumer_count 1 --process_timeout 10s";
	begin(&h, "--tls off --shards 4 --records 600 --consumer_timeout 3", options,
	      "every * * 3\nslow * * 12\n");
	add_agent(&h, &other, "other", options);
	agent_start(&h.agent);
	until("something is saved", test_plugin_done(&h, SHARDS) >= 300);
	agent_start(&other);
	ck_assert_int_eq(agent_wait(&h.agent), 0);
	ck_assert_int_eq(agent_wait(&other), 0);
	ck_assert_uint_ge(agent_said(&h.agent, "the processor's child is killed"), 1);
	expect_nothing_lost(&h, FEW);
	agent_fini(&other);
	one_host_end(&h);
}
END_TEST

static const char *const in_parts[] = {
	"save * 30 0\nevery * * 7\n", /* at the first part of the first batch */
	"save * 530 0\nrollback * 580 1\nevery * * 9\n",
	"save * 530 0\nexit * 580 1\nevery * * 9\n",
	"save * 530 0\nackexit * 580 1\nevery * * 9\n",
	"save * 530 0\nblame * 580 1\nevery * * 9\n",
};

START_TEST(save_over_a_part_of_a_batch_reaches_no_further)
{
	struct one_host h;
	begin(&h, SIM, AGENT, in_parts[_i]);
	tmpdir_write(h.scenario.dir, "max_bytes", "6000", 4);
	agent_start(&h.agent);
	ck_assert_int_eq(agent_wait(&h.agent), 0);
	expect_nothing_lost(&h, RECORDS);
	one_host_end(&h);
}
END_TEST

/* It is told no, and goes on: nothing is skipped, nothing held up. */
START_TEST(rollback_to_where_nothing_was_given_is_refused_by_name)
{
	static const char *const rules[] = { "astray 1 550 1\nevery * * 4\n",
					     "ahead 1 550 1\nevery * * 4\n" };
	struct one_host h;
	begin(&h, SIM, AGENT, rules[_i]);
	agent_start(&h.agent);
	ck_assert_int_eq(agent_wait(&h.agent), 0);
	ck_assert_uint_ge(agent_said(&h.agent, "from which this shard was not given anything"), 1);
	expect_nothing_lost(&h, RECORDS);
	agent_expect_sound(&h.agent, &h.sim);
	one_host_end(&h);
}
END_TEST

Suite *
suite_exec_manual(void)
{
	Suite *suite = suite_create("exec_manual");
	TCase *tc = scenario_case(suite, "exec_manual");
	tcase_add_loop_test(tc, child_that_ends_between_its_saves_loses_nothing, 0,
			    sizeof(ends) / sizeof(ends[0]));
	tcase_add_test(tc, what_an_idle_child_had_not_saved_comes_again_at_once);
	tcase_add_test(tc, child_that_is_killed_as_a_shard_is_let_go_loses_nothing_of_the_others);
	tcase_add_loop_test(tc, save_over_a_part_of_a_batch_reaches_no_further, 0,
			    sizeof(in_parts) / sizeof(in_parts[0]));
	tcase_add_loop_test(tc, rollback_to_where_nothing_was_given_is_refused_by_name, 0, 2);
	return suite;
}
