/*
 * watch_line.c - cuts and pads texts to columns of a terminal.
 *
 * In lts-state. Owns nothing. Must never let through what could steer the terminal, and never
 * put more columns than it was given. Held by tests/state/test_watch_view.c.
 */
#include "state/watch_line.h"

#include <string.h>
#include <wchar.h>

#include "common/xalloc.h"

struct glyph {
	const char *bytes; /* what is shown */
	size_t len, taken; /* of bytes; of the text */
	unsigned columns;
};

/* Text that is not at its end. */
static struct glyph
next_glyph(const char *text)
{
	wchar_t code;
	mbstate_t state = { 0 };
	size_t len = mbrtowc(&code, text, strlen(text), &state);
	int columns = len && len != (size_t)-1 && len != (size_t)-2 ? wcwidth(code) : 0;
	if (columns < 1)
		return (struct glyph){ "?", 1, 1, 1 };
	return (struct glyph){ text, len, len, (unsigned)columns };
}

unsigned
watch_line_columns(const char *text)
{
	unsigned columns = 0;
	while (*text) {
		struct glyph glyph = next_glyph(text);
		columns += glyph.columns;
		text += glyph.taken;
	}
	return columns;
}

static void
add(struct watch_line *line, const char *bytes, size_t len, unsigned columns)
{
	if (line->len + len + 1 > line->room) {
		line->room = 2 * line->room + len + 128;
		line->text = xreallocarray(line->text, line->room, 1);
	}
	memcpy(line->text + line->len, bytes, len);
	line->len += len;
	line->text[line->len] = '\0';
	line->columns += columns;
}

static void
pad(struct watch_line *line, unsigned until)
{
	while (line->columns < until)
		add(line, " ", 1, 1);
}

void
watch_line_put(struct watch_line *line, unsigned columns, bool right, const char *text)
{
	unsigned end = line->columns + columns, needed = watch_line_columns(text);
	bool cut = needed > columns;
	if (!columns)
		return;
	if (right && !cut)
		pad(line, end - needed);
	while (*text) {
		struct glyph glyph = next_glyph(text);
		if (line->columns + glyph.columns > end - (cut ? 1 : 0))
			break;
		add(line, glyph.bytes, glyph.len, glyph.columns);
		text += glyph.taken;
	}
	if (cut)
		add(line, "~", 1, 1);
	pad(line, end);
}
