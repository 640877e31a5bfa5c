/*
 * command_diff.c - where each shard stands here and at the service, side by side.
 *
 * In lts-state. Owns nothing. Must never ask the service, which is the supervisor's: what stands
 * there is what the agent was last told, and when that was is said. Held by tests/state/test_diff.c
 * and tests/scenario/doubts.c.
 */
#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/xalloc.h"
#include "state/ask_agent.h"
#include "state/commands.h"
#include "state/human.h"
#include "state/look.h"
#include "state/proc.h"
#include "state/table.h"

enum { ASK_MS = 500, ANSWER_MAX = 1 << 20 };

/* A line of the running agent's: newer than what the state has noted. */
static void
take_line(const char *line, struct snapshot *s, int64_t *heard_ns)
{
	cJSON *object = json_parse_exact(line, strlen(line));
	const char *shard = json_text(object, "shard"), *at = json_text(object, "published");
	const char *ago = json_text(object, "ms_ago");
	for (size_t i = 0; shard && at && ago && i < s->n_checkpoints; i++) {
		struct checkpoint_record *c = &s->checkpoints[i];
		if (strcmp(c->shard.text, shard) != 0)
			continue;
		if (!cursor_set(&c->service, at))
			c->service = (struct cursor){ 0 };
		heard_ns[i] = s->read_ns - strtoll(ago, NULL, 10) * 1000000;
	}
	cJSON_Delete(object);
}

/* When the agent last heard of each shard's place at the service, to free; 0: not known. */
static int64_t *
ask_heard(const char *state_dir, struct snapshot *s)
{
	struct buf answer;
	int64_t *heard_ns = xcalloc(s->n_checkpoints + 1, sizeof(*heard_ns));
	buf_init(&answer, ANSWER_MAX);
	enum lts_err err = ask_agent(state_dir, "{\"heard\":true}\n", ASK_MS, &answer);
	char *rest = err ? NULL : answer.data, *line;
	while ((line = strsep(&rest, "\n")))
		take_line(line, s, heard_ns);
	buf_fini(&answer);
	return heard_ns;
}

static const char *
compare(const struct checkpoint_record *c)
{
	if (cursor_is_none(&c->service))
		return "never";
	return cursor_equal(&c->cursor, &c->service) ? "same" : "differs";
}

static size_t
count_same(const struct snapshot *s)
{
	size_t same = 0;
	for (size_t i = 0; i < s->n_checkpoints; i++)
		same += cursor_equal(&s->checkpoints[i].cursor, &s->checkpoints[i].service);
	return same;
}

static bool
agent_runs(const char *state_dir)
{
	uint32_t pid;
	char *lock = xasprintf("%s/supervisor.lock", state_dir);
	enum lts_err err = proc_lock_holder(lock, &pid);
	free(lock);
	return !err;
}

static void
print_table(const struct request *request, const struct snapshot *s, const int64_t *heard_ns,
	    FILE *out)
{
	static const struct table_column columns[] = { { "SHARD", true },
						       { "COMMITTED", true },
						       { "PUBLISHED", true },
						       { "STATE", false },
						       { "AGE", true },
						       { "HEARD", true } };
	struct table table;
	table_init(&table, columns, 6);
	for (size_t i = 0; i < s->n_checkpoints; i++) {
		const struct checkpoint_record *c = &s->checkpoints[i];
		table_add(&table, "%s", c->shard.text);
		table_add(&table, "%s", c->cursor.text);
		table_add(&table, "%s", c->service.text);
		table_add(&table, "%s", compare(c));
		table_add(&table, "%s", human_age(s->read_ns - c->committed_ns).text);
		table_add(&table, "%s",
			  heard_ns[i] ? human_age(s->read_ns - heard_ns[i]).text : "-");
	}
	table_print(&table, out);
	table_fini(&table);
	fprintf(out, "diff: %zu shards, %zu not published as committed%s\n", s->n_checkpoints,
		s->n_checkpoints - count_same(s),
		agent_runs(request->state_dir)
			? ""
			: "; the agent does not run: what stands at the service is not known");
}

static void
add_text(cJSON *to, const char *key, const char *text)
{
	char *clean = xstrdup(text);
	human_clean(clean);
	cJSON_AddStringToObject(to, key, clean);
	free(clean);
}

static void
print_json(const struct request *request, const struct snapshot *s, const int64_t *heard_ns,
	   FILE *out)
{
	cJSON *root = cJSON_CreateObject();
	add_text(root, "state_dir", request->state_dir);
	add_text(root, "read_at", human_time(s->read_ns).text);
	cJSON_AddBoolToObject(root, "running", agent_runs(request->state_dir));
	cJSON_AddBoolToObject(root, "same", count_same(s) == s->n_checkpoints);
	cJSON *array = cJSON_AddArrayToObject(root, "shards");
	for (size_t i = 0; i < s->n_checkpoints; i++) {
		const struct checkpoint_record *c = &s->checkpoints[i];
		cJSON *o = cJSON_CreateObject();
		cJSON_AddItemToArray(array, o);
		add_text(o, "shard", c->shard.text);
		add_text(o, "committed", c->cursor.text);
		add_text(o, "published", c->service.text);
		add_text(o, "state", compare(c));
		add_text(o, "committed_at", human_time(c->committed_ns).text);
		if (heard_ns[i])
			add_text(o, "heard_at", human_time(heard_ns[i]).text);
		else
			cJSON_AddNullToObject(o, "heard_at");
	}
	char *text = cJSON_PrintUnformatted(root);
	fprintf(out, "%s\n", text);
	cJSON_free(text);
	cJSON_Delete(root);
}

enum exit_code
command_diff(const struct request *request, FILE *out)
{
	struct snapshot s;
	enum exit_code code = look_read(request->state_dir, &s);
	if (code)
		return code;
	int64_t *heard_ns = ask_heard(request->state_dir, &s);
	(request->json ? print_json : print_table)(request, &s, heard_ns, out);
	free(heard_ns);
	for (size_t i = 0; i < s.n_problems; i++)
		fprintf(stderr, "lts-state: %s\n", s.problems[i]);
	if (s.n_problems || count_same(&s) < s.n_checkpoints)
		code = EXIT_FAILED;
	snapshot_fini(&s);
	return code;
}
