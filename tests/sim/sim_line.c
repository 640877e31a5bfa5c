/*
 * sim_line.c - reads a delivered record back, strictly.
 *
 * In `lts-sim verify`. Owns nothing. Must never take for whole what is not: the line must
 * be valid JSON to its last byte and its sum must fit. Needs no seed. Held by
 * tests/support/test_sim_verify.c.
 */
#include "tests/sim/sim_line.h"

#include <string.h>

#include "tests/sim/sim_record.h"

enum { DEPTH_MAX = 64 };

/* What is left to read; a function that fails leaves it anywhere. */
struct scan {
	const char *at, *end;
};

/* A value of the outermost object, as it stands there; strings without their quotes. */
struct value {
	const char *text;
	size_t len;
	bool is_string;
};

static void
skip_space(struct scan *scan)
{
	while (scan->at < scan->end &&
	       (*scan->at == ' ' || *scan->at == '\t' || *scan->at == '\r' || *scan->at == '\n'))
		scan->at++;
}

static bool
take(struct scan *scan, char c)
{
	skip_space(scan);
	if (scan->at == scan->end || *scan->at != c)
		return false;
	scan->at++;
	return true;
}

static bool
skip_escape(struct scan *scan)
{
	if (scan->at == scan->end)
		return false;
	char c = *scan->at++;
	if (c != 'u')
		return c && strchr("\"\\/bfnrt", c);
	for (int i = 0; i < 4; i++, scan->at++)
		if (scan->at == scan->end || !*scan->at ||
		    !strchr("0123456789abcdefABCDEF", *scan->at))
			return false;
	return true;
}

/* The opening quote was taken. */
static bool
skip_string(struct scan *scan)
{
	while (scan->at < scan->end) {
		unsigned char c = (unsigned char)*scan->at++;
		if (c == '"')
			return true;
		if (c < 0x20 || (c == '\\' && !skip_escape(scan)))
			return false;
	}
	return false;
}

static size_t
skip_digits(struct scan *scan)
{
	const char *start = scan->at;
	while (scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9')
		scan->at++;
	return (size_t)(scan->at - start);
}

static bool
skip_number(struct scan *scan)
{
	if (*scan->at == '-')
		scan->at++;
	if (!skip_digits(scan))
		return false;
	if (scan->at < scan->end && *scan->at == '.') {
		scan->at++;
		if (!skip_digits(scan))
			return false;
	}
	if (scan->at < scan->end && (*scan->at | 0x20) == 'e') {
		scan->at++;
		if (scan->at < scan->end && (*scan->at == '+' || *scan->at == '-'))
			scan->at++;
		return skip_digits(scan) > 0;
	}
	return true;
}

static bool
skip_word(struct scan *scan)
{
	static const char *const words[] = { "true", "false", "null" };
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		size_t len = strlen(words[i]);
		if ((size_t)(scan->end - scan->at) >= len &&
		    memcmp(scan->at, words[i], len) == 0) {
			scan->at += len;
			return true;
		}
	}
	return false;
}

static bool skip_value(struct scan *scan, int depth);

/* The opening bracket was taken. */
static bool
skip_members(struct scan *scan, bool is_object, int depth)
{
	char closing = is_object ? '}' : ']';
	if (take(scan, closing))
		return true;
	do {
		if (is_object && !(take(scan, '"') && skip_string(scan) && take(scan, ':')))
			return false;
		if (!skip_value(scan, depth))
			return false;
	} while (take(scan, ','));
	return take(scan, closing);
}

static bool
skip_value(struct scan *scan, int depth)
{
	skip_space(scan);
	if (scan->at == scan->end || depth == DEPTH_MAX)
		return false;
	switch (*scan->at) {
	case '"':
		scan->at++;
		return skip_string(scan);
	case '{':
	case '[':
		scan->at++;
		return skip_members(scan, scan->at[-1] == '{', depth + 1);
	case 't':
	case 'f':
	case 'n':
		return skip_word(scan);
	default:
		return skip_number(scan);
	}
}

enum { LABEL_CONTENT, LABEL_SHARD, LABEL_SEQ, LABEL_SUM, LABELS };

static const char *const names[LABELS] = { "log_content", "shard", "seq", "sum" };

static bool
take_label(struct scan *scan, struct value found[LABELS])
{
	if (!take(scan, '"'))
		return false;
	const char *key = scan->at;
	if (!skip_string(scan))
		return false;
	size_t key_len = (size_t)(scan->at - key) - 1;
	if (!take(scan, ':'))
		return false;
	skip_space(scan);
	const char *value = scan->at;
	if (!skip_value(scan, 1))
		return false;
	size_t len = (size_t)(scan->at - value);
	for (int i = 0; i < LABELS; i++) {
		if (strlen(names[i]) != key_len || memcmp(names[i], key, key_len) != 0)
			continue;
		if (found[i].text)
			return false; /* twice */
		bool is_string = value[0] == '"';
		found[i] = (struct value){ value + is_string, len - 2 * is_string, is_string };
	}
	return true;
}

static bool
parse_unsigned(const struct value *value, unsigned base, uint64_t *out)
{
	uint64_t number = 0;
	if (value->len == 0 || value->len > (base == 16 ? 16 : 18))
		return false;
	for (size_t i = 0; i < value->len; i++) {
		const char *digit = memchr("0123456789abcdef", value->text[i], base);
		if (!digit)
			return false;
		unsigned worth = value->text[i] <= '9' ? (unsigned)(value->text[i] - '0')
						       : (unsigned)(value->text[i] - 'a') + 10;
		number = number * base + worth;
	}
	*out = number;
	return true;
}

bool
sim_line_parse(const char *text, size_t len, struct sim_line *line_out)
{
	struct scan scan = { text, text + len };
	struct value found[LABELS] = { 0 };
	uint64_t seq, sum;
	if (len == 0 || text[0] != '{')
		return false;
	scan.at++;
	do {
		if (!take_label(&scan, found))
			return false;
	} while (take(&scan, ','));
	if (!take(&scan, '}') || scan.at != scan.end)
		return false;
	if (!found[LABEL_CONTENT].is_string || !found[LABEL_SHARD].is_string ||
	    !found[LABEL_SUM].is_string || found[LABEL_SEQ].is_string || !found[LABEL_SEQ].text)
		return false;
	if (!parse_unsigned(&found[LABEL_SEQ], 10, &seq) ||
	    !parse_unsigned(&found[LABEL_SUM], 16, &sum) ||
	    sum != sim_record_sum(found[LABEL_SHARD].text, found[LABEL_SHARD].len, seq,
				  found[LABEL_CONTENT].text, found[LABEL_CONTENT].len))
		return false;
	*line_out = (struct sim_line){ found[LABEL_SHARD].text, found[LABEL_SHARD].len, seq };
	return true;
}
