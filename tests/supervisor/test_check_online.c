/*
 * test_check_online.c - holds supervisor/check_online.c: what it says of each answer, that it asks
 * once, and that no key is in what it says.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/xalloc.h"
#include "supervisor/check_online.h"
#include "supervisor/group.h"
#include "tests/support/raw_server.h"
#include "tests/suites.h"

#define NOW_NS INT64_C(1767322800000000000)
#define HOUR_NS INT64_C(3600000000000)

static struct options options;
static struct buf lines;

static void
setup(void)
{
	options_init(&options);
	options.region = xstrdup("cn-north-4");
	options.project_id = xstrdup("P");
	options.group_id = xstrdup("G");
	options.stream_id = xstrdup("S");
	options.consumer_group_name = xstrdup("C");
	buf_init(&lines, 0);
}

static void
teardown(void)
{
	options_fini(&options);
	buf_fini(&lines);
}

#define URL "https://lts-access.cn-north-4.myhuaweicloud.com:8102"

static const struct {
	struct lts_answer answer;
	const char *says;
	enum exit_code code;
} judgements[] = {
	{ { .status = 200 }, "online: ok, 0 shards with a checkpoint\n", EXIT_DONE },
	{ { .status = 200, .n_checkpoints = 1, .service_time_ns = NOW_NS - 59000000000 },
	  "online: ok, 1 shard with a checkpoint\n", EXIT_DONE },
	{ { .status = 200, .service_time_ns = NOW_NS - HOUR_NS },
	  "this host's clock is 3600 s ahead of the service's\n", EXIT_FAILED },
	{ { .err = LTS_DENIED, .status = 401, .code = "APIGW.0303", .message = "skew",
	    .service_time_ns = NOW_NS + HOUR_NS },
	  "this host's clock is 3600 s behind the service's\n", EXIT_FAILED },
	{ { .err = LTS_DENIED, .status = 401, .code = "APIGW.0303", .message = "skew" },
	  "this host's clock is too far from the service's\n", EXIT_FAILED },
	{ { .err = LTS_DENIED, .status = 401, .code = "APIGW.0301", .message = "Incorrect" },
	  "option 'ak': 'AKID': the service refuses these keys: " GROUP_DENIED_CAUSES
	  ": Incorrect (HTTP status 401, APIGW.0301)\n",
	  EXIT_USAGE },
	{ { .err = LTS_DENIED, .status = 403, .message = "HTTP status 403" },
	  "option 'ak': 'AKID': the service refuses these keys: " GROUP_DENIED_CAUSES
	  ": HTTP status 403 (HTTP status 403)\n",
	  EXIT_USAGE },
	{ { .err = LTS_DENIED, .status = 403, .code = "LTS.0011", .message = "Invalid" },
	  "option 'project_id': 'P': the service does not know it: Invalid (HTTP status 403, "
	  "LTS.0011)\n",
	  EXIT_USAGE },
	{ { .err = LTS_NOTFOUND, .status = 404, .code = "LTS.0201", .message = "none" },
	  "option 'group_id': 'G': the service does not know it: none (HTTP status 404, "
	  "LTS.0201)\n",
	  EXIT_USAGE },
	{ { .err = LTS_NOTFOUND, .status = 404, .code = "LTS.0208", .message = "none" },
	  "option 'stream_id': 'S': the service does not know it: none (HTTP status 404, "
	  "LTS.0208)\n",
	  EXIT_USAGE },
	{ { .err = LTS_NOTFOUND, .status = 404, .message = "The Consumer Group is not there" },
	  "option 'consumer_group_name': 'C': the service does not know it: The Consumer Group is "
	  "not there (HTTP status 404)\n",
	  EXIT_USAGE },
	{ { .err = LTS_NOTFOUND, .status = 404, .message = "none" },
	  "one of project_id, group_id, stream_id, consumer_group_name: the service does not know "
	  "it: none (HTTP status 404)\n",
	  EXIT_USAGE },
	{ { .err = LTS_BADDATA, .status = 302, .message = "moved" },
	  "option 'region': '" URL
	  "': it sends us elsewhere, and that is not followed: moved (HTTP status 302)\n",
	  EXIT_FAILED },
	{ { .err = LTS_AGAIN, .message = "Could not resolve host: x" },
	  "option 'region': '" URL "': Could not resolve host: x\n", EXIT_FAILED },
	{ { .err = LTS_AGAIN, .status = 503, .code = "APIGW.0202", .message = "later" },
	  "option 'region': '" URL "': later (HTTP status 503, APIGW.0202)\n", EXIT_FAILED },
	{ { .err = LTS_INVALID, .status = 400, .message = "what?" },
	  "option 'region': '" URL "': what? (HTTP status 400)\n", EXIT_FAILED },
};

START_TEST(each_answer_is_judged_in_one_line)
{
	ck_assert_int_eq(check_online_judge(&options, "AKID", &judgements[_i].answer, NOW_NS,
					    &lines),
			 judgements[_i].code);
	ck_assert_str_eq(lines.data, judgements[_i].says);
}
END_TEST

START_TEST(clock_and_keys_are_two_findings)
{
	const struct lts_answer answer = { .err = LTS_DENIED,
					   .status = 401,
					   .code = "APIGW.0301",
					   .message = "Incorrect",
					   .service_time_ns = NOW_NS - HOUR_NS };
	ck_assert_int_eq(check_online_judge(&options, "AKID", &answer, NOW_NS, &lines),
			 EXIT_USAGE);
	ck_assert_ptr_eq(strstr(lines.data, "this host's clock is 3600 s ahead of"), lines.data);
	ck_assert_ptr_nonnull(strstr(lines.data, "\noption 'ak': 'AKID': "));
}
END_TEST

START_TEST(secret_in_the_place_of_an_id_is_not_printed)
{
	static const char *const mistakes[] = {
		"wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY", /* as secrets are */
		"ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ABCD", /* too long for an id */
	};
	const struct lts_answer answer = { .err = LTS_DENIED, .status = 401, .message = "no" };
	for (size_t i = 0; i < 2; i++) {
		buf_clear(&lines);
		ck_assert_int_eq(check_online_judge(&options, mistakes[i], &answer, NOW_NS,
						    &lines),
				 EXIT_USAGE);
		ck_assert_ptr_null(strstr(lines.data, mistakes[i]));
		ck_assert_ptr_nonnull(strstr(lines.data, "not printed"));
	}
}
END_TEST

/* ---- with a far end ---- */

#define HEAD(status) "HTTP/1.1 " status "\r\nConnection: close\r\n"
#define KEYS                                                                               \
	"{\"credential\":{\"access\":\"AK1\",\"secret\":\"SK1\",\"securitytoken\":\"T1\"," \
	"\"expires_at\":\"2099-01-08T02:56:19.587000Z\"}}"

static const struct credentials given = { .ak = "AKID", .sk = "a-very-secret-key" };

static enum exit_code
ask(struct raw_server *server, const struct credentials *credentials)
{
	options.endpoint = xasprintf("http://127.0.0.1:%u", raw_server_port(server));
	options.agency_url = xstrdup(options.endpoint);
	return check_online(&options, credentials, &lines);
}

START_TEST(one_signed_get_is_all_that_is_sent)
{
	static const struct raw_reply reply = { .bytes = HEAD("503 Later") "\r\n",
						.then = RAW_CLOSE };
	struct raw_server *server = raw_server_start(&reply, 1);
	ck_assert_int_eq(ask(server, &given), EXIT_FAILED);
	ck_assert_uint_eq(raw_server_requests(server), 1);
	char *sent = raw_server_request(server, 0);
	ck_assert_ptr_eq(
		strstr(sent, "GET /v2/P/groups/G/streams/S/consumer-groups/C?shard_id= HTTP/1.1"),
		sent);
	ck_assert_ptr_nonnull(strstr(sent, "Authorization: V11-HMAC-SHA256 Credential=AKID/"));
	ck_assert_str_eq(strstr(sent, "\r\n\r\n"), "\r\n\r\n");
	free(sent);
	raw_server_stop(&server);
}
END_TEST

START_TEST(clock_that_is_off_is_said_and_asked_with_once_more)
{
	static const struct raw_reply replies[] = {
		{ .bytes = HEAD("401 No") "Date: Mon, 03 Jan 2000 00:00:00 GMT\r\n\r\n"
					  "{\"error_code\":\"APIGW.0303\"}",
		  .then = RAW_CLOSE },
		{ .bytes = HEAD("200 OK") "Date: Mon, 03 Jan 2000 00:00:00 GMT\r\n\r\n[]",
		  .then = RAW_CLOSE },
	};
	struct raw_server *server = raw_server_start(replies, 2);
	ck_assert_int_eq(ask(server, &given), EXIT_FAILED);
	ck_assert_uint_eq(raw_server_requests(server), 2);
	ck_assert_ptr_nonnull(strstr(lines.data, " s ahead of the service's\n"));
	char *sent = raw_server_request(server, 1);
	ck_assert_ptr_nonnull(strstr(sent, "X-Sdk-Date: 20000103T0000"));
	free(sent);
	raw_server_stop(&server);
}
END_TEST

START_TEST(agency_is_asked_for_the_keys_and_the_service_with_them)
{
	static const struct raw_reply replies[] = {
		{ .bytes = HEAD("404 No") "\r\n", .then = RAW_CLOSE },
		{ .bytes = HEAD("200 OK") "\r\n" KEYS, .then = RAW_CLOSE },
		{ .bytes = HEAD("401 No") "\r\n", .then = RAW_CLOSE },
	};
	static const struct credentials none;
	struct raw_server *server = raw_server_start(replies, 3);
	ck_assert_int_eq(ask(server, &none), EXIT_USAGE);
	ck_assert_uint_eq(raw_server_requests(server), 3);
	char *sent = raw_server_request(server, 2);
	ck_assert_ptr_nonnull(strstr(sent, "\r\nSecurityToken: T1\r\n"));
	ck_assert_ptr_nonnull(strstr(lines.data, "option 'ak': 'AK1': "));
	free(sent);
	raw_server_stop(&server);
}
END_TEST

START_TEST(agency_without_keys_is_said)
{
	static const struct raw_reply reply = { .bytes = HEAD("500 No") "\r\n",
						.then = RAW_CLOSE };
	static const struct credentials none;
	struct raw_server *server = raw_server_start(&reply, 1);
	ck_assert_int_eq(ask(server, &none), EXIT_FAILED);
	ck_assert_uint_eq(raw_server_requests(server), 1);
	ck_assert_ptr_eq(strstr(lines.data, "option 'agency': 'ecs': no keys: http://127.0.0.1"),
			 lines.data);
	raw_server_stop(&server);
}
END_TEST

START_TEST(silence_is_waited_for_so_long_and_no_longer)
{
	static const struct raw_reply reply = { .then = RAW_HOLD };
	struct raw_server *server = raw_server_start(&reply, 1);
	int64_t start_ms = clock_mono_ms();
	ck_assert_int_eq(ask(server, &given), EXIT_FAILED);
	int64_t took_ms = clock_mono_ms() - start_ms;
	ck_assert_int_ge(took_ms, 8900);
	ck_assert_int_le(took_ms, 12000);
	ck_assert_ptr_nonnull(strstr(lines.data, "timed out after"));
	ck_assert_uint_eq(raw_server_requests(server), 1);
	raw_server_stop(&server);
}
END_TEST

/* The first answer is late, the second does not come. */
START_TEST(two_tries_are_not_given_twice_the_time)
{
	static const struct raw_reply replies[] = {
		{ .bytes = HEAD("401 No") "Date: Mon, 03 Jan 2000 00:00:00 GMT\r\n\r\n",
		  .then = RAW_CLOSE },
		{ .then = RAW_HOLD },
	};
	static const struct credentials none;
	static const struct raw_reply agency[] = {
		{ .bytes = HEAD("404 No") "\r\n", .then = RAW_CLOSE },
		{ .then = RAW_HOLD },
	};
	struct raw_server *server = raw_server_start(replies, 2);
	int64_t start_ms = clock_mono_ms();
	ck_assert_int_eq(ask(server, &given), EXIT_FAILED);
	ck_assert_int_le(clock_mono_ms() - start_ms, 12000);
	raw_server_stop(&server);
	server = raw_server_start(agency, 2);
	free(options.endpoint);
	free(options.agency_url);
	start_ms = clock_mono_ms();
	ck_assert_int_eq(ask(server, &none), EXIT_FAILED);
	ck_assert_int_le(clock_mono_ms() - start_ms, 12000);
	raw_server_stop(&server);
}
END_TEST

Suite *
suite_check_online(void)
{
	Suite *suite = suite_create("check_online");
	TCase *tc = tcase_create("check_online");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, each_answer_is_judged_in_one_line, 0,
			    sizeof(judgements) / sizeof(judgements[0]));
	tcase_add_test(tc, clock_and_keys_are_two_findings);
	tcase_add_test(tc, secret_in_the_place_of_an_id_is_not_printed);
	tcase_add_test(tc, one_signed_get_is_all_that_is_sent);
	tcase_add_test(tc, clock_that_is_off_is_said_and_asked_with_once_more);
	tcase_add_test(tc, agency_is_asked_for_the_keys_and_the_service_with_them);
	tcase_add_test(tc, agency_without_keys_is_said);
	tcase_add_test(tc, silence_is_waited_for_so_long_and_no_longer);
	tcase_add_test(tc, two_tries_are_not_given_twice_the_time);
	suite_add_tcase(suite, tc);
	return suite;
}
