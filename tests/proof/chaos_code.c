/*
 * chaos_code.c - code of the user's as the sink, while everything goes wrong: it writes down what
 * it is given, two records are poison to it, and now and then it is slow, asks for later or
 * cannot be run.
 *
 * In the proof's process. Owns the rules that the code reads, and the account of what it has
 * written. Delivery is at least once here: every record done, or a dead letter if it is poison
 * and only then; for the first time in the shard's order.
 */
#include "tests/proof/chaos.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/xalloc.h"
#include "tests/support/json_path.h"
#include "tests/support/test_command.h"
#include "tests/support/tmpdir.h"

enum { MOODS = 4, MOOD_MS = 700, NO_SHARD = 1 << 30 };

/* How each kind of code is told to refuse a record, and to die of one. */
static const struct {
	const char *name, *refuse, *die, *moods[MOODS];
} kinds[] = {
	[CODE_NONE] = { .name = "file" },
	[CODE_PLUGIN] = { "plugin",
			  "refuse",
			  "abort",
			  { "", "", "later * * 3\n", "slow * * 20\n" } },
	[CODE_EXEC] = { "exec",
			"nack",
			"crash",
			{ "", "crash * * 1\n", "later * * 3\n", "slow * * 1\n" } },
	[CODE_BATCH] = { "batch", "fail", "crash", { "", "", "", "" } },
	[CODE_STDOUT] = { .name = "stdout" }, /* the proof reads it, and refuses nothing */
};

/* What batch:'s command is in each mood: one that is not there, cannot be run, or says so. */
static const char *const commands[MOODS] = { "command.good", "command.good", "command.gone",
					     "command.127" };

bool
code_find(const char *name, enum code *out)
{
	for (unsigned i = 0; name && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].name, name) == 0) {
			*out = (enum code)i;
			return true;
		}
	*out = CODE_NONE;
	return !name;
}

const char *
code_name(enum code code)
{
	return kinds[code].name;
}

/* A file that is read at any moment is there whole at every moment. */
static void
write_rules(const struct chaos *c, const char *mood)
{
	char *fresh = tmpdir_path(c->scenario.dir, "plugin.rules.new"),
	     *path = tmpdir_path(c->scenario.dir, "plugin.rules");
	char *text = xasprintf("%s %u %u 0\n%s %u %u 0\n%s", kinds[c->code].refuse,
			       c->poison[0].shard, c->poison[0].seq, kinds[c->code].die,
			       c->poison[1].shard, c->poison[1].seq, mood);
	tmpdir_write(c->scenario.dir, "plugin.rules.new", text, strlen(text));
	ck_assert_int_eq(rename(fresh, path), 0);
	free(text);
	free(path);
	free(fresh);
}

/* The command is a link, so that it is the one or the other at every moment. */
static void
set_command(const struct chaos *c, const char *target)
{
	char *fresh = tmpdir_path(c->scenario.dir, "command.new"),
	     *path = tmpdir_path(c->scenario.dir, "command");
	ck_assert_int_eq(symlink(target, fresh), 0);
	ck_assert_int_eq(rename(fresh, path), 0);
	free(path);
	free(fresh);
}

static void
install_commands(const struct chaos *c)
{
	static const char missing[] = "#!/bin/sh\nexit 127\n";
	char *path = tmpdir_path(c->scenario.dir, "command"),
	     *good = tmpdir_path(c->scenario.dir, "command.good"),
	     *bad = tmpdir_path(c->scenario.dir, "command.127");
	test_command_install(&c->scenario);
	ck_assert_int_eq(rename(path, good), 0);
	tmpdir_write(c->scenario.dir, "command.127", missing, sizeof(missing) - 1);
	ck_assert_int_eq(chmod(bad, 0700), 0);
	set_command(c, "command.good");
	free(bad);
	free(good);
	free(path);
}

void
code_begin(struct chaos *c, unsigned records)
{
	c->code_seed = c->seed ^ 0x9e3779b97f4a7c15u; /* the row of faults stays as it is */
	for (int i = 0; i < CHAOS_POISONS; i++) {
		if (c->code == CODE_STDOUT) {
			c->poison[i].shard = NO_SHARD;
			continue;
		}
		c->poison[i].shard = scenario_draw(&c->code_seed, c->shards);
		c->poison[i].seq = scenario_draw(&c->code_seed, records);
		chaos_note(c, "poison: shard %u, record %u", c->poison[i].shard,
			   c->poison[i].seq);
	}
	if (c->code != CODE_STDOUT)
		write_rules(c, "");
	if (c->code == CODE_BATCH)
		install_commands(c);
}

void
code_add_sink(struct chaos *c, struct host *h)
{
	struct agent *agent = &h->agent;
	char *sink = NULL;
	if (c->code == CODE_STDOUT) {
		stdout_open(h);
		agent_add_word(agent, "--sink");
		agent_add_word(agent, "stdout");
		return;
	}
	if (c->code == CODE_PLUGIN)
		sink = xasprintf("plugin:%s/test-plugin/misbehave.so", c->scenario.bin);
	else if (c->code == CODE_EXEC)
		sink = xasprintf("exec:exec python3 %s/test-exec/misbehave.py", c->scenario.bin);
	else
		sink = xstrdup("batch:./command");
	agent_add_word(agent, "--sink");
	agent_add_word(agent, sink);
	agent_add_word(agent, "--max_attempts");
	agent_add_word(agent, "3");
	agent_add_word(agent, "--batch_linger");
	agent_add_word(agent, "50ms");
	free(sink);
}

static void
step_readers(struct chaos *c, int64_t now_ms, bool calm)
{
	bool moody = now_ms >= c->mood_ms && !calm;
	for (int i = 0; i < CHAOS_HOSTS; i++) {
		if (calm)
			stdout_set_mood(&c->hosts[i], STDOUT_QUICK);
		else if (moody)
			stdout_set_mood(&c->hosts[i],
					scenario_draw(&c->code_seed, STDOUT_MOODS));
		stdout_step(c, &c->hosts[i]);
	}
	if (moody)
		c->mood_ms = now_ms + MOOD_MS;
}

void
code_step(struct chaos *c, int64_t now_ms, bool calm)
{
	if (c->code == CODE_STDOUT) {
		step_readers(c, now_ms, calm);
		return;
	}
	if (c->code == CODE_NONE || (now_ms < c->mood_ms && !calm))
		return;
	unsigned mood = calm ? 0 : scenario_draw(&c->code_seed, MOODS);
	write_rules(c, kinds[c->code].moods[mood]);
	if (c->code == CODE_BATCH)
		set_command(c, commands[mood]);
	c->mood_ms = now_ms + MOOD_MS;
}

/* ---- the account ---- */

static bool
is_poison(const struct chaos *c, unsigned shard, unsigned long seq)
{
	for (int i = 0; i < CHAOS_POISONS; i++)
		if (c->poison[i].shard == shard && c->poison[i].seq == seq)
			return true;
	return false;
}

static void
read_letters(struct chaos *c, const char *text, unsigned *found)
{
	static const char shard_key[] = "\"shard\":\"", seq_key[] = "\"seq\":";
	while (*text) {
		const char *end = strchr(text, '\n'), *shard = strstr(text, shard_key),
			   *seq = strstr(text, seq_key);
		if (!end)
			return; /* a lost host's, not committed */
		if (!shard || !seq || shard > end || seq > end)
			chaos_violated(c, "I3", "no dead letter: %.100s", text);
		unsigned of = (unsigned)strtoul(shard + sizeof(shard_key) - 1, NULL, 10);
		unsigned long number = strtoul(seq + sizeof(seq_key) - 1, NULL, 10);
		if (!is_poison(c, of, number))
			chaos_violated(c, "I1",
				       "record %lu of shard %u is no poison, and with the "
				       "dead letters",
				       number, of);
		for (int i = 0; i < CHAOS_POISONS; i++)
			*found |=
				(unsigned)(c->poison[i].shard == of && c->poison[i].seq == number)
				<< i;
		text = end + 1;
	}
}

/* Which of the poison is with some host's dead letters. */
static unsigned
find_letters(struct chaos *c)
{
	unsigned found = 0;
	for (int i = 0; i < CHAOS_HOSTS; i++) {
		char *name = xasprintf("%s.st/deadletter", c->hosts[i].name);
		char *dir = tmpdir_path(c->scenario.dir, name);
		struct dirent *entry;
		DIR *stream = opendir(dir);
		while (stream && (entry = readdir(stream))) {
			size_t len;
			if (entry->d_name[0] == '.')
				continue;
			char *text = tmpdir_read(dir, entry->d_name, &len);
			read_letters(c, text, &found);
			free(text);
		}
		if (stream)
			closedir(stream);
		free(dir);
		free(name);
	}
	return found;
}

static void
account_shard(struct chaos *c, unsigned shard, unsigned long produced)
{
	char name[32];
	snprintf(name, sizeof(name), "done.%u", shard);
	char *text = scenario_read(&c->scenario, name);
	bool *seen = xcalloc(produced + 1, sizeof(*seen));
	unsigned long next = 0; /* all before it were seen, or are poison */
	for (char *at = text, *end; *at; at = end + 1) {
		unsigned long seq = strtoul(at, &end, 10);
		if (*end != '\n' || seq >= produced)
			chaos_violated(c, "I3", "%s: %.20s", name, at);
		c->repeated += seen[seq];
		seen[seq] = true;
		while (next < produced && (seen[next] || is_poison(c, shard, next)))
			next++;
		if (seq > next)
			chaos_violated(c, "I2", "shard %u: record %lu came before %lu", shard,
				       seq, next);
	}
	for (unsigned long i = 0; i < produced; i++)
		c->lost += !seen[i] && !is_poison(c, shard, i);
	c->records += produced;
	free(seen);
	free(text);
}

void
code_expect_all(struct chaos *c)
{
	const cJSON *shard;
	cJSON_ArrayForEach(shard, json_path_at(c->status, "shards"))
		account_shard(c, (unsigned)strtoul(json_path_text(shard, "shard"), NULL, 10),
			      (unsigned long)json_path_number(shard, "produced"));
	if (c->lost)
		chaos_violated(c, "I1", "%llu lost", c->lost);
	unsigned letters = c->code == CODE_STDOUT ? 0 : (1u << CHAOS_POISONS) - 1;
	if (find_letters(c) != letters)
		chaos_violated(c, "I1", "a poison record is not with the dead letters");
}
