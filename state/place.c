/*
 * place.c - where in a shard people want it to go on, as text.
 *
 * In lts-state and the supervisor. Pure; owns nothing. Must never guess: cursors look like
 * nanoseconds, so an integer as long as either must say which it is. Held by
 * tests/state/test_place.c.
 */
#include "state/place.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/options_value.h"

enum { CURSOR_DIGITS = 19 };

static const char *
parse_time(const char *text, struct place *out)
{
	struct time_spec spec;
	const char *why = value_parse_time(text, &spec);
	if (why)
		return why;
	if (spec.kind == TIME_AT)
		snprintf(out->from, sizeof(out->from), "%" PRId64, spec.ns);
	else
		snprintf(out->from, sizeof(out->from), "%s",
			 spec.kind == TIME_BEGIN ? "begin" : "end");
	return NULL;
}

const char *
place_parse(const char *text, struct place *out)
{
	struct place found = { .from = "" };
	const char *why = NULL;
	if (strncmp(text, "cursor:", 7) == 0) {
		if (!text[7] || text[7] == PLACE_MARK || !cursor_set(&found.cursor, text + 7))
			why = "is no cursor: at most 63 printable characters without quotes";
	} else if (strncmp(text, "time:", 5) == 0) {
		why = parse_time(text + 5, &found);
	} else if (strspn(text, "0123456789") == strlen(text) && strlen(text) >= CURSOR_DIGITS) {
		why = "may be a time or a cursor: say time:N or cursor:N";
	} else {
		why = parse_time(text, &found);
	}
	if (!why)
		*out = found;
	return why;
}

void
place_render(const struct place *place, char out[PLACE_TEXT])
{
	bool word = place->from[0] == 'b' || place->from[0] == 'e';
	if (!place->from[0])
		snprintf(out, PLACE_TEXT, "cursor:%s", place->cursor.text);
	else
		snprintf(out, PLACE_TEXT, "%s%s", word ? "" : "time:", place->from);
}
