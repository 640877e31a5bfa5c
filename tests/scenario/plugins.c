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

#include "tests/support/json_path.h"
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
	/* Once in its batch, then alone. */
	ck_assert_uint_eq(agent_said(&h.agent, "msg=\"records refused\""), 1 + 3);
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
	return suite;
}
