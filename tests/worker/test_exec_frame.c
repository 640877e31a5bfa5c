/*
 * test_exec_frame.c - holds worker/exec_frame.c: every frame as the page of the protocol has
 * it, and nothing that is none taken for one.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/suites.h"
#include "worker/exec_frame.h"

static struct exec_answer answer;
static char why[EXEC_ERROR];

static enum lts_err
parse(const char *line)
{
	return exec_frame_parse(line, strlen(line), &answer, why);
}

static void
take(const char *line)
{
	ck_assert_msg(parse(line) == LTS_OK, "%s: %s", line, why);
}

START_TEST(a_hello_grants_one_credit_and_any_size_unless_it_says_so)
{
	take("{\"type\":\"hello\",\"version\":1}");
	ck_assert_int_eq(answer.kind, EXEC_HELLO);
	ck_assert_uint_eq(answer.credits, 1);
	ck_assert_uint_eq(answer.max_bytes, UINT64_MAX);
	take(" { \"credits\" : 8, \"max_bytes\":65536, \"version\":1, \"type\":\"hello\" } \r");
	ck_assert_uint_eq(answer.credits, 8);
	ck_assert_uint_eq(answer.max_bytes, 65536);
}
END_TEST

START_TEST(an_ack_saves_only_when_it_says_so)
{
	take("{\"type\":\"ack\",\"id\":7}");
	ck_assert_int_eq(answer.kind, EXEC_ACK);
	ck_assert_uint_eq(answer.id, 7);
	ck_assert(!answer.save && !answer.persistent);
	take("{\"type\":\"ack\",\"id\":7,\"save\":true,\"persistent\":false}");
	ck_assert(answer.save && !answer.persistent);
	take("{\"type\":\"ack\",\"id\":7,\"persistent\":true}");
	ck_assert(answer.save && answer.persistent);
}
END_TEST

START_TEST(a_nack_has_an_error_that_is_made_printable_and_cut_between_characters)
{
	char line[700] = "{\"type\":\"nack\",\"id\":1,\"error\":\"x\\n\\u001b[1m";
	for (int i = 0; i < 150; i++)
		strncat(line, "\xc3\xa4", 3);
	strncat(line, "\"}", 3);
	take(line);
	ck_assert_int_eq(strncmp(answer.error, "x  [1m\xc3\xa4", 8), 0);
	ck_assert_uint_eq(strlen(answer.error), 198);
	ck_assert(!answer.has_index && !answer.later);
	take("{\"type\":\"nack\",\"id\":1,\"error\":\"\",\"index\":0,\"later\":true}");
	ck_assert(answer.has_index && answer.later);
}
END_TEST

START_TEST(a_rollback_names_a_cursor_and_progress_an_id)
{
	take("{\"type\":\"rollback\",\"id\":3,\"cursor\":\"1767322800000000001\"}");
	ck_assert_str_eq(answer.cursor.text, "1767322800000000001");
	take("{\"type\":\"progress\",\"id\":3}");
	ck_assert_int_eq(answer.kind, EXEC_PROGRESS);
}
END_TEST

static const char *const refused[] = {
	"",
	"ok",
	"7",
	"[]",
	"{}",
	"{\"type\":\"ack\"}",
	"{\"type\":\"ack\",\"id\":7",
	"{\"type\":\"ack\",\"id\":7}}",
	"{\"type\":\"ack\",\"id\":7}{\"type\":\"ack\",\"id\":8}",
	"{\"type\":\"ack\",\"id\":7,\"id\":8}",
	"{\"type\":\"ack\",\"type\":\"nack\",\"id\":7,\"error\":\"\"}",
	"{\"type\":\"ack\",\"id\":-1}",
	"{\"type\":\"ack\",\"id\":1.0}",
	"{\"type\":\"ack\",\"id\":1e3}",
	"{\"type\":\"ack\",\"id\":null}",
	"{\"type\":\"ack\",\"id\":12345678901234567}",
	"{\"type\":\"ack\",\"id\":7,\"save\":1}",
	"{\"type\":\"ack\",\"id\":7,\"index\":1}",
	"{\"type\":\"ack\",\"id\":7,\"Save\":true}",
	"{\"type\":\"Ack\",\"id\":7}",
	"{\"type\":[\"ack\"],\"id\":7}",
	"{\"type\":\"batch\",\"id\":7}",
	"{\"type\":\"nack\",\"id\":7}",
	"{\"type\":\"nack\",\"id\":7,\"error\":\"\",\"idx\":1}",
	"{\"type\":\"nack\",\"id\":7,\"error\":\"\",\"index\":\"one\"}",
	"{\"type\":\"rollback\",\"id\":7}",
	"{\"type\":\"rollback\",\"id\":7,\"cursor\":\"\"}",
	"{\"type\":\"rollback\",\"id\":7,\"cursor\":\"a\\\"b\"}",
	"{\"type\":\"hello\"}",
	"{\"type\":\"hello\",\"version\":2}",
	"{\"type\":\"hello\",\"version\":1,\"credits\":0}",
	"{\"type\":\"hello\",\"version\":1,\"credits\":65}",
	"{\"type\":\"hello\",\"version\":1,\"max_bytes\":0}",
	"\x01{\"type\":\"ack\",\"id\":7}",
};

START_TEST(what_is_no_frame_is_refused_with_a_reason_and_changes_nothing)
{
	memset(&answer, 0x55, sizeof(answer));
	struct exec_answer before = answer;
	why[0] = '\0';
	ck_assert_msg(parse(refused[_i]) == LTS_BADDATA, "taken: %s", refused[_i]);
	ck_assert_str_ne(why, "");
	ck_assert_int_eq(memcmp(&answer, &before, sizeof(answer)), 0);
}
END_TEST

START_TEST(a_line_above_the_limit_is_refused_one_at_it_is_taken)
{
	char *line = malloc(EXEC_LINE_MAX + 1);
	static const char ack[] = "{\"type\":\"ack\",\"id\":7}";
	memset(line, ' ', EXEC_LINE_MAX);
	memcpy(line, ack, sizeof(ack) - 1);
	ck_assert_int_eq(exec_frame_parse(line, EXEC_LINE_MAX - 1, &answer, why), LTS_OK);
	ck_assert_int_eq(exec_frame_parse(line, EXEC_LINE_MAX, &answer, why), LTS_BADDATA);
	free(line);
}
END_TEST

START_TEST(our_frames_are_as_the_page_has_them)
{
	struct shard_id shard = { "0" };
	struct cursor cursor = { "100" };
	struct piece piece = {
		.cursor = { "100" }, .next = { "200" }, .first = 5, .attempts = 2
	};
	struct buf out;
	buf_init(&out, 0);
	exec_frame_hello(&out, 1000, 300000);
	exec_frame_initialize(&out, 1, &shard, &cursor);
	exec_frame_batch(&out, 2, &shard, &piece, 3, 2, 40);
	exec_frame_checkpoint(&out, &shard, &cursor);
	exec_frame_flush(&out, &shard);
	exec_frame_lease_lost(&out, &shard);
	exec_frame_shutdown(&out, 3, &shard, PROCESSOR_FINISHED);
	ck_assert_str_eq(
		out.data,
		"{\"type\":\"hello\",\"version\":1,\"max_line\":4096,\"max_bytes\":1000,"
		"\"timeout_ms\":300000}\n"
		"{\"type\":\"initialize\",\"id\":1,\"shard\":\"0\",\"checkpoint\":\"100\"}\n"
		"{\"type\":\"batch\",\"id\":2,\"shard\":\"0\",\"cursor\":\"100\",\"next\":"
		"\"200\","
		"\"first\":8,\"count\":2,\"bytes\":40,\"attempts\":2}\n"
		"{\"type\":\"checkpoint\",\"shard\":\"0\",\"cursor\":\"100\"}\n"
		"{\"type\":\"flush\",\"shard\":\"0\"}\n"
		"{\"type\":\"lease_lost\",\"shard\":\"0\"}\n"
		"{\"type\":\"shutdown\",\"id\":3,\"shard\":\"0\",\"reason\":\"finished\"}\n");
	buf_fini(&out);
}
END_TEST

Suite *
suite_exec_frame(void)
{
	Suite *suite = suite_create("exec_frame");
	TCase *tc = tcase_create("exec_frame");
	tcase_add_test(tc, a_hello_grants_one_credit_and_any_size_unless_it_says_so);
	tcase_add_test(tc, an_ack_saves_only_when_it_says_so);
	tcase_add_test(tc, a_nack_has_an_error_that_is_made_printable_and_cut_between_characters);
	tcase_add_test(tc, a_rollback_names_a_cursor_and_progress_an_id);
	tcase_add_loop_test(tc, what_is_no_frame_is_refused_with_a_reason_and_changes_nothing, 0,
			    sizeof(refused) / sizeof(*refused));
	tcase_add_test(tc, a_line_above_the_limit_is_refused_one_at_it_is_taken);
	tcase_add_test(tc, our_frames_are_as_the_page_has_them);
	suite_add_tcase(suite, tc);
	return suite;
}
