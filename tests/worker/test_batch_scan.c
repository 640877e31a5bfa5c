/*
 * test_batch_scan.c - which bodies are a batch, and what is taken from them.
 *
 * Every body lies in memory of exactly its length. What is JSON at all is
 * test_json_skip.c's business.
 */
#include "worker/batch_scan.h"

#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/xalloc.h"

#define BATCH(logs) "{\"count\":2,\"next\":7,\"logs\":" logs "}"

static struct batch_scan scan;
static struct batch_view view;
static struct batch_fault fault;
static char *body;

static void
setup(void)
{
	batch_scan_init(&scan);
	body = NULL;
}

static void
teardown(void)
{
	batch_scan_fini(&scan);
	free(body);
}

static enum lts_err
run_bytes(const char *text, size_t len)
{
	free(body);
	body = xmalloc(len ? len : 1);
	memcpy(body, text, len);
	view = (struct batch_view){ .n_records = 77 };
	fault = (struct batch_fault){ .offset = 77 };
	enum lts_err err = batch_scan_run(&scan, body, len, &fault, &view);
	if (err) {
		ck_assert_uint_eq(view.n_records, 77);
		ck_assert_ptr_null(view.records);
		ck_assert(cursor_is_none(&view.next));
		ck_assert_ptr_nonnull(fault.expected);
		ck_assert_uint_le(fault.offset, len);
		ck_assert_mem_eq(body, text, len);
	} else {
		ck_assert_ptr_null(fault.expected);
	}
	return err;
}

static enum lts_err
run(const char *text)
{
	return run_bytes(text, strlen(text));
}

static void
expect_record(size_t i, const char *text)
{
	ck_assert_uint_lt(i, view.n_records);
	ck_assert_uint_eq(view.records[i].len, strlen(text));
	ck_assert_mem_eq(view.records[i].text, text, strlen(text));
}

START_TEST(records_are_the_labels_byte_for_byte)
{
	const char *first = "{\"log_content\":\"a\\u0041\\n\xe4\xb8\xad "
			    "}{\",\"n\":-1.50e+3,\"x\":[{},null]}";
	struct buf text;
	buf_init(&text, 0);
	ck_assert(!buf_printf(&text, BATCH("[{\"labels\":%s},{\"labels\":{}}]"), first));
	ck_assert(!run(text.data));
	ck_assert_uint_eq(view.n_records, 2);
	expect_record(0, first);
	expect_record(1, "{}");
	ck_assert_ptr_eq(view.records[0].text, strchr(body + 1, '{') + strlen("{\"labels\":"));
	ck_assert_str_eq(view.next.text, "7");
	buf_fini(&text);
}
END_TEST

static const char *const batches[] = {
	BATCH("[{\"labels\":{}},{\"labels\":{}}]"),
	"{\"logs\":[]}",
	"{\"logs\":[],\"count\":0}",
	"{\"count\":0}",
	"{\"count\":0,\"logs\":null}",
	"{\"logs\":null,\"count\":0,\"next\":\"5\"}",
	"{\"logs\":[{\"labels\":{}}],\"count\":1}",
	"\t{\"logs\":[{\"labels\":{}}]}\r\n",
	"{\"x\":{\"next\":[],\"logs\":1},\"logs\":[{\"time\":1,\"labels\":{\"labels\":1,"
	"\"labels\":2},\"z\":[]}]}",
	"{\"Next\":1,\"nex\":1,\"nextt\":1,\"next\":2,\"logs\":[]}",
	"{\"x\":1,\"x\":2,\"logs\":[]}",
	"{\"count\":null,\"logs\":[]}",
	"{\"logs\":[null]}",
	"{\"logs\":[{}]}",
	"{\"logs\":[{\"labels\":null}]}",
	"{\"logs\":[{\"labels\":{}},{}],\"count\":2}",
};

START_TEST(log_without_anything_is_an_empty_record)
{
	ck_assert(!run("{\"count\":4,\"logs\":[{\"labels\":\nnull},null,{},{\"labels\":{\n}}]}"));
	ck_assert_uint_eq(view.n_records, 4);
	for (size_t i = 0; i < 3; i++)
		expect_record(i, "{}");
	expect_record(3, "{ }");
}
END_TEST

static const char *const no_batches[] = {
	"",
	" ",
	"[]",
	"null",
	"1",
	"\"\"",
	"{}",
	"{\"next\":5}",
	"{\"logs\":null}",
	"{\"logs\":[]}x",
	"{\"logs\":[]}{}",
	"\xef\xbb\xbf{\"logs\":[]}",
	"<html>",
	"{\"logs\":{}}",
	"{\"logs\":\"\"}",
	"{\"logs\":0}",
	"{\"logs\":false}",
	"{\"logs\":[1]}",
	"{\"logs\":[[]]}",
	"{\"logs\":[\"{}\"]}",
	"{\"logs\":[{\"label\":{}}]}",
	"{\"logs\":[{\"labels\":[]}]}",
	"{\"logs\":[{\"labels\":\"{}\"}]}",
	"{\"logs\":[{\"labels\":1}]}",
	"{\"logs\":[{\"labels\":{},\"labels\":{}}]}",
	"{\"logs\":[{\"labels\":{},\"l\\u0061bels\":{}}]}",
	"{\"logs\":[{\"labels\":{}},]}",
	"{\"next\":1,\"logs\":[],\"next\":1}",
	"{\"next\":1,\"logs\":[],\"\\u006eext\":1}",
	"{\"logs\":[],\"logs\":[]}",
	"{\"logs\":null,\"logs\":[]}",
	"{\"count\":0,\"count\":0,\"logs\":[]}",
	"{\"count\":1,\"logs\":[]}",
	"{\"count\":1}",
	"{\"count\":1,\"logs\":null}",
	"{\"count\":0,\"logs\":[{\"labels\":{}}]}",
	"{\"logs\":[{\"labels\":{}}],\"count\":2}",
	"{\"count\":\"0\",\"logs\":[]}",
	"{\"count\":null}",
	"{\"count\":null,\"logs\":null}",
	"{\"logs\":[nul]}",
	"{\"logs\":[{\"labels\":nul}]}",
	"{\"logs\":[{\"labels\":null,\"labels\":null}]}",
	"{\"count\":0.0,\"logs\":[]}",
	"{\"count\":0e0,\"logs\":[]}",
	"{\"count\":-0,\"logs\":[]}",
	"{\"count\":[],\"logs\":[]}",
	"{\"count\":18446744073709551616,\"logs\":[]}",
	"{\"count\":65537,\"logs\":[]}",
	"{\"logs\":[],\"x\":01}",
	"{\"logs\":[{\"labels\":{\"a\":\"\x01\"}}]}",
	"{\"logs\":[{\"labels\":{\"a\":\"\xed\xa0\x80\"}}]}",
	"{\"logs\":[{\"labels\":{},\"b\":tru}]}",
};

START_TEST(this_is_a_batch)
{
	for (size_t i = 0; i < sizeof(batches) / sizeof(batches[0]); i++)
		ck_assert_msg(run(batches[i]) == LTS_OK, "%s: %s", batches[i], fault.expected);
}
END_TEST

START_TEST(this_is_no_batch)
{
	for (size_t i = 0; i < sizeof(no_batches) / sizeof(no_batches[0]); i++)
		ck_assert_msg(run(no_batches[i]) == LTS_BADDATA, "%s", no_batches[i]);
}
END_TEST

#define TEN "1234567890"
#define SIXTY TEN TEN TEN TEN TEN TEN
#define TEN_ESCAPED "\\u0031\\u0032\\u0033\\u0034\\u0035\\u0036\\u0037\\u0038\\u0039\\u0030"
#define SIXTY_ESCAPED TEN_ESCAPED TEN_ESCAPED TEN_ESCAPED TEN_ESCAPED TEN_ESCAPED TEN_ESCAPED

/* cursor NULL: refused; "": none. */
static const struct {
	const char *json, *cursor;
} nexts[] = {
	{ "1767322800000001001", "1767322800000001001" },
	{ "\"1767322800000001001\"", "1767322800000001001" },
	{ "\"17\\u0036\"", "176" },
	{ "\"MTc2=\\/+\"", "MTc2=/+" },
	{ "\"-1\"", "-1" },
	{ "\"00\"", "00" },
	{ SIXTY "123", SIXTY "123" },
	{ "\"" SIXTY "123\"", SIXTY "123" },
	{ "\"" SIXTY_ESCAPED "\\u0031\\u0032\\u0033\"", SIXTY "123" },
	{ "0", "" },
	{ "\"0\"", "" },
	{ "\"\\u0030\"", "" },
	{ "\"\"", "" },
	{ "null", "" },
	{ SIXTY "1234", NULL },
	{ "\"" SIXTY "1234\"", NULL },
	{ "\"" SIXTY_ESCAPED "\\u0031\\u0032\\u0033\\u0034\"", NULL },
	{ "-1", NULL },
	{ "-0", NULL },
	{ "1.0", NULL },
	{ "0.0", NULL },
	{ "1e3", NULL },
	{ "0E0", NULL },
	{ "true", NULL },
	{ "false", NULL },
	{ "[]", NULL },
	{ "{}", NULL },
	{ "[1]", NULL },
	{ "01", NULL },
	{ "\" 1\"", NULL },
	{ "\"1\\n\"", NULL },
	{ "\"1\\u00002\"", NULL },
	{ "\"\\u0000\"", NULL },
	{ "\"a\\\"b\"", NULL },
	{ "\"a\\\\b\"", NULL },
	{ "\"\xc3\xa9\"", NULL },
	{ "\"\\u00e9\"", NULL },
	{ "\"\\ud800\"", NULL },
	{ "\"\x7f\"", NULL },
};

START_TEST(next_is_a_cursor_or_none_or_refused)
{
	char text[1024];
	for (size_t i = 0; i < sizeof(nexts) / sizeof(nexts[0]); i++) {
		snprintf(text, sizeof(text), "{\"logs\":[],\"next\":%s}", nexts[i].json);
		enum lts_err err = run(text);
		ck_assert_msg(err == (nexts[i].cursor ? LTS_OK : LTS_BADDATA), "%s",
			      nexts[i].json);
		if (!err)
			ck_assert_str_eq(view.next.text, nexts[i].cursor);
	}
}
END_TEST

START_TEST(next_of_any_length_above_63_is_refused)
{
	struct buf text;
	buf_init(&text, 0);
	for (int len = 60; len < 500; len++) {
		buf_clear(&text);
		ck_assert(!buf_printf(&text, "{\"logs\":[],\"next\":\"%0*d\"}", len, 7));
		ck_assert_int_eq(run(text.data), len <= 63 ? LTS_OK : LTS_BADDATA);
	}
	buf_fini(&text);
}
END_TEST

START_TEST(keys_may_be_escaped)
{
	ck_assert(!run("{\"\\u0063ount\":1,\"n\\u0065xt\":9,\"log\\u0073\":"
		       "[{\"\\u006c\\u0061\\u0062\\u0065\\u006C\\u0073\":{\"a\":1}}]}"));
	expect_record(0, "{\"a\":1}");
	ck_assert_str_eq(view.next.text, "9");
	ck_assert(run("{\"c\\u006funt\":2,\"logs\":[]}"));
	ck_assert(!run("{\"next\\u0000\":1,\"\\\\next\":1,\"logs\":[]}"));
	ck_assert(cursor_is_none(&view.next));
}
END_TEST

static const char whole[] =
	"{\"count\":1,\"x\":[-1.5e+3,true,null],\"next\":\"12\",\"logs\":[{\"labels\":"
	"{\"log_content\":\"\\ud834\\udd1e \xf0\x9f\x98\x80 abcdefghijklmnopqrstuvwxyz\","
	"\"f\":false},\"t\":{}}]}";

START_TEST(every_prefix_of_a_batch_is_refused)
{
	for (size_t len = 0; len < sizeof(whole) - 1; len++)
		ck_assert_msg(run_bytes(whole, len) == LTS_BADDATA, "%zu", len);
	ck_assert(!run(whole));
}
END_TEST

START_TEST(space_may_stand_between_any_tokens)
{
	static const char *const tokens[] = {
		"{", "\"count\"", ":",          "1",        ",",     "\"logs\"", ":",
		"[", "{",         "\"labels\"", ":",        "{",     "\"a\"",    ":",
		"[", "1",         ",",          "\"\\n\"",  "]",     ",",        "\"b\"",
		":", "true",      "}",          ",",        "\"c\"", ":",        "null",
		"}", "]",         ",",          "\"next\"", ":",     "5",        "}"
	};
	struct buf text;
	buf_init(&text, 0);
	ck_assert(!buf_put_text(&text, " \t\r\n"));
	for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++)
		ck_assert(!buf_printf(&text, "%s \t\r\n", tokens[i]));
	ck_assert(!run(text.data));
	ck_assert_str_eq(view.next.text, "5");
	expect_record(0, "{ \t  \"a\" \t  : \t  [ \t  1 \t  , \t  \"\\n\" \t  ] \t  , \t "
			 " \"b\" \t  : \t  true \t  }");
	ck_assert_mem_eq(body, " \t\r\n{ \t\r\n", 9);
	buf_fini(&text);
}
END_TEST

START_TEST(line_breaks_between_records_stay)
{
	const char *text = "{\"logs\":[{\"labels\":{}},\n{\"labels\":{\"a\":\"\\r\\n\"}}\r\n]}\n";
	ck_assert(!run(text));
	ck_assert_mem_eq(body, text, strlen(text));
}
END_TEST

/* Four containers are open around a label's value: body, logs, log, labels. */
START_TEST(label_may_nest_to_the_ceiling_only)
{
	static const size_t depths[] = { 124, 125, 100000 };
	for (size_t i = 0; i < 3; i++) {
		struct buf text;
		buf_init(&text, 0);
		ck_assert(!buf_put_text(&text, "{\"logs\":[{\"labels\":{\"a\":"));
		for (size_t n = 0; n < depths[i]; n++)
			ck_assert(!buf_put_text(&text, "["));
		for (size_t n = 0; n < depths[i]; n++)
			ck_assert(!buf_put_text(&text, "]"));
		ck_assert(!buf_put_text(&text, "}}]}"));
		ck_assert_int_eq(run(text.data), i == 0 ? LTS_OK : LTS_BADDATA);
		buf_fini(&text);
	}
}
END_TEST

static void
put_logs(struct buf *text, size_t n)
{
	buf_clear(text);
	ck_assert(!buf_put_text(text, "{\"logs\":[{\"labels\":{}}"));
	for (size_t i = 1; i < n; i++)
		ck_assert(!buf_put_text(text, ",{\"labels\":{}}"));
	ck_assert(!buf_printf(text, "],\"count\":%zu}", n));
}

START_TEST(more_records_than_the_ceiling_are_too_big)
{
	struct buf text;
	buf_init(&text, 0);
	put_logs(&text, BATCH_SCAN_RECORDS_MAX);
	ck_assert_int_eq(run(text.data), LTS_OK);
	ck_assert_uint_eq(view.n_records, BATCH_SCAN_RECORDS_MAX);
	put_logs(&text, BATCH_SCAN_RECORDS_MAX + 1);
	ck_assert_int_eq(run(text.data), LTS_TOOBIG);
	buf_fini(&text);
}
END_TEST

START_TEST(array_is_kept_between_runs_until_taken)
{
	ck_assert(!run(BATCH("[{\"labels\":{}},{\"labels\":{}}]")));
	const struct record *kept = view.records;
	ck_assert(run("{"));
	ck_assert(!run("{\"logs\":[{\"labels\":{\"a\":1}}]}"));
	ck_assert_ptr_eq(view.records, kept);
	struct record *taken = batch_scan_take_records(&scan);
	ck_assert_ptr_eq(taken, kept);
	ck_assert(!run("{\"logs\":[]}"));
	ck_assert_uint_eq(view.n_records, 0);
	ck_assert_uint_eq(taken[0].len, 7);
	free(taken);
}
END_TEST

START_TEST(fault_says_where_and_what)
{
	static const struct {
		const char *text;
		size_t offset;
		const char *expected;
	} cases[] = {
		{ "", 0, "a body" },
		{ "[]", 0, "an object" },
		{ "{\"logs\":[]", 10, "',' or '}'" },
		{ "{\"logs\":[]} x", 12, "nothing after the object" },
		{ "{\"next\":1,\"next\":1}", 11, "next, count and logs only once" },
		{ "{\"next\":-1}", 8, "a cursor of at most 63 characters as next" },
		{ "{\"count\":3,\"logs\":[]}", 9, "count to be the number of logs" },
		{ "{\"logs\":[{\"a\":1}]}", 9, "exactly one labels in a log" },
		{ "{\"logs\":null}", 8, "logs, or a count of 0" },
		{ "{\"logs\":[{\"labels\":{\"a\":\"\xff\"}}]}", 25, "UTF-8" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ck_assert(run(cases[i].text) == LTS_BADDATA);
		ck_assert_str_eq(fault.expected, cases[i].expected);
		ck_assert_uint_eq(fault.offset, cases[i].offset);
	}
}
END_TEST

Suite *suite_batch_scan(void);

Suite *
suite_batch_scan(void)
{
	Suite *suite = suite_create("batch_scan");
	TCase *tc = tcase_create("bodies");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, records_are_the_labels_byte_for_byte);
	tcase_add_test(tc, this_is_a_batch);
	tcase_add_test(tc, this_is_no_batch);
	tcase_add_test(tc, log_without_anything_is_an_empty_record);
	tcase_add_test(tc, next_is_a_cursor_or_none_or_refused);
	tcase_add_test(tc, next_of_any_length_above_63_is_refused);
	tcase_add_test(tc, keys_may_be_escaped);
	tcase_add_test(tc, every_prefix_of_a_batch_is_refused);
	tcase_add_test(tc, space_may_stand_between_any_tokens);
	tcase_add_test(tc, line_breaks_between_records_stay);
	tcase_add_test(tc, label_may_nest_to_the_ceiling_only);
	tcase_add_test(tc, more_records_than_the_ceiling_are_too_big);
	tcase_add_test(tc, array_is_kept_between_runs_until_taken);
	tcase_add_test(tc, fault_says_where_and_what);
	suite_add_tcase(suite, tc);
	return suite;
}
