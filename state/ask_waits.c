/*
 * ask_waits.c - asks the running agent what its workers wait for, and whether it is ready.
 *
 * In lts-state. Owns the rows. Must never wait longer than ASK_MS, nor believe half an answer:
 * the last line says that it is one. Held by tests/scenario/exhausted.c.
 */
#include "state/ask_waits.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/xalloc.h"
#include "state/ask_agent.h"
#include "state/human.h"

enum { ASK_MS = 500, ANSWER_MAX = 1 << 20 };

/* True: it was the last line. */
static bool
take_line(const char *line, struct agent_waits *waits)
{
	cJSON *object = json_parse_exact(line, strlen(line));
	const char *text = json_text(object, "waits"), *ms = json_text(object, "ms");
	const char *unready = json_text(object, "unready");
	bool done = json_member(object, "done") != NULL;
	if (text && ms && waits->n < ASK_WAITS_MAX) {
		struct agent_wait *row = &waits->rows[waits->n++];
		row->for_ms = strtoll(ms, NULL, 10);
		snprintf(row->text, sizeof(row->text), "%s", text);
		human_clean(row->text);
	}
	if (unready) {
		snprintf(waits->unready, sizeof(waits->unready), "%s", unready);
		human_clean(waits->unready);
	}
	cJSON_Delete(object);
	return done;
}

void
ask_waits(const char *state_dir, struct agent_waits *out)
{
	struct buf answer;
	bool done = false;
	*out = (struct agent_waits){ .rows = xcalloc(ASK_WAITS_MAX, sizeof(*out->rows)) };
	buf_init(&answer, ANSWER_MAX);
	enum lts_err err = ask_agent(state_dir, "{\"waits\":true}\n", ASK_MS, &answer);
	char *rest = err ? NULL : answer.data, *line;
	while (!done && (line = strsep(&rest, "\n")))
		done = take_line(line, out);
	if (!done) {
		out->n = 0;
		out->unready[0] = '\0';
	}
	buf_fini(&answer);
}

void
ask_waits_fini(struct agent_waits *waits)
{
	free(waits->rows);
	*waits = (struct agent_waits){ 0 };
}
