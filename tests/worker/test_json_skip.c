/*
 * test_json_skip.c - what is JSON and what is not, byte by byte.
 *
 * Every text lies in memory of exactly its length, so that ASan sees a read behind the
 * end.
 */
#include "worker/json_skip.h"

#include <check.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"

/* Whether the text is one value and nothing else. */
static bool
is_json(const void *text, size_t len)
{
	struct json_skip skip;
	char *copy = xmalloc(len ? len : 1);
	memcpy(copy, text, len);
	json_skip_init(&skip, copy, len);
	const char *p = json_skip_value(&skip, json_skip_space(&skip, copy), 0);
	if (p)
		p = json_skip_space(&skip, p);
	if ((p == NULL) != (skip.fault != NULL))
		ck_abort_msg("a fault and a result");
	bool whole = p == copy + len;
	free(copy);
	return whole;
}

static bool
is_json_text(const char *text)
{
	return is_json(text, strlen(text));
}

static bool
is_json_string(const void *inside, size_t len)
{
	char text[256] = "\"";
	if (len > sizeof(text) - 2)
		ck_abort_msg("too long");
	memcpy(text + 1, inside, len);
	text[len + 1] = '"';
	return is_json(text, len + 2);
}

static const char *const good[] = {
	"0",
	"-0",
	"1",
	"-12",
	"1.5",
	"0.0",
	"-0.10",
	"1e5",
	"1E+5",
	"1e-05",
	"0e0",
	"1.5e300",
	"1e999999",
	"true",
	"false",
	"null",
	"\"\"",
	"\"a\"",
	"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
	"\"\\u0000\\uFfFf\"",
	"\"\\ud834\\udd1e\"",
	"\"\\ud800\"",
	"\"\\udc00\"",
	"\"\\ud800\\ud800\"",
	"\"\x7f\"",
	"[]",
	"{}",
	"[1,2]",
	"[[],{}]",
	"{\"a\":1,\"a\":2}",
	"{\"\":[]}",
	" \t\r\n[ \t1\r,\n2 ] ",
	"{ \"a\" : null , \"b\" : [ ] }",
	"\"/\"",
	"[\"\",\"\"]",
};

static const char *const bad[] = {
	"",           " ",           "00",       "01",
	"-",          "-a",          "+1",       "1.",
	".5",         "-.5",         "1.e5",     "1e",
	"1e+",        "1e5.",        "0x10",     "1_0",
	"1,",         "--1",         "1e--5",    "Infinity",
	"NaN",        "-Infinity",   "tru",      "True",
	"truee",      "nul",         "nulls",    "fals",
	"\"",         "\"a",         "\"\\\"",   "\"\\x41\"",
	"\"\\u12\"",  "\"\\u12g4\"", "\"\\u\"",  "\"\\U0041\"",
	"\"\\ \"",    "\"\\",        "\"\\u",    "\"\\u123",
	"'a'",        "[",           "]",        "[1",
	"[1,",        "[1,]",        "[,1]",     "[1 2]",
	"[1]]",       "[}",          "{",        "}",
	"{\"a\"",     "{\"a\":",     "{\"a\":1", "{\"a\":1,",
	"{\"a\":1,}", "{a:1}",       "{1:1}",    "{\"a\" 1}",
	"{\"a\"::1}", "{,}",         "{\"a\":}", "{]",
	"[1}",        "/**/1",       "1//",      "\xef\xbb\xbf{}",
	"\f1",        "\v1",         "[1\f]",    "\xc2\xa0[1]",
	"[1]\x01",
};

START_TEST(what_rfc_8259_has_passes)
{
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		ck_assert_msg(is_json_text(good[i]), "%s", good[i]);
}
END_TEST

START_TEST(what_rfc_8259_lacks_is_refused)
{
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_msg(!is_json_text(bad[i]), "%s", bad[i]);
}
END_TEST

START_TEST(nul_is_no_space_and_no_end)
{
	ck_assert(!is_json("1\0", 2));
	ck_assert(!is_json("\0"
			   "1",
			   2));
	ck_assert(!is_json("[\0]", 3));
	ck_assert(!is_json("\"\0\"", 3));
}
END_TEST

/* The wide loops and the byte loop must agree, wherever a byte falls into them. */
START_TEST(every_byte_is_judged_alike_at_every_offset)
{
	char inside[64];
	for (size_t at = 0; at < sizeof(inside); at++) {
		for (int c = 0; c < 256; c++) {
			memset(inside, 'x', sizeof(inside));
			inside[at] = (char)c;
			bool plain = c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
			if (is_json_string(inside, sizeof(inside)) != plain ||
			    is_json_string(inside, at + 1) != plain)
				ck_abort_msg("%d at %zu", c, at);
		}
	}
}
END_TEST

/* UTF-8 by arithmetic: decode by the lead byte, then ask whether that was the right
 * spelling. */
static bool
is_one_code_point(const unsigned char *p, size_t len)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint32_t point = p[0] & (len == 2 ? 0x1f : len == 3 ? 0x0f : 0x07);
	if ((len == 2 && p[0] >> 5 != 6) || (len == 3 && p[0] >> 4 != 14) ||
	    (len == 4 && p[0] >> 3 != 30))
		return false;
	for (size_t i = 1; i < len; i++) {
		if (p[i] >> 6 != 2)
			return false;
		point = point << 6 | (p[i] & 0x3f);
	}
	return point >= least[len] && point <= 0x10ffff && (point < 0xd800 || point > 0xdfff);
}

/* The same for what may stand in a string: code points one after another. */
static bool
is_utf8(const unsigned char *p, size_t len)
{
	while (len) {
		size_t n = *p < 0x80 ? 1 : 2;
		if (n == 1 && (*p < 0x20 || *p == '"' || *p == '\\'))
			return false;
		while (n > 1 && n <= 4 && (n > len || !is_one_code_point(p, n)))
			n++;
		if (n > 4)
			return false;
		p += n;
		len -= n;
	}
	return true;
}

/* Check's own asserts write to a file each time: too slow for half a million of them. */
static void
check_sequences(unsigned lead, size_t len)
{
	static const unsigned char edges[] = { 0x00, 0x22, 0x7f, 0x80, 0x8f, 0x90,
					       0x9f, 0xa0, 0xbf, 0xc0, 0xff };
	const unsigned n = sizeof(edges);
	const unsigned combinations = len == 1 ? 1 : len == 2 ? n : len == 3 ? n * n : n * n * n;
	for (unsigned i = 0; i < combinations; i++) {
		unsigned char p[4] = { (unsigned char)lead, edges[i % n], edges[i / n % n],
				       edges[i / n / n] };
		if (is_json_string(p, len) != is_utf8(p, len))
			ck_abort_msg("%02x %02x %02x %02x of %zu", p[0], p[1], p[2], p[3], len);
	}
}

START_TEST(utf8_is_exactly_what_unicode_says)
{
	for (unsigned lead = 0x80; lead < 0x100; lead++) {
		for (size_t len = 1; len <= 4; len++)
			check_sequences(lead, len);
	}
}
END_TEST

START_TEST(utf8_cut_short_is_refused)
{
	static const char *const cut[] = { "\"\xc3", "\"\xe2\x82", "\"\xe2", "\"\xf0\x9f\x98",
					   "\"\xf0" };
	for (size_t i = 0; i < sizeof(cut) / sizeof(cut[0]); i++)
		ck_assert(!is_json_text(cut[i]));
	ck_assert(
		is_json_text("\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\xe4\xb8\xad\xe6\x96\x87\""));
}
END_TEST

static char *
nested(char open, char close, size_t depth)
{
	char *text = xmalloc(depth * 2 + 1);
	memset(text, open, depth);
	memset(text + depth, close, depth);
	text[depth * 2] = '\0';
	return text;
}

START_TEST(nesting_ends_at_128)
{
	static const struct {
		size_t depth;
		bool passes;
	} cases[] = { { 1, true }, { 128, true }, { 129, false }, { 100000, false } };
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *text = nested('[', ']', cases[i].depth);
		ck_assert(is_json_text(text) == cases[i].passes);
		free(text);
	}
}
END_TEST

START_TEST(endless_opening_is_refused)
{
	enum { TIMES = 100000, LEN = 5 };
	char *text = xmalloc(TIMES * LEN);
	for (size_t i = 0; i < TIMES; i++)
		memcpy(text + i * LEN, "{\"a\":", LEN);
	ck_assert(!is_json(text, TIMES * LEN));
	memset(text, '[', TIMES * LEN);
	ck_assert(!is_json(text, TIMES * LEN));
	free(text);
}
END_TEST

START_TEST(a_number_may_be_long)
{
	enum { LEN = 100000 };
	char *text = xmalloc(LEN);
	memset(text, '9', LEN);
	ck_assert(is_json(text, LEN));
	text[1] = '.';
	ck_assert(is_json(text, LEN));
	text[LEN - 1] = '-';
	ck_assert(!is_json(text, LEN));
	free(text);
}
END_TEST

Suite *suite_json_skip(void);

Suite *
suite_json_skip(void)
{
	Suite *suite = suite_create("json_skip");
	TCase *tc = tcase_create("grammar");
	tcase_add_test(tc, what_rfc_8259_has_passes);
	tcase_add_test(tc, what_rfc_8259_lacks_is_refused);
	tcase_add_test(tc, nul_is_no_space_and_no_end);
	tcase_add_test(tc, every_byte_is_judged_alike_at_every_offset);
	tcase_add_test(tc, utf8_is_exactly_what_unicode_says);
	tcase_add_test(tc, utf8_cut_short_is_refused);
	tcase_add_test(tc, nesting_ends_at_128);
	tcase_add_test(tc, endless_opening_is_refused);
	tcase_add_test(tc, a_number_may_be_long);
	suite_add_tcase(suite, tc);
	return suite;
}
