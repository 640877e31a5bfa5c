/*
 * test_agency.c - holds supervisor/agency.c: what it asks the metadata service, and what it makes
 * of the answers.
 */
#include <check.h>
#include <ev.h>
#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"
#include "supervisor/agency.h"
#include "tests/suites.h"
#include "tests/support/raw_server.h"

#define OK(body) "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" body
#define KEYS                                                                               \
	"{\"credential\":{\"access\":\"AK1\",\"secret\":\"SK1\",\"securitytoken\":\"T1\"," \
	"\"expires_at\":\"2020-01-08T02:56:19.587000Z\"}}"

static struct {
	struct ev_loop *loop;
	struct raw_server *server;
	enum lts_err err;
	struct credentials keys;
	int64_t expires_ns;
	char why[400];
	unsigned answers;
} bed;

static void
on_done(void *arg, const struct agency_answer *answer)
{
	bed.answers++;
	bed.err = answer->err;
	if (answer->keys)
		bed.keys = *answer->keys;
	bed.expires_ns = answer->expires_ns;
	strncpy(bed.why, answer->why ? answer->why : "", sizeof(bed.why) - 1);
	ev_break(bed.loop, EVBREAK_ALL);
}

static void
ask(const struct raw_reply *replies, size_t n)
{
	memset(&bed, 0, sizeof(bed));
	bed.loop = ev_loop_new(0);
	bed.server = raw_server_start(replies, n);
	char *url = xasprintf("http://127.0.0.1:%u", raw_server_port(bed.server));
	struct agency *agency = agency_create(bed.loop, url, on_done, NULL);
	agency_ask(agency);
	agency_ask(agency); /* without effect */
	ev_run(bed.loop, 0);
	agency_destroy(&agency);
	ev_loop_destroy(bed.loop);
	free(url);
}

static void
expect_request(size_t n, const char *line, const char *header)
{
	char *request = raw_server_request(bed.server, n);
	ck_assert_ptr_eq(strstr(request, line), request);
	if (header)
		ck_assert_ptr_nonnull(strstr(request, header));
	else
		ck_assert_ptr_null(strstr(request, "X-Metadata-Token"));
	free(request);
}

START_TEST(keys_are_asked_for_with_a_token)
{
	static const struct raw_reply replies[] = { { .bytes = OK("tok-1\n"), .then = RAW_CLOSE },
						    { .bytes = OK(KEYS), .then = RAW_CLOSE } };
	ask(replies, 2);
	ck_assert_int_eq(bed.err, LTS_OK);
	ck_assert_uint_eq(bed.answers, 1);
	ck_assert_str_eq(bed.keys.ak, "AK1");
	ck_assert_str_eq(bed.keys.sk, "SK1");
	ck_assert_str_eq(bed.keys.token, "T1");
	ck_assert_int_eq(bed.expires_ns, 1578452179587000000);
	ck_assert_uint_eq(raw_server_requests(bed.server), 2);
	expect_request(0, "PUT /meta-data/latest/api/token HTTP/1.1\r\n",
		       "\r\nX-Metadata-Token-Ttl-Seconds: 21600\r\n");
	expect_request(1, "GET /openstack/latest/securitykey HTTP/1.1\r\n",
		       "\r\nX-Metadata-Token: tok-1\r\n");
	raw_server_stop(&bed.server);
}
END_TEST

static const char *const no_tokens[] = { "HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\nno",
					 "HTTP/1.1 405 No\r\nConnection: close\r\n\r\n" };

START_TEST(service_without_tokens_is_asked_without)
{
	const struct raw_reply replies[] = { { .bytes = no_tokens[_i], .then = RAW_CLOSE },
					     { .bytes = OK(KEYS), .then = RAW_CLOSE } };
	ask(replies, 2);
	ck_assert_int_eq(bed.err, LTS_OK);
	expect_request(1, "GET /openstack/latest/securitykey HTTP/1.1\r\n", NULL);
	raw_server_stop(&bed.server);
}
END_TEST

static const struct {
	const char *token, *keys;
	enum lts_err err;
	const char *why;
} bad[] = {
	{ "HTTP/1.1 500 No\r\nConnection: close\r\n\r\n", OK(KEYS), LTS_AGAIN, "status 500" },
	{ OK("t"), "HTTP/1.1 404 No\r\nConnection: close\r\n\r\n", LTS_AGAIN, "status 404" },
	{ OK("t"), OK("<html>"), LTS_BADDATA, "not of the expected shape" },
	{ OK("t"), OK("{\"credential\":{\"access\":\"A\"}}"), LTS_BADDATA,
	  "not of the expected shape" },
	{ OK("t"), "", LTS_AGAIN, "securitykey" },
};

START_TEST(bad_answer_is_an_error_that_says_which)
{
	const struct raw_reply replies[] = { { .bytes = bad[_i].token, .then = RAW_CLOSE },
					     { .bytes = bad[_i].keys, .then = RAW_CLOSE } };
	ask(replies, 2);
	ck_assert_int_eq(bed.err, bad[_i].err);
	ck_assert_ptr_nonnull(strstr(bed.why, bad[_i].why));
	raw_server_stop(&bed.server);
}
END_TEST

static const char *const shapes[] = {
	"{}",
	"[]",
	"{\"credential\":{\"access\":\"A\",\"secret\":\"S\",\"securitytoken\":\"T\","
	"\"expires_at\":\"soon\"}}",
	"{\"credential\":{\"access\":\"A B\",\"secret\":\"S\",\"securitytoken\":\"T\","
	"\"expires_at\":\"2020-01-08T02:56:19Z\"}}",
	"{\"credential\":{\"access\":\"\",\"secret\":\"S\",\"securitytoken\":\"T\","
	"\"expires_at\":\"2020-01-08T02:56:19Z\"}}",
};

START_TEST(other_shape_leaves_what_was_there)
{
	struct credentials keys = { .ak = "old" };
	int64_t expires_ns = 7;
	ck_assert_int_eq(agency_parse(shapes[_i], strlen(shapes[_i]), &keys, &expires_ns),
			 LTS_BADDATA);
	ck_assert_str_eq(keys.ak, "old");
	ck_assert_int_eq(expires_ns, 7);
}
END_TEST

Suite *
suite_agency(void)
{
	Suite *suite = suite_create("agency");
	TCase *tc = tcase_create("agency");
	tcase_add_test(tc, keys_are_asked_for_with_a_token);
	tcase_add_loop_test(tc, service_without_tokens_is_asked_without, 0, 2);
	tcase_add_loop_test(tc, bad_answer_is_an_error_that_says_which, 0,
			    sizeof(bad) / sizeof(bad[0]));
	tcase_add_loop_test(tc, other_shape_leaves_what_was_there, 0,
			    sizeof(shapes) / sizeof(shapes[0]));
	suite_add_tcase(suite, tc);
	return suite;
}
