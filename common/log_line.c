/*
 * log_line.c - one event as one line of text, logfmt or JSON.
 *
 * In every process. Pure: the time comes as an argument, the line goes into the caller's
 * storage. Owns nothing. Must never write a byte that is a control character, that is not
 * valid UTF-8 or that breaks the JSON, whatever the values hold, nor more than
 * LOG_LINE_MAX: a value that has no room is cut and marked by "...". Held by
 * tests/common/test_log.c.
 */
#include "common/log_line.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum {
	TAIL = 8,         /* always kept free: ..., a quote, a brace, the newline */
	FIELD_SPARE = 48, /* left for each field that is still to come when a long value
			     is cut */
	KEY_MAX = 48,
	UNIT_MAX = 8, /* longest text of one character: \u2028, or four bytes of UTF-8 */
};

struct writer {
	char *text;
	size_t len;
	bool json;
};

static const char *const level_names[] = {
	[LOG_LEVEL_DEBUG] = "debug",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_WARN] = "warn",
	[LOG_LEVEL_ERROR] = "error",
};

/* Length of the valid UTF-8 sequence at `s` (0: none), the character itself in
 * `code_out`. */
static size_t
utf8_next(const unsigned char *s, uint32_t *code_out)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint32_t code;
	size_t len;

	if (s[0] < 0x80) {
		*code_out = s[0];
		return 1;
	}
	if (s[0] >= 0xc2 && s[0] < 0xe0) {
		len = 2;
		code = s[0] & 0x1fu;
	} else if ((s[0] & 0xf0) == 0xe0) {
		len = 3;
		code = s[0] & 0x0fu;
	} else if (s[0] >= 0xf0 && s[0] < 0xf5) {
		len = 4;
		code = s[0] & 0x07u;
	} else {
		return 0;
	}
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (s[i] & 0x3fu);
	}
	if (code < least[len] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
		return 0;
	*code_out = code;
	return len;
}

/* What a terminal or an editor could take for more than text: C0, DEL, C1, line
 * separators and the characters that turn the reading direction. */
static bool
is_unsafe(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x2028 || code == 0x2029 ||
	       (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

/* The text of the next character of `s` as it stands between quotes; returns how much of
 * `s` it used. */
static size_t
next_unit(const char *s, char unit[UNIT_MAX], size_t *unit_len_out)
{
	const unsigned char *bytes = (const unsigned char *)s;
	uint32_t code = 0xfffd;
	size_t used = utf8_next(bytes, &code);
	int n;

	if (used && (code == '"' || code == '\\'))
		n = snprintf(unit, UNIT_MAX, "\\%c", (char)code);
	else if (code == '\n')
		n = snprintf(unit, UNIT_MAX, "\\n");
	else if (code == '\r')
		n = snprintf(unit, UNIT_MAX, "\\r");
	else if (code == '\t')
		n = snprintf(unit, UNIT_MAX, "\\t");
	else if (!used || is_unsafe(code))
		n = snprintf(unit, UNIT_MAX, "\\u%04x", (unsigned)(code & 0xffff));
	else {
		memcpy(unit, s, used);
		n = (int)used;
	}
	*unit_len_out = (size_t)n;
	return used ? used : 1;
}

static bool
needs_quotes(const char *value)
{
	const unsigned char *s = (const unsigned char *)value;
	uint32_t code;
	size_t used;

	if (!*s)
		return true;
	for (; *s; s += used) {
		used = utf8_next(s, &code);
		if (!used || is_unsafe(code) || strchr(" \"\\=", (int)*s))
			return true;
	}
	return false;
}

static void
put(struct writer *w, const char *text, size_t len)
{
	memcpy(w->text + w->len, text, len);
	w->len += len;
}

/* The value, cut so that the line stays below `limit`. There is room for an empty one. */
static void
put_text(struct writer *w, const char *value, size_t limit)
{
	bool quoted = w->json || needs_quotes(value);
	char unit[UNIT_MAX];
	size_t unit_len, used;

	if (quoted)
		put(w, "\"", 1);
	for (; *value; value += used) {
		used = next_unit(value, unit, &unit_len);
		if (w->len + unit_len > limit) {
			put(w, "...", 3);
			break;
		}
		put(w, unit, unit_len);
	}
	if (quoted)
		put(w, "\"", 1);
}

/* The separator and the key; false, and nothing written, when they and a number have no
 * room. */
static bool
put_key(struct writer *w, const char *key)
{
	size_t len = strnlen(key, KEY_MAX);

	if (w->len + len + 32 > LOG_LINE_MAX - TAIL)
		return false;
	if (w->json)
		put(w, w->len ? ",\"" : "{\"", 2);
	else if (w->len)
		put(w, " ", 1);
	for (size_t i = 0; i < len; i++) {
		char c = key[i];
		bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			     (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
		put(w, plain ? &c : "_", 1);
	}
	if (w->json)
		put(w, "\":", 2);
	else
		put(w, "=", 1);
	return true;
}

/* `left` is how many fields come after this one. */
static void
put_field(struct writer *w, const struct log_field *field, unsigned left)
{
	char number[24];
	int n;

	if (!field->key || (field->kind == LOG_KIND_TEXT && !field->text))
		return;
	if (!put_key(w, field->key))
		return;
	if (field->kind == LOG_KIND_TEXT) {
		size_t room = LOG_LINE_MAX - TAIL - w->len;
		size_t spare = (size_t)left * FIELD_SPARE;

		put_text(w, field->text, w->len + room - (spare < room / 2 ? spare : room / 2));
		return;
	}
	if (field->kind == LOG_KIND_INT)
		n = snprintf(number, sizeof(number), "%" PRId64, field->i);
	else
		n = snprintf(number, sizeof(number), "%" PRIu64, field->u);
	put(w, number, (size_t)n);
}

/* RFC 3339, UTC, milliseconds. */
static void
render_time(int64_t wall_ns, char *out, size_t size)
{
	int64_t ms = wall_ns / 1000000;
	time_t seconds = (time_t)(ms / 1000);
	struct tm tm;
	char day[32];

	if (ms < 0 || !gmtime_r(&seconds, &tm) ||
	    !strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm))
		(void)snprintf(day, sizeof(day), "1970-01-01T00:00:00");
	(void)snprintf(out, size, "%s.%03uZ", day, ms < 0 ? 0u : (unsigned)(ms % 1000));
}

size_t
log_line_render(const struct log_line *line, char out[LOG_LINE_MAX])
{
	struct writer w = { .text = out, .json = line->format == LOG_FORMAT_JSON };
	char ts[64];

	render_time(line->wall_ns, ts, sizeof(ts));
	const struct log_field head[] = {
		LOG_TEXT("ts", ts),
		LOG_TEXT("level", level_names[line->level]),
		LOG_TEXT("who", line->who),
		LOG_TEXT("msg", line->event),
		LOG_UINT(line->dropped ? "dropped" : NULL, line->dropped),
		LOG_UINT(line->held_back ? "held_back" : NULL, line->held_back),
	};
	unsigned heads = sizeof(head) / sizeof(head[0]);

	for (unsigned i = 0; i < heads; i++)
		put_field(&w, &head[i], heads - i + line->count);
	for (unsigned i = 0; i < line->count; i++)
		put_field(&w, &line->fields[i], line->count - i - 1);
	if (w.json)
		put(&w, "}", 1);
	put(&w, "\n", 1);
	return w.len;
}
