/*
 * test_lts_wire_parse.c - the service's answers of every shape, right and wrong.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/lts_wire.h"
#include "tests/suites.h"

#define N_OF(list) (sizeof(list) / sizeof((list)[0]))

static struct buf body;
static struct lts_odd odd;

static void
setup(void)
{
	buf_init(&body, 0);
}

static void
teardown(void)
{
	buf_fini(&body);
}

static const struct buf *
text_body(const char *text)
{
	buf_clear(&body);
	ck_assert_int_eq(buf_put_text(&body, text), LTS_OK);
	return &body;
}

START_TEST(every_status_has_its_verdict)
{
	static const struct {
		int status;
		enum lts_err err;
	} table[] = {
		{ 200, LTS_OK },      { 204, LTS_OK },      { 400, LTS_INVALID },
		{ 401, LTS_DENIED },  { 403, LTS_DENIED },  { 404, LTS_NOTFOUND },
		{ 408, LTS_AGAIN },   { 409, LTS_GONE },    { 410, LTS_EXPIRED },
		{ 425, LTS_AGAIN },   { 429, LTS_AGAIN },   { 500, LTS_AGAIN },
		{ 502, LTS_AGAIN },   { 503, LTS_AGAIN },   { 599, LTS_AGAIN },
		{ 301, LTS_BADDATA }, { 302, LTS_BADDATA }, { 304, LTS_BADDATA },
		{ 413, LTS_BADDATA }, { 418, LTS_BADDATA }, { 600, LTS_BADDATA },
		{ 0, LTS_BADDATA },
	};
	for (size_t i = 0; i < N_OF(table); i++)
		ck_assert_int_eq(lts_wire_status_err(LTS_OP_BATCH, table[i].status),
				 table[i].err);
}
END_TEST

START_TEST(failed_write_may_have_been_stored)
{
	ck_assert_int_eq(lts_wire_status_err(LTS_OP_WRITE_CHECKPOINTS, 500), LTS_UNKNOWN);
	ck_assert_int_eq(lts_wire_status_err(LTS_OP_WRITE_CHECKPOINTS, 503), LTS_UNKNOWN);
	ck_assert_int_eq(lts_wire_status_err(LTS_OP_WRITE_CHECKPOINTS, 429), LTS_AGAIN);
	ck_assert_int_eq(lts_wire_status_err(LTS_OP_WRITE_CHECKPOINTS, 409), LTS_GONE);
}
END_TEST

START_TEST(code_says_more_than_a_status)
{
	static const struct {
		const char *code;
		int status;
		enum lts_err err, err_of_write;
	} table[] = {
		{ "LTS.0010", 400, LTS_AGAIN, LTS_UNKNOWN },
		{ "LTS.0201", 400, LTS_NOTFOUND, LTS_NOTFOUND },
		{ "LTS.0208", 400, LTS_NOTFOUND, LTS_NOTFOUND },
		{ "LTS.0208", 404, LTS_NOTFOUND, LTS_NOTFOUND },
		{ "APIGW.0301", 400, LTS_DENIED, LTS_DENIED },
		{ "APIGW.0308", 403, LTS_AGAIN, LTS_AGAIN },
		{ "LTS.0009", 400, LTS_INVALID, LTS_INVALID },
		{ "LTS.0201", 503, LTS_AGAIN, LTS_UNKNOWN }, /* it may have been stored */
		{ "LTS.0010", 200, LTS_OK, LTS_OK },
		{ "", 400, LTS_INVALID, LTS_INVALID },
	};
	for (size_t i = 0; i < N_OF(table); i++) {
		ck_assert_int_eq(lts_wire_code_err(LTS_OP_BATCH, table[i].status, table[i].code),
				 table[i].err);
		ck_assert_int_eq(lts_wire_code_err(LTS_OP_WRITE_CHECKPOINTS, table[i].status,
						   table[i].code),
				 table[i].err_of_write);
	}
}
END_TEST

START_TEST(shards_come_as_strings_or_integers)
{
	struct shard_id *list;
	size_t n;
	ck_assert_int_eq(
		lts_wire_parse_shards(text_body("[\"0\", 1, 1767322800000000001]"), &list, &n,
				      &odd),
		LTS_OK);
	ck_assert_uint_eq(n, 3);
	ck_assert_str_eq(list[0].text, "0");
	ck_assert_str_eq(list[1].text, "1");
	ck_assert_str_eq(list[2].text, "1767322800000000001");
	free(list);
	ck_assert_int_eq(lts_wire_parse_shards(text_body(" [ ] "), &list, &n, &odd), LTS_OK);
	ck_assert_uint_eq(n, 0);
	free(list);
}
END_TEST

START_TEST(shard_named_twice_stands_once)
{
	struct shard_id *list;
	size_t n;
	ck_assert_int_eq(lts_wire_parse_shards(text_body("[\"4\",4,\"5\"]"), &list, &n, &odd),
			 LTS_OK);
	ck_assert_uint_eq(n, 2);
	free(list);
}
END_TEST

static const char *const wrong_shards[] = {
	"",
	"{}",
	"\"0\"",
	"0",
	"<html></html>",
	"[\"0\"",
	"[\"0\"] x",
	"[[\"0\"]]",
	"[null]",
	"[true]",
	"[{\"shard_id\":\"0\"}]",
	"[\"a b\"]",
	"{\"shards\":[\"0\"]}",
	"[\"0\",01]",
	"[\"0\",\"\\x\"]",
};

START_TEST(wrong_shape_of_shards_is_refused)
{
	struct shard_id *list = NULL;
	size_t n = 77;
	for (size_t i = 0; i < N_OF(wrong_shards); i++)
		ck_assert_msg(lts_wire_parse_shards(text_body(wrong_shards[i]), &list, &n, &odd) ==
				      LTS_BADDATA,
			      "taken: %s", wrong_shards[i]);
	ck_assert_ptr_null(list);
	ck_assert_uint_eq(n, 77);
}
END_TEST

static const struct buf *
numbered_list(unsigned n)
{
	buf_clear(&body);
	for (unsigned i = 0; i < n; i++)
		ck_assert_int_eq(buf_printf(&body, "%c\"%u\"", i ? ',' : '[', i), LTS_OK);
	ck_assert_int_eq(buf_put_text(&body, "]"), LTS_OK);
	return &body;
}

START_TEST(number_of_shards_has_a_ceiling)
{
	struct shard_id *list;
	size_t n;
	ck_assert_int_eq(lts_wire_parse_shards(numbered_list(LTS_WIRE_SHARDS_MAX), &list, &n, &odd),
			 LTS_OK);
	ck_assert_uint_eq(n, LTS_WIRE_SHARDS_MAX);
	free(list);
	ck_assert_uint_eq(odd.count, 0);
	ck_assert_int_eq(
		lts_wire_parse_shards(numbered_list(LTS_WIRE_SHARDS_MAX + 1), &list, &n, &odd),
		LTS_BADDATA);
}
END_TEST

START_TEST(tree_of_100000_nodes_is_never_built)
{
	buf_clear(&body);
	ck_assert_int_eq(buf_put_text(&body, "[0"), LTS_OK);
	for (int i = 0; i < 100000; i++)
		ck_assert_int_eq(buf_put_text(&body, ",0"), LTS_OK);
	ck_assert_int_eq(buf_put_text(&body, "]"), LTS_OK);
	/* Any JSON would do here, but not that much of it. */
	ck_assert_int_eq(lts_wire_parse_written(&body), LTS_BADDATA);
}
END_TEST

START_TEST(deep_nesting_is_refused)
{
	struct shard_id *list;
	size_t n;
	buf_clear(&body);
	for (int i = 0; i < 100000; i++)
		ck_assert_int_eq(buf_put_text(&body, "["), LTS_OK);
	ck_assert_int_eq(lts_wire_parse_shards(&body, &list, &n, &odd), LTS_BADDATA);
}
END_TEST

START_TEST(checkpoints_keep_all_digits)
{
	struct lts_checkpoint *list;
	size_t n;
	const char *text =
		"[{\"shard_id\":\"0\",\"checkpoint\":1767322800000000001,"
		"\"update_time\":5,\"consumer_name\":\"host-1-0\"},"
		"{\"shard_id\":1,\"checkpoint\":\"9007199254740993\"},"
		"{\"shard_id\":\"2\",\"checkpoint\":\"\",\"consumer_name\":null},"
		"{\"shard_id\":\"3\",\"checkpoint\":null,\"consumer_name\":\"o ther\"}]";
	ck_assert_int_eq(lts_wire_parse_checkpoints(text_body(text), &list, &n, &odd), LTS_OK);
	ck_assert_uint_eq(n, 4);
	ck_assert_str_eq(list[0].cursor.text, "1767322800000000001");
	ck_assert_str_eq(list[0].writer.text, "host-1-0");
	ck_assert_str_eq(list[1].shard.text, "1");
	ck_assert_str_eq(list[1].cursor.text, "9007199254740993");
	ck_assert_str_eq(list[1].writer.text, "");
	ck_assert(cursor_is_none(&list[2].cursor));
	ck_assert(cursor_is_none(&list[3].cursor));
	ck_assert_str_eq(list[3].writer.text, "");
	free(list);
}
END_TEST

START_TEST(last_checkpoint_of_a_shard_counts)
{
	struct lts_checkpoint *list;
	size_t n;
	const char *text = "[{\"shard_id\":\"0\",\"checkpoint\":1},{\"shard_id\":0,"
			   "\"checkpoint\":2}]";
	ck_assert_int_eq(lts_wire_parse_checkpoints(text_body(text), &list, &n, &odd), LTS_OK);
	ck_assert_uint_eq(n, 1);
	ck_assert_str_eq(list[0].cursor.text, "2");
	free(list);
}
END_TEST

#define LONG_ID "0123456789012345678901234567890123456789012345678901234567890123"

/* What no shard of ours can be called, and what is no name at all. */
static const char *const odd_names[] = {
	"\"\"",
	"\"a b\"",
	"\"\t\"",
	"\"\\u0000\"",
	"\"" LONG_ID "\"",
	"\"\\ud83d\\ude00\"",
	"\"\xff\"",
	"\"x\\ud800y\"",
};
static const char *const no_names[] = { "null", "true", "{}", "[\"7\"]",
					"{\"shard_id\":\"7\"}" };

static size_t
parse_beside(const char *entry, const char *format)
{
	struct shard_id *list;
	size_t n;
	buf_clear(&body);
	ck_assert_int_eq(buf_printf(&body, format, entry), LTS_OK);
	ck_assert_msg(lts_wire_parse_shards(&body, &list, &n, &odd) == LTS_OK, "%s", entry);
	for (size_t i = 0; i < n; i++)
		ck_assert_str_eq(list[i].text, i ? "1" : "0");
	free(list);
	return n;
}

START_TEST(odd_shard_is_left_out_counted_and_named)
{
	for (size_t i = 0; i < N_OF(odd_names) + N_OF(no_names); i++) {
		size_t other = i - N_OF(odd_names);
		const char *entry = i < N_OF(odd_names) ? odd_names[i] : no_names[other];
		ck_assert_uint_eq(parse_beside(entry, "[\"0\",%s,\"1\"]"), 2);
		ck_assert_uint_eq(odd.count, 1);
		ck_assert_uint_gt(strlen(odd.first), 0);
	}
	ck_assert_uint_eq(parse_beside("1", "[\"0\",%s]"), 2);
	ck_assert_uint_eq(odd.count, 0);
}
END_TEST

START_TEST(null_is_an_empty_list)
{
	struct shard_id *shards;
	struct lts_checkpoint *checkpoints;
	size_t n = 7, m = 7;
	ck_assert_int_eq(lts_wire_parse_shards(text_body(" null "), &shards, &n, &odd), LTS_OK);
	ck_assert_int_eq(lts_wire_parse_checkpoints(&body, &checkpoints, &m, &odd), LTS_OK);
	ck_assert_uint_eq(n + m + odd.count, 0);
	free(shards);
	free(checkpoints);
}
END_TEST

START_TEST(odd_checkpoint_spoils_only_itself)
{
	struct lts_checkpoint *list;
	size_t n;
	for (size_t i = 0; i < N_OF(odd_names) + N_OF(no_names); i++) {
		bool named = i < N_OF(odd_names);
		buf_clear(&body);
		ck_assert_int_eq(buf_printf(&body,
					    "[{\"shard_id\":%s,\"checkpoint\":1},"
					    "{\"shard_id\":\"0\",\"checkpoint\":2}]",
					    named ? odd_names[i] : no_names[i - N_OF(odd_names)]),
				 LTS_OK);
		ck_assert_int_eq(lts_wire_parse_checkpoints(&body, &list, &n, &odd), LTS_OK);
		ck_assert_uint_eq(n, 1);
		ck_assert_str_eq(list[0].cursor.text, "2");
		ck_assert_uint_eq(odd.count, 1);
		ck_assert_int_eq(odd.nameless, !named);
		free(list);
	}
}
END_TEST

START_TEST(entry_that_may_be_of_any_shard_leaves_nobody_known_to_be_missing)
{
	static const char *const entries[] = {
		"null",  "\"0\"", "{}", "{\"checkpoint\":1}", "[]",
		"{\"shard_id\":\"0\",\"shard_id\":\"0\",\"checkpoint\":1}",
	};
	struct lts_checkpoint *list;
	size_t n;
	for (size_t i = 0; i < N_OF(entries); i++) {
		buf_clear(&body);
		ck_assert_int_eq(
			buf_printf(&body, "[%s,{\"shard_id\":7,\"checkpoint\":1}]", entries[i]),
			LTS_OK);
		ck_assert_int_eq(lts_wire_parse_checkpoints(&body, &list, &n, &odd), LTS_OK);
		ck_assert_uint_eq(n, 1);
		ck_assert_msg(odd.nameless && odd.count == 1, "%s", entries[i]);
		free(list);
	}
}
END_TEST

START_TEST(position_that_cannot_be_read_is_not_none)
{
	static const char *const positions[] = {
		"\"checkpoint\":{}", "\"checkpoint\":true", "\"checkpoint\":\"a b\"",
		"\"checkpoint\":1,\"checkpoint\":2", "\"checkpoint\":\"" LONG_ID "\"", "\"x\":1",
	};
	struct lts_checkpoint *list;
	size_t n;
	for (size_t i = 0; i < N_OF(positions); i++) {
		buf_clear(&body);
		ck_assert_int_eq(buf_printf(&body,
					    "[{\"shard_id\":\"0\",%s},"
					    "{\"shard_id\":7,\"checkpoint\":1}]",
					    positions[i]),
				 LTS_OK);
		ck_assert_int_eq(lts_wire_parse_checkpoints(&body, &list, &n, &odd), LTS_OK);
		ck_assert_uint_eq(n, 2);
		ck_assert_msg(list[0].unreadable && odd.count == 1, "%s", positions[i]);
		ck_assert(!odd.nameless);
		free(list);
	}
}
END_TEST

static const char *const wrong_checkpoints[] = {
	"", "{}", "0", "\"\"", "true", "[0", "[1]", "[null]", "[{\"shard_id\":\"..\"}]",
};

START_TEST(wrong_shape_of_checkpoints_is_refused)
{
	struct lts_checkpoint *list = NULL;
	size_t n;
	for (size_t i = 0; i < N_OF(wrong_checkpoints); i++)
		ck_assert_msg(lts_wire_parse_checkpoints(text_body(wrong_checkpoints[i]), &list,
							 &n, &odd) == LTS_BADDATA,
			      "taken: %s", wrong_checkpoints[i]);
	ck_assert_ptr_null(list);
}
END_TEST

START_TEST(cursor_comes_as_string_or_integer)
{
	struct cursor cursor;
	ck_assert_int_eq(lts_wire_parse_cursor(text_body("{\"cursor\":\"MTc2\"}"), &cursor),
			 LTS_OK);
	ck_assert_str_eq(cursor.text, "MTc2");
	ck_assert_int_eq(
		lts_wire_parse_cursor(text_body("{\"cursor\":1767322800000000001}"), &cursor),
		LTS_OK);
	ck_assert_str_eq(cursor.text, "1767322800000000001");
}
END_TEST

START_TEST(wrong_shape_of_cursor_is_refused)
{
	static const char *const wrong[] = {
		"",
		"[]",
		"{}",
		"\"1\"",
		"1",
		"{\"cursor\":\"\"}",
		"{\"cursor\":null}",
		"{\"cursor\":[1]}",
		"{\"cursor\":\"a b\"}",
		"{\"cursor\":\"1\",\"cursor\":\"2\"}",
		"<html>",
	};
	struct cursor cursor = { "kept" };
	for (size_t i = 0; i < N_OF(wrong); i++)
		ck_assert_msg(lts_wire_parse_cursor(text_body(wrong[i]), &cursor) == LTS_BADDATA,
			      "taken: %s", wrong[i]);
	ck_assert_str_eq(cursor.text, "kept");
}
END_TEST

START_TEST(answer_to_a_write_may_be_any_json_or_nothing)
{
	ck_assert_int_eq(lts_wire_parse_written(text_body("")), LTS_OK);
	ck_assert_int_eq(lts_wire_parse_written(text_body("{}")), LTS_OK);
	ck_assert_int_eq(lts_wire_parse_written(text_body("\"ok\"")), LTS_OK);
	ck_assert_int_eq(lts_wire_parse_written(text_body("<html></html>")), LTS_BADDATA);
	ck_assert_int_eq(lts_wire_parse_written(text_body("success")), LTS_BADDATA);
	ck_assert_int_eq(lts_wire_parse_written(text_body("{\"errorCode\":\"LTS.0010\"}")),
			 LTS_BADDATA);
}
END_TEST

START_TEST(every_shape_of_error_is_read)
{
	static const struct {
		const char *body, *code, *message;
	} table[] = {
		{ "{\"error_code\":\"LTS.0002\",\"error_msg\":\"no\"}", "LTS.0002", "no" },
		{ "{\"errorCode\":\"LTS.0010\",\"errorMessage\":\"oh\"}", "LTS.0010", "oh" },
		{ "{\"message\":{\"code\":\"LTS.0203\",\"details\":\"gone\"}}", "LTS.0203",
		  "gone" },
		{ "{\"error_msg\":\"bad\",\"error_code\":\"APIGW.0301\",\"request_id\":"
		  "\"r\"}",
		  "APIGW.0301", "bad" },
		{ "{\"error_code\":7}", "7", "" },
		{ "{\"message\":\"plain\"}", "", "plain" },
		{ "{\"error_code\":\"A\\nB\",\"error_msg\":\"\\u00e9\"}", "A?B", "??" },
		{ "{\"error_code\":null,\"message\":{}}", "", "" },
		{ "[]", "", "" },
		{ "<html>502</html>", "", "" },
		{ "", "", "" },
	};
	for (size_t i = 0; i < N_OF(table); i++) {
		char code[32], message[256];
		lts_wire_parse_error(text_body(table[i].body), code, sizeof(code), message,
				     sizeof(message));
		ck_assert_str_eq(code, table[i].code);
		ck_assert_str_eq(message, table[i].message);
	}
}
END_TEST

START_TEST(long_error_is_cut)
{
	char code[8], message[8];
	lts_wire_parse_error(
		text_body("{\"error_code\":\"0123456789\",\"error_msg\":\"abcdefghij\"}"), code,
		sizeof(code), message, sizeof(message));
	ck_assert_str_eq(code, "0123456");
	ck_assert_str_eq(message, "abcdefg");
}
END_TEST

Suite *
suite_lts_wire_parse(void)
{
	Suite *suite = suite_create("lts_wire_parse");
	TCase *tc = tcase_create("answers");
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, every_status_has_its_verdict);
	tcase_add_test(tc, failed_write_may_have_been_stored);
	tcase_add_test(tc, code_says_more_than_a_status);
	tcase_add_test(tc, shards_come_as_strings_or_integers);
	tcase_add_test(tc, odd_shard_is_left_out_counted_and_named);
	tcase_add_test(tc, null_is_an_empty_list);
	tcase_add_test(tc, shard_named_twice_stands_once);
	tcase_add_test(tc, wrong_shape_of_shards_is_refused);
	tcase_add_test(tc, number_of_shards_has_a_ceiling);
	tcase_add_test(tc, tree_of_100000_nodes_is_never_built);
	tcase_add_test(tc, deep_nesting_is_refused);
	tcase_add_test(tc, checkpoints_keep_all_digits);
	tcase_add_test(tc, last_checkpoint_of_a_shard_counts);
	tcase_add_test(tc, odd_checkpoint_spoils_only_itself);
	tcase_add_test(tc, entry_that_may_be_of_any_shard_leaves_nobody_known_to_be_missing);
	tcase_add_test(tc, position_that_cannot_be_read_is_not_none);
	tcase_add_test(tc, wrong_shape_of_checkpoints_is_refused);
	tcase_add_test(tc, cursor_comes_as_string_or_integer);
	tcase_add_test(tc, wrong_shape_of_cursor_is_refused);
	tcase_add_test(tc, answer_to_a_write_may_be_any_json_or_nothing);
	tcase_add_test(tc, every_shape_of_error_is_read);
	tcase_add_test(tc, long_error_is_cut);
	suite_add_tcase(suite, tc);
	return suite;
}
