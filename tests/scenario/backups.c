/*
 * backups.c - a state that is put back from a backup, or built anew: nothing is lost, and what
 * comes again is what was said.
 *
 * Real programs against lts-sim. Holds lts-state backup and restore to leaving a running
 * agent alone, and what was delivered as it is.
 */
#include "tests/suites.h"

#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"
#include "tests/support/one_host.h"

enum { SHARDS = 4, RECORDS = 4000 };

#define SIM_OPTIONS "--tls off --shards 4 --records 4000 --consumer_timeout 3"
#define AGENT_OPTIONS                                                                       \
	"--consumer_count 2 --end_time end --consume_batch_size 100 --rotate_bytes 100KiB " \
	"--checkpoint_interval 50ms --publish_interval "

static void
begin(struct one_host *h, const char *publish_interval)
{
	char *options = xasprintf("%s%s", AGENT_OPTIONS, publish_interval);
	one_host_begin(h, SIM_OPTIONS, options);
	sim_faults(&h->sim, "batch latency=20");
	until("some of every shard is committed",
	      agent_committed(&h->agent) > 2000 &&
		      agent_said(&h->agent, "msg=\"shard held\"") >= SHARDS);
	free(options);
}

static void
run_on(struct one_host *h)
{
	double stood = agent_committed(&h->agent);
	until("more is delivered", agent_committed(&h->agent) > stood + 3000);
}

static void
expect_state(const struct one_host *h, int code, const char *words, const char *said)
{
	struct words argv = { .n = 0 };
	char *output = NULL;
	words_add(&argv, "lts-state --state_dir host.st %s", words);
	ck_assert_int_eq(scenario_run(&h->scenario, &argv, &output), code);
	ck_assert_msg(strstr(output, said) != NULL, "%s: %s", words, output);
	words_fini(&argv);
	free(output);
}

static void
keep_backup(struct one_host *h)
{
	expect_state(h, 0, "backup bak", "backup: bak, ");
}

/* Committed or not: nobody cuts the files of an instance that is no more. */
static double
all_written(const struct one_host *h)
{
	return (double)scenario_verify(&h->scenario, "--shards 4 --parts host.out").records;
}

/* Nothing lost; what came again. */
static unsigned long long
expect_all_there(struct one_host *h)
{
	sim_faults(&h->sim, "");
	agent_start(&h->agent);
	ck_assert_int_eq(agent_wait(&h->agent), 0);
	struct verdict v =
		scenario_verify(&h->scenario, "--shards 4 --records 4000 --parts host.out");
	ck_assert_uint_eq(v.lost + v.reordered + v.torn, 0);
	return v.duplicated;
}

START_TEST(restored_after_an_orderly_stop_nothing_is_lost_and_nothing_comes_again)
{
	struct one_host h;
	begin(&h, "200ms");
	keep_backup(&h);
	run_on(&h);
	expect_state(&h, 3, "restore bak", "");
	run_on(&h); /* it was not disturbed */
	agent_stop(&h.agent);
	one_host_command(&h, "/bin/cp -a %s before", "host.out");
	expect_state(&h, 0, "restore bak", "that is further");
	ck_assert_uint_eq(expect_all_there(&h), 0);
	one_host_expect_kept(&h, "before", "host.out");
	expect_state(&h, 0, "verify", "0 problems");
	one_host_end(&h);
}
END_TEST

START_TEST(restored_after_a_crash_what_was_not_published_comes_again_and_no_more)
{
	struct one_host h;
	begin(&h, "1s");
	keep_backup(&h);
	run_on(&h);
	run_on(&h);
	agent_kill_whole(&h.agent);
	double most = all_written(&h) - sim_published(&h.sim);
	expect_state(&h, 0, "restore bak", "comes again");
	ck_assert_double_le((double)expect_all_there(&h), most);
	one_host_end(&h);
}
END_TEST

START_TEST(restored_to_be_repeated_all_since_the_backup_comes_again)
{
	struct one_host h;
	begin(&h, "200ms");
	keep_backup(&h);
	double stood = agent_committed(&h.agent);
	run_on(&h);
	agent_stop(&h.agent);
	double stands = agent_committed(&h.agent);
	one_host_command(&h, "/bin/cp -a %s before", "host.out");
	expect_state(&h, 0, "restore bak --repeat", "comes again");
	double again = (double)expect_all_there(&h);
	one_host_expect_kept(&h, "before", "host.out");
	ck_assert_double_ge(again, stands - stood);
	ck_assert_double_lt(again, stands);
	one_host_end(&h);
}
END_TEST

START_TEST(damaged_and_rebuilt_what_was_not_published_comes_again_and_no_more)
{
	struct one_host h;
	begin(&h, "1s");
	run_on(&h);
	expect_state(&h, 3, "rebuild --force", "");
	agent_kill_whole(&h.agent);
	double most = all_written(&h) - sim_published(&h.sim);
	expect_state(&h, 1, "rebuild", ""); /* it is sound */
	one_host_command(&h, "/usr/bin/truncate -s 9000 %s", "host.st/data.mdb");
	agent_start(&h.agent);
	ck_assert_int_eq(agent_wait(&h.agent), 6);
	ck_assert_uint_eq(agent_said(&h.agent, "rebuild sets it aside"), 1);
	expect_state(&h, 0, "rebuild", "comes again");
	ck_assert_double_le((double)expect_all_there(&h), most);
	expect_state(&h, 0, "events --last 0", "rebuilt");
	one_host_end(&h);
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
