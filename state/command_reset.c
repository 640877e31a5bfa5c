/*
 * command_reset.c - shards sent to another place: by the running agent, or in its state while
 * none runs.
 *
 * In lts-state. Owns the list of what became of each shard. Must never write to the state
 * without both of its locks. Held by tests/scenario/resets.c.
 */
#include <cjson/cJSON.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/xalloc.h"
#include "state/ask_agent.h"
#include "state/commands.h"
#include "state/look.h"
#include "state/reset.h"
#include "state/state_lock.h"
#include "state/table.h"

/* Further ahead than clocks are apart. */
#define FUTURE_NS 60000000000LL

struct outcome {
	const struct request *request;
	cJSON *shards; /* {"shard","from","to"} or {"shard","error"} each */
	bool failed, complete, refused;
};

static void
add(struct outcome *o, const char *shard, const char *from, const char *to, const char *error)
{
	cJSON *one = cJSON_CreateObject();
	cJSON_AddStringToObject(one, "shard", shard);
	if (error) {
		cJSON_AddStringToObject(one, "error", error);
		o->failed = true;
	} else {
		cJSON_AddStringToObject(one, "from", from);
		cJSON_AddStringToObject(one, "to", to);
	}
	cJSON_AddItemToArray(o->shards, one);
}

static enum exit_code
complain(const struct request *request, const char *what)
{
	fprintf(stderr, "lts-state: %s: %s\n", request->state_dir, what);
	return EXIT_FAILED;
}

/* ---- shown ---- */

static void
print_table(const struct outcome *o, FILE *out)
{
	static const struct table_column columns[] = {
		{ "SHARD", true }, { "FROM", true }, { "TO", true }, { "NOTE", false }
	};
	struct table table;
	const cJSON *one;
	table_init(&table, columns, sizeof(columns) / sizeof(columns[0]));
	cJSON_ArrayForEach(one, o->shards)
	{
		static const char *const keys[] = { "shard", "from", "to", "error" };
		for (int i = 0; i < 4; i++) {
			const char *text = json_text(one, keys[i]);
			table_add(&table, "%s", text ? text : "");
		}
	}
	table_print(&table, out);
	table_fini(&table);
}

static enum exit_code
show(struct outcome *o, const char *by, FILE *out)
{
	const struct request *request = o->request;
	if (!o->complete && !o->shards->child)
		return EXIT_FAILED; /* what is wrong is said elsewhere */
	if (request->json) {
		cJSON *object = cJSON_CreateObject();
		cJSON_AddBoolToObject(object, "dry_run", request->dry_run);
		cJSON_AddStringToObject(object, "by", by);
		cJSON_AddItemToObject(object, "shards", cJSON_Duplicate(o->shards, true));
		char *text = cJSON_PrintUnformatted(object);
		fprintf(out, "%s\n", text);
		cJSON_free(text);
		cJSON_Delete(object);
	} else {
		print_table(o, out);
		if (request->dry_run)
			fputs("nothing was changed (--dry_run)\n", out);
	}
	return o->failed || !o->complete ? EXIT_FAILED : EXIT_DONE;
}

/* ---- by the agent ---- */

static char *
question(const struct request *request)
{
	char place[PLACE_TEXT];
	cJSON *object = cJSON_CreateObject();
	place_render(&request->to, place);
	cJSON_AddStringToObject(object, "reset", place);
	if (request->n_shards) {
		cJSON *list = cJSON_AddArrayToObject(object, "shards");
		for (size_t i = 0; i < request->n_shards; i++)
			cJSON_AddItemToArray(list, cJSON_CreateString(request->shards[i].text));
	}
	if (request->dry_run)
		cJSON_AddTrueToObject(object, "dry_run");
	char *text = cJSON_PrintUnformatted(object);
	char *line = xasprintf("%s\n", text);
	cJSON_free(text);
	cJSON_Delete(object);
	return line;
}

/* False: nothing of it was done. */
static bool
take_answer(struct outcome *o, char *text)
{
	char *rest = text, *line;
	while ((line = strsep(&rest, "\n"))) {
		cJSON *object = json_parse_exact(line, strlen(line));
		const char *shard = json_text(object, "shard"), *from = json_text(object, "from"),
			   *to = json_text(object, "to"), *error = json_text(object, "error");
		if (shard && (error || (from && to)))
			add(o, shard, from, to, error);
		else if (error)
			complain(o->request, error);
		o->complete |= json_member(object, "done") != NULL;
		o->refused = !shard && error;
		cJSON_Delete(object);
		if (o->refused)
			return false;
	}
	return true;
}

static enum exit_code
ask(struct outcome *o, FILE *out, bool *no_agent_out)
{
	struct buf answer;
	char *line = question(o->request);
	buf_init(&answer, 0);
	enum lts_err err =
		ask_agent(o->request->state_dir, line, o->request->timeout_ms, &answer);
	enum exit_code code = EXIT_FAILED;
	*no_agent_out = err == LTS_NOTFOUND;
	if (err == LTS_SYS)
		complain(o->request, strerror(errno));
	else if (!*no_agent_out && (!answer.data || take_answer(o, answer.data)))
		code = show(o, "agent", out);
	if (err == LTS_AGAIN)
		complain(o->request,
			 "the agent has not answered in time (--timeout): shards that "
			 "are not listed may still be reset");
	else if (!err && !o->complete && !o->refused)
		complain(o->request,
			 "the agent ended: shards that are not listed were not reset, "
			 "or are when it is started");
	buf_fini(&answer);
	free(line);
	return code;
}

/* ---- in the state ---- */

static enum lts_err
force_one(struct outcome *o, struct store_txn *txn, const struct snapshot *s,
	  const struct shard_id *shard)
{
	struct cursor from, to = reset_cursor(&o->request->to);
	if (snapshot_lease(s, shard) && !snapshot_is_ours(s, shard) && !o->request->force) {
		add(o, shard->text, NULL, NULL,
		    "given back, or restored: --force marks it, for when this host has it again");
		return LTS_OK;
	}
	enum lts_err err = reset_force(txn, shard, &o->request->to, clock_wall_ns(), &from);
	if (err && err != LTS_NOTFOUND)
		return err;
	add(o, shard->text, from.text, to.text, err ? "this state knows no such shard" : NULL);
	return LTS_OK;
}

static enum lts_err
force_all(struct outcome *o, struct store_txn *txn, const struct snapshot *s)
{
	const struct request *request = o->request;
	enum lts_err err = LTS_OK;
	for (size_t i = 0; i < request->n_shards && !err; i++)
		err = force_one(o, txn, s, &request->shards[i]);
	for (size_t i = 0; i < s->n_checkpoints && !request->n_shards && !err; i++)
		if (request->force || snapshot_is_ours(s, &s->checkpoints[i].shard))
			err = force_one(o, txn, s, &s->checkpoints[i].shard);
	return err;
}

static enum exit_code
write_state(struct outcome *o, const struct snapshot *s, FILE *out)
{
	struct store *store = NULL;
	struct store_txn txn = { 0 };
	enum lts_err err = store_open(o->request->state_dir, STORE_WRITE, &store);
	if (!err)
		err = store_write_begin(store, &txn);
	if (!err)
		err = force_all(o, &txn, s);
	if (!err && !o->request->dry_run)
		err = store_commit(&txn);
	store_abort(&txn);
	store_close(&store);
	if (err)
		return complain(o->request, err == LTS_SYS ? strerror(errno) : lts_err_name(err));
	if (!o->shards->child)
		return complain(o->request,
				"no shard is this host's: nothing was reset (with --force what "
				"was given back, or restored, is marked)");
	o->complete = true;
	enum exit_code code = show(o, "state", out);
	if (!code && !o->request->json && !o->request->dry_run)
		fputs("no agent runs: it goes on there when it is started\n", out);
	return code;
}

static enum exit_code
force(struct outcome *o, FILE *out)
{
	struct snapshot snapshot;
	struct state_lock lock;
	enum exit_code code = state_lock_take(o->request->state_dir, &lock);
	if (code)
		return code;
	code = look_read(o->request->state_dir, &snapshot);
	if (!code) {
		code = snapshot.n_problems
			       ? complain(o->request, "it is damaged: lts-state verify says how")
			       : write_state(o, &snapshot, out);
		snapshot_fini(&snapshot);
	}
	state_lock_release(&lock);
	return code;
}

/* The service takes a time that is yet to come as its end, without a word. */
static bool
skips_unasked(const struct request *request)
{
	int64_t at_ns = strtoll(request->to.from, NULL, 10); /* 0: no time */
	if (request->yes || request->dry_run || at_ns <= clock_wall_ns() + FUTURE_NS)
		return false;
	complain(request,
		 "--to is in the future, which the service takes as its end: all records that "
		 "are there now would be skipped. Nothing was changed; --yes does it");
	return true;
}

enum exit_code
command_reset(const struct request *request, FILE *out)
{
	struct outcome o = { .request = request };
	bool no_agent;
	if (!request->given[REQUEST_TO] ||
	    request->given[REQUEST_ALL] == request->given[REQUEST_SHARD]) {
		fputs("lts-state: reset needs --shard S or --all, and --to PLACE\n", stderr);
		return EXIT_USAGE;
	}
	if (skips_unasked(request))
		return EXIT_FAILED;
	o.shards = cJSON_CreateArray();
	enum exit_code code = ask(&o, out, &no_agent);
	if (no_agent)
		code = force(&o, out);
	cJSON_Delete(o.shards);
	return code;
}
