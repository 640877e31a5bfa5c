/*
 * plugins.c - a plugin as the sink, that does well, fails, dies and hangs.
 *
 * Real programs against lts-sim, the plugin of tests/plugin. Holds worker/process.c and
 * worker/attempt.c: no record is lost, the dead letters are exactly the poison, the other
 * shards go on.
 */
#include "tests/suites.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"
#include "tests/support/test_plugin.h"

enum { SHARDS = 4, RECORDS = 2000 };

#define SIM "--tls off --shards 4 --records 2000 --consumer_timeout 3"
#define AGENT                                                         \
	"--consumer_count 2 --end_time end --consume_batch_size 100 " \
	"--checkpoint_interval 50ms --process_timeout 1500ms --worker_beat_timeout 1s "

/* It ended by itself with everything done or dead; the account's for more. */
static struct test_plugin_account *
expect_drained(struct one_host *h, unsigned dead)
{
	ck_assert_int_eq(agent_wait(&h->agent), 0);
	struct test_plugin_account *account = test_plugin_account(h, SHARDS, RECORDS);
	ck_assert_uint_eq(account->lost, 0);
	ck_assert_uint_eq(account->dead, dead);
	ck_assert_uint_eq(account->dead_twice, 0);
	ck_assert_uint_eq(account->both, 0);
	agent_expect_sound(&h->agent, &h->sim);
	return account;
}

START_TEST(plugin_is_given_every_record_once)
{
	struct one_host h;
	test_plugin_begin(&h, SIM, AGENT, "");
	struct test_plugin_account *account = expect_drained(&h, 0);
	ck_assert_uint_eq(account->repeated, 0);
	ck_assert_double_eq(agent_committed(&h.agent), SHARDS * RECORDS);
	char *called = scenario_read(&h.scenario, "called.1");
	/* It may have moved before. */
	ck_assert_ptr_nonnull(strstr(called, "initialize\nfinished\ndestroy\n"));
	free(called);
	free(account);
	one_host_end(&h);
}
END_TEST

/* Where a poison record stands: at the first, a middle, the last place of a batch of 100. */
static const unsigned poisons[] = { 500, 550, 599 };

static void
poison(struct one_host *h, const char *what, const char *more, const unsigned *seqs, unsigned n)
{
	char rules[200] = "";
	char options[300];
	for (unsigned i = 0; i < n; i++)
		snprintf(rules + strlen(rules), sizeof(rules) - strlen(rules), "%s 1 %u 0\n",
			 what, seqs[i]);
	snprintf(options, sizeof(options), "%s%s", AGENT, more);
	test_plugin_begin(h, SIM, options, rules);
	struct test_plugin_account *account = expect_drained(h, n);
	for (unsigned i = 0; i < n; i++)
		ck_assert(account->is_dead[1][seqs[i]]);
	free(account);
}

START_TEST(refused_record_is_put_aside_alone)
{
	struct one_host h;
	poison(&h, "refuse", "--max_attempts 3", &poisons[_i], 1);
	one_host_end(&h);
}
END_TEST

START_TEST(blamed_record_is_put_aside_alone)
{
	struct one_host h;
	poison(&h, "blame", "--max_attempts 3", &poisons[_i], 1);
	/* Once in its batch, then alone; a holder that gets the shard meanwhile begins anew. */
	ck_assert_uint_ge(agent_said(&h.agent, "msg=\"records refused\""), 1 + 3);
	ck_assert_uint_lt(agent_said(&h.agent, "msg=\"records refused\""), 3 * (1 + 3));
	one_host_end(&h);
}
END_TEST

static const char *const ends[] = {
	"abort",
	"exit",
	"hang",
#ifndef __SANITIZE_ADDRESS__ /* which would report it, as it should */
	"segv",
#endif
};

START_TEST(record_that_ends_workers_is_put_aside_alone)
{
	struct one_host h;
	poison(&h, ends[_i / 3], "--process_timeout 500ms --max_attempts 2", &poisons[_i % 3], 1);
	one_host_end(&h);
}
END_TEST

START_TEST(two_poison_records_of_a_batch_are_put_aside)
{
	static const char *const whats[] = { "refuse", "blame", "abort" };
	static const unsigned two[] = { 510, 580 };
	struct one_host h;
	poison(&h, whats[_i], "--max_attempts 2", two, 2);
	one_host_end(&h);
}
END_TEST

START_TEST(shard_stops_at_a_poison_record_when_told_to)
{
	static const char *const whats[] = { "refuse 1 550 0\n", "abort 1 550 0\n" };
	struct one_host h;
	test_plugin_begin(&h, SIM, AGENT "--on_poison stop --max_attempts 2", whats[_i]);
	ck_assert_int_eq(agent_wait(&h.agent), 1);
	ck_assert_uint_ge(agent_said(&h.agent, "msg=\"shard stopped\" shard=1 "), 1);
	struct test_plugin_account *account = test_plugin_account(&h, SHARDS, RECORDS);
	ck_assert_uint_eq(account->dead, 0);
	ck_assert_uint_eq(account->times[1][549], 1);
	ck_assert_uint_eq(account->times[1][550], 0);
	ck_assert_uint_eq(account->lost, RECORDS - 550);
	free(account);
	/* Mended, it goes on with that record. */
	test_plugin_rules(&h, "");
	agent_start(&h.agent);
	account = expect_drained(&h, 0);
	/* A worker's death repeats of the other shards what it had not committed. */
	ck_assert(_i == 1 || account->repeated == 0);
	ck_assert_uint_eq(account->times[1][549], 1);
	ck_assert_uint_eq(account->times[1][550], 1);
	free(account);
	one_host_end(&h);
}
END_TEST

START_TEST(later_is_no_attempt)
{
	struct one_host h;
	test_plugin_begin(&h, SIM, AGENT "--max_attempts 2", "later 1 550 6\n");
	struct test_plugin_account *account = expect_drained(&h, 0);
	ck_assert_uint_eq(account->repeated, 0);
	ck_assert_uint_eq(agent_said(&h.agent, "msg=\"records refused\""), 0);
	free(account);
	one_host_end(&h);
}
END_TEST

START_TEST(slow_is_neither_hung_nor_rebalanced)
{
	struct one_host h;
	test_plugin_begin(&h, SIM, AGENT "--process_timeout 60s --worker_beat_timeout 300ms",
			  "slow 1 550 3000\n");
	struct test_plugin_account *account = expect_drained(&h, 0);
	ck_assert_uint_eq(account->repeated, 0);
	ck_assert_uint_eq(agent_said(&h.agent, "killed_by_us"), 0);
	ck_assert_uint_eq(agent_said(&h.agent, "state=BACKOFF"), 0);
	ck_assert_uint_eq(agent_said(&h.agent, "restarts=1"), 0);
	free(account);
	one_host_end(&h);
}
END_TEST

START_TEST(rollback_gives_the_records_again)
{
	struct one_host h;
	test_plugin_begin(&h, SIM, AGENT, "rollback 1 550 1\n");
	struct test_plugin_account *account = expect_drained(&h, 0);
	char *called = scenario_read(&h.scenario, "called.1");
	ck_assert_ptr_nonnull(strstr(called, "rollback\n"));
	free(called);
	free(account);
	one_host_end(&h);
}
END_TEST

START_TEST(rollback_for_ever_is_a_failure)
{
	struct one_host h;
	test_plugin_begin(&h, SIM, AGENT "--max_attempts 2", "rollback 1 550 0\n");
	struct test_plugin_account *account = expect_drained(&h, 1);
	ck_assert(account->is_dead[1][550]);
	free(account);
	one_host_end(&h);
}
END_TEST

START_TEST(workers_killed_meanwhile_lose_nothing)
{
	struct one_host h;
	pid_t pids[AGENT_WORKERS_MAX];
	uint64_t seed = scenario_seed(900);
	double served = 0;
	test_plugin_begin(&h, SIM, AGENT "--max_attempts 2",
			  "refuse 1 550 0\nblame 2 700 0\nlater 3 900 3\nabort 0 1200 0\n"
			  "slow * * 20\n");
	for (size_t kills = 1; kills <= 5; kills++) {
		one_host_await_served(&h, 200 + scenario_draw(&seed, 500), &served);
		size_t n = 0;
		until("there is a worker", (n = agent_workers(&h.agent, pids)) > 0);
		kill(pids[scenario_draw(&seed, (unsigned)n)], SIGKILL);
		until("it is reaped", agent_said(&h.agent, "signal=9") >= kills);
	}
	struct test_plugin_account *account = expect_drained(&h, 3);
	ck_assert(account->is_dead[1][550] && account->is_dead[2][700] &&
		  account->is_dead[0][1200]);
	free(account);
	one_host_end(&h);
}
END_TEST

static const struct {
	const char *file, *says;
	bool built;
} wrong[] = {
	{ "/nowhere/to/be/found.so", "cannot open shared object file", false },
	{ "plugin.rules", "file too short", false },
	{ "/test-plugin/other.so", "another version of lts_processor.h", true },
};

START_TEST(wrong_plugin_is_refused_at_start)
{
	struct one_host h;
	scenario_begin(&h.scenario);
	test_plugin_rules(&h, "x");
	sim_start(&h.sim, &h.scenario, SIM);
	char *options = xasprintf("%s --sink plugin:%s%s", AGENT,
				  wrong[_i].built ? h.scenario.bin : "", wrong[_i].file);
	agent_init(&h.agent, &h.sim, "host", options);
	free(options);
	agent_start(&h.agent);
	ck_assert_int_eq(agent_wait(&h.agent), 2);
	ck_assert_uint_ge(agent_said(&h.agent, wrong[_i].says), 1);
	one_host_end(&h);
}
END_TEST

Suite *
suite_plugins(void)
{
	Suite *suite = suite_create("plugins");
	TCase *tc = scenario_case(suite, "plugins");
	tcase_add_test(tc, plugin_is_given_every_record_once);
	tcase_add_loop_test(tc, refused_record_is_put_aside_alone, 0, 3);
	tcase_add_loop_test(tc, blamed_record_is_put_aside_alone, 0, 3);
	tcase_add_loop_test(tc, record_that_ends_workers_is_put_aside_alone, 0,
			    3 * sizeof(ends) / sizeof(ends[0]));
	tcase_add_loop_test(tc, two_poison_records_of_a_batch_are_put_aside, 0, 3);
	tcase_add_loop_test(tc, shard_stops_at_a_poison_record_when_told_to, 0, 2);
	tcase_add_test(tc, later_is_no_attempt);
	tcase_add_test(tc, slow_is_neither_hung_nor_rebalanced);
	tcase_add_test(tc, rollback_gives_the_records_again);
	tcase_add_test(tc, rollback_for_ever_is_a_failure);
	tcase_add_test(tc, workers_killed_meanwhile_lose_nothing);
	tcase_add_loop_test(tc, wrong_plugin_is_refused_at_start, 0,
			    sizeof(wrong) / sizeof(wrong[0]));
	return suite;
}
