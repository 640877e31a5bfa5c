/*
 * test_plugin.c - an agent with a plugin that misbehaves, and the account of its records.
 *
 * In the test process. Owns nothing that lasts.
 */
#include "tests/support/test_plugin.h"

#include <cjson/cJSON.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/json.h"
#include "common/xalloc.h"
#include "tests/support/tmpdir.h"

void
test_plugin_rules(const struct one_host *h, const char *rules)
{
	char *path = tmpdir_path(h->scenario.dir, "plugin.rules");
	char *fresh = tmpdir_path(h->scenario.dir, "plugin.rules.new");
	tmpdir_write(h->scenario.dir, "plugin.rules.new", rules, strlen(rules));
	ck_assert_int_eq(rename(fresh, path), 0);
	free(fresh);
	free(path);
}

void
test_plugin_begin(struct one_host *h, const char *sim_options, const char *agent_options,
		  const char *rules)
{
	scenario_begin(&h->scenario);
	test_plugin_rules(h, rules);
	sim_start(&h->sim, &h->scenario, sim_options);
	char *options = xasprintf("--sink plugin:%s/test-plugin/misbehave.so %s", h->scenario.bin,
				  agent_options);
	agent_init(&h->agent, &h->sim, "host", options);
	free(options);
	agent_start(&h->agent);
}

static void
read_done(struct test_plugin_account *account, const struct one_host *h, unsigned shard,
	  unsigned records)
{
	char name[32];
	snprintf(name, sizeof(name), "done.%u", shard);
	char *text = scenario_read(&h->scenario, name);
	for (char *at = text, *end; *at; at = end + 1) {
		unsigned long seq = strtoul(at, &end, 10);
		ck_assert_msg(*end == '\n' && seq < records, "%s: %.20s", name, at);
		account->times[shard][seq]++;
	}
	free(text);
}

unsigned long
test_plugin_done(const struct one_host *h, unsigned shards)
{
	unsigned long lines = 0;
	for (unsigned s = 0; s < shards; s++) {
		char name[32];
		snprintf(name, sizeof(name), "done.%u", s);
		char *text = scenario_read(&h->scenario, name);
		for (const char *at = text; (at = strchr(at, '\n')); at++)
			lines++;
		free(text);
	}
	return lines;
}

char *
test_plugin_dead_letters(const struct one_host *h)
{
	struct dirent **list;
	struct buf all;
	size_t len;
	char *dir = xasprintf("%s/deadletter", h->agent.state_dir);
	char *path = dir[0] == '/' ? xstrdup(dir) : tmpdir_path(h->scenario.dir, dir);
	buf_init(&all, 0);
	ck_assert_int_eq(buf_put_text(&all, ""), LTS_OK);
	int n = scandir(path, &list, NULL, alphasort);
	for (int i = 0; i < n; free(list[i++])) {
		if (list[i]->d_name[0] == '.')
			continue;
		char *text = tmpdir_read(path, list[i]->d_name, &len);
		ck_assert_int_eq(buf_put(&all, text, len), LTS_OK);
		free(text);
	}
	if (n >= 0)
		free(list);
	free(path);
	free(dir);
	return all.data;
}

static void
note_letter(struct test_plugin_account *account, const char *line, size_t len, unsigned records)
{
	static const char *const members[] = { "shard",    "cursor", "index",
					       "attempts", "error",  "time" };
	cJSON *letter = json_parse_exact(line, len);
	ck_assert_msg(letter != NULL, "not a dead letter: %.*s", (int)len, line);
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		ck_assert_msg(json_text(letter, members[i]) != NULL, "%s", members[i]);
	const char *seq = json_text(json_member(letter, "record"), "seq");
	ck_assert_ptr_nonnull(seq);
	unsigned long number = strtoul(seq, NULL, 10);
	unsigned long shard = strtoul(json_text(letter, "shard"), NULL, 10);
	ck_assert_uint_lt(shard, TEST_PLUGIN_SHARDS);
	ck_assert_uint_lt(number, records);
	account->dead++;
	account->dead_twice += account->is_dead[shard][number];
	account->is_dead[shard][number] = true;
	cJSON_Delete(letter);
}

static void
read_dead(struct test_plugin_account *account, const struct one_host *h, unsigned records)
{
	char *text = test_plugin_dead_letters(h);
	for (char *at = text, *end; *at; at = end + 1) {
		end = strchr(at, '\n');
		ck_assert_msg(end != NULL, "half a dead letter: %s", at);
		note_letter(account, at, (size_t)(end - at), records);
	}
	free(text);
}

struct test_plugin_account *
test_plugin_account(const struct one_host *h, unsigned shards, unsigned records)
{
	struct test_plugin_account *account = xcalloc(1, sizeof(*account));
	ck_assert_uint_le(shards, TEST_PLUGIN_SHARDS);
	ck_assert_uint_le(records, TEST_PLUGIN_RECORDS);
	read_dead(account, h, records);
	for (unsigned s = 0; s < shards; s++) {
		read_done(account, h, s, records);
		for (unsigned r = 0; r < records; r++) {
			unsigned times = account->times[s][r];
			account->done += times > 0;
			account->repeated += times ? times - 1 : 0;
			account->both += times && account->is_dead[s][r];
			account->lost += !times && !account->is_dead[s][r];
		}
	}
	return account;
}
