/*
 * test_batch_sift.c - one bad record spoils only itself, and only where its ends are certain.
 *
 * Every body lies in memory of exactly its length.
 */
#include "worker/batch_sift.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/xalloc.h"
#include "tests/suites.h"
#include "tests/worker/random_batch.h"

#define BODY(logs) "{\"count\":3,\"next\":\"7\",\"logs\":[" logs "]}"
#define GOOD "{\"labels\":{\"n\":1}}"
#define LOG(labels) "{\"labels\":" labels "}"

static struct batch_sift sift;
static char *body;

static void
teardown(void)
{
	batch_sift_fini(&sift);
	free(body);
	body = NULL;
}

static enum lts_err
run_bytes(const char *text, size_t len)
{
	teardown();
	body = xmalloc(len ? len : 1);
	memcpy(body, text, len);
	enum lts_err err = batch_sift_run(body, len, &sift);
	if (err)
		ck_assert_mem_eq(body, text, len);
	return err;
}

static enum lts_err
run(const char *text)
{
	return run_bytes(text, strlen(text));
}

static void
expect(size_t i, const char *text, size_t len)
{
	ck_assert_uint_lt(i, sift.n_records);
	ck_assert_uint_eq(sift.records[i].len, len);
	ck_assert_mem_eq(sift.records[i].text, text, len);
}

/* What a record's value may be, and its letter hold; none has a NUL but the marked ones. */
static const char *const bad_values[] = {
	"\"\xff\"", "\"\xc0\xaf\"", "\"\xc0\xa2\"", "\"\xe4\"", "\"\xe4\xb8\"", "\"\xed\xa0\x80\"",
	"\"\xf4\x90\x80\x80\"", "\"a\x01z\"", "\"a\nb\"", "\"a\r\nb\"", "\"\t\"", "\"\x1f\"",
	"\"\\x41\"", "\"\\u12\"", "\"\\u\"", "\"\\uD8\"", "\"\\ud83d\\uZZZZ\"", "\"\\'\"",
	"\"}},{\\\"\xff\"", "\"[[[{{\x02\"", "01", "1.", "+1", ".5", "1e", "NaN", "-Infinity",
	"0x1F", "True", "None", "nul", "1_000", "'x'", "1,", "", "[1,,2]", "[,]", "{,}",
	"{\"a\":}", "{b:1}", "1\x01", "\x7f" "1",
};

START_TEST(bad_record_is_cut_out_and_its_neighbours_are_whole)
{
	struct buf text, record;
	buf_init(&text, 0);
	buf_init(&record, 0);
	for (size_t i = 0; i < sizeof(bad_values) / sizeof(bad_values[0]); i++) {
		buf_clear(&text);
		buf_clear(&record);
		ck_assert(!buf_printf(&record, "{\"log_content\":%s}", bad_values[i]));
		ck_assert(!buf_printf(&text, BODY(GOOD ",{\"labels\":%s,\"t\":1}," GOOD),
				      record.data));
		ck_assert_msg(run(text.data) == LTS_OK, "%s", record.data);
		ck_assert_uint_eq(sift.n_records, 3);
		expect(0, "{\"n\":1}", 7);
		expect(1, record.data, record.len);
		expect(2, "{\"n\":1}", 7);
		ck_assert_uint_eq(sift.n_bad, 1);
		ck_assert_uint_eq(sift.bad[0].index, 1);
		ck_assert_ptr_nonnull(sift.bad[0].expected);
		ck_assert_uint_le(sift.bad[0].offset, record.len);
		ck_assert(sift.whole);
		ck_assert_str_eq(sift.next.text, "7");
	}
	buf_fini(&record);
	buf_fini(&text);
}
END_TEST

START_TEST(nul_bytes_are_bad_and_end_nothing)
{
	static const char in_string[] = BODY(LOG("{\"a\":\"\0\"}") "," GOOD "," GOOD);
	static const char between[] = BODY(LOG("{\"a\":1\0}") "," GOOD "," GOOD);
	ck_assert(!run_bytes(in_string, sizeof(in_string) - 1));
	ck_assert_uint_eq(sift.n_bad, 1);
	expect(0, "{\"a\":\"\0\"}", 9);
	ck_assert(!run_bytes(between, sizeof(between) - 1));
	ck_assert_uint_eq(sift.n_bad, 1);
	expect(0, "{\"a\":1\0}", 8);
}
END_TEST

START_TEST(nesting_of_any_depth_is_one_bad_record)
{
	static const size_t depths[] = { 125, 5000, 1000000 };
	for (size_t i = 0; i < 3; i++) {
		struct buf text;
		buf_init(&text, 0);
		ck_assert(!buf_put_text(&text, "{\"logs\":[" GOOD ",{\"labels\":{\"a\":"));
		for (size_t n = 0; n < depths[i]; n++)
			ck_assert(!buf_put_text(&text, n % 2 ? "{\"b\":" : "["));
		for (size_t n = depths[i]; n; n--)
			ck_assert(!buf_put_text(&text, n % 2 ? "]" : "}"));
		ck_assert(!buf_put_text(&text, "}}," GOOD "]}"));
		ck_assert_int_eq(run(text.data), LTS_OK);
		ck_assert_uint_eq(sift.n_records, 3);
		ck_assert_uint_eq(sift.n_bad, 1);
		ck_assert_str_eq(sift.bad[0].expected, "nesting of at most 128");
		expect(2, "{\"n\":1}", 7);
		buf_fini(&text);
	}
}
END_TEST

/* In place of a log between two good ones. */
static const struct {
	const char *log, *record; /* NULL: it is good, and empty */
} odd_logs[] = {
	{ "{}", NULL },
	{ "null", NULL },
	{ LOG("null"), NULL },
	{ "{\"labels\":null,\"t\":\"\xff\"}", NULL },
	{ "1", "1" },
	{ "\"text\"", "\"text\"" },
	{ "[{}]", "[{}]" },
	{ "true", "true" },
	{ "{\"content\":\"x\"}", "{\"content\":\"x\"}" },
	{ "{\"lab\xffls\":{}}", "{\"lab\xffls\":{}}" },
	{ LOG("[]"), LOG("[]") },
	{ LOG("\"{}\""), LOG("\"{}\"") },
	{ LOG("0"), LOG("0") },
	{ LOG("nul"), LOG("nul") },
	{ "{\"labels\":{},\"labels\":{}}", "{\"labels\":{},\"labels\":{}}" },
	{ "{\"labels\":{},\"l\\u0061bels\":null}", "{\"labels\":{},\"l\\u0061bels\":null}" },
};

START_TEST(log_without_a_record_is_one_bad_record_and_an_empty_one_is_empty)
{
	char text[300];
	for (size_t i = 0; i < sizeof(odd_logs) / sizeof(odd_logs[0]); i++) {
		const char *record = odd_logs[i].record;
		snprintf(text, sizeof(text), BODY(GOOD ",%s,{\"labels\":{\"a\":\"\xff\"}}"),
			 odd_logs[i].log);
		ck_assert_msg(run(text) == LTS_OK, "%s", text);
		ck_assert_uint_eq(sift.n_records, 3);
		ck_assert_uint_eq(sift.n_bad, record ? 2 : 1);
		ck_assert_uint_eq(sift.bad[0].index, record ? 1 : 2);
		expect(1, record ? record : "{}", record ? strlen(record) : 2);
		ck_assert(sift.whole);
	}
}
END_TEST

/* Where one end could be another. */
static const char *const uncertain[] = {
	LOG("{\"a\":\"x}") "," GOOD,
	LOG("{\"a\":\"x\"y\"}") "," GOOD,
	LOG("{\"a\":\"x\"y\"z\"}") "," GOOD,
	LOG("{\"a\":\"x\"y}") "," LOG("{\"a\":\"x\"y}"),
	LOG("{\"a\":\"C:\\\"}") "," GOOD,
	LOG("{\"a\":[1}") "," GOOD,
	LOG("{\"a\":[1}]") "," GOOD,
	LOG("{\"a\":1]}") "," GOOD,
	LOG("{\"a\":1}}") "," GOOD,
	LOG("{\"a\":{}") "," GOOD,
	LOG("{\"a\" 1}") "," GOOD,
	LOG("{\"a\"}") "," GOOD,
	LOG("{\"a\":1 2}") "," GOOD,
	LOG("{\"a\":1 \"b\":2}") "," GOOD,
	LOG("{\"a\":'x \" y'}") "," GOOD,
	LOG("{[1]}") "," GOOD,
	LOG("") "," GOOD,
	LOG("{:1}") "," GOOD,
	LOG("{\"a\":\"\xff\"}") " " GOOD,
	LOG("{\"a\":\"\xff\"}") "," GOOD ",",
	LOG("{\"a\":\"\xff\"}") ",," GOOD,
	"," LOG("{\"a\":\"\xff\"}"),
	LOG("{\"a\":\"\xff\"},") "," GOOD,
	"{\"labels\" {\"a\":\"\xff\"}}," GOOD,
};

START_TEST(record_without_certain_ends_spoils_the_answer)
{
	char text[300];
	for (size_t i = 0; i < sizeof(uncertain) / sizeof(uncertain[0]); i++) {
		snprintf(text, sizeof(text), "{\"next\":7,\"logs\":[%s]}", uncertain[i]);
		ck_assert_msg(run(text) == LTS_BADDATA, "%s", text);
	}
}
END_TEST

#define BAD LOG("{\"a\":\"\xff\"}")

static const char *const no_envelopes[] = {
	"{\"logs\":[" BAD "]}x",
	"{\"logs\":[" BAD "]},",
	"{\"logs\":[" BAD "]",
	"{\"logs\":[" BAD "}",
	"[{\"logs\":[" BAD "]}]",
	"\xef\xbb\xbf{\"logs\":[" BAD "]}",
	"{\"logs\":[" BAD "],\"logs\":[]}",
	"{\"next\":1,\"logs\":[" BAD "],\"next\":1}",
	"{\"count\":1,\"logs\":[" BAD "],\"count\":1}",
	"{\"next\":01,\"logs\":[" BAD "]}",
	"{\"count\":,\"logs\":[" BAD "]}",
	"{\"next\":\"\xff\",\"logs\":[" BAD "]}",
	"{\"next\":-1,\"logs\":[" BAD "]}",
	"{\"next\":[],\"logs\":[" BAD "]}",
	"{\"logs\":{\"a\":\"\xff\"}}",
	"{\"x\":\"\xff\"}",
	"{\"x\":\"\xff\",\"logs\":null}",
	"{\"count\":1,\"logs\":[]}",
	"{\"count\":1}",
	"{\"count\":\"0\",\"logs\":[]}",
	"{\"count\":-1,\"logs\":null}",
};

START_TEST(envelope_must_be_read_to_its_end)
{
	static const char body_text[] = BODY(GOOD "," BAD "," GOOD);
	for (size_t i = 0; i < sizeof(no_envelopes) / sizeof(no_envelopes[0]); i++)
		ck_assert_msg(run(no_envelopes[i]) == LTS_BADDATA, "%s", no_envelopes[i]);
	for (size_t len = 0; len < sizeof(body_text) - 1; len++)
		ck_assert_msg(run_bytes(body_text, len) == LTS_BADDATA, "%zu", len);
	ck_assert(!run(body_text));
}
END_TEST

/* What is not the records' is no reason to lose them; but then more than a record is bad. */
static const char *const odd_bodies[] = {
	"{\"count\":2,\"logs\":[" GOOD "]}",
	"{\"count\":0,\"logs\":[" GOOD "]}",
	"{\"count\":-1,\"logs\":[" GOOD "]}",
	"{\"count\":\"1\",\"logs\":[" GOOD "]}",
	"{\"count\":7,\"logs\":[" BAD "]}",
	"{\"message\":\"\xff\",\"logs\":[" GOOD "]}",
	"{\"m\xff\":1,\"logs\":[" GOOD "]}",
	"{\"logs\":[{\"t\":01,\"labels\":{}}]}",
	"{\"logs\":[\x01" GOOD "]}",
	"{\"logs\":[],\"x\":01}",
};

START_TEST(body_that_is_odd_elsewhere_is_read_and_not_whole)
{
	for (size_t i = 0; i < sizeof(odd_bodies) / sizeof(odd_bodies[0]); i++) {
		ck_assert_msg(run(odd_bodies[i]) == LTS_OK, "%s", odd_bodies[i]);
		ck_assert(!sift.whole);
	}
}
END_TEST

START_TEST(line_breaks_between_the_tokens_of_good_records_only_become_spaces)
{
	ck_assert(!run("{\"logs\":[{\"labels\":{\n\"a\"\r\n:1}},{\"labels\":{\n\"a\":\"\n\"}}]}"));
	expect(0, "{ \"a\"  :1}", 10);
	expect(1, "{\n\"a\":\"\n\"}", 10);
}
END_TEST

static void
expect_as_scanned(const struct batch_view *view)
{
	ck_assert_uint_eq(sift.n_bad, 0);
	ck_assert_uint_eq(sift.n_records, view->n_records);
	ck_assert(cursor_equal(&sift.next, &view->next));
	for (size_t i = 0; i < view->n_records; i++)
		expect(i, view->records[i].text, view->records[i].len);
}

/* A record that the sieve calls good is one for the scanner, alone. */
static void
expect_good_ones_are(struct batch_scan *scan)
{
	struct batch_view view;
	struct batch_fault fault;
	size_t bad = 0;
	for (size_t i = 0; i < sift.n_records; i++) {
		struct buf text;
		buf_init(&text, 0);
		bool is_bad = bad < sift.n_bad && sift.bad[bad].index == i;
		bad += is_bad;
		ck_assert(!buf_put_text(&text, "{\"logs\":[{\"labels\":"));
		ck_assert(!buf_put(&text, sift.records[i].text, sift.records[i].len));
		ck_assert(!buf_put_text(&text, "}]}"));
		enum lts_err err = batch_scan_run(scan, text.data, text.len, &fault, &view);
		if (!is_bad)
			ck_assert_msg(!err && view.n_records == 1, "%s", text.data);
		buf_fini(&text);
	}
	ck_assert_uint_eq(bad, sift.n_bad);
}

START_TEST(whatever_the_scanner_takes_the_sieve_takes_the_same)
{
	struct batch_scan scan;
	uint64_t state = 5;
	batch_scan_init(&scan);
	unsigned taken = 0, sifted = 0;
	for (int i = 0; i < 20000; i++) {
		struct batch_view view;
		struct batch_fault fault;
		struct buf text;
		buf_init(&text, 0);
		random_batch_put(&text, &state);
		for (size_t n = random_below(&state, 3); n; n--)
			random_batch_mutate(&text, &state);
		char *scanned = xmalloc(text.len + 1);
		memcpy(scanned, text.data, text.len);
		enum lts_err err = run_bytes(text.data, text.len);
		if (!batch_scan_run(&scan, scanned, text.len, &fault, &view)) {
			ck_assert_msg(!err, "%.*s", (int)text.len, text.data);
			expect_as_scanned(&view);
			taken++;
		} else if (!err) {
			expect_good_ones_are(&scan);
			sifted++;
		}
		free(scanned);
		buf_fini(&text);
	}
	batch_scan_fini(&scan);
	ck_assert_uint_gt(taken, 1000);
	ck_assert_uint_gt(sifted, 1000);
}
END_TEST

Suite *
suite_batch_sift(void)
{
	Suite *suite = suite_create("batch_sift");
	TCase *tc = tcase_create("bodies");
	tcase_add_checked_fixture(tc, NULL, teardown);
	tcase_add_test(tc, bad_record_is_cut_out_and_its_neighbours_are_whole);
	tcase_add_test(tc, nul_bytes_are_bad_and_end_nothing);
	tcase_add_test(tc, nesting_of_any_depth_is_one_bad_record);
	tcase_add_test(tc, log_without_a_record_is_one_bad_record_and_an_empty_one_is_empty);
	tcase_add_test(tc, record_without_certain_ends_spoils_the_answer);
	tcase_add_test(tc, envelope_must_be_read_to_its_end);
	tcase_add_test(tc, body_that_is_odd_elsewhere_is_read_and_not_whole);
	tcase_add_test(tc, line_breaks_between_the_tokens_of_good_records_only_become_spaces);
	tcase_add_test(tc, whatever_the_scanner_takes_the_sieve_takes_the_same);
	suite_add_tcase(suite, tc);
	return suite;
}
