/*
 * json_skip.c - goes over JSON text without building anything.
 *
 * In the worker, on its loop: every byte that the service sends passes here once. Owns
 * nothing. Must never read behind the end, write to the text, allocate, or nest deeper
 * than JSON_SKIP_DEPTH; must refuse whatever RFC 8259 and UTF-8 refuse. Strings,
 * where most bytes are, are json_string.c's. Held by
 * tests/worker/test_json_skip.c, test_batch_scan_cjson.c and
 * tests/fuzz/fuzz_batch_scan.c.
 */
#include "worker/json_skip.h"

#include <stdbool.h>
#include <string.h>

#include "worker/json_string.h"

enum { FLAT_WAIT = 15 };

/* The byte at p, or 0, which no token begins with or goes on with. */
static inline unsigned char
peek(const struct json_skip *skip, const char *p)
{
	return p < skip->end ? (unsigned char)*p : 0;
}

static inline bool
is_digit(unsigned char c)
{
	return c >= '0' && c <= '9';
}

void
json_skip_init(struct json_skip *skip, enum json_skip_way way, const char *text, size_t len)
{
	*skip = (struct json_skip){
		.begin = text,
		.end = text + len,
		.string = json_string_choose(way),
		.flat = json_flat_choose(way),
	};
}

const char *
json_skip_fail(struct json_skip *skip, const char *at, const char *expected)
{
	skip->fault = at;
	skip->expected = expected;
	return NULL;
}

static const char *
skip_space_run(struct json_skip *skip, const char *p)
{
	for (; p < skip->end; p++) {
		if (*p == '\n' || *p == '\r')
			skip->line_breaks++;
		else if (*p != ' ' && *p != '\t')
			break;
	}
	return p;
}

/* Machines write JSON without spaces: one comparison for them. */
static inline const char *
space(struct json_skip *skip, const char *p)
{
	return peek(skip, p) > ' ' ? p : skip_space_run(skip, p);
}

const char *
json_skip_space(struct json_skip *skip, const char *p)
{
	return space(skip, p);
}

static inline const char *
skip_string(struct json_skip *skip, const char *p)
{
	if (peek(skip, p) != '"')
		return json_skip_fail(skip, p, "'\"'");
	const char *end = json_string_short(skip, ++p);
	return end ? end : skip->string(skip, p);
}

#ifdef __SSE2__
/* A bit for each of 16 bytes that is none. */
static inline unsigned
not_digits(const char *p)
{
	const __m128i nine = _mm_set1_epi8(9);
	__m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
	__m128i value = _mm_sub_epi8(x, _mm_set1_epi8('0'));
	return 0xffff ^
	       (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_max_epu8(value, nine), nine));
}
#endif

static const char *
skip_digits(struct json_skip *skip, const char *p)
{
	if (!is_digit(peek(skip, p)))
		return json_skip_fail(skip, p, "a digit");
	p++;
#ifdef __SSE2__
	for (; skip->end - p >= 16; p += 16) {
		unsigned others = not_digits(p);
		if (others)
			return p + __builtin_ctz(others);
	}
#endif
	while (is_digit(peek(skip, p)))
		p++;
	return p;
}

static const char *
skip_number(struct json_skip *skip, const char *p)
{
	if (peek(skip, p) == '-')
		p++;
	p = peek(skip, p) == '0' ? p + 1 : skip_digits(skip, p);
	if (p && peek(skip, p) == '.')
		p = skip_digits(skip, p + 1);
	if (p && (peek(skip, p) | 0x20) == 'e') {
		p++;
		if (peek(skip, p) == '+' || peek(skip, p) == '-')
			p++;
		p = skip_digits(skip, p);
	}
	return p;
}

static const char *
skip_word(struct json_skip *skip, const char *p, const char *word, size_t len)
{
	if ((size_t)(skip->end - p) < len || memcmp(p, word, len) != 0)
		return json_skip_fail(skip, p, "true, false or null");
	return p + len;
}

const char *
json_skip_value(struct json_skip *skip, const char *p, unsigned depth)
{
	unsigned char c = peek(skip, p);
	switch (c) {
	case '"':
		return skip_string(skip, p);
	case '{':
		return json_skip_object(skip, p, depth, NULL, NULL);
	case '[':
		return json_skip_array(skip, p, depth, NULL, NULL);
	case 't':
		return skip_word(skip, p, "true", 4);
	case 'f':
		return skip_word(skip, p, "false", 5);
	case 'n':
		return skip_word(skip, p, "null", 4);
	default:
		if (c != '-' && !is_digit(c))
			return json_skip_fail(skip, p, "a value");
		return skip_number(skip, p);
	}
}

/* Past the bracket that opens a container and the space behind it. */
static const char *
skip_open(struct json_skip *skip, const char *p, unsigned depth, unsigned char open)
{
	if (peek(skip, p) != open)
		return json_skip_fail(skip, p, open == '{' ? "an object" : "an array");
	if (depth >= JSON_SKIP_DEPTH)
		return json_skip_fail(skip, p, "nesting of at most 128");
	return space(skip, p + 1);
}

/* The records of a body are alike: where one is not flat the next are not either. */
static const char *
skip_flat(struct json_skip *skip, const char *p)
{
	const char *end = NULL;
	if (skip->flat_wait)
		skip->flat_wait--;
	else if (skip->flat && !(end = skip->flat(skip, p)))
		skip->flat_wait = FLAT_WAIT;
	return end;
}

const char *
json_skip_object(struct json_skip *skip, const char *p, unsigned depth, json_member_fn *fn,
		 void *arg)
{
	const char *end = fn || depth >= JSON_SKIP_DEPTH ? NULL : skip_flat(skip, p);
	if (end)
		return end;
	p = skip_open(skip, p, depth, '{');
	if (p && peek(skip, p) == '}')
		return p + 1;
	while (p) {
		const char *quote = p;
		p = skip_string(skip, p);
		if (!p)
			break;
		size_t key_len = (size_t)(p - quote) - 2;
		p = space(skip, p);
		if (peek(skip, p) != ':')
			return json_skip_fail(skip, p, "':'");
		p = space(skip, p + 1);
		p = fn                     ? fn(arg, quote + 1, key_len, p)
		    : peek(skip, p) == '"' ? skip_string(skip, p)
					   : json_skip_value(skip, p, depth + 1);
		if (!p)
			break;
		p = space(skip, p);
		unsigned char c = peek(skip, p);
		if (c == '}')
			return p + 1;
		if (c != ',')
			return json_skip_fail(skip, p, "',' or '}'");
		p = space(skip, p + 1);
	}
	return NULL;
}

const char *
json_skip_array(struct json_skip *skip, const char *p, unsigned depth, json_element_fn *fn,
		void *arg)
{
	p = skip_open(skip, p, depth, '[');
	if (p && peek(skip, p) == ']')
		return p + 1;
	while (p) {
		p = fn ? fn(arg, p) : json_skip_value(skip, p, depth + 1);
		if (!p)
			break;
		p = space(skip, p);
		unsigned char c = peek(skip, p);
		if (c == ']')
			return p + 1;
		if (c != ',')
			return json_skip_fail(skip, p, "',' or ']'");
		p = space(skip, p + 1);
	}
	return NULL;
}
