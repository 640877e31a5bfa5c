/*
 * test_http_calls.c - many calls at once: kept connections, cancelling, callbacks.
 */
#include <check.h>
#include <ev.h>
#include <stdio.h>

#include "tests/suites.h"
#include "tests/support/http_bed.h"
#include "tests/support/until.h"

#define N_OF(list) (sizeof(list) / sizeof((list)[0]))
#define HELLO "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

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

START_TEST(many_requests_share_few_connections)
{
	struct raw_reply reply = { .bytes = HELLO };
	struct http_outcome out = { .done = 0 };
	bed.server = raw_server_start(&reply, 1);
	for (int i = 0; i < 200; i++)
		http_bed_start(&bed, http_bed_done, &out);
	ck_assert_uint_eq(out.done, 0);
	until_count(bed.loop, &out.done, 200);
	ck_assert_int_eq(out.err, LTS_OK);
	ck_assert_uint_eq(raw_server_requests(bed.server), 200);
	ck_assert_uint_le(raw_server_connections(bed.server), 4);
}
END_TEST

START_TEST(connection_closed_while_idle_is_replaced)
{
	struct raw_reply replies[] = { { .bytes = HELLO, .then = RAW_CLOSE },
				       { .bytes = HELLO } };
	struct http_outcome out = { .done = 0 };
	bed.server = raw_server_start(replies, N_OF(replies));
	for (size_t i = 1; i <= 2; i++) {
		http_bed_start(&bed, http_bed_done, &out);
		until_count(bed.loop, &out.done, i);
		ck_assert_int_eq(out.err, LTS_OK);
	}
	ck_assert_uint_eq(raw_server_connections(bed.server), 2);
}
END_TEST

/* The second request goes out on the kept connection, which then dies without a byte. */
static struct http_outcome
die_on_a_kept_connection(bool once)
{
	static const struct raw_reply replies[] = { { .bytes = HELLO },
						    { .then = RAW_CLOSE },
						    { .bytes = HELLO } };
	struct http_outcome out = { .done = 0 };
	char url[64];
	bed.server = raw_server_start(replies, N_OF(replies));
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/", raw_server_port(bed.server));
	struct http_request request = http_bed_request(url);
	request.method = "POST";
	request.once = once;
	http_bed_wait(&bed, request, &out);
	http_bed_wait(&bed, request, &out);
	return out;
}

START_TEST(write_on_a_dying_connection_is_not_sent_twice)
{
	struct http_outcome out = die_on_a_kept_connection(true);
	ck_assert_int_eq(out.err, LTS_AGAIN);
	ck_assert(out.reached);
	ck_assert_uint_eq(raw_server_requests(bed.server), 2);
}
END_TEST

START_TEST(other_request_on_a_dying_connection_is_repeated)
{
	struct http_outcome out = die_on_a_kept_connection(false);
	ck_assert_int_eq(out.err, LTS_OK);
	ck_assert_uint_eq(raw_server_requests(bed.server), 3);
}
END_TEST

/* curl keeps its buffer, whose size then can no longer be set. */
START_TEST(call_that_ended_while_it_waited_for_a_connection_spoils_no_later_one)
{
	struct raw_reply replies[] = { { .then = RAW_HOLD },
				       { .then = RAW_HOLD },
				       { .then = RAW_HOLD },
				       { .then = RAW_HOLD },
				       { .bytes = HELLO } };
	struct http_outcome gone = { .done = 0 }, out = { .done = 0 };
	struct http_call *held = NULL;
	char url[64];
	bed.server = raw_server_start(replies, N_OF(replies));
	for (int i = 0; i < HTTP_BED_CONNECTIONS; i++)
		held = http_bed_start(&bed, http_bed_done, &gone);
	struct http_call *waiting = http_bed_start(&bed, http_bed_done, &gone);
	while (raw_server_requests(bed.server) < HTTP_BED_CONNECTIONS)
		ev_run(bed.loop, EVRUN_NOWAIT);
	http_cancel(bed.http, held);
	http_cancel(bed.http, waiting); /* the last: its handle is the next one's */
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/", raw_server_port(bed.server));
	struct http_request request = http_bed_request(url);
	request.bulk = true;
	http_bed_wait(&bed, request, &out);
	ck_assert_int_eq(out.err, LTS_OK);
	ck_assert_uint_eq(gone.done, 0);
}
END_TEST

START_TEST(cancelled_call_never_calls_back)
{
	struct raw_reply replies[] = { { .then = RAW_HOLD }, { .bytes = HELLO } };
	struct http_outcome gone = { .done = 0 }, out = { .done = 0 };
	bed.server = raw_server_start(replies, N_OF(replies));
	struct http_call *call = http_bed_start(&bed, http_bed_done, &gone);
	while (raw_server_requests(bed.server) == 0)
		ev_run(bed.loop, EVRUN_NOWAIT);
	http_cancel(bed.http, call);
	http_bed_start(&bed, http_bed_done, &out);
	until_count(bed.loop, &out.done, 1);
	ck_assert_int_eq(out.err, LTS_OK);
	ck_assert_uint_eq(gone.done, 0);
}
END_TEST

START_TEST(call_cancelled_at_once_is_never_sent)
{
	struct raw_reply reply = { .bytes = HELLO };
	struct http_outcome gone = { .done = 0 }, out = { .done = 0 };
	bed.server = raw_server_start(&reply, 1);
	http_cancel(bed.http, http_bed_start(&bed, http_bed_done, &gone));
	http_bed_start(&bed, http_bed_done, &out);
	until_count(bed.loop, &out.done, 1);
	ck_assert_uint_eq(gone.done, 0);
	ck_assert_uint_eq(raw_server_requests(bed.server), 1);
}
END_TEST

START_TEST(destroy_cancels_what_is_in_flight)
{
	struct raw_reply reply = { .then = RAW_HOLD };
	struct http_outcome gone = { .done = 0 };
	bed.server = raw_server_start(&reply, 1);
	for (int i = 0; i < 10; i++)
		http_bed_start(&bed, http_bed_done, &gone);
	while (raw_server_requests(bed.server) == 0)
		ev_run(bed.loop, EVRUN_NOWAIT);
	http_destroy(&bed.http);
	ev_run(bed.loop, EVRUN_NOWAIT);
	ck_assert_uint_eq(gone.done, 0);
}
END_TEST

struct canceller {
	size_t done;
	struct http_call *calls[3];
};

/* Whichever comes first cancels all three, itself included, and starts another. */
static void
on_done_cancel_all(void *arg, struct http_result *result)
{
	struct canceller *c = arg;
	c->done++;
	if (c->done > 1)
		return;
	for (size_t i = 0; i < N_OF(c->calls); i++)
		http_cancel(bed.http, c->calls[i]);
	http_bed_start(&bed, on_done_cancel_all, c);
}

START_TEST(callback_may_cancel_and_start)
{
	struct raw_reply reply = { .bytes = HELLO };
	struct canceller c = { .done = 0 };
	bed.server = raw_server_start(&reply, 1);
	for (size_t i = 0; i < N_OF(c.calls); i++)
		c.calls[i] = http_bed_start(&bed, on_done_cancel_all, &c);
	until_count(bed.loop, &c.done, 2);
	for (int i = 0; i < 20; i++)
		ev_run(bed.loop, EVRUN_NOWAIT);
	ck_assert_uint_eq(c.done, 2);
}
END_TEST

struct keeper {
	struct http_bed *bed;
	size_t done;
	struct buf kept;
};

static void
keep_body(void *arg, struct http_result *result)
{
	struct keeper *keeper = arg;
	keeper->done++;
	ck_assert_int_eq(result->err, LTS_OK);
	keeper->kept = *result->body;
	buf_init(result->body, 0);
}

/* A body that is kept has memory of its own; one that came back serves the next, whole. */
START_TEST(memory_of_a_body_serves_the_next)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 160000\r\n\r\n";
	const struct raw_reply replies[] = {
		{ .bytes = head, .again = "0123456789abcdef", .times = 10000 },
		{ .bytes = head, .again = "ABCDEFGHIJKLMNOP", .times = 10000 },
		{ .bytes = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno" },
	};
	struct keeper first = { .done = 0 }, second = { .done = 0 }, third = { .done = 0 };
	bed.server = raw_server_start(replies, 3);
	http_bed_start(&bed, keep_body, &first);
	until_count(bed.loop, &first.done, 1);
	const char *memory = first.kept.data;
	ck_assert_uint_eq(first.kept.len, 160000);
	ck_assert_uint_le(first.kept.cap, 160000 + 65536 + 1);
	http_recycle(bed.http, &first.kept);
	ck_assert_ptr_null(first.kept.data);
	http_bed_start(&bed, keep_body, &second);
	until_count(bed.loop, &second.done, 1);
	ck_assert_ptr_eq(second.kept.data, memory);
	ck_assert_uint_eq(second.kept.len, 160000);
	ck_assert_uint_eq(second.kept.max, HTTP_BED_CAP);
	ck_assert_mem_eq(second.kept.data + 159984, "ABCDEFGHIJKLMNOP", 17);
	http_recycle(bed.http, &second.kept);
	http_bed_start(&bed, keep_body, &third); /* small: not that much for two bytes */
	until_count(bed.loop, &third.done, 1);
	ck_assert_uint_lt(third.kept.cap, 1000);
	buf_fini(&third.kept);
}
END_TEST

Suite *
suite_http_calls(void)
{
	Suite *suite = suite_create("http_calls");
	TCase *tc = tcase_create("http_calls");
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, many_requests_share_few_connections);
	tcase_add_test(tc, connection_closed_while_idle_is_replaced);
	tcase_add_test(tc, write_on_a_dying_connection_is_not_sent_twice);
	tcase_add_test(tc, other_request_on_a_dying_connection_is_repeated);
	tcase_add_test(tc, call_that_ended_while_it_waited_for_a_connection_spoils_no_later_one);
	tcase_add_test(tc, cancelled_call_never_calls_back);
	tcase_add_test(tc, call_cancelled_at_once_is_never_sent);
	tcase_add_test(tc, destroy_cancels_what_is_in_flight);
	tcase_add_test(tc, memory_of_a_body_serves_the_next);
	tcase_add_test(tc, callback_may_cancel_and_start);
	suite_add_tcase(suite, tc);
	return suite;
}
