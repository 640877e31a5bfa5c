/*
 * exec.c - a child of the user's for each worker as the sink, that does well, refuses, dies,
 * hangs, and says what is no answer.
 *
 * Real programs against lts-sim, the child of tests/exec. Holds worker/processor_exec.c with what
 * stands around it: no record is lost, the dead letters are exactly the poison, no worker dies of
 * its child, the other shards go on.
 */
#include "tests/suites.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"
#include "tests/support/test_plugin.h"

enum { SHARDS = 4, RECORDS = 2000 };

#define SIM "--tls off --shards 4 --records 2000 --consumer_timeout 3"
#define AGENT                                                                   \
	"--consumer_count 2 --end_time end --consume_batch_size 100 "           \
	"--checkpoint_interval 50ms --process_timeout 1500ms --max_attempts 2 " \
	"--worker_beat_timeout 1s "

static void
begin(struct one_host *h, const char *agent_options, const char *rules)
{
	scenario_begin(&h->scenario);
	test_plugin_rules(h, rules);
	sim_start(&h->sim, &h->scenario, SIM);
	char *child = xasprintf("exec:exec python3 %s/test-exec/misbehave.py", h->scenario.bin);
	agent_init(&h->agent, &h->sim, "host", agent_options);
	agent_add_word(&h->agent, "--sink");
	agent_add_word(&h->agent, child);
	free(child);
	agent_start(&h->agent);
}

/* It ended by itself with everything done or dead, and no worker died; the account's for
 * more. */
static struct test_plugin_account *
expect_drained(struct one_host *h, unsigned dead)
{
	ck_assert_int_eq(agent_wait(&h->agent), 0);
	struct test_plugin_account *account = test_plugin_account(h, SHARDS, RECORDS);
	ck_assert_uint_eq(account->lost, 0);
	ck_assert_uint_eq(account->dead, dead);
	ck_assert_uint_eq(account->dead_twice, 0);
	agent_expect_sound(&h->agent, &h->sim);
	return account;
}

static void
expect_no_worker_died(const struct one_host *h)
{
	ck_assert_uint_eq(agent_said(&h->agent, "restarts=1"), 0);
	ck_assert_uint_eq(agent_said(&h->agent, "msg=\"worker killed\""), 0);
}

START_TEST(child_is_given_every_record_once)
{
	struct one_host h;
	begin(&h, AGENT, "slow * 1000 2\n"); /* so that something is committed meanwhile */
	struct test_plugin_account *account = expect_drained(&h, 0);
	ck_assert_uint_eq(account->repeated, 0);
	ck_assert_double_eq(agent_committed(&h.agent), SHARDS * RECORDS);
	char *called = scenario_read(&h.scenario, "called");
	ck_assert_ptr_nonnull(strstr(called, "initialize 0"));
	ck_assert_ptr_nonnull(strstr(called, "checkpoint "));
	ck_assert_ptr_nonnull(strstr(called, "shutdown 0 finished"));
	free(called);
	free(account);
	expect_no_worker_died(&h);
	one_host_end(&h);
}
END_TEST

/* Where a poison record stands: at the first, a middle, the last place of a batch of 100. */
static const unsigned places[] = { 500, 550, 599 };

static void
poison(const char *what, const char *more, const unsigned *seqs, unsigned n)
{
	struct one_host h;
	char rules[200] = "", options[400];
	for (unsigned i = 0; i < n; i++)
		snprintf(rules + strlen(rules), sizeof(rules) - strlen(rules), "%s 1 %u 0\n",
			 what, seqs[i]);
	snprintf(options, sizeof(options), "%s%s", AGENT, more);
	begin(&h, options, rules);
	struct test_plugin_account *account = expect_drained(&h, n);
	for (unsigned i = 0; i < n; i++)
		ck_assert(account->is_dead[1][seqs[i]]);
	ck_assert_uint_eq(account->both, 0);
	free(account);
	expect_no_worker_died(&h);
	one_host_end(&h);
}

static const char *const poisons[] = { "nack",    "blame", "crash", "exit",
				       "garbage", "half",  "large", "grandchild" };

enum { POISONS = sizeof(poisons) / sizeof(poisons[0]) };

START_TEST(record_over_which_the_child_fails_is_put_aside_alone)
{
	poison(poisons[_i / 3], "", &places[_i % 3], 1);
}
END_TEST

static const char *const stand_stills[] = { "hang", "closed" };

START_TEST(record_over_which_the_child_stands_still_is_put_aside_alone)
{
	poison(stand_stills[_i], "--process_timeout 300ms", &places[1], 1);
}
END_TEST

START_TEST(two_records_of_a_batch_are_both_put_aside)
{
	static const char *const whats[] = { "nack", "blame", "crash" };
	static const unsigned two[] = { 520, 580 };
	poison(whats[_i], "", two, 2);
}
END_TEST

static const struct {
	const char *rule, *says;
} once[] = {
	{ "crash 1 550 1\n", "signal 6" },
	{ "exit 1 550 1\n", "exited with 3" },
	{ "hang 1 550 1\n", "timed out" },
	{ "closed 1 550 1\n", "closed" },
	{ "garbage 1 550 1\n", "what is no frame" },
	{ "half 1 550 1\n", "frame" },
	{ "large 1 550 1\n", "4096" },
	{ "ackexit 1 550 1\n", "exited with 5" },
	{ "deaf 1 550 1\n", "timed out" },
	{ "grandchild 1 550 1\n", "exited with 4" },
	{ "ackexit * * 20\n", "exited with 5" },
};

START_TEST(failure_of_the_child_that_passes_loses_nothing)
{
	struct one_host h;
	begin(&h, AGENT "--process_timeout 600ms --max_attempts 5", once[_i].rule);
	struct test_plugin_account *account = expect_drained(&h, 0);
	ck_assert_uint_ge(agent_said(&h.agent, "the processor's child ended"), 1);
	ck_assert_msg(agent_said(&h.agent, once[_i].says) >= 1, "not said: %s", once[_i].says);
	free(account);
	expect_no_worker_died(&h);
	one_host_end(&h);
}
END_TEST

START_TEST(grandchild_does_not_outlive_the_agent)
{
	struct one_host h;
	begin(&h, AGENT "--max_attempts 5", "grandchild 1 550 1\n");
	free(expect_drained(&h, 0));
	char *pids = scenario_read(&h.scenario, "grandchildren");
	pid_t pid = (pid_t)strtol(pids, NULL, 10);
	ck_assert_int_gt(pid, 0);
	until("it is gone", kill(pid, 0) < 0 && errno == ESRCH);
	free(pids);
	one_host_end(&h);
}
END_TEST

START_TEST(later_is_no_attempt)
{
	struct one_host h;
	begin(&h, AGENT, "later 1 550 4\n");
	struct test_plugin_account *account = expect_drained(&h, 0);
	ck_assert_uint_eq(account->repeated, 0);
	ck_assert_uint_eq(agent_said(&h.agent, "msg=\"records refused\""), 0);
	free(account);
	one_host_end(&h);
}
END_TEST

START_TEST(rollback_gives_the_records_again)
{
	struct one_host h;
	begin(&h, AGENT, "rollback 1 950 1\n");
	free(expect_drained(&h, 0));
	one_host_end(&h);
}
END_TEST

/* Ten times worker_beat_timeout, and longer than process_timeout: it says that it goes on. */
START_TEST(slow_child_costs_no_shard_and_no_worker)
{
	struct one_host h;
	begin(&h, AGENT "--worker_beat_timeout 300ms --process_timeout 1s", "slow 1 550 30\n");
	struct test_plugin_account *account = expect_drained(&h, 0);
	ck_assert_uint_eq(account->repeated, 0);
	ck_assert_uint_eq(agent_said(&h.agent, "the processor's child ended"), 0);
	free(account);
	expect_no_worker_died(&h);
	one_host_end(&h);
}
END_TEST

START_TEST(shard_stops_at_a_poison_record_when_told_to)
{
	struct one_host h;
	begin(&h, AGENT "--on_poison stop", "nack 1 550 0\n");
	ck_assert_int_eq(agent_wait(&h.agent), 1);
	struct test_plugin_account *account = test_plugin_account(&h, SHARDS, RECORDS);
	ck_assert_uint_eq(account->dead, 0);
	ck_assert_uint_eq(account->times[1][550], 0);
	ck_assert_uint_eq(account->lost, RECORDS - 550);
	free(account);
	/* Mended, it goes on with that record. */
	test_plugin_rules(&h, "");
	agent_start(&h.agent);
	account = expect_drained(&h, 0);
	ck_assert_uint_eq(account->repeated, 0);
	free(account);
	one_host_end(&h);
}
END_TEST

START_TEST(manual_checkpoint_is_behind_what_was_saved)
{
	struct one_host h;
	begin(&h,
	      "--consumer_count 1 --consume_batch_size 100 --checkpoint_interval 50ms "
	      "--checkpoint_mode manual",
	      "persist * 799 0\n");
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
	free(account);
	one_host_end(&h);
}
END_TEST

START_TEST(workers_killed_meanwhile_lose_nothing)
{
	struct one_host h;
	pid_t pids[AGENT_WORKERS_MAX];
	uint64_t seed = scenario_seed(950);
	double served = 0;
	begin(&h, AGENT, "nack 1 550 0\nblame 2 700 0\nlater 3 900 3\ncrash 0 1200 2\n");
	for (size_t kills = 1; kills <= 5; kills++) {
		one_host_await_served(&h, 200 + scenario_draw(&seed, 500), &served);
		size_t n = 0;
		until("there is a worker", (n = agent_workers(&h.agent, pids)) > 0);
		kill(pids[scenario_draw(&seed, (unsigned)n)], SIGKILL);
		until("it is reaped", agent_said(&h.agent, "signal=9") >= kills);
	}
	ck_assert_int_eq(agent_wait(&h.agent), 0);
	struct test_plugin_account *account = test_plugin_account(&h, SHARDS, RECORDS);
	ck_assert_uint_eq(account->lost, 0);
	ck_assert_uint_eq(account->dead_twice, 0);
	ck_assert(account->is_dead[1][550] && account->is_dead[2][700]);
	agent_expect_sound(&h.agent, &h.sim);
	free(account);
	one_host_end(&h);
}
END_TEST

Suite *
suite_exec(void)
{
	Suite *suite = suite_create("exec");
	TCase *tc = scenario_case(suite, "exec");
	tcase_add_test(tc, child_is_given_every_record_once);
	tcase_add_loop_test(tc, record_over_which_the_child_fails_is_put_aside_alone, 0,
			    3 * POISONS);
	tcase_add_loop_test(tc, record_over_which_the_child_stands_still_is_put_aside_alone, 0,
			    2);
	tcase_add_loop_test(tc, two_records_of_a_batch_are_both_put_aside, 0, 3);
	tcase_add_loop_test(tc, failure_of_the_child_that_passes_loses_nothing, 0,
			    sizeof(once) / sizeof(once[0]));
	tcase_add_test(tc, grandchild_does_not_outlive_the_agent);
	tcase_add_test(tc, later_is_no_attempt);
	tcase_add_test(tc, rollback_gives_the_records_again);
	tcase_add_test(tc, slow_child_costs_no_shard_and_no_worker);
	tcase_add_test(tc, shard_stops_at_a_poison_record_when_told_to);
	tcase_add_test(tc, manual_checkpoint_is_behind_what_was_saved);
	tcase_add_test(tc, workers_killed_meanwhile_lose_nothing);
	return suite;
}
