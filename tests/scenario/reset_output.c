/*
 * reset_output.c - lts-state reset of a shard whose output file was removed or cut.
 *
 * Real programs against lts-sim. Holds that a reset mends what stopped the shard: the file that the
 * checkpoint names is left as it is, and the records go into a new one.
 */
#include "tests/suites.h"

#include <dirent.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/one_host.h"
#include "tests/support/tmpdir.h"

enum { SHARDS = 4, RECORDS = 1000 };

static const struct {
	bool cut, stopped;
} damages[] = { { false, false }, { true, false }, { false, true }, { true, true } };

/* The file of shard 0 that is being written. */
static void
damage_output(const struct one_host *h, bool cut)
{
	char *dir = tmpdir_path(h->scenario.dir, "host.out"), *path = NULL;
	DIR *stream = opendir(dir);
	const struct dirent *entry;
	while ((entry = readdir(stream)))
		if (strncmp(entry->d_name, "0-", 2) == 0)
			path = tmpdir_path(dir, entry->d_name);
	ck_assert_ptr_nonnull(strstr(path, ".part"));
	ck_assert_int_eq(cut ? truncate(path, 0) : unlink(path), 0);
	closedir(stream);
	free(path);
	free(dir);
}

START_TEST(shard_whose_output_is_damaged_goes_on_when_it_is_reset)
{
	struct words words = { .n = 0 };
	struct one_host h;
	one_host_begin(&h, "--tls off --shards 4 --records 1000 --consumer_timeout 3",
		       "--consumer_count 2 --checkpoint_interval 20ms");
	until("all is committed", agent_committed(&h.agent) == SHARDS * RECORDS);
	agent_kill_whole(&h.agent);
	damage_output(&h, damages[_i].cut);
	agent_start(&h.agent);
	until("it is stuck", agent_said(&h.agent, "msg=\"shard stuck\"") == 1);
	if (damages[_i].stopped) {
		process_signal(&h.agent.process, SIGTERM);
		(void)agent_wait(&h.agent);
	}
	words_add(&words, "lts-state --state_dir %s reset --shard 0 --to begin", h.agent.state_dir);
	ck_assert_int_eq(scenario_run(&h.scenario, &words, NULL), 0);
	words_fini(&words);
	if (damages[_i].stopped)
		agent_start(&h.agent);
	until("all is committed", agent_committed(&h.agent) == (SHARDS + 1) * RECORDS);
	agent_kill_whole(&h.agent);
	agent_start(&h.agent);
	until("it holds its shards again", agent_said(&h.agent, "msg=\"shard held\"") >= SHARDS);
	agent_stop(&h.agent);
	scenario_expect_exact(&h.scenario, SHARDS, RECORDS, "host.out");
	one_host_end(&h);
}
END_TEST

Suite *
suite_reset_output(void)
{
	Suite *suite = suite_create("reset_output");
	TCase *tc = scenario_case(suite, "reset_output");
	tcase_add_loop_test(tc, shard_whose_output_is_damaged_goes_on_when_it_is_reset, 0, 4);
	return suite;
}
