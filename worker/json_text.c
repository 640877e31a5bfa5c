/*
 * json_text.c - what a JSON string says, once its escapes are undone.
 *
 * In the worker. Owns nothing. Must never write more bytes than it was given, nor
 * anything but UTF-8. Held by tests/worker/test_record_text.c and
 * tests/fuzz/fuzz_batch_scan.c.
 */
#include "worker/json_text.h"

#include <stdint.h>
#include <string.h>

enum { REPLACEMENT = 0xfffd };

static uint32_t
hex_digit(char c)
{
	return (uint32_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
}

static uint32_t
hex4(const char *p)
{
	return hex_digit(p[0]) << 12 | hex_digit(p[1]) << 8 | hex_digit(p[2]) << 4 |
	       hex_digit(p[3]);
}

/* p is behind "\u"; returns the position behind the code point, which may take two
 * escapes. */
static const char *
decode_unicode(const char *p, const char *end, uint32_t *point_out)
{
	uint32_t point = hex4(p);
	p += 4;
	if (point >= 0xd800 && point < 0xdc00 && end - p >= 6 && p[0] == '\\' && p[1] == 'u') {
		uint32_t low = hex4(p + 2);
		if (low >= 0xdc00 && low < 0xe000) {
			*point_out = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
			return p + 6;
		}
	}
	*point_out = point >= 0xd800 && point < 0xe000 ? REPLACEMENT : point;
	return p;
}

/* p is at the backslash. */
static const char *
decode_escape(const char *p, const char *end, uint32_t *point_out)
{
	static const char escapes[] = "bfnrt", meanings[] = "\b\f\n\r\t";
	char c = p[1];
	if (c == 'u')
		return decode_unicode(p + 2, end, point_out);
	const char *at = strchr(escapes, c);
	*point_out = (unsigned char)(at ? meanings[at - escapes] : c);
	return p + 2;
}

static char *
put_utf8(char *to, uint32_t point)
{
	if (point < 0x80) {
		*to++ = (char)point;
	} else if (point < 0x800) {
		*to++ = (char)(0xc0 | point >> 6);
		*to++ = (char)(0x80 | (point & 0x3f));
	} else if (point < 0x10000) {
		*to++ = (char)(0xe0 | point >> 12);
		*to++ = (char)(0x80 | (point >> 6 & 0x3f));
		*to++ = (char)(0x80 | (point & 0x3f));
	} else {
		*to++ = (char)(0xf0 | point >> 18);
		*to++ = (char)(0x80 | (point >> 12 & 0x3f));
		*to++ = (char)(0x80 | (point >> 6 & 0x3f));
		*to++ = (char)(0x80 | (point & 0x3f));
	}
	return to;
}

bool
json_text_is(const char *raw, size_t len, const char *name)
{
	const char *end = raw + len;
	for (; raw < end && *name; name++) {
		uint32_t point = (unsigned char)*raw;
		raw = point == '\\' ? decode_escape(raw, end, &point) : raw + 1;
		if (point != (unsigned char)*name)
			return false;
	}
	return raw == end && *name == '\0';
}

size_t
json_text_decode(const char *raw, size_t len, char *to)
{
	const char *end = raw + len, *first = to;
	while (raw < end) {
		const char *escape = memchr(raw, '\\', (size_t)(end - raw));
		size_t plain = (size_t)((escape ? escape : end) - raw);
		memcpy(to, raw, plain);
		to += plain;
		raw += plain;
		if (escape) {
			uint32_t point;
			raw = decode_escape(raw, end, &point);
			to = put_utf8(to, point);
		}
	}
	return (size_t)(to - first);
}
