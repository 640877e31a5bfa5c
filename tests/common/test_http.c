/*
 * test_http.c - the HTTP client against a far end that misbehaves on purpose.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/suites.h"
#include "tests/support/http_bed.h"

#define HELLO "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

/* Above the mebibyte from which on curl likes to ask first (Expect). */
enum { BODY_BYTES = 3 * 512 * 1024 };

static struct http_bed bed;

static void
setup(void)
{
	http_bed_init(&bed);
}

static void
teardown(void)
{
	http_bed_fini(&bed);
}

START_TEST(whole_answer_is_handed_over)
{
	struct http_outcome out = http_bed_get_answered(
		&bed, (struct raw_reply){
			      .bytes = "HTTP/1.1 429 Slow\r\nDate: Sun, 06 Nov 1994 08:49:37 "
				       "GMT\r\n"
				       "Retry-After: 3\r\nX-Request-Id: r-1\r\nContent-Length: "
				       "2\r\n\r\nno" });
	ck_assert_int_eq(out.err, LTS_OK);
	ck_assert_int_eq(out.status, 429);
	ck_assert(out.reached);
	ck_assert_str_eq(out.body, "no");
	ck_assert_str_eq(out.request_id, "r-1");
	ck_assert_str_eq(out.error, "");
	ck_assert_int_eq(out.retry_after_ms, 3000);
	ck_assert_int_eq(out.date_ns, 784111777 * (int64_t)1000000000);
}
END_TEST

START_TEST(request_goes_out_as_told)
{
	struct raw_reply reply = { .bytes = HELLO };
	bed.server = raw_server_start(&reply, 1);
	char url[64];
	char *body = calloc(1, BODY_BYTES + 1);
	memset(body, 'b', BODY_BYTES);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/a%%2Fb/../c?q=1%%2A",
		 raw_server_port(bed.server));
	const char *const headers[] = { "content-type: application/json", "X-Mine: 1" };
	struct http_request request = http_bed_request(url);
	request.method = "PUT";
	request.headers = headers;
	request.n_headers = 2;
	request.body = body;
	request.body_len = BODY_BYTES;
	struct http_outcome out = { .done = 0 };
	http_bed_wait(&bed, request, &out);
	ck_assert_int_eq(out.err, LTS_OK);
	char *sent = raw_server_request(bed.server, 0);
	ck_assert_ptr_eq(strstr(sent, "PUT /a%2Fb/../c?q=1%2A HTTP/1.1\r\n"), sent);
	ck_assert_ptr_nonnull(
		strstr(sent, "\r\ncontent-type: application/json\r\nX-Mine: 1\r\n"));
	ck_assert_ptr_nonnull(strstr(sent, "\r\nAccept-Encoding: gzip\r\n"));
	ck_assert_ptr_null(strcasestr(sent, "\r\nExpect:"));
	ck_assert_ptr_null(strcasestr(sent, "\r\nUpgrade:"));
	ck_assert_ptr_nonnull(strstr(sent, body));
	free(sent);
	free(body);
}
END_TEST

START_TEST(body_cut_short_is_an_error)
{
	struct http_outcome out = http_bed_get_answered(
		&bed,
		(struct raw_reply){ .bytes = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello",
				    .then = RAW_CLOSE });
	ck_assert_int_eq(out.err, LTS_AGAIN);
	ck_assert(out.reached);
}
END_TEST

START_TEST(chunks_cut_short_are_an_error)
{
	struct http_outcome out = http_bed_get_answered(
		&bed, (struct raw_reply){ .bytes = "HTTP/1.1 200 OK\r\nTransfer-Encoding: "
						   "chunked\r\n\r\n5\r\nhello\r\n",
					  .then = RAW_CLOSE });
	ck_assert_int_eq(out.err, LTS_AGAIN);
}
END_TEST

START_TEST(announced_length_above_the_cap_is_too_big)
{
	struct http_outcome out = http_bed_get_answered(
		&bed, (struct raw_reply){
			      .bytes = "HTTP/1.1 200 OK\r\nContent-Length: 1048577\r\n\r\nx",
			      .then = RAW_HOLD });
	ck_assert_int_eq(out.err, LTS_TOOBIG);
	ck_assert_int_eq(out.status, 200);
	ck_assert_uint_eq(out.body_len, 0);
	ck_assert_uint_eq(out.body_size, 1048577);
}
END_TEST

START_TEST(body_above_the_cap_is_too_big)
{
	struct http_outcome out = http_bed_get_answered(
		&bed, (struct raw_reply){ .bytes = "HTTP/1.1 200 OK\r\n\r\n",
					  .again = "0123456789abcdef",
					  .times = 100000,
					  .then = RAW_CLOSE });
	ck_assert_int_eq(out.err, LTS_TOOBIG);
	ck_assert_uint_le(out.body_len, HTTP_BED_CAP);
}
END_TEST

START_TEST(body_as_large_as_the_cap_is_fine)
{
	struct http_outcome out = http_bed_get_answered(
		&bed,
		(struct raw_reply){ .bytes = "HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n",
				    .again = "0123456789abcdef",
				    .times = HTTP_BED_CAP / 16 });
	ck_assert_int_eq(out.err, LTS_OK);
	ck_assert_uint_eq(out.body_len, HTTP_BED_CAP);
}
END_TEST

START_TEST(gzip_is_undone)
{
	/* gzip of {"cursor":"17"} */
	static const char zip[] =
		"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 35\r\n\r\n"
		"\x1f\x8b\x08\0\0\0\0\0\x02\x03\xab\x56\x4a\x2e\x2d\x2a\xce\x2f\x52"
		"\xb2\x52\x32\x34\x57\xaa\x05\0\xef\xd9\x49\x5c\x0f\0\0\0";
	struct http_outcome out = http_bed_get_answered(
		&bed, (struct raw_reply){ .bytes = zip, .len = sizeof(zip) - 1 });
	ck_assert_int_eq(out.err, LTS_OK);
	ck_assert_str_eq(out.body, "{\"cursor\":\"17\"}");
}
END_TEST

START_TEST(gzip_bomb_stops_at_the_cap)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n"
				   "\x1f\x8b\x08\0\0\0\0\0\x02\x03";
	/* 64 KiB of zeros as one deflate block, flushed, so that it can follow itself. */
	char block[83] = "\xec\xc1\x01\x01\0\0\0\x80\x90\xfe\xaf\xee\x08\x0a";
	memcpy(block + 77, "\x6a\0\0\0\xff\xff", 6);
	struct http_outcome out =
		http_bed_get_answered(&bed, (struct raw_reply){ .bytes = head,
								.len = sizeof(head) - 1,
								.again = block,
								.again_len = sizeof(block),
								.times = 10000,
								.then = RAW_CLOSE });
	ck_assert_int_eq(out.err, LTS_TOOBIG);
	ck_assert_uint_le(out.body_len, HTTP_BED_CAP);
}
END_TEST

START_TEST(broken_gzip_is_refused)
{
	struct http_outcome out = http_bed_get_answered(
		&bed, (struct raw_reply){ .bytes = "HTTP/1.1 200 OK\r\nContent-Encoding: "
						   "gzip\r\nContent-Length: 5\r\n\r\nhello" });
	ck_assert_int_eq(out.err, LTS_BADDATA);
}
END_TEST

START_TEST(reset_after_the_request_has_reached)
{
	struct http_outcome out =
		http_bed_get_answered(&bed, (struct raw_reply){ .then = RAW_RESET });
	ck_assert_int_eq(out.err, LTS_AGAIN);
	ck_assert(out.reached);
	ck_assert_int_eq(out.status, 0);
	ck_assert_str_ne(out.error, "");
}
END_TEST

START_TEST(refused_connection_has_not_reached)
{
	char url[64];
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/", raw_server_closed_port());
	struct http_outcome out = http_bed_get(&bed, url);
	ck_assert_int_eq(out.err, LTS_AGAIN);
	ck_assert(!out.reached);
}
END_TEST

START_TEST(failed_tls_handshake_has_not_reached)
{
	struct raw_reply reply = { .bytes = HELLO };
	char url[64];
	bed.server = raw_server_start(&reply, 1);
	snprintf(url, sizeof(url), "https://127.0.0.1:%u/", raw_server_port(bed.server));
	struct http_request request = http_bed_request(url);
	request.timeout_ms = 300; /* the listener waits for an HTTP request for ever */
	struct http_outcome out = { .done = 0 };
	http_bed_wait(&bed, request, &out);
	ck_assert_int_eq(out.err, LTS_AGAIN);
	ck_assert(!out.reached);
}
END_TEST

START_TEST(garbage_instead_of_http_is_refused)
{
	struct http_outcome out = http_bed_get_answered(
		&bed, (struct raw_reply){ .bytes = "220 smtp ready\r\n\r\n", .then = RAW_CLOSE });
	ck_assert_int_eq(out.err, LTS_BADDATA);
}
END_TEST

START_TEST(endless_header_line_is_refused)
{
	struct http_outcome out =
		http_bed_get_answered(&bed, (struct raw_reply){ .bytes = "HTTP/1.1 200 OK\r\nX: ",
								.again = "0123456789abcdef",
								.times = 1000000 });
	ck_assert_int_eq(out.err, LTS_BADDATA);
}
END_TEST

START_TEST(endless_headers_are_refused)
{
	struct http_outcome out = http_bed_get_answered(
		&bed, (struct raw_reply){ .bytes = "HTTP/1.1 200 OK\r\n",
					  .again = "X-Filler: 0123456789abcdef\r\n",
					  .times = 1000000 });
	ck_assert_int_ne(out.err, LTS_OK);
}
END_TEST

START_TEST(silence_ends_at_the_timeout)
{
	struct raw_reply reply = { .bytes = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel",
				   .then = RAW_HOLD };
	char url[64];
	bed.server = raw_server_start(&reply, 1);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/", raw_server_port(bed.server));
	struct http_request request = http_bed_request(url);
	request.timeout_ms = 50;
	struct http_outcome out = { .done = 0 };
	http_bed_wait(&bed, request, &out);
	ck_assert_int_eq(out.err, LTS_AGAIN);
	ck_assert(out.reached);
}
END_TEST

START_TEST(redirect_is_not_followed)
{
	struct http_outcome out = http_bed_get_answered(
		&bed, (struct raw_reply){ .bytes = "HTTP/1.1 302 Found\r\nLocation: "
						   "/elsewhere\r\nContent-Length: 0\r\n\r\n" });
	ck_assert_int_eq(out.err, LTS_OK);
	ck_assert_int_eq(out.status, 302);
	ck_assert_uint_eq(raw_server_requests(bed.server), 1);
}
END_TEST

START_TEST(only_http_is_spoken)
{
	struct http_outcome out = http_bed_get(&bed, "file:///etc/passwd");
	ck_assert_int_ne(out.err, LTS_OK);
	ck_assert_uint_eq(out.body_len, 0);
	ck_assert(!out.reached);
}
END_TEST

START_TEST(proxy_of_the_environment_sees_no_plain_http)
{
	struct raw_reply reply = { .bytes = HELLO };
	char proxy[64];
	snprintf(proxy, sizeof(proxy), "http://127.0.0.1:%u", raw_server_closed_port());
	setenv("http_proxy", proxy, 1);
	setenv("all_proxy", proxy, 1);
	ck_assert_int_eq(http_bed_get_answered(&bed, reply).err, LTS_OK);
}
END_TEST

Suite *
suite_http(void)
{
	Suite *suite = suite_create("http");
	TCase *tc = tcase_create("http");
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, whole_answer_is_handed_over);
	tcase_add_test(tc, request_goes_out_as_told);
	tcase_add_test(tc, body_cut_short_is_an_error);
	tcase_add_test(tc, chunks_cut_short_are_an_error);
	tcase_add_test(tc, announced_length_above_the_cap_is_too_big);
	tcase_add_test(tc, body_above_the_cap_is_too_big);
	tcase_add_test(tc, body_as_large_as_the_cap_is_fine);
	tcase_add_test(tc, gzip_is_undone);
	tcase_add_test(tc, gzip_bomb_stops_at_the_cap);
	tcase_add_test(tc, broken_gzip_is_refused);
	tcase_add_test(tc, reset_after_the_request_has_reached);
	tcase_add_test(tc, refused_connection_has_not_reached);
	tcase_add_test(tc, failed_tls_handshake_has_not_reached);
	tcase_add_test(tc, garbage_instead_of_http_is_refused);
	tcase_add_test(tc, endless_header_line_is_refused);
	tcase_add_test(tc, endless_headers_are_refused);
	tcase_add_test(tc, silence_ends_at_the_timeout);
	tcase_add_test(tc, redirect_is_not_followed);
	tcase_add_test(tc, only_http_is_spoken);
	tcase_add_test(tc, proxy_of_the_environment_sees_no_plain_http);
	suite_add_tcase(suite, tc);
	return suite;
}
