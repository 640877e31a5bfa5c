/*
 * json.c - the service's small answers as JSON, without loss.
 *
 * In every process. Owns nothing beyond a call. Before cJSON parses, a pass over the text
 * puts quotes around numbers, and refuses what cJSON would let through: control
 * characters, numbers that are none, depth. Must never turn one text into another value:
 * what is doubtful is refused. Batches do not come here (worker/batch_scan.c). Held by
 * tests/common/test_json.c.
 */
#include "common/json.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <string.h>

#include "common/buf.h"

struct pass {
	const char *at, *end;
	struct buf out;
	unsigned depth;
};

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static char
peek(const struct pass *pass)
{
	return pass->at < pass->end ? *pass->at : '\0';
}

static bool
skip_digits(struct pass *pass)
{
	const char *from = pass->at;

	while (is_digit(peek(pass)))
		pass->at++;
	return pass->at > from;
}

/* As RFC 8259 has it: no leading zero, digits after the point and in the exponent. */
static bool
skip_number(struct pass *pass)
{
	if (peek(pass) == '-')
		pass->at++;
	if (peek(pass) == '0')
		pass->at++;
	else if (!skip_digits(pass))
		return false;
	if (peek(pass) == '.') {
		pass->at++;
		if (!skip_digits(pass))
			return false;
	}
	if (peek(pass) == 'e' || peek(pass) == 'E') {
		pass->at++;
		if (peek(pass) == '+' || peek(pass) == '-')
			pass->at++;
		if (!skip_digits(pass))
			return false;
	}
	return true;
}

static bool
put(struct pass *pass, const char *text, size_t len)
{
	return buf_put(&pass->out, text, len) == LTS_OK;
}

/* A number that is a name would be one after quoting, so a colon behind it is refused. */
static bool
copy_number(struct pass *pass)
{
	const char *from = pass->at;

	if (!skip_number(pass) || is_digit(peek(pass)))
		return false;
	if (!put(pass, "\"", 1) || !put(pass, from, (size_t)(pass->at - from)) ||
	    !put(pass, "\"", 1))
		return false;
	while (is_blank(peek(pass)))
		pass->at++;
	return peek(pass) != ':';
}

/* cJSON checks the escapes; \u0000 would cut the text short. */
static bool
copy_string(struct pass *pass)
{
	const char *from = pass->at++;

	for (; pass->at < pass->end && *pass->at != '"'; pass->at++) {
		if ((unsigned char)*pass->at < 0x20)
			return false;
		if (*pass->at != '\\')
			continue;
		if (pass->end - pass->at >= 6 && memcmp(pass->at, "\\u0000", 6) == 0)
			return false;
		pass->at++;
	}
	if (pass->at >= pass->end)
		return false;
	pass->at++;
	return put(pass, from, (size_t)(pass->at - from));
}

static bool
copy_next(struct pass *pass)
{
	char c = *pass->at;

	if (c == '"')
		return copy_string(pass);
	if (c == '-' || is_digit(c))
		return copy_number(pass);
	if ((c == '[' || c == '{') && ++pass->depth > JSON_DEPTH_MAX)
		return false;
	if ((c == ']' || c == '}') && pass->depth-- == 0)
		return false;
	pass->at++;
	return (is_blank(c) || ((unsigned char)c > 0x20 && (unsigned char)c < 0x7f)) &&
	       put(pass, &c, 1);
}

struct cJSON *
json_parse_exact(const char *text, size_t len)
{
	struct pass pass = { .at = text };
	cJSON *tree = NULL;

	if (!text || len > JSON_BYTES_MAX)
		return NULL;
	pass.end = text + len;
	buf_init(&pass.out, 0);
	while (pass.at < pass.end) {
		if (!copy_next(&pass))
			goto out;
	}
	if (pass.out.len && pass.depth == 0)
		tree = cJSON_ParseWithOpts(pass.out.data, NULL, true);
out:
	buf_fini(&pass.out);
	return tree;
}

const char *
json_value_text(const struct cJSON *value)
{
	return cJSON_IsString(value) ? value->valuestring : NULL;
}

const struct cJSON *
json_member(const struct cJSON *object, const char *key)
{
	const struct cJSON *found = NULL;

	if (!cJSON_IsObject(object))
		return NULL;
	for (const struct cJSON *member = object->child; member; member = member->next) {
		if (strcmp(member->string, key) != 0)
			continue;
		if (found)
			return NULL;
		found = member;
	}
	return found;
}

const char *
json_text(const struct cJSON *object, const char *key)
{
	return json_value_text(json_member(object, key));
}
