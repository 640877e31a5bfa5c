/*
 * commands.c - a command per batch as the sink, that does well, fails, dies, hangs, is slow, and
 * leaves things behind.
 *
 * Real programs against lts-sim. Holds worker/processor_batch.c and worker/shard_join.c with
 * what stands around them: no record is lost, the dead letters are exactly the poison, no
 * worker dies of a command, the other shards go on.
 */
#include "tests/suites.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/json_path.h"
#include "tests/support/test_command.h"

enum { SHARDS = 4, RECORDS = 2000 };

#define SIM "--tls off --shards 4 --records 2000 --consumer_timeout 3"
#define AGENT                                                                   \
	"--consumer_count 2 --end_time end --consume_batch_size 100 "           \
	"--checkpoint_interval 50ms --worker_beat_timeout 1s --max_attempts 3 " \
	"--batch_linger 100ms "

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
	ck_assert_uint_eq(account->both, 0);
	ck_assert_uint_eq(agent_said(&h->agent, "restarts=1"), 0);
	agent_expect_sound(&h->agent, &h->sim);
	return account;
}

static size_t
count_lines(const struct one_host *h, const char *name)
{
	size_t n = 0;
	char *text = scenario_read(&h->scenario, name);
	for (const char *at = text; (at = strchr(at, '\n')); at++)
		n++;
	free(text);
	return n;
}

START_TEST(command_is_given_every_record_once_in_batches_that_were_joined)
{
	struct one_host h;
	test_command_begin(&h, SIM, AGENT "--batch_max_records 1000", "");
	struct test_plugin_account *account = expect_drained(&h, 0);
	ck_assert_uint_eq(account->repeated, 0);
	ck_assert_double_eq(agent_committed(&h.agent), SHARDS * RECORDS);
	/* 20 answers of each shard, at most; each call may be of what lingered. */
	ck_assert_uint_lt(count_lines(&h, "calls"), SHARDS * 20 / 2);
	free(account);
	one_host_end(&h);
}
END_TEST

START_TEST(command_is_given_no_more_than_batch_max_records)
{
	struct one_host h;
	test_command_begin(&h, "--tls off --shards 4 --records 40 --consumer_timeout 3",
			   AGENT "--batch_max_records 7", "");
	ck_assert_int_eq(agent_wait(&h.agent), 0);
	struct test_plugin_account *account = test_plugin_account(&h, SHARDS, 40);
	ck_assert_uint_eq(account->lost + account->repeated + account->dead, 0);
	char *calls = scenario_read(&h.scenario, "calls"), *rest = calls, *line;
	unsigned shard, first, records, attempts;
	unsigned long long cursor;
	while ((line = strsep(&rest, "\n")) && *line) {
		ck_assert_int_eq(sscanf(line, "%u %llu %u %u %u", &shard, &cursor, &first,
					&records, &attempts),
				 5);
		ck_assert_uint_le(records, 7);
	}
	free(calls);
	free(account);
	one_host_end(&h);
}
END_TEST

/* Where a poison record stands: at the first, a middle, the last place of an answer of 100. */
static const unsigned places[] = { 500, 550, 599 };

static void
poison(const char *what, const char *more, const unsigned *seqs, unsigned n)
{
	struct one_host h;
	char rules[200] = "", options[400];
	for (unsigned i = 0; i < n; i++)
		snprintf(rules + strlen(rules), sizeof(rules) - strlen(rules), "%s 1 %u\n", what,
			 seqs[i]);
	snprintf(options, sizeof(options), "%s%s", AGENT, more);
	test_command_begin(&h, SIM, options, rules);
	struct test_plugin_account *account = expect_drained(&h, n);
	for (unsigned i = 0; i < n; i++)
		ck_assert(account->is_dead[1][seqs[i]]);
	ck_assert_uint_eq(account->repeated, 0);
	free(account);
	snprintf(options, sizeof(options), "sends them again\" records=%u deadletter_dir=", n);
	ck_assert_uint_eq(agent_said(&h.agent, options), 1);
	one_host_end(&h);
}

START_TEST(record_that_fails_the_command_is_put_aside_alone)
{
	poison("fail", "--batch_max_records 100", &places[_i], 1);
}
END_TEST

START_TEST(record_in_a_joined_batch_is_put_aside_alone)
{
	poison("fail", "--batch_max_records 1000", &places[_i], 1);
}
END_TEST

START_TEST(record_that_crashes_the_command_is_put_aside_alone)
{
	poison("crash", "--batch_max_records 100", &places[_i], 1);
}
END_TEST

START_TEST(two_records_of_a_batch_are_both_put_aside)
{
	static const unsigned two[] = { 520, 580 };
	poison("fail", "--batch_max_records 100", two, 2);
}
END_TEST

START_TEST(record_that_hangs_the_command_is_put_aside_alone)
{
	poison("hang", "--batch_max_records 30 --process_timeout 1s", &places[_i], 1);
}
END_TEST

START_TEST(dead_letter_says_what_the_command_said)
{
	struct one_host h;
	test_command_begin(&h, SIM, AGENT, "fail 1 550\n");
	free(expect_drained(&h, 1));
	char *letters = test_plugin_dead_letters(&h);
	ck_assert_ptr_nonnull(strstr(letters, "\"error\":\"exit 3: record 550 is bad\""));
	free(letters);
	one_host_end(&h);
}
END_TEST

START_TEST(records_wait_for_a_command_that_is_not_there_and_none_is_put_aside)
{
	struct one_host h;
	scenario_begin(&h.scenario);
	sim_start(&h.sim, &h.scenario, SIM);
	agent_init(&h.agent, &h.sim, "host", AGENT "--max_attempts 1 --sink batch:./command");
	test_plugin_rules(&h, "");
	agent_start(&h.agent);
	until("both workers say so",
	      agent_said(&h.agent, "the command cannot be run: the records wait") == 2);
	test_command_install(&h.scenario);
	free(expect_drained(&h, 0));
	ck_assert_uint_eq(agent_said(&h.agent, "records refused"), 0);
	ck_assert_uint_eq(agent_said(&h.agent, "records were put aside"), 0);
	one_host_end(&h);
}
END_TEST

START_TEST(shard_stops_at_a_poison_record_when_it_is_to_and_the_others_go_on)
{
	struct one_host h;
	test_command_begin(&h, SIM, AGENT "--on_poison stop", "fail 1 550\n");
	ck_assert_int_eq(agent_wait(&h.agent), 1);
	struct test_plugin_account *account = test_plugin_account(&h, SHARDS, RECORDS);
	ck_assert_uint_eq(account->dead + account->repeated, 0);
	ck_assert_uint_eq(account->times[1][549], 1);
	ck_assert_uint_eq(account->times[1][550], 0);
	ck_assert_uint_eq(account->lost, RECORDS - 550);
	ck_assert_uint_ge(agent_said(&h.agent, "record 550 is bad"), 1);
	free(account);
	/* It was mended. */
	test_plugin_rules(&h, "");
	agent_start(&h.agent);
	account = expect_drained(&h, 0);
	ck_assert_uint_eq(account->repeated, 0);
	free(account);
	one_host_end(&h);
}
END_TEST

START_TEST(exit_75_is_tried_again_and_is_no_attempt)
{
	struct one_host h;
	test_command_begin(&h, SIM, AGENT, "later 1 550\n");
	struct test_plugin_account *account = expect_drained(&h, 0);
	ck_assert_uint_eq(account->repeated, 0);
	ck_assert_uint_eq(agent_said(&h.agent, "msg=\"records refused\""), 0);
	free(account);
	one_host_end(&h);
}
END_TEST

START_TEST(failure_that_passes_costs_an_attempt_and_nothing_else)
{
	struct one_host h;
	test_command_begin(&h, SIM, AGENT, "once 1 550\n");
	struct test_plugin_account *account = expect_drained(&h, 0);
	ck_assert_uint_eq(account->repeated, 0);
	ck_assert_uint_eq(agent_said(&h.agent, "msg=\"records refused\""), 1);
	free(account);
	one_host_end(&h);
}
END_TEST

/* A hundred times the service's patience with a loop: the loop does not wait. */
START_TEST(slow_command_costs_no_shard_and_no_worker)
{
	struct one_host h;
	test_command_begin(&h, SIM, AGENT "--worker_beat_timeout 200ms --heartbeat_timeout 1s",
			   "late 1 550\nlate 2 550\n");
	struct test_plugin_account *account = expect_drained(&h, 0);
	ck_assert_uint_eq(account->repeated, 0);
	ck_assert_uint_eq(agent_said(&h.agent, "msg=\"worker killed\""), 0);
	free(account);
	one_host_end(&h);
}
END_TEST

START_TEST(what_a_command_prints_or_leaves_behind_costs_nothing)
{
	static const char *const rules[] = { "garbage 1 550\n", "child 1 550\n" };
	struct one_host h;
	test_command_begin(&h, SIM, AGENT, rules[_i]);
	struct test_plugin_account *account = expect_drained(&h, 0);
	ck_assert_uint_eq(account->repeated, 0);
	free(account);
	one_host_end(&h);
}
END_TEST

START_TEST(agent_that_is_killed_repeats_at_most_what_was_not_committed)
{
	struct one_host h;
	test_command_begin(&h, SIM, AGENT "--batch_max_records 100", "");
	until("it is at work", count_lines(&h, "calls") >= 20);
	agent_kill_whole(&h.agent);
	unsigned long done = test_plugin_done(&h, SHARDS),
		      committed = (unsigned long)agent_committed(&h.agent);
	agent_start(&h.agent);
	struct test_plugin_account *account = expect_drained(&h, 0);
	ck_assert_uint_le(account->repeated, done - committed);
	free(account);
	one_host_end(&h);
}
END_TEST

START_TEST(agent_that_is_stopped_repeats_nothing)
{
	struct one_host h;
	test_command_begin(&h, SIM, AGENT "--batch_max_records 100", "");
	until("it is at work", count_lines(&h, "calls") >= 20);
	agent_stop(&h.agent);
	agent_start(&h.agent);
	struct test_plugin_account *account = expect_drained(&h, 0);
	ck_assert_uint_eq(account->repeated, 0);
	free(account);
	one_host_end(&h);
}
END_TEST

Suite *
suite_commands(void)
{
	Suite *suite = suite_create("commands");
	TCase *tc = scenario_case(suite, "commands");
	tcase_add_test(tc, command_is_given_every_record_once_in_batches_that_were_joined);
	tcase_add_test(tc, command_is_given_no_more_than_batch_max_records);
	tcase_add_loop_test(tc, record_that_fails_the_command_is_put_aside_alone, 0, 3);
	tcase_add_loop_test(tc, record_in_a_joined_batch_is_put_aside_alone, 0, 3);
	tcase_add_loop_test(tc, record_that_crashes_the_command_is_put_aside_alone, 0, 3);
	tcase_add_test(tc, two_records_of_a_batch_are_both_put_aside);
	tcase_add_loop_test(tc, record_that_hangs_the_command_is_put_aside_alone, 0, 3);
	tcase_add_test(tc, dead_letter_says_what_the_command_said);
	tcase_add_test(tc,
		       records_wait_for_a_command_that_is_not_there_and_none_is_put_aside);
	tcase_add_test(tc, shard_stops_at_a_poison_record_when_it_is_to_and_the_others_go_on);
	tcase_add_test(tc, exit_75_is_tried_again_and_is_no_attempt);
	tcase_add_test(tc, failure_that_passes_costs_an_attempt_and_nothing_else);
	tcase_add_test(tc, slow_command_costs_no_shard_and_no_worker);
	tcase_add_loop_test(tc, what_a_command_prints_or_leaves_behind_costs_nothing, 0, 2);
	tcase_add_test(tc, agent_that_is_killed_repeats_at_most_what_was_not_committed);
	tcase_add_test(tc, agent_that_is_stopped_repeats_nothing);
	return suite;
}
