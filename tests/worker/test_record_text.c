/*
 * test_record_text.c - what a sink writes for a record.
 */
#include "worker/record_text.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/xalloc.h"

static struct buf out;

static void
setup(void)
{
	buf_init(&out, 0);
}

static void
teardown(void)
{
	buf_fini(&out);
}

/* The record in memory of exactly its length. */
static enum lts_err
put(const char *text, enum record_format format)
{
	size_t len = strlen(text);
	char *copy = xmalloc(len ? len : 1);
	memcpy(copy, text, len);
	enum lts_err err = record_text_put(&(struct record){ copy, len }, format, &out);
	free(copy);
	return err;
}

/* len 0: strlen. */
static const struct {
	const char *record, *line;
	size_t len;
} kept[] = {
	{ "{\"log_content\":\"plain\"}", "plain\n", 0 },
	{ "{\"a\":1,\"log_content\":\"x\",\"b\":{\"log_content\":\"y\"}}", "x\n", 0 },
	{ "{\"log_content\":\"\"}", "\n", 0 },
	{ "{ \"log_content\" : \"x\" }", "x\n", 0 },
	{ "{\"log\\u005fcontent\":\"x\"}", "x\n", 0 },
	{ "{\"log_content\":\"first\",\"log_content\":\"last\"}", "last\n", 0 },
	{ "{\"log_content\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"}", "\"\\/\b\f\n\r\t\n", 0 },
	{ "{\"log_content\":\"a\\u0041\\u00e9\\u20AC\\uD834\\udd1e\"}",
	  "aA\xc3\xa9\xe2\x82\xac\xf0\x9d\x84\x9e\n", 0 },
	{ "{\"log_content\":\"\\uffff\\u07ff\\u0800\\u007f\\u0080\"}",
	  "\xef\xbf\xbf\xdf\xbf\xe0\xa0\x80\x7f\xc2\x80\n", 0 },
	{ "{\"log_content\":\"\\udbff\\udfff\\ud800\\udc00\"}",
	  "\xf4\x8f\xbf\xbf\xf0\x90\x80\x80\n", 0 },
	{ "{\"log_content\":\"\xe4\xb8\xad\\t\xe6\x96\x87\"}", "\xe4\xb8\xad\t\xe6\x96\x87\n",
	  0 },
	{ "{\"log_content\":\"<\\ud800>\"}", "<\xef\xbf\xbd>\n", 0 },
	{ "{\"log_content\":\"\\ud800\"}", "\xef\xbf\xbd\n", 0 },
	{ "{\"log_content\":\"<\\udc00>\"}", "<\xef\xbf\xbd>\n", 0 },
	{ "{\"log_content\":\"\\ud800\\ud834\\udd1e\"}", "\xef\xbf\xbd\xf0\x9d\x84\x9e\n", 0 },
	{ "{\"log_content\":\"\\ud800\\ue000\\udc00\"}", "\xef\xbf\xbd\xee\x80\x80\xef\xbf\xbd\n",
	  0 },
	{ "{\"log_content\":\"\\ud800\\u0041\"}",
	  "\xef\xbf\xbd"
	  "A\n",
	  0 },
	{ "{\"log_content\":\"\\ud800\\n\"}", "\xef\xbf\xbd\n\n", 0 },
	{ "{\"log_content\":\"a\\u0000b\"}", "a\0b\n", 4 },
	{ "{\"log_content\":12.50}", "12.50\n", 0 },
	{ "{\"log_content\":null}", "null\n", 0 },
	{ "{\"log_content\": {\"a\": [1, \"\\n\"]} }", "{\"a\": [1, \"\\n\"]}\n", 0 },
	{ "{}", "{}\n", 0 },
	{ "{\"Log_content\":\"x\",\"a\":[{\"log_content\":1}]}",
	  "{\"Log_content\":\"x\",\"a\":[{\"log_content\":1}]}\n", 0 },
};

START_TEST(content_is_what_log_content_says)
{
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		size_t len = kept[i].len ? kept[i].len : strlen(kept[i].line);
		buf_clear(&out);
		ck_assert(!put(kept[i].record, RECORD_CONTENT_KEEP));
		ck_assert_msg(out.len == len && memcmp(out.data, kept[i].line, len) == 0,
			      "%s -> %s", kept[i].record, out.data);
	}
}
END_TEST

/* What any reader of the lines does to get the text back. */
static size_t
undo(const char *line, size_t len, char *to)
{
	size_t n = 0;
	for (size_t i = 0; i < len; i++) {
		ck_assert(line[i] != '\n' && line[i] != '\r');
		char c = line[i];
		if (c == '\\') {
			c = line[++i];
			ck_assert(c == 'n' || c == 'r' || c == '\\');
			c = (char)(c == 'n' ? '\n' : c == 'r' ? '\r' : c);
		}
		to[n++] = c;
	}
	return n;
}

START_TEST(escaped_content_is_one_line_and_comes_back_whole)
{
	char text[100];
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		size_t len = kept[i].len ? kept[i].len : strlen(kept[i].line);
		buf_clear(&out);
		ck_assert(!put(kept[i].record, RECORD_CONTENT));
		ck_assert_int_eq(out.data[out.len - 1], '\n');
		size_t n = undo(out.data, out.len - 1, text);
		ck_assert_uint_eq(n, len - 1);
		ck_assert_mem_eq(text, kept[i].line, n);
	}
	buf_clear(&out);
	ck_assert(!put("{\"log_content\":\"a\\nb\\\\n\\r\\n\"}", RECORD_CONTENT));
	ck_assert_str_eq(out.data, "a\\nb\\\\n\\r\\n\n");
}
END_TEST

START_TEST(nul_ends_a_record_and_stands_in_none)
{
	for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
		buf_clear(&out);
		ck_assert(!put(kept[i].record, RECORD_CONTENT_NUL));
		ck_assert_uint_eq(strlen(out.data), out.len - 1);
		if (!kept[i].len)
			ck_assert_mem_eq(out.data, kept[i].line, out.len - 1);
	}
	buf_clear(&out);
	ck_assert(!put("{\"log_content\":\"\\u0000a\\n\\u0000\"}", RECORD_CONTENT_NUL));
	ck_assert_str_eq(out.data, "\xef\xbf\xbd"
				   "a\n\xef\xbf\xbd");
}
END_TEST

START_TEST(escapes_that_do_not_fit_leave_nothing_behind)
{
	buf_fini(&out);
	buf_init(&out, 13);
	ck_assert(!put("{}", RECORD_LABELS));
	ck_assert_int_eq(put("{\"\\n\":1}", RECORD_CONTENT), LTS_OK);
	ck_assert_str_eq(out.data, "{}\n{\"\\\\n\":1}\n");
	out.len = 3;
	ck_assert_int_eq(put("{\"a\\n\":1}", RECORD_CONTENT), LTS_TOOBIG);
	ck_assert_uint_eq(out.len, 3);
	ck_assert(!put("{\"a\\n\":1}", RECORD_CONTENT_KEEP));
	ck_assert_uint_eq(out.len, 13);
}
END_TEST

START_TEST(labels_are_the_text_itself)
{
	ck_assert(!put("{\"log_content\":\"a\\n\", \"b\":1}", RECORD_LABELS));
	ck_assert(!put("{}", RECORD_LABELS));
	ck_assert_str_eq(out.data, "{\"log_content\":\"a\\n\", \"b\":1}\n{}\n");
}
END_TEST

START_TEST(what_does_not_fit_leaves_nothing_behind)
{
	buf_fini(&out);
	buf_init(&out, 8);
	ck_assert(!put("{}", RECORD_LABELS));
	ck_assert_int_eq(put("{\"a\":1}", RECORD_LABELS), LTS_TOOBIG);
	ck_assert_int_eq(put("{\"a\":1}", RECORD_CONTENT), LTS_TOOBIG);
	ck_assert_int_eq(put("{\"log_content\":\"12345\"}", RECORD_CONTENT), LTS_TOOBIG);
	ck_assert_str_eq(out.data, "{}\n");
	ck_assert(!put("{\"log_content\":\"1234\"}", RECORD_CONTENT));
	ck_assert_str_eq(out.data, "{}\n1234\n");
}
END_TEST

START_TEST(content_of_no_object_is_refused)
{
	static const char *const records[] = { "",
					       "1",
					       "[]",
					       "{",
					       "{\"log_content\":\"x",
					       "{}}",
					       "{\"a\":01}",
					       "{\"log_content\":\"\\u12\"}" };
	for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
		ck_assert_int_eq(put(records[i], RECORD_CONTENT), LTS_BADDATA);
		ck_assert_uint_eq(out.len, 0);
	}
}
END_TEST

START_TEST(iov_writes_the_same_as_put)
{
	const struct record records[] = { { "{\"a\":1}", 7 },
					  { "{}", 2 },
					  { "{\"b\":\"c\"}", 9 } };
	struct iovec iov[6];
	int ends[2];
	char got[64];
	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_uint_eq(record_text_iov(records, 3, iov, 6), 3);
	ssize_t written = writev(ends[1], iov, 6);
	ck_assert_int_eq(written, 7 + 2 + 9 + 3);
	ck_assert_int_eq(read(ends[0], got, sizeof(got)), written);
	for (size_t i = 0; i < 3; i++)
		ck_assert(!record_text_put(&records[i], RECORD_LABELS, &out));
	ck_assert_uint_eq(out.len, (size_t)written);
	ck_assert_mem_eq(got, out.data, out.len);
	close(ends[0]);
	close(ends[1]);
}
END_TEST

START_TEST(iov_takes_whole_records_only)
{
	const struct record records[] = { { "{}", 2 }, { "{}", 2 } };
	struct iovec iov[4] = { [2] = { .iov_len = 77 } };
	ck_assert_uint_eq(record_text_iov(records, 2, iov, 0), 0);
	ck_assert_uint_eq(record_text_iov(records, 2, iov, 1), 0);
	ck_assert_uint_eq(record_text_iov(records, 2, iov, 3), 1);
	ck_assert_uint_eq(iov[2].iov_len, 77);
	ck_assert_uint_eq(record_text_iov(records, 2, iov, 4), 2);
	ck_assert_uint_eq(record_text_iov(NULL, 0, iov, 4), 0);
}
END_TEST

Suite *suite_record_text(void);

Suite *
suite_record_text(void)
{
	Suite *suite = suite_create("record_text");
	TCase *tc = tcase_create("formats");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, content_is_what_log_content_says);
	tcase_add_test(tc, escaped_content_is_one_line_and_comes_back_whole);
	tcase_add_test(tc, nul_ends_a_record_and_stands_in_none);
	tcase_add_test(tc, escapes_that_do_not_fit_leave_nothing_behind);
	tcase_add_test(tc, labels_are_the_text_itself);
	tcase_add_test(tc, what_does_not_fit_leaves_nothing_behind);
	tcase_add_test(tc, content_of_no_object_is_refused);
	tcase_add_test(tc, iov_writes_the_same_as_put);
	tcase_add_test(tc, iov_takes_whole_records_only);
	suite_add_tcase(suite, tc);
	return suite;
}
