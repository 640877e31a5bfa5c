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
#include "tests/worker/json_cases.h"
#include "worker/batch_scan.h"

enum { WAYS = 3, PADS = 5 };

/* Whether one way takes it for one value with nothing but space around it. */
static bool
is_json_by(enum json_skip_way way, const char *text, size_t len, struct json_skip *skip)
{
	json_skip_init(skip, way, text, len);
	const char *p = json_skip_value(skip, json_skip_space(skip, text), 0);
	if (p)
		p = json_skip_space(skip, p);
	if ((p == NULL) != (skip->fault != NULL))
		ck_abort_msg("a fault and a result");
	return p == text + len;
}

/* The wide ways are in their element only with room around: the text is tried behind and before
 * so many spaces, too. All ways must say the same, and point at the same fault. */
static bool
is_json_padded(const void *text, size_t len, size_t before, size_t after)
{
	struct json_skip skips[WAYS];
	bool results[WAYS];
	size_t whole = before + len + after;
	char *copy = xmalloc(whole ? whole : 1);
	memset(copy, ' ', whole);
	memcpy(copy + before, text, len);
	for (int way = 0; way < WAYS; way++) {
		results[way] = is_json_by((enum json_skip_way)way, copy, whole, &skips[way]);
		if (results[way] != results[0] || skips[way].fault != skips[0].fault ||
		    skips[way].expected != skips[0].expected)
			ck_abort_msg("ways differ: %.*s", (int)len, (const char *)text);
	}
	free(copy);
	return results[0];
}

/* Whether the text is one value and nothing else. */
static bool
is_json(const void *text, size_t len)
{
	static const size_t pads[PADS][2] = {
		{ 0, 0 }, { 3, 20 }, { 0, 40 }, { 40, 70 }, { 5, 130 }
	};
	bool result = is_json_padded(text, len, 0, 0);
	for (int i = 1; i < PADS; i++)
		if (is_json_padded(text, len, pads[i][0], pads[i][1]) != result)
			ck_abort_msg("padding matters: %.*s", (int)len, (const char *)text);
	return result;
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

START_TEST(what_rfc_8259_has_passes)
{
	for (const char *const *text = json_cases_good; *text; text++)
		ck_assert_msg(is_json_text(*text), "%s", *text);
}
END_TEST

START_TEST(what_rfc_8259_lacks_is_refused)
{
	for (const char *const *text = json_cases_bad; *text; text++)
		ck_assert_msg(!is_json_text(*text), "%s", *text);
}
END_TEST

/* In a label's value they are worth the same. */
static bool
is_batch_with(const char *value)
{
	struct batch_scan scan;
	struct batch_fault fault;
	struct batch_view view;
	char *body = xasprintf("{\"logs\":[{\"labels\":{\"a\":%s}}],\"count\":1}", value);
	batch_scan_init(&scan);
	bool taken = !batch_scan_run(&scan, body, strlen(body), &fault, &view);
	batch_scan_fini(&scan);
	free(body);
	return taken;
}

START_TEST(a_batch_passes_with_what_passes_alone)
{
	for (const char *const *text = json_cases_good; *text; text++)
		ck_assert_msg(is_batch_with(*text), "%s", *text);
	for (const char *const *text = json_cases_bad; *text; text++)
		ck_assert_msg(!is_batch_with(*text), "%s", *text);
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

/* What may go wrong, or right, where one wide step ends and the next begins. */
static const struct {
	const char *text;
	bool good;
} pieces[] = {
	{ "\\n", true },
	{ "\\\"", true },
	{ "\\\\", true },
	{ "\\\\\\\\\\n", true },
	{ "\\\\\\\\\\\"", true },
	{ "\\u12aF", true },
	{ "\\ud83d\\ude00", true },
	{ "\\\\u12g", true },
	{ "\xe4\xb8\xad", true },
	{ "\xf0\x9f\x98\x80\xf0\x9f\x98\x80", true },
	{ "\xc3\xa9\\t\xc3\xa9", true },
	{ "\\x", false },
	{ "\\u12g4", false },
	{ "\\u123", false },
	{ "\\u12\\n", false },
	{ "\\\\\\", false },
	{ "\\\\\"", false },
	{ "\\\x01", false },
	{ "\xe4\xb8", false },
	{ "\xe4\xb8\\n", false },
	{ "\xf0\x9f\x98", false },
	{ "\xad", false },
	{ "\xe4\xb8\xad\xad", false },
	{ "\xf0\x9f\x98\x80\x80", false },
	{ "\n", false },
};

START_TEST(every_piece_is_judged_alike_at_every_offset)
{
	enum { LEN = 230, OFFSETS = 215 };
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		for (size_t at = 0; at < OFFSETS; at++) {
			char inside[LEN];
			memset(inside, 'x', LEN);
			memcpy(inside + at, pieces[i].text, strlen(pieces[i].text));
			if (is_json_string(inside, LEN) != pieces[i].good)
				ck_abort_msg("%s at %zu", pieces[i].text, at);
		}
	}
}
END_TEST

/* Right behind each other: runs of backslashes and of lead bytes, in all lengths. */
START_TEST(runs_of_backslashes_are_counted)
{
	enum { LEN = 200 };
	for (size_t at = 0; at < 70; at++) {
		for (size_t run = 0; run < 100; run++) {
			char inside[LEN];
			memset(inside, 'x', LEN);
			memset(inside + at, '\\', run);
			inside[at + run] = '"';
			if (is_json_string(inside, LEN) != (run % 2 == 1))
				ck_abort_msg("%zu at %zu", run, at);
		}
	}
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

/* Flat objects have a way of their own: each byte of some is replaced, doubled and left out. */
START_TEST(flat_objects_with_one_wrong_byte_are_judged_alike)
{
	static const char *const objects[] = {
		"{\"a\":\"b\",\"c\":1,\"d\":\"\"}",
		"{\"\":0,\"key\":1234567890,\"x\":\"\\u4e2d\\\"\\\\\",\"last\":9}",
		"{\"content\":\"\xe6\x97\xa5\xe5\xbf\x97 {not: \\\"a\\\", object}, 1,2 and so "
		"on, and on, and on,"
		" until the second step is full of it, and then "
		"some\",\"n\":10,\"m\":\"\xf0\x9f\x98\x80\"}",
		"{\"a\":{\"b\":1},\"c\":[1,2],\"d\":-1.5e3,\"e\":true,\"f\":null, \"g\":\"\"}",
	};
	static const char others[] = "\"\\{}[]:,0159 \t\n\x01-+.eEtu\x7f\x80\xe6\xf0\xff";
	for (size_t i = 0; i < sizeof(objects) / sizeof(objects[0]); i++) {
		size_t len = strlen(objects[i]);
		char *text = xmalloc(len + 2);
		ck_assert(is_json_text(objects[i]));
		for (size_t at = 0; at < len; at++) {
			for (const char *other = others; *other; other++) {
				memcpy(text, objects[i], len);
				text[at] = *other;
				is_json(text, len);
				memmove(text + at + 1, objects[i] + at, len - at);
				is_json(text, len + 1);
			}
			memcpy(text, objects[i], at);
			memcpy(text + at, objects[i] + at + 1, len - at - 1);
			is_json(text, len - 1);
		}
		free(text);
	}
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
	tcase_add_test(tc, a_batch_passes_with_what_passes_alone);
	tcase_add_test(tc, nul_is_no_space_and_no_end);
	tcase_add_test(tc, every_byte_is_judged_alike_at_every_offset);
	tcase_add_test(tc, every_piece_is_judged_alike_at_every_offset);
	tcase_add_test(tc, runs_of_backslashes_are_counted);
	tcase_add_test(tc, utf8_is_exactly_what_unicode_says);
	tcase_add_test(tc, utf8_cut_short_is_refused);
	tcase_add_test(tc, nesting_ends_at_128);
	tcase_add_test(tc, endless_opening_is_refused);
	tcase_add_test(tc, a_number_may_be_long);
	tcase_add_test(tc, flat_objects_with_one_wrong_byte_are_judged_alike);
	suite_add_tcase(suite, tc);
	return suite;
}
