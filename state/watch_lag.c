/*
 * watch_lag.c - asks the running agent how far behind its shards are.
 *
 * In the child of lts-state watch that looks. Owns nothing. Must never wait longer than ASK_MS,
 * nor believe half an answer. Held by tests/state/test_watch_rows.c and tests/scenario/watch.c.
 */
#include "state/watch_lag.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/xalloc.h"
#include "state/ask_agent.h"

enum { ASK_MS = 500, ANSWER_MAX = 1 << 20 }; /* 4,096 shards of 128 bytes, and as much again */

static const int64_t most_ms = INT64_MAX / 1000000; /* so that it has nanoseconds as well */

static void
forget(int64_t *behind_ms, size_t n)
{
	for (size_t i = 0; i < n; i++)
		behind_ms[i] = -1;
}

/* True: it was the last line. */
static bool
take_line(const char *line, const struct snapshot *s, int64_t *behind_ms)
{
	struct shard_id shard;
	cJSON *object = json_parse_exact(line, strlen(line));
	const char *name = json_text(object, "shard"), *text = json_text(object, "behind_ms");
	bool done = json_member(object, "done") != NULL;
	if (name && text && shard_id_set(&shard, name)) {
		const struct lease_record *lease = snapshot_lease(s, &shard);
		int64_t ms = strtoll(text, NULL, 10);
		if (lease && ms >= 0 && ms <= most_ms)
			behind_ms[lease - s->leases] = ms;
	}
	cJSON_Delete(object);
	return done;
}

int64_t *
watch_lag_parse(char *answer, const struct snapshot *s)
{
	char *rest = answer, *line;
	bool done = false;
	int64_t *behind_ms = xcalloc(s->n_leases, sizeof(*behind_ms));
	forget(behind_ms, s->n_leases);
	while (!done && (line = strsep(&rest, "\n")))
		done = take_line(line, s, behind_ms);
	if (!done)
		forget(behind_ms, s->n_leases);
	return behind_ms;
}

int64_t *
watch_lag_ask(const char *state_dir, const struct snapshot *s)
{
	struct buf answer;
	buf_init(&answer, ANSWER_MAX);
	enum lts_err err = ask_agent(state_dir, "{\"behind\":true}\n", ASK_MS, &answer);
	int64_t *behind_ms = watch_lag_parse(err ? NULL : answer.data, s);
	buf_fini(&answer);
	return behind_ms;
}
