/*
 * one_at_a_time.c - commands of all workers that append to one file: a pipeline from the README
 * works as it stands there, whoever is killed meanwhile.
 *
 * Real programs against lts-sim. Holds worker/turns.c and worker/processor_batch.c with what
 * stands around them.
 */
#include "tests/suites.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "common/xalloc.h"
#include "tests/support/test_replay.h"
#include "tests/support/tmpdir.h"
#include "worker/turns.h"

enum { SHARDS = 8, RECORDS = 5000, GZIP_RECORDS = 20000 };

#define SIM "--tls off --shards 8 --consumer_timeout 3 --records "
#define AGENT "--consumer_count 4 --end_time end --batch_linger 100ms --checkpoint_interval 50ms "

static void
begin_with(struct one_host *h, const char *sim, const char *options, const char *sink)
{
	scenario_begin(&h->scenario);
	sim_start(&h->sim, &h->scenario, sim);
	agent_init(&h->agent, &h->sim, "host", options);
	agent_add_word(&h->agent, "--sink");
	agent_add_word(&h->agent, sink);
	agent_start(&h->agent);
}

static void
begin(struct one_host *h, const char *options, const char *sink)
{
	begin_with(h, SIM "5000", options, sink);
}

/* A number that a user's shell prints for it, in the scenario's directory. */
static unsigned long
shell(const struct scenario *scenario, const char *command)
{
	char number[32] = "";
	char *line = xasprintf("cd '%s' && { %s; }", scenario->dir, command);
	FILE *pipe = popen(line, "re");
	ck_assert_ptr_nonnull(pipe);
	ck_assert_uint_lt(fread(number, 1, sizeof(number) - 1, pipe), sizeof(number) - 1);
	ck_assert_msg(pclose(pipe) == 0, "%s", line);
	free(line);
	return strtoul(number, NULL, 10);
}

/* Two or three commands a shard: each compresses to more than the 256 KiB that gzip writes at
 * once, and the writes of two would mix. */
START_TEST(gzip_appended_to_one_file_by_all_workers_is_readable_and_has_every_record_once)
{
	struct one_host h;
	begin_with(&h, SIM "20000", AGENT, "batch:gzip >> out.gz");
	ck_assert_int_eq(agent_wait(&h.agent), 0);
	ck_assert_uint_gt(shell(&h.scenario, "wc -c < out.gz"), SHARDS * 768 << 10);
	ck_assert_uint_eq(shell(&h.scenario,
				"mkdir host.out; zcat out.gz > all && wc -l < all; "
				"for s in 0 1 2 3 4 5 6 7; do "
				"grep '\"shard\":\"'$s all > host.out/$s-gzip-00000000.log; "
				"done"),
			  SHARDS * GZIP_RECORDS);
	scenario_expect_exact(&h.scenario, SHARDS, GZIP_RECORDS, "host.out");
	agent_expect_sound(&h.agent, &h.sim);
	one_host_end(&h);
}
END_TEST

/* A lock of the command's own, that what it has started holds as well, says whether it is alone.
 */
#define ALONE                                                            \
	"batch:exec 9>>one; flock -n 9 || echo $LTS_SHARD >> together; " \
	"sed 's/.*\"seq\":\\([0-9]*\\),.*/\\1/' | sort -n > seqs && "    \
	"cat seqs >> done.$LTS_SHARD && echo $LTS_RECORDS >> calls"

START_TEST(no_two_commands_run_at_once_also_when_workers_are_killed)
{
	struct one_host h;
	pid_t pids[AGENT_WORKERS_MAX];
	begin(&h, AGENT "--batch_max_records 500", ALONE);
	for (unsigned killed = 0; killed < 6; killed++) {
		unsigned calls = 4 + 8 * killed;
		until("it is at work",
		      shell(&h.scenario, "cat calls 2>/dev/null | wc -l") >= calls);
		size_t n = agent_workers(&h.agent, pids);
		ck_assert_uint_gt(n, 0);
		kill(pids[killed % n], SIGKILL);
	}
	ck_assert_int_eq(agent_wait(&h.agent), 0);
	ck_assert_uint_eq(shell(&h.scenario, "cat together 2>/dev/null | wc -l"), 0);
	struct test_plugin_account *account = test_plugin_account(&h, SHARDS, RECORDS);
	ck_assert_uint_eq(account->lost, 0);
	ck_assert_uint_eq(account->dead, 0);
	free(account);
	one_host_end(&h);
}
END_TEST

/* Longer than worker_beat_timeout: the wait is none of its, nor of process_timeout's. */
START_TEST(one_that_hangs_holds_up_the_others_and_costs_no_worker)
{
	struct one_host h;
	begin(&h, AGENT "--process_timeout 4s --max_attempts 2",
	      "batch:[ $LTS_SHARD != 3 ] || [ -e slept ] || { touch slept; sleep 1000; }; "
	      "sed 's/.*\"seq\":\\([0-9]*\\),.*/\\1/' >> done.$LTS_SHARD");
	ck_assert_int_eq(agent_wait(&h.agent), 0);
	ck_assert_uint_eq(agent_said(&h.agent, "text=\"timed out\""), 1);
	ck_assert_uint_eq(agent_said(&h.agent, "msg=\"records refused\""), 1);
	ck_assert_uint_eq(agent_said(&h.agent, "msg=\"worker killed\""), 0);
	struct test_plugin_account *account = test_plugin_account(&h, SHARDS, RECORDS);
	/* One that ran as its shard moved may have been cut short, and come again. */
	ck_assert_uint_eq(account->lost + account->dead, 0);
	free(account);
	one_host_end(&h);
}
END_TEST

/* Those that wait for their turn are not begun. */
START_TEST(one_that_runs_when_the_agent_is_to_stop_comes_to_its_end)
{
	struct one_host h;
	begin_with(&h, "--tls off --shards 8 --records 5000",
		   "--consumer_count 4 --batch_max_records 1000 --heartbeat_timeout 60s",
		   "batch:echo begin >> log; sleep 1; cat >> out; echo end >> log");
	until("one runs", shell(&h.scenario, "cat log 2>&- | wc -l") >= 1);
	agent_stop(&h.agent);
	ck_assert_uint_eq(shell(&h.scenario, "tail -n 1 log | grep -c end"), 1);
	ck_assert_uint_eq(shell(&h.scenario, "grep -c begin log"),
			  shell(&h.scenario, "grep -c end log"));
	ck_assert_double_eq(agent_committed(&h.agent),
			    (double)shell(&h.scenario, "cat out | wc -l"));
	one_host_end(&h);
}
END_TEST

START_TEST(with_batch_parallel_they_run_at_the_same_time)
{
	struct one_host h;
	/* The first two wait for each other. */
	begin(&h, AGENT "--batch_parallel true",
	      "batch:touch on.$LTS_SHARD; until [ $(ls | grep -c '^on') -ge 2 ]; do :; done");
	ck_assert_int_eq(agent_wait(&h.agent), 0);
	ck_assert_double_eq(agent_committed(&h.agent), SHARDS * RECORDS);
	one_host_end(&h);
}
END_TEST

START_TEST(replay_takes_its_turn_among_the_agents_commands)
{
	struct test_replay b;
	struct turns *turns;
	test_replay_begin(&b);
	char *state = tmpdir_path(b.h.scenario.dir, "unused.st"); /* the replay's */
	ck_assert_int_eq(mkdir(state, 0700), 0);
	ck_assert_int_eq(turns_open(state, &turns), LTS_OK);
	ck_assert(turns_take(turns, 0));
	test_replay_start(&b, "batch:touch ran; cat > in", "--process_timeout 300ms");
	until("it says that it waits", agent_said(&b.replay, "commands still wait") > 0);
	ck_assert(!test_replay_has(&b, "ran"));
	turns_close(&turns);
	ck_assert_int_eq(agent_wait(&b.replay), 0);
	ck_assert(test_replay_has(&b, "ran"));
	test_replay_expect_complete(&b);
	tmpdir_remove(&state);
	test_replay_end(&b);
}
END_TEST

Suite *
suite_one_at_a_time(void)
{
	Suite *suite = suite_create("one_at_a_time");
	TCase *tc = scenario_case(suite, "one_at_a_time");
	tcase_add_test(
		tc,
		gzip_appended_to_one_file_by_all_workers_is_readable_and_has_every_record_once);
	tcase_add_test(tc, no_two_commands_run_at_once_also_when_workers_are_killed);
	tcase_add_test(tc, one_that_hangs_holds_up_the_others_and_costs_no_worker);
	tcase_add_test(tc, one_that_runs_when_the_agent_is_to_stop_comes_to_its_end);
	tcase_add_test(tc, with_batch_parallel_they_run_at_the_same_time);
	tcase_add_test(tc, replay_takes_its_turn_among_the_agents_commands);
	return suite;
}
