/*
 * test_http_part.c - the first bytes of a body are shown while the rest is still to come.
 */
#include <check.h>
#include <ev.h>
#include <string.h>

#include "tests/suites.h"
#include "tests/support/http_bed.h"
#include "tests/support/until.h"

#define HELLO "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

static struct http_bed bed;

struct watcher {
	struct http_outcome out; /* first: it is what http_bed_done fills */
	size_t parts, seen;      /* calls; bytes of the last */
	bool enough;
	struct http_outcome *start; /* of the call that is begun from inside; NULL: none */
	char data[32];
};

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

static bool
on_part(void *arg, const char *data, size_t len)
{
	struct watcher *w = arg;
	ck_assert_uint_gt(len, w->seen);
	w->parts++;
	w->seen = len;
	memcpy(w->data, data, len < sizeof(w->data) ? len : sizeof(w->data) - 1);
	if (w->start)
		http_bed_start(&bed, http_bed_done, w->start);
	w->start = NULL;
	return w->enough;
}

static struct http_call *
watch(struct watcher *w, const struct raw_reply *replies, size_t n)
{
	bed.server = raw_server_start(replies, n);
	struct http_call *call = http_bed_start(&bed, http_bed_done, w);
	http_watch(call, on_part);
	return call;
}

START_TEST(what_is_here_is_shown_and_another_call_may_start)
{
	static const struct raw_reply replies[] = {
		{ .bytes = "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nbegin",
		  .then = RAW_HOLD },
		{ .bytes = HELLO },
	};
	struct http_outcome other = { .done = 0 };
	struct watcher w = { .start = &other };
	struct http_call *call = watch(&w, replies, 2);
	until_count(bed.loop, &other.done, 1);
	ck_assert_int_eq(other.err, LTS_OK);
	ck_assert_str_eq(w.data, "begin");
	ck_assert_uint_eq(w.out.done, 0);
	ck_assert_uint_eq(raw_server_connections(bed.server), 2);
	http_cancel(bed.http, call);
	ev_run(bed.loop, EVRUN_NOWAIT);
	ck_assert_uint_eq(w.out.done, 0);
}
END_TEST

START_TEST(what_is_shown_is_decoded)
{
	/* gzip of {"cursor":"17"} */
	static const char encoded[] =
		"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 99\r\n\r\n"
		"\x1f\x8b\x08\0\0\0\0\0\x02\x03\xab\x56\x4a\x2e\x2d\x2a\xce\x2f\x52"
		"\xb2\x52\x32\x34\x57\xaa\x05\0\xef\xd9\x49\x5c\x0f\0\0\0";
	static const struct raw_reply reply = { .bytes = encoded,
						.len = sizeof(encoded) - 1,
						.then = RAW_HOLD };
	struct watcher w = { .enough = true };
	watch(&w, &reply, 1);
	until_count(bed.loop, &w.parts, 1);
	ck_assert_str_eq(w.data, "{\"cursor\":\"17\"}");
}
END_TEST

START_TEST(more_is_shown_until_it_is_enough)
{
	static const struct raw_reply reply = {
		.bytes = "HTTP/1.1 200 OK\r\nContent-Length: 600000\r\n\r\n",
		.again = "0123456789",
		.times = 50000,
		.then = RAW_HOLD,
	};
	struct watcher w = { .enough = _i };
	watch(&w, &reply, 1);
	until_count(bed.loop, &w.seen, _i ? 1 : 500000);
	for (int i = 0; i < 50; i++)
		ev_run(bed.loop, EVRUN_NOWAIT);
	ck_assert(_i ? w.parts == 1 : w.seen == 500000);
}
END_TEST

START_TEST(small_body_is_done_before_it_is_shown)
{
	static const struct raw_reply reply = { .bytes = HELLO };
	struct watcher w = { .parts = 0 };
	watch(&w, &reply, 1);
	until_count(bed.loop, &w.out.done, 1);
	ck_assert_int_eq(w.out.err, LTS_OK);
	ck_assert_uint_eq(w.parts, 0);
}
END_TEST

START_TEST(body_of_an_error_is_not_shown)
{
	static const struct raw_reply reply = {
		.bytes = "HTTP/1.1 503 Busy\r\nContent-Length: 600000\r\n\r\n",
		.again = "0123456789",
		.times = 50000,
		.then = RAW_CLOSE,
	};
	struct watcher w = { .parts = 0 };
	watch(&w, &reply, 1);
	until_count(bed.loop, &w.out.done, 1);
	ck_assert_int_eq(w.out.status, 503);
	ck_assert_uint_eq(w.parts, 0);
}
END_TEST

Suite *
suite_http_part(void)
{
	Suite *suite = suite_create("http_part");
	TCase *tc = tcase_create("http_part");
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, what_is_here_is_shown_and_another_call_may_start);
	tcase_add_test(tc, what_is_shown_is_decoded);
	tcase_add_loop_test(tc, more_is_shown_until_it_is_enough, 0, 2);
	tcase_add_test(tc, small_body_is_done_before_it_is_shown);
	tcase_add_test(tc, body_of_an_error_is_not_shown);
	suite_add_tcase(suite, tc);
	return suite;
}
