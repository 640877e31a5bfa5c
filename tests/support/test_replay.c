/*
 * test_replay.c - dead letters of a real agent, and a replay of them.
 *
 * In the test process. Owns nothing that lasts.
 */
#include "tests/support/test_replay.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/xalloc.h"
#include "tests/support/tmpdir.h"

#define REPLAY                                                                        \
	"--credentials_file none --state_dir unused.st --max_attempts 2 --sink none " \
	"--replay_deadletter letters.log "

bool
test_replay_has(const struct test_replay *b, const char *name)
{
	char *path = tmpdir_path(b->h.scenario.dir, name);
	bool is = access(path, F_OK) == 0;
	free(path);
	return is;
}

/* The only file of dead letters becomes letters.log. */
static void
take_letters(struct test_replay *b)
{
	struct dirent **list;
	char *dir = tmpdir_path(b->h.scenario.dir, "host.st/deadletter");
	char *to = tmpdir_path(b->h.scenario.dir, "letters.log");
	int n = scandir(dir, &list, NULL, alphasort);
	ck_assert_int_eq(n, 3); /* with . and .. */
	char *from = tmpdir_path(dir, list[2]->d_name);
	ck_assert_int_eq(rename(from, to), 0);
	for (int i = 0; i < n; i++)
		free(list[i]);
	free((void *)list);
	free(from);
	free(to);
	free(dir);
}

/* Every record of the stream is a dead letter. */
void
test_replay_begin(struct test_replay *b)
{
	*b = (struct test_replay){ .began = false };
	test_plugin_begin(&b->h, "--tls off --shards 1 --records 30 --consumer_timeout 3",
			  "--consumer_count 1 --end_time end --checkpoint_interval 50ms "
			  "--max_attempts 1",
			  "refuse 0 * 0\n");
	ck_assert_int_eq(agent_wait(&b->h.agent), 0);
	take_letters(b);
	sim_stop(&b->h.sim);
	test_plugin_rules(&b->h, "");
}

void
test_replay_end(struct test_replay *b)
{
	ck_assert(!test_replay_has(b, "unused.st"));
	agent_fini(&b->replay);
	agent_fini(&b->h.agent);
	scenario_end(&b->h.scenario);
}

/* sink NULL: the plugin. */
void
test_replay_start(struct test_replay *b, const char *sink, const char *options)
{
	char *plugin = xasprintf("plugin:%s/test-plugin/misbehave.so", b->h.scenario.bin);
	char *all = xasprintf("%s%s", REPLAY, options);
	if (b->began)
		agent_fini(&b->replay);
	b->began = true;
	agent_init(&b->replay, &b->h.sim, "replay", all);
	agent_add_word(&b->replay, "--sink");
	agent_add_word(&b->replay, sink ? sink : plugin);
	agent_start(&b->replay);
	free(all);
	free(plugin);
}

int
test_replay(struct test_replay *b, const char *sink, const char *options)
{
	test_replay_start(b, sink, options);
	return agent_wait(&b->replay);
}

bool
test_replay_printed(const struct test_replay *b, const char *text)
{
	char *output = scenario_read(&b->h.scenario, "replay.stdout");
	bool was = strstr(output, text) != NULL;
	free(output);
	return was;
}

/* So often each record was taken, by its number. */
static void
expect_taken(const struct test_replay *b, const unsigned times[TEST_REPLAY_LETTERS])
{
	struct test_plugin_account *account = test_plugin_account(&b->h, 1, TEST_REPLAY_LETTERS);
	for (unsigned i = 0; i < TEST_REPLAY_LETTERS; i++)
		ck_assert_msg(account->times[0][i] == times[i], "record %u: %u times", i,
			      account->times[0][i]);
	free(account);
}

/* All once but for these two. */
void
test_replay_expect_all_but(const struct test_replay *b, unsigned one, unsigned two)
{
	unsigned times[TEST_REPLAY_LETTERS];
	for (unsigned i = 0; i < TEST_REPLAY_LETTERS; i++)
		times[i] = i != one && i != two;
	expect_taken(b, times);
}

void
test_replay_expect_all(const struct test_replay *b)
{
	test_replay_expect_all_but(b, TEST_REPLAY_LETTERS, TEST_REPLAY_LETTERS);
}

void
test_replay_expect_complete(const struct test_replay *b)
{
	ck_assert(test_replay_printed(b, "replay: 30 records, 30 delivered, 0 failed again\n"));
	ck_assert(!test_replay_has(b, "letters.log.progress"));
	ck_assert(!test_replay_has(b, "letters.log.failed"));
}

/* A line in front, one in the middle, and the last without its end. */
void
test_replay_spoil(const struct test_replay *b)
{
	char *text = scenario_read(&b->h.scenario, "letters.log");
	char *second = strchr(text, '\n') + 1;
	char *spoiled = xasprintf("no letter\n%.*s{\"shard\":\"0\"}\n%s", (int)(second - text),
				  text, second);
	tmpdir_write(b->h.scenario.dir, "letters.log", spoiled, strlen(spoiled) - 1);
	free(spoiled);
	free(text);
}

/* Lines that FILE.progress says were delivered. */
unsigned long
test_replay_saved(const struct test_replay *b)
{
	char *text = scenario_read(&b->h.scenario, "letters.log.progress");
	const char *at = strstr(text, "delivered=");
	unsigned long lines = at ? strtoul(at + strlen("delivered="), NULL, 10) : 0;
	free(text);
	return lines;
}

/* In front of a record drawn, with all before it done and saved; one at a time. */
void
test_replay_stand_in_front(struct test_replay *b, const char *what)
{
	char rules[40];
	uint64_t seed = scenario_seed(970);
	unsigned seq = 1 + scenario_draw(&seed, TEST_REPLAY_LETTERS - 1);
	snprintf(rules, sizeof(rules), "%s 0 %u 0\n", what, seq);
	test_plugin_rules(&b->h, rules);
	test_replay_start(b, NULL, "--batch_max_records 1");
	until("it stands there",
	      test_plugin_done(&b->h, 1) == seq && test_replay_saved(b) >= seq);
}
