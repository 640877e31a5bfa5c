/*
 * test_lts_api.c - the five requests against a scripted far end: what each answer means.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <stdio.h>

#include "common/clock.h"
#include "tests/suites.h"
#include "tests/support/api_bed.h"

#define N_OF(list) (sizeof(list) / sizeof((list)[0]))
#define HTTP_200(len, body) "HTTP/1.1 200 OK\r\nContent-Length: " #len "\r\n\r\n" body

static struct api_bed bed;

static void
setup(void)
{
	api_bed_init(&bed);
}

static void
teardown(void)
{
	api_bed_fini(&bed);
}

static void
assert_sent(size_t n, const char *first_line, const char *tail)
{
	char *sent = raw_server_request(bed.server, n);
	ck_assert_ptr_eq(strstr(sent, first_line), sent);
	ck_assert_str_eq(strstr(sent, "\r\n\r\n") + 4, tail);
	ck_assert_ptr_nonnull(strstr(sent, "\r\ncontent-type: application/json\r\n"));
	ck_assert_ptr_nonnull(strstr(sent, "\r\nSecurityToken: " API_BED_TOKEN "\r\n"));
	ck_assert_ptr_nonnull(strstr(sent, "\r\nX-Sdk-Date: 2"));
	ck_assert_ptr_nonnull(
		strstr(sent, "\r\nAuthorization: V11-HMAC-SHA256 Credential=AKIDEXAMPLE/"));
	ck_assert_ptr_nonnull(strstr(sent, "SignedHeaders=content-type;x-sdk-date, Signature="));
	ck_assert_ptr_null(strstr(sent, "very-secret"));
	ck_assert_ptr_null(strcasestr(sent, "\r\nexpect:"));
	free(sent);
}

START_TEST(every_request_is_signed_and_complete)
{
	static const struct raw_reply reply = { .bytes = HTTP_200(2, "[]") };
	api_bed_serve(&bed, &reply, 1);
	for (int op = 0; op < N_OPS; op++)
		(void)api_bed_err(&bed, (enum lts_op)op);
#define B "/v2/prj/groups/grp/streams/str/"
	assert_sent(0,
		    "POST " B
		    "consumer-groups/my-group/heartbeat?consumer_name=host-1-0 HTTP/1.1\r\n",
		    "[\"0\"]");
	assert_sent(1, "GET " B "consumer-groups/my-group?shard_id= HTTP/1.1\r\n", "");
	assert_sent(2, "POST " B "consumer-groups/my-group?consumer_name=host-1-0 HTTP/1.1\r\n",
		    "[{\"checkpoint\":\"5\",\"shard_id\":\"0\"}]");
	assert_sent(3, "GET " B "shards/0/cursor?from=begin HTTP/1.1\r\n", "");
	assert_sent(4, "GET " B "shards/0?end=9&limit=1000&start=5 HTTP/1.1\r\n", "");
	ck_assert_uint_eq(raw_server_connections(bed.server), 2); /* heartbeats have their own */
}
END_TEST

START_TEST(good_answers_carry_their_payload)
{
	static const struct raw_reply replies[] = {
		{ .bytes = HTTP_200(7, "[3,\"4\"]") },
		{ .bytes = HTTP_200(48,
				    "[{\"shard_id\":\"0\",\"checkpoint\":1767322800000001}]") },
		{ .bytes = HTTP_200(0, "") },
		{ .bytes = HTTP_200(30, "{\"cursor\":1767322800000000001}") },
		{ .bytes = HTTP_200(9, "{\"any\":1}") },
	};
	struct api_outcome out = { .done = 0 };
	api_bed_serve(&bed, replies, N_OF(replies));
	api_bed_ask(&bed, LTS_OP_HEARTBEAT, &out);
	ck_assert_int_eq(out.answer.err, LTS_OK);
	ck_assert_uint_eq(out.answer.n_shards, 2);
	ck_assert_str_eq(out.first_shard, "3");
	api_bed_ask(&bed, LTS_OP_READ_CHECKPOINTS, &out);
	ck_assert_int_eq(out.answer.err, LTS_OK);
	ck_assert_str_eq(out.first_cursor, "1767322800000001");
	api_bed_ask(&bed, LTS_OP_WRITE_CHECKPOINTS, &out);
	ck_assert_int_eq(out.answer.err, LTS_OK);
	api_bed_ask(&bed, LTS_OP_CURSOR, &out);
	ck_assert_int_eq(out.answer.err, LTS_OK);
	ck_assert_str_eq(out.answer.cursor.text, "1767322800000000001");
	ck_assert_ptr_null(out.answer.body);
	api_bed_ask(&bed, LTS_OP_BATCH, &out);
	ck_assert_int_eq(out.answer.err, LTS_OK);
	ck_assert_str_eq(out.body.data, "{\"any\":1}");
	ck_assert_str_eq(out.answer.message, "");
	buf_fini(&out.body);
}
END_TEST

START_TEST(every_status_has_its_verdict)
{
	static const struct {
		const char *status;
		enum lts_err err, err_of_write;
	} table[] = {
		{ "400 Bad", LTS_INVALID, LTS_INVALID },
		{ "401 Who", LTS_DENIED, LTS_DENIED },
		{ "403 No", LTS_DENIED, LTS_DENIED },
		{ "404 None", LTS_NOTFOUND, LTS_NOTFOUND },
		{ "408 Late", LTS_AGAIN, LTS_AGAIN },
		{ "409 Gone", LTS_GONE, LTS_GONE },
		{ "410 Old", LTS_EXPIRED, LTS_EXPIRED },
		{ "425 Early", LTS_AGAIN, LTS_AGAIN },
		{ "429 Slow", LTS_AGAIN, LTS_AGAIN },
		{ "500 Oh", LTS_AGAIN, LTS_UNKNOWN },
		{ "502 Oh", LTS_AGAIN, LTS_UNKNOWN },
		{ "503 Oh", LTS_AGAIN, LTS_UNKNOWN },
		{ "302 There", LTS_BADDATA, LTS_BADDATA },
		{ "418 Tea", LTS_BADDATA, LTS_BADDATA },
	};
	static char texts[N_OF(table)][200];
	static struct raw_reply replies[N_OF(table) * N_OPS];
	for (size_t i = 0; i < N_OF(table); i++) {
		snprintf(texts[i], sizeof(texts[i]),
			 "HTTP/1.1 %s\r\nLocation: /x\r\nContent-Length: 47\r\n\r\n"
			 "{\"error_code\":\"LTS.0002\",\"error_msg\":\"message\"}",
			 table[i].status);
		for (size_t op = 0; op < N_OPS; op++)
			replies[i * N_OPS + op] = (struct raw_reply){ .bytes = texts[i] };
	}
	api_bed_serve(&bed, replies, N_OF(replies));
	for (size_t i = 0; i < N_OF(table); i++) {
		for (int op = 0; op < N_OPS; op++) {
			struct api_outcome out = { .done = 0 };
			api_bed_ask(&bed, (enum lts_op)op, &out);
			ck_assert_int_eq(out.answer.err, op == LTS_OP_WRITE_CHECKPOINTS
								 ? table[i].err_of_write
								 : table[i].err);
			ck_assert_int_eq(out.answer.status,
					 (int)strtol(table[i].status, NULL, 10));
			ck_assert_str_eq(out.answer.code, "LTS.0002");
			ck_assert_str_eq(out.answer.message, "message");
			ck_assert_ptr_null(out.answer.body);
		}
	}
	ck_assert_uint_eq(raw_server_requests(bed.server), N_OF(replies));
}
END_TEST

START_TEST(head_of_a_failure_is_told)
{
	static const struct raw_reply reply = {
		.bytes = "HTTP/1.1 429 Slow\r\nDate: Sun, 06 Nov 1994 08:49:37 "
			 "GMT\r\nX-Request-Id: r-9\r\n"
			 "Retry-After: Sun, 06 Nov 1994 08:49:40 GMT\r\nContent-Length: "
			 "0\r\n\r\n"
	};
	struct api_outcome out = api_bed_asked(&bed, LTS_OP_BATCH, &reply, 1);
	ck_assert_int_eq(out.answer.err, LTS_AGAIN);
	ck_assert_int_eq(out.answer.retry_after_ms, 3000);
	ck_assert_int_eq(out.answer.service_time_ns, 784111777 * (int64_t)1000000000);
	ck_assert_str_eq(out.answer.request_id, "r-9");
	ck_assert_str_eq(out.answer.message, "HTTP status 429");
}
END_TEST

START_TEST(html_with_200_is_refused_for_control_requests)
{
	static const struct raw_reply reply = { .bytes = HTTP_200(13, "<html></html>") };
	api_bed_serve(&bed, &reply, 1);
	for (int op = 0; op < LTS_OP_BATCH; op++)
		ck_assert_int_eq(api_bed_err(&bed, (enum lts_op)op),
				 op == LTS_OP_WRITE_CHECKPOINTS ? LTS_UNKNOWN : LTS_BADDATA);
	ck_assert_int_eq(api_bed_err(&bed, LTS_OP_BATCH),
			 LTS_OK); /* the scanner of batches will refuse it */
}
END_TEST

START_TEST(empty_200_is_never_an_empty_batch)
{
	static const struct raw_reply reply = { .bytes = HTTP_200(0, "") };
	api_bed_serve(&bed, &reply, 1);
	ck_assert_int_eq(api_bed_err(&bed, LTS_OP_BATCH), LTS_BADDATA);
	ck_assert_int_eq(api_bed_err(&bed, LTS_OP_HEARTBEAT), LTS_BADDATA);
	ck_assert_int_eq(api_bed_err(&bed, LTS_OP_READ_CHECKPOINTS), LTS_BADDATA);
	ck_assert_int_eq(api_bed_err(&bed, LTS_OP_CURSOR), LTS_BADDATA);
}
END_TEST

START_TEST(body_above_the_cap_is_too_big)
{
	static const struct raw_reply reply = { .bytes = "HTTP/1.1 200 OK\r\n\r\n",
						.again = "0123456789abcdef",
						.times = 5000,
						.then = RAW_CLOSE };
	ck_assert_int_eq(api_bed_asked(&bed, LTS_OP_BATCH, &reply, 1).answer.err, LTS_TOOBIG);
}
END_TEST

START_TEST(huge_error_page_does_not_hide_its_status)
{
	static const struct raw_reply reply = { .bytes = "HTTP/1.1 404 None\r\n\r\n",
						.again = "0123456789abcdef",
						.times = 5000,
						.then = RAW_CLOSE };
	struct api_outcome out = api_bed_asked(&bed, LTS_OP_BATCH, &reply, 1);
	ck_assert_int_eq(out.answer.err, LTS_NOTFOUND);
}
END_TEST

START_TEST(lost_answer_to_a_write_is_unknown)
{
	static const struct raw_reply replies[] = {
		{ .then = RAW_RESET },
		{ .then = RAW_CLOSE },
		{ .bytes = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", .then = RAW_CLOSE },
		{ .bytes = "garbage\r\n\r\n", .then = RAW_CLOSE },
	};
	api_bed_serve(&bed, replies, N_OF(replies));
	for (size_t i = 0; i < N_OF(replies); i++)
		ck_assert_int_eq(api_bed_err(&bed, LTS_OP_WRITE_CHECKPOINTS), LTS_UNKNOWN);
	ck_assert_uint_eq(raw_server_requests(bed.server), N_OF(replies));
}
END_TEST

START_TEST(lost_answer_to_anything_else_is_again)
{
	static const struct raw_reply reply = { .then = RAW_RESET };
	api_bed_serve(&bed, &reply, 1);
	for (int op = 0; op < N_OPS; op++)
		if (op != LTS_OP_WRITE_CHECKPOINTS)
			ck_assert_int_eq(api_bed_err(&bed, (enum lts_op)op), LTS_AGAIN);
}
END_TEST

START_TEST(refused_connection_is_again_even_for_a_write)
{
	api_bed_create(&bed, raw_server_closed_port(), 60000);
	for (int op = 0; op < N_OPS; op++)
		ck_assert_int_eq(api_bed_err(&bed, (enum lts_op)op), LTS_AGAIN);
}
END_TEST

START_TEST(silence_ends_after_a_sixth_of_the_heartbeat_timeout)
{
	static const struct raw_reply reply = { .then = RAW_HOLD };
	bed.server = raw_server_start(&reply, 1);
	api_bed_create(&bed, raw_server_port(bed.server), 600);
	int64_t from_ms = clock_mono_ms();
	ck_assert_int_eq(api_bed_err(&bed, LTS_OP_HEARTBEAT), LTS_AGAIN);
	ck_assert_int_eq(api_bed_err(&bed, LTS_OP_WRITE_CHECKPOINTS), LTS_UNKNOWN);
	ck_assert_int_ge(clock_mono_ms() - from_ms, 195);
}
END_TEST

Suite *
suite_lts_api(void)
{
	Suite *suite = suite_create("lts_api");
	TCase *tc = tcase_create("verdicts");
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, every_request_is_signed_and_complete);
	tcase_add_test(tc, good_answers_carry_their_payload);
	tcase_add_test(tc, every_status_has_its_verdict);
	tcase_add_test(tc, head_of_a_failure_is_told);
	tcase_add_test(tc, html_with_200_is_refused_for_control_requests);
	tcase_add_test(tc, empty_200_is_never_an_empty_batch);
	tcase_add_test(tc, body_above_the_cap_is_too_big);
	tcase_add_test(tc, huge_error_page_does_not_hide_its_status);
	tcase_add_test(tc, lost_answer_to_a_write_is_unknown);
	tcase_add_test(tc, lost_answer_to_anything_else_is_again);
	tcase_add_test(tc, refused_connection_is_again_even_for_a_write);
	tcase_add_test(tc, silence_ends_after_a_sixth_of_the_heartbeat_timeout);
	suite_add_tcase(suite, tc);
	return suite;
}
