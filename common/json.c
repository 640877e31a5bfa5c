/*
 * json.c - the service's small answers as JSON, without loss.
 *
 * In every process. Owns nothing beyond a call. Before cJSON parses, a pass over the text
 * puts quotes around numbers, and refuses what cJSON would let through: control
 * characters, numbers that are none, depth. Must never turn one text into another value:
 * what is doubtful is refused, or made unusable as an identifier. Batches do not come here
 * (worker/batch_scan.c). Held by tests/common/test_json.c.
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
	bool forgiving;
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

/* How many bytes here cannot stand in a string as they are; 0: none. cJSON checks the escapes;
 * \u0000 would cut the text short, and half a pair of them would end cJSON's reading. */
static size_t
odd_bytes(const struct pass *pass)
{
	const char *at = pass->at;

	if ((unsigned char)*at < 0x20)
		return 1;
	if (pass->end - at < 6 || at[0] != '\\' || at[1] != 'u')
		return 0;
	if (memcmp(at + 2, "0000", 4) == 0)
		return 6;
	return pass->forgiving && (at[2] == 'd' || at[2] == 'D') && strchr("89abcdefABCDEF", at[3])
		       ? 6
		       : 0;
}

static bool
copy_string(struct pass *pass)
{
	const char *from = pass->at++;

	while (pass->at < pass->end && *pass->at != '"') {
		size_t odd = odd_bytes(pass);
		if (odd && !pass->forgiving)
			return false;
		if (!odd) {
			pass->at += *pass->at == '\\' ? 2 : 1;
			continue;
		}
		if (!put(pass, from, (size_t)(pass->at - from)) || !put(pass, "\\u0001", 6))
			return false;
		from = pass->at += odd;
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

static struct cJSON *
parse(const char *text, size_t len, bool forgiving)
{
	struct pass pass = { .at = text, .forgiving = forgiving };
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

struct cJSON *
json_parse_exact(const char *text, size_t len)
{
	return parse(text, len, false);
}

struct cJSON *
json_parse_forgiving(const char *text, size_t len)
{
	return parse(text, len, true);
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
