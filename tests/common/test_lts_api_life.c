/*
 * test_lts_api_life.c - what lts_api keeps between requests: the skew, the credentials,
 * the calls.
 */
#include <check.h>
#include <ev.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <stdio.h>

#include "common/clock.h"
#include "tests/suites.h"
#include "tests/support/api_bed.h"
#include "tests/support/until.h"

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

/* A 401 of the gateway whose Date is off by that many seconds from our clock. */
static void
render_401(char *text, size_t size, int64_t off_s, const char *code)
{
	time_t at = (time_t)(clock_wall_ns() / 1000000000 + off_s);
	char date[64];
	struct tm tm;
	strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&at, &tm));
	snprintf(text, size,
		 "HTTP/1.1 401 Who\r\nDate: %s\r\nContent-Length: "
		 "%zu\r\n\r\n{\"error_code\":\"%s\"}",
		 date, strlen("{\"error_code\":\"\"}") + strlen(code), code);
}

/* Seconds between X-Sdk-Date of the n-th request and our clock. */
static int64_t
sent_off_s(size_t n)
{
	char *sent = raw_server_request(bed.server, n);
	const char *field = strstr(sent, "X-Sdk-Date: ");
	char date[LTS_SIGN_DATE_SIZE];
	int64_t at_s = 0;
	ck_assert_ptr_nonnull(field);
	snprintf(date, sizeof(date), "%.16s", field + strlen("X-Sdk-Date: "));
	ck_assert_int_eq(lts_sign_date_parse(date, &at_s), LTS_OK);
	free(sent);
	return at_s - clock_wall_ns() / 1000000000;
}

static void
assert_skew_learned(const char *code, int64_t off_s)
{
	static char text[256];
	static struct raw_reply replies[2];
	render_401(text, sizeof(text), off_s, code);
	replies[0] = (struct raw_reply){ .bytes = text };
	replies[1] = (struct raw_reply){ .bytes = HTTP_200(5, "[\"0\"]") };
	api_bed_serve(&bed, replies, 2);
	ck_assert_int_eq(api_bed_err(&bed, LTS_OP_HEARTBEAT), LTS_OK);
	ck_assert_uint_eq(raw_server_requests(bed.server), 2);
	ck_assert_int_eq(api_bed_err(&bed, LTS_OP_HEARTBEAT), LTS_OK);
	ck_assert_int_le(llabs(sent_off_s(0)), 20);
	ck_assert_int_le(llabs(sent_off_s(1) - off_s), 20);
	ck_assert_int_le(llabs(sent_off_s(2) - off_s), 20); /* kept for the next request */
}

START_TEST(skew_is_learned_when_the_gateway_says_so)
{
	assert_skew_learned("APIGW.0303", 3600);
}
END_TEST

START_TEST(skew_is_learned_from_any_401_far_from_our_clock)
{
	assert_skew_learned("APIGW.0301", -86400);
}
END_TEST

START_TEST(skew_is_learned_once_for_one_request)
{
	static char text[2][256];
	static struct raw_reply replies[2];
	/* A Date that runs ahead once, and then stays: further requests get the last
	 * reply. */
	static const int64_t off_s[2] = { 7200, 14400 };
	for (size_t i = 0; i < 2; i++) {
		render_401(text[i], sizeof(text[i]), off_s[i], "APIGW.0303");
		replies[i] = (struct raw_reply){ .bytes = text[i] };
	}
	struct api_outcome out = api_bed_asked(&bed, LTS_OP_BATCH, replies, 2);
	ck_assert_int_eq(out.answer.err, LTS_DENIED);
	ck_assert_str_eq(out.answer.code, "APIGW.0303");
	ck_assert_uint_eq(raw_server_requests(bed.server), 2);
	/* The skew is known now: asking twice for the same refusal would be of no use. */
	ck_assert_int_eq(api_bed_err(&bed, LTS_OP_BATCH), LTS_DENIED);
	ck_assert_uint_eq(raw_server_requests(bed.server), 3);
}
END_TEST

START_TEST(plain_401_is_not_repeated)
{
	static char text[256];
	static struct raw_reply reply;
	render_401(text, sizeof(text), 0, "APIGW.0301");
	reply = (struct raw_reply){ .bytes = text };
	ck_assert_int_eq(api_bed_asked(&bed, LTS_OP_BATCH, &reply, 1).answer.err, LTS_DENIED);
	ck_assert_uint_eq(raw_server_requests(bed.server), 1);
}
END_TEST

START_TEST(later_date_corrects_the_skew)
{
	static char text[2][256];
	static struct raw_reply replies[2];
	render_401(text[0], sizeof(text[0]), 3600, "APIGW.0303");
	render_401(text[1], sizeof(text[1]), 0, "LTS.0000");
	memcpy(text[1] + strlen("HTTP/1.1 "), "500", 3);
	for (size_t i = 0; i < 2; i++)
		replies[i] = (struct raw_reply){ .bytes = text[i] };
	api_bed_serve(&bed, replies, 2);
	ck_assert_int_eq(api_bed_err(&bed, LTS_OP_BATCH), LTS_AGAIN);
	ck_assert_int_eq(api_bed_err(&bed, LTS_OP_BATCH), LTS_AGAIN);
	ck_assert_int_gt(sent_off_s(1), 3500);
	ck_assert_int_le(llabs(sent_off_s(2)), 20);
}
END_TEST

START_TEST(new_credentials_serve_the_next_request)
{
	static const struct raw_reply reply = { .bytes = HTTP_200(2, "[]") };
	api_bed_serve(&bed, &reply, 1);
	struct credentials other = { .ak = "OTHERAK", .sk = "other", .token = "" };
	ck_assert_int_eq(lts_api_set_credentials(bed.api, &other), LTS_OK);
	ck_assert_int_eq(api_bed_err(&bed, LTS_OP_HEARTBEAT), LTS_OK);
	char *sent = raw_server_request(bed.server, 0);
	ck_assert_ptr_nonnull(strstr(sent, "Credential=OTHERAK/"));
	ck_assert_ptr_null(strstr(sent, "SecurityToken"));
	free(sent);
}
END_TEST

START_TEST(unusable_credentials_leave_the_former_ones)
{
	static const struct raw_reply reply = { .bytes = HTTP_200(2, "[]") };
	static const struct credentials wrong[] = {
		{ .ak = "", .sk = "x" },
		{ .ak = "x", .sk = "" },
		{ .ak = "x\r\ny", .sk = "x" },
		{ .ak = "x", .sk = "x", .token = "a\r\nX-Evil: 1" },
	};
	api_bed_serve(&bed, &reply, 1);
	for (size_t i = 0; i < N_OF(wrong); i++)
		ck_assert_int_eq(lts_api_set_credentials(bed.api, &wrong[i]), LTS_INVALID);
	ck_assert_int_eq(api_bed_err(&bed, LTS_OP_HEARTBEAT), LTS_OK);
	char *sent = raw_server_request(bed.server, 0);
	ck_assert_ptr_nonnull(strstr(sent, "Credential=AKIDEXAMPLE/"));
	ck_assert_ptr_null(strstr(sent, "X-Evil"));
	free(sent);
}
END_TEST

START_TEST(words_that_repeat_a_secret_are_withheld)
{
	static const struct raw_reply reply = {
		.bytes = "HTTP/1.1 403 No\r\nConnection: "
			 "close\r\nX-Request-Id: " API_BED_TOKEN "\r\n\r\n"
			 "{\"error_code\":\"" API_BED_TOKEN
			 "\",\"error_msg\":\"unknown token " API_BED_TOKEN "\"}",
		.then = RAW_CLOSE
	};
	struct api_outcome out = api_bed_asked(&bed, LTS_OP_BATCH, &reply, 1);
	ck_assert_int_eq(out.answer.err, LTS_DENIED);
	ck_assert_ptr_null(strstr(out.answer.message, "TOKEN"));
	ck_assert_ptr_nonnull(strstr(out.answer.message, "withheld"));
	ck_assert_str_eq(out.answer.code, "");
	ck_assert_str_eq(out.answer.request_id, "");
}
END_TEST

START_TEST(cancelled_request_never_answers)
{
	static const struct raw_reply replies[] = { { .then = RAW_HOLD },
						    { .bytes = HTTP_200(2, "[]") } };
	struct api_outcome gone = { .done = 0 };
	api_bed_serve(&bed, replies, N_OF(replies));
	struct lts_request *request = api_bed_begin(&bed, LTS_OP_BATCH, api_bed_done, &gone);
	while (raw_server_requests(bed.server) == 0)
		ev_run(bed.loop, EVRUN_NOWAIT);
	lts_api_cancel(bed.api, request);
	ck_assert_int_eq(api_bed_err(&bed, LTS_OP_HEARTBEAT), LTS_OK);
	api_bed_begin(&bed, LTS_OP_BATCH, api_bed_done, &gone);
	lts_api_destroy(&bed.api);
	ck_assert_uint_eq(gone.done, 0);
}
END_TEST

struct chain {
	size_t done, todo;
	struct lts_request *request;
};

/* Cancels the very request that is being answered, which does nothing, and starts the
 * next. */
static void
on_done_go_on(void *arg, struct lts_answer *answer)
{
	struct chain *chain = arg;
	ck_assert_int_eq(answer->err, LTS_OK);
	chain->done++;
	lts_api_cancel(bed.api, chain->request);
	if (--chain->todo)
		chain->request = api_bed_begin(&bed, LTS_OP_HEARTBEAT, on_done_go_on, chain);
}

START_TEST(callback_may_start_the_next_request)
{
	static const struct raw_reply reply = { .bytes = HTTP_200(5, "[\"0\"]") };
	struct chain chain = { .todo = 200 };
	api_bed_serve(&bed, &reply, 1);
	chain.request = api_bed_begin(&bed, LTS_OP_HEARTBEAT, on_done_go_on, &chain);
	until_count(bed.loop, &chain.done, 200);
	ck_assert_uint_eq(raw_server_connections(bed.server), 1);
}
END_TEST

Suite *
suite_lts_api_life(void)
{
	Suite *suite = suite_create("lts_api_life");
	TCase *tc = tcase_create("life");
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, skew_is_learned_when_the_gateway_says_so);
	tcase_add_test(tc, skew_is_learned_from_any_401_far_from_our_clock);
	tcase_add_test(tc, skew_is_learned_once_for_one_request);
	tcase_add_test(tc, plain_401_is_not_repeated);
	tcase_add_test(tc, later_date_corrects_the_skew);
	tcase_add_test(tc, new_credentials_serve_the_next_request);
	tcase_add_test(tc, unusable_credentials_leave_the_former_ones);
	tcase_add_test(tc, words_that_repeat_a_secret_are_withheld);
	tcase_add_test(tc, cancelled_request_never_answers);
	tcase_add_test(tc, callback_may_start_the_next_request);
	suite_add_tcase(suite, tc);
	return suite;
}
