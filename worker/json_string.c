/*
 * json_string.c - over a JSON string, and which way this machine does it.
 *
 * In the worker, on its loop. Owns nothing. Must never read behind the end, nor let one way take
 * what another refuses: json_string_portable() judges, the others only hurry past what is plain.
 * Held by tests/worker/test_json_skip.c, test_batch_scan_cjson.c and
 * tests/fuzz/fuzz_batch_scan.c.
 */
#include "worker/json_string.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* The byte at p, or 0, which may not stand in a string. */
static inline unsigned char
peek(const struct json_skip *skip, const char *p)
{
	return p < skip->end ? (unsigned char)*p : 0;
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
	while (end - p >= 8 && !word_not_plain(p))
		p += 8;
	for (; p < end; p++) {
		unsigned char c = (unsigned char)*p;
		if (c < 0x20 || c > 0x7f || c == '"' || c == '\\')
			break;
	}
	return p;
}

#ifdef __SSE2__
static inline const char *
skip_plain_sse2(const char *p, const char *end)
{
	for (; end - p >= 16; p += 16) {
		unsigned mask = json_string_not_plain(p);
		if (mask)
			return p + __builtin_ctz(mask);
	}
	return skip_plain(p, end);
}
#endif

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
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
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

static inline const char *
skip_string(struct json_skip *skip, const char *p, bool sse2)
{
	while (p) {
#ifdef __SSE2__
		p = sse2 ? skip_plain_sse2(p, skip->end) : skip_plain(p, skip->end);
#else
		p = skip_plain(p, skip->end);
#endif
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

const char *
json_string_portable(struct json_skip *skip, const char *p)
{
	return skip_string(skip, p, false);
}

#ifdef __SSE2__
static const char *
skip_string_sse2(struct json_skip *skip, const char *p)
{
	return skip_string(skip, p, true);
}
#endif

#ifdef __x86_64__
bool
json_has_avx2(void)
{
	return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
	       __builtin_cpu_supports("pclmul");
}
#endif

json_string_fn *
json_string_choose(enum json_skip_way way)
{
#ifdef __x86_64__
	if (way == JSON_SKIP_BEST && json_has_avx2())
		return json_string_avx2;
#endif
#ifdef __SSE2__
	if (way != JSON_SKIP_PORTABLE)
		return skip_string_sse2;
#endif
	return json_string_portable;
}

json_flat_fn *
json_flat_choose(enum json_skip_way way)
{
#ifdef __x86_64__
	if (way == JSON_SKIP_BEST && json_has_avx2())
		return json_flat_avx2;
#endif
	return NULL;
}
