/*
 * json_skip.c - goes over JSON text without building anything.
 *
 * In the worker, on its loop: every byte that the service sends passes here once. Owns
 * nothing. Must never read behind the end, write to the text, allocate, or nest deeper
 * than JSON_SKIP_DEPTH; must refuse whatever RFC 8259 and UTF-8 refuse. The two loops
 * that see most bytes are skip_plain() and skip_utf8(). Held by
 * tests/worker/test_json_skip.c, test_batch_scan_cjson.c and
 * tests/fuzz/fuzz_batch_scan.c.
 */
#include "worker/json_skip.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

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
json_skip_init(struct json_skip *skip, const char *text, size_t len)
{
	*skip = (struct json_skip){ .begin = text, .end = text + len };
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

/* Nonzero if one of the eight bytes is not plain: a quote, a backslash, below 0x20 or
 * above 0x7f. In bytes below 0x80 each subtraction borrows into bit 7 only when the byte
 * is a hit. */
static inline uint64_t
word_not_plain(const char *p)
{
	const uint64_t ones = 0x0101010101010101;
	uint64_t x;
	memcpy(&x, p, sizeof(x));
	return (x | (x - ones * 0x20) | ((x ^ ones * '"') - ones) | ((x ^ ones * '\\') - ones)) &
	       ones * 0x80;
}

/* The first byte of a string that needs a closer look, or the end. */
static inline const char *
skip_plain(const char *p, const char *end)
{
#ifdef __SSE2__
	for (; end - p >= 16; p += 16) {
		__m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
		/* signed: what is above 0x7f is below 0x20 as well */
		__m128i hit = _mm_cmplt_epi8(x, _mm_set1_epi8(0x20));
		hit = _mm_or_si128(hit, _mm_cmpeq_epi8(x, _mm_set1_epi8('"')));
		hit = _mm_or_si128(hit, _mm_cmpeq_epi8(x, _mm_set1_epi8('\\')));
		unsigned mask = (unsigned)_mm_movemask_epi8(hit);
		if (mask)
			return p + __builtin_ctz(mask);
	}
#endif
	while (end - p >= 8 && !word_not_plain(p))
		p += 8;
	for (; p < end; p++) {
		unsigned char c = (unsigned char)*p;
		if (c < 0x20 || c > 0x7f || c == '"' || c == '\\')
			break;
	}
	return p;
}

/* The length of the UTF-8 sequence at p (table 3-7 of the Unicode standard), or 0 if it
 * is not one. */
static inline size_t
utf8_len(const unsigned char *p, size_t room)
{
	unsigned char c = p[0], least = 0x80, most = 0xbf;
	size_t len = c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;
	if (len == 0 || len > room)
		return 0;
	if (c == 0xe0)
		least = 0xa0; /* shorter forms exist */
	else if (c == 0xed)
		most = 0x9f; /* surrogates */
	else if (c == 0xf0)
		least = 0x90; /* shorter forms exist */
	else if (c == 0xf4)
		most = 0x8f; /* above U+10FFFF */
	if (p[1] < least || p[1] > most)
		return 0;
	for (size_t i = 2; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	}
	return len;
}

/* Whether the three bytes at p are a sequence that table 3-7 has no exception for: most
 * of Chinese. */
static inline bool
is_common_three(const unsigned char *p)
{
	return (p[0] & 0xf0) == 0xe0 && p[0] != 0xe0 && p[0] != 0xed &&
	       ((p[1] ^ 0x80) | (p[2] ^ 0x80)) < 0x40;
}

static const char *
skip_utf8(struct json_skip *skip, const char *p)
{
	while (peek(skip, p) > 0x7f) {
		const unsigned char *bytes = (const unsigned char *)p;
		size_t room = (size_t)(skip->end - p);
		size_t len = room >= 3 && is_common_three(bytes) ? 3 : utf8_len(bytes, room);
		if (len == 0)
			return json_skip_fail(skip, p, "UTF-8");
		p += len;
	}
	return p;
}

static inline bool
is_hex(unsigned char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* p is at the backslash. */
static const char *
skip_escape(struct json_skip *skip, const char *p)
{
	switch (peek(skip, p + 1)) {
	case '"':
	case '\\':
	case '/':
	case 'b':
	case 'f':
	case 'n':
	case 'r':
	case 't':
		return p + 2;
	case 'u':
		for (int i = 2; i < 6; i++) {
			if (!is_hex(peek(skip, p + i)))
				return json_skip_fail(skip, p + i, "four hex digits after \\u");
		}
		return p + 6;
	default:
		return json_skip_fail(skip, p, "an escape that JSON has");
	}
}

static const char *
skip_string(struct json_skip *skip, const char *p)
{
	if (peek(skip, p) != '"')
		return json_skip_fail(skip, p, "'\"'");
	p++;
	while (p) {
		p = skip_plain(p, skip->end);
		unsigned char c = peek(skip, p);
		if (c == '"')
			return p + 1;
		if (c == '\\')
			p = skip_escape(skip, p);
		else if (c > 0x7f)
			p = skip_utf8(skip, p);
		else
			return json_skip_fail(skip, p,
					      "no raw control character or end in a string");
	}
	return NULL;
}

static const char *
skip_digits(struct json_skip *skip, const char *p)
{
	if (!is_digit(peek(skip, p)))
		return json_skip_fail(skip, p, "a digit");
	do
		p++;
	while (is_digit(peek(skip, p)));
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

const char *
json_skip_object(struct json_skip *skip, const char *p, unsigned depth, json_member_fn *fn,
		 void *arg)
{
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
		p = fn ? fn(arg, quote + 1, key_len, p) : json_skip_value(skip, p, depth + 1);
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
