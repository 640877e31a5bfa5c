/*
 * backups.c - a state that is put back from a backup, or built anew: nothing is lost, and what
 * comes again is what was said.
 *
 * Real programs against lts-sim. Holds lts-state backup and restore to leaving a running
 * agent alone, and what was delivered as it is.
 */
#include "tests/suites.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/one_host.h"

enum { SHARDS = 4, STEP = 500 };

struct bed {
	struct one_host host;
	unsigned made; /* records of each shard so far */
};

static void
begin(struct bed *b)
{
	b->made = 0;
	one_host_begin(&b->host, "--tls off --shards 4 --records 0 --consumer_timeout 3",
		       "--consumer_count 2 --consume_batch_size 100 --rotate_bytes 100KiB "
		       "--checkpoint_interval 50ms --publish_interval 1h");
	until("the group is settled", sim_is_settled(&b->host.sim, 2));
}

static void
produce(struct bed *b)
{
	sim_post(&b->host.sim, "/sim/produce?records=500");
	b->made += STEP;
}

/* More is delivered and committed, all of it, and nothing of that is published. */
static void
run_on(struct bed *b)
{
	produce(b);
	until("all is committed", agent_committed(&b->host.agent) == SHARDS * b->made);
}

static void
publish(struct bed *b)
{
	process_signal(&b->host.agent.process, SIGUSR1);
	until("all is published", agent_said(&b->host.agent, "flushed") == 1);
}

/* A shard that goes home to its worker is published, too. */
static unsigned
not_published(const struct bed *b)
{
	return SHARDS * b->made - (unsigned)sim_published(&b->host.sim);
}

static void
expect_state(const struct bed *b, int code, const char *words, const char *said)
{
	struct words argv = { .n = 0 };
	char *output = NULL;
	words_add(&argv, "lts-state --state_dir host.st %s", words);
	ck_assert_int_eq(scenario_run(&b->host.scenario, &argv, &output), code);
	ck_assert_msg(strstr(output, said) != NULL, "%s: %s", words, output);
	words_fini(&argv);
	free(output);
}

static void
keep_files(const struct bed *b)
{
	one_host_command(&b->host, "/bin/cp -a %s before", "host.out");
}

/* Goes on with more: nothing is lost, so many come again, and files stay. */
static void
expect_again(struct bed *b, unsigned again)
{
	char words[80];
	size_t lines = scenario_lines(&b->host.scenario, "before") + SHARDS * STEP + again;
	produce(b);
	agent_start(&b->host.agent);
	until("all is delivered", scenario_lines(&b->host.scenario, "host.out") >= lines);
	agent_stop(&b->host.agent);
	snprintf(words, sizeof(words), "--shards 4 --records %u --parts host.out", b->made);
	struct verdict v = scenario_verify(&b->host.scenario, words);
	ck_assert_uint_eq(v.lost + v.reordered + v.torn, 0);
	ck_assert_uint_eq(v.duplicated, again);
	one_host_expect_kept(&b->host, "before", "host.out");
	expect_state(b, 0, "verify", "0 problems");
}

START_TEST(restored_after_an_orderly_stop_nothing_is_lost_and_nothing_comes_again)
{
	struct bed b;
	begin(&b);
	run_on(&b);
	expect_state(&b, 0, "backup bak", "backup: bak, ");
	run_on(&b);
	expect_state(&b, 3, "restore bak", "");
	run_on(&b); /* it was not disturbed */
	agent_stop(&b.host.agent);
	keep_files(&b);
	expect_state(&b, 0, "restore bak", "that is further");
	expect_again(&b, 0);
	one_host_end(&b.host);
}
END_TEST

START_TEST(restored_after_a_crash_what_was_not_published_comes_again_and_no_more)
{
	struct bed b;
	begin(&b);
	run_on(&b);
	expect_state(&b, 0, "backup bak", "backup: bak, ");
	run_on(&b);
	publish(&b);
	run_on(&b);
	agent_kill_whole(&b.host.agent);
	unsigned again = not_published(&b);
	keep_files(&b);
	expect_state(&b, 0, "restore bak", "comes again");
	expect_again(&b, again);
	one_host_end(&b.host);
}
END_TEST

START_TEST(restored_to_be_repeated_all_since_the_backup_comes_again)
{
	struct bed b;
	begin(&b);
	run_on(&b);
	expect_state(&b, 0, "backup bak", "backup: bak, ");
	run_on(&b);
	run_on(&b);
	agent_stop(&b.host.agent);
	keep_files(&b);
	expect_state(&b, 0, "restore bak --repeat", "comes again");
	expect_again(&b, SHARDS * 2 * STEP);
	one_host_end(&b.host);
}
END_TEST

START_TEST(damaged_and_rebuilt_what_was_not_published_comes_again_and_no_more)
{
	struct bed b;
	begin(&b);
	run_on(&b);
	publish(&b);
	run_on(&b);
	expect_state(&b, 3, "rebuild --force", "");
	agent_kill_whole(&b.host.agent);
	unsigned again = not_published(&b);
	keep_files(&b);
	expect_state(&b, 1, "rebuild", ""); /* it is sound */
	one_host_command(&b.host, "/usr/bin/truncate -s 9000 %s", "host.st/data.mdb");
	agent_start(&b.host.agent);
	ck_assert_int_eq(agent_wait(&b.host.agent), 6);
	ck_assert_uint_eq(agent_said(&b.host.agent, "rebuild sets it aside"), 1);
	expect_state(&b, 0, "rebuild", "comes again");
	expect_again(&b, again);
	expect_state(&b, 0, "events --last 0", "rebuilt");
	one_host_end(&b.host);
}
END_TEST

Suite *
suite_backups(void)
{
	Suite *suite = suite_create("backups");
	TCase *tc = scenario_case(suite, "backups");
	tcase_add_test(tc,
		       restored_after_an_orderly_stop_nothing_is_lost_and_nothing_comes_again);
	tcase_add_test(tc, restored_after_a_crash_what_was_not_published_comes_again_and_no_more);
	tcase_add_test(tc, restored_to_be_repeated_all_since_the_backup_comes_again);
	tcase_add_test(tc, damaged_and_rebuilt_what_was_not_published_comes_again_and_no_more);
	return suite;
}
