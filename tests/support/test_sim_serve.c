/*
 * test_sim_serve.c - holds lts-sim's service without its network: whole requests in,
 * answers out.
 *
 * Requests are signed with common/lts_sign, whose own tests hold it to the published
 * vectors.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"
#include "tests/sim/sim.h"
#include "tests/suites.h"

#define NS_PER_S INT64_C(1000000000)
#define START_S INT64_C(1767323045) /* 20260102T030405Z */
#define BASE                                            \
	"/v2/0123456789abcdef0123456789abcdef/groups/"  \
	"11111111-2222-3333-4444-555555555555/streams/" \
	"66666666-7777-8888-9999-aaaaaaaaaaaa"
#define GROUP BASE "/consumer-groups/my-group"
#define V3                                                 \
	"/v3/0123456789abcdef0123456789abcdef/lts/groups/" \
	"11111111-2222-3333-4444-555555555555/"            \
	"streams/66666666-7777-8888-9999-aaaaaaaaaaaa/logs"
#define RAW                                                         \
	"/v2/internal/0123456789abcdef0123456789abcdef/lts/groups/" \
	"11111111-2222-3333-4444-555555555555/streams/"             \
	"66666666-7777-8888-9999-aaaaaaaaaaaa/tenant/"              \
	"batch-contents"

static struct sim sim;
static struct sim_options options;
static struct sim_answer answer;
static struct sim_time now;

static void
setup(void)
{
	struct buf error;
	static char *argv[] = { NULL };
	buf_init(&error, 0);
	ck_assert_int_eq(sim_options_load(&options, 0, argv, &error), LTS_OK);
	const struct sim_stream_config stream = { .shards = 4,
						  .records = 1000,
						  .record_bytes = 400,
						  .seed = 1,
						  .start_ns = START_S * NS_PER_S };
	memset(&sim, 0, sizeof(sim));
	sim.options = &options;
	sim.stream = sim_stream_create(&stream);
	sim.group = sim_group_create(4, 60000);
	sim.faults = sim_faults_create(1, 4);
	ck_assert_int_eq(
		lts_sign_create(options.ak, options.sk, options.region, false, &sim.sign),
		LTS_OK);
	now = (struct sim_time){ 1000, (START_S + 10) * NS_PER_S };
	sim_answer_init(&answer);
}

static void
teardown(void)
{
	sim_answer_fini(&answer);
	lts_sign_destroy(&sim.sign);
	sim_faults_destroy(&sim.faults);
	sim_group_destroy(&sim.group);
	sim_stream_destroy(&sim.stream);
	sim_options_fini(&options);
}

static int
serve(const struct sim_request *request)
{
	sim_answer_fini(&answer);
	sim_answer_init(&answer);
	sim_serve(&sim, request, now, &answer);
	return answer.reset ? -1 : answer.status;
}

/* A signed request at the given time; returns the status, or -1 for a reset. */
static int
ask_at(int64_t time_s, const char *method, const char *target, const char *body)
{
	char date[LTS_SIGN_DATE_SIZE];
	struct sim_target parts;
	struct lts_signature signature;
	ck_assert_int_eq(sim_target_parse(&parts, target), LTS_OK);
	lts_sign_date_render(time_s, date);
	const struct lts_sign_request to_sign = {
		.method = method,
		.segments = parts.segments,
		.n_segments = parts.n_segments,
		.query = parts.query,
		.n_query = parts.n_query,
		.body = body,
		.body_len = strlen(body),
		.date = date,
	};
	ck_assert_int_eq(lts_sign_request(sim.sign, &to_sign, &signature), LTS_OK);
	sim_target_fini(&parts);
	const struct sim_request request = {
		.method = method,
		.target = target,
		.date = date,
		.authorization = signature.authorization,
		.content_type = "application/json",
		.body = body,
		.body_len = strlen(body),
	};
	return serve(&request);
}

static int
get(const char *target)
{
	return ask_at(START_S, "GET", target, "");
}

static int
post(const char *target, const char *body)
{
	return ask_at(START_S, "POST", target, body);
}

static bool
starts_with(const char *opening)
{
	return strncmp(answer.body.data, opening, strlen(opening)) == 0;
}

static void
set_faults(const char *rules)
{
	struct buf error;
	buf_init(&error, 0);
	ck_assert_int_eq(sim_faults_set(sim.faults, rules, false, &error), LTS_OK);
}

START_TEST(unsigned_and_badly_signed_requests_are_refused)
{
	struct sim_request request = { .method = "GET",
				       .target = BASE "/shards/0/cursor?from=begin",
				       .content_type = "application/json" };
	ck_assert_int_eq(serve(&request), 401);
	ck_assert_ptr_nonnull(
		strstr(answer.body.data, "\"error_code\":\"APIGW.0301\",\"request_id\":\""));
	request.date = "20260102T030405Z";
	request.authorization = "V11-HMAC-SHA256 Credential=AKIDEXAMPLE/20260102/cn-north-4/lts, "
				"SignedHeaders=content-type;x-sdk-date, Signature=00";
	ck_assert_int_eq(serve(&request), 401);
	request.date = "yesterday";
	ck_assert_int_eq(serve(&request), 401);
}
END_TEST

START_TEST(clock_skew_beyond_fifteen_minutes_is_refused)
{
	const char *target = BASE "/shards/0/cursor?from=begin";
	int64_t now_s = now.wall_ns / NS_PER_S;
	ck_assert_int_eq(ask_at(now_s - 900, "GET", target, ""), 200);
	ck_assert_int_eq(ask_at(now_s + 900, "GET", target, ""), 200);
	ck_assert_int_eq(ask_at(now_s - 901, "GET", target, ""), 401);
	ck_assert_ptr_nonnull(strstr(answer.body.data, "APIGW.0303"));
	ck_assert_int_eq(ask_at(now_s + 901, "GET", target, ""), 401);
}
END_TEST

START_TEST(security_token_is_demanded_when_set)
{
	options.security_token = "tok";
	ck_assert_int_eq(get(BASE "/shards/0/cursor?from=begin"), 401);
	ck_assert_ptr_nonnull(strstr(answer.body.data, "SecurityToken"));
}
END_TEST

START_TEST(unknown_things_are_404_with_their_codes)
{
	static const char *const cases[][2] = {
		{ "/v2/0123456789abcdef0123456789abcdef/groups/x/streams/y/shards/0/"
		  "cursor?from=begin",
		  "LTS.0201" },
		{ "/v2/0123456789abcdef0123456789abcdef/groups/"
		  "11111111-2222-3333-4444-555555555555/"
		  "streams/y/shards/0/cursor?from=begin",
		  "LTS.0208" },
		{ BASE "/consumer-groups/nope?shard_id=", "LTS.0404" },
		{ BASE "/shards/4/cursor?from=begin", "LTS.0404" },
		{ BASE, "APIGW.0101" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ck_assert_msg(get(cases[i][0]) == 404, "%s", cases[i][0]);
		ck_assert_msg(strstr(answer.body.data, cases[i][1]) != NULL, "%s",
			      answer.body.data);
	}
	ck_assert_int_eq(post(BASE "/shards/0/cursor?from=begin", ""), 405);
}
END_TEST

START_TEST(heartbeat_answers_with_what_is_owned)
{
	ck_assert_int_eq(post(GROUP "/heartbeat?consumer_name=a", "[]"), 200);
	ck_assert_str_eq(answer.body.data, "[\"0\",\"1\",\"2\",\"3\"]");
	ck_assert_int_eq(
		post(GROUP "/heartbeat?consumer_name=a", "[\"0\",\"1\",\"2\",\"3\",\"77\"]"),
		200);
	ck_assert_int_eq(post(GROUP "/heartbeat?consumer_name=b", "[]"), 200);
	ck_assert_str_eq(answer.body.data, "[]");
	ck_assert_int_eq(post(GROUP "/heartbeat?consumer_name=a", "[\"0\",\"1\",\"2\",\"3\"]"),
			 200);
	ck_assert_str_eq(answer.body.data, "[\"0\",\"1\"]");
	ck_assert_int_eq(post(GROUP "/heartbeat?consumer_name=a", "nope"), 400);
	ck_assert_ptr_nonnull(strstr(answer.body.data, "LTS.0007"));
	ck_assert_int_eq(post(GROUP "/heartbeat?consumer_name=a", "{}"), 400);
	ck_assert_int_eq(post(GROUP "/heartbeat?consumer_name=a", "[1]"), 400);
	ck_assert_int_eq(post(GROUP "/heartbeat", "[]"), 400);
	ck_assert_int_eq(post(GROUP "/heartbeat?consumer_name=a%22b", "[]"), 400);
}
END_TEST

START_TEST(checkpoints_are_read_as_integers_and_written_as_either)
{
	ck_assert_int_eq(get(GROUP "?shard_id="), 200);
	ck_assert_str_eq(answer.body.data, "[]");
	post(GROUP "/heartbeat?consumer_name=a", "[]");
	ck_assert_int_eq(post(GROUP "?consumer_name=a",
			      "[{\"shard_id\":\"0\",\"checkpoint\":\"1767322800000000011\"},"
			      "{\"checkpoint\":1767332800000000003,\"shard_id\":\"1\"}]"),
			 200);
	ck_assert_int_eq(get(GROUP "?shard_id="), 200);
	ck_assert_str_eq(answer.body.data,
			 "[{\"shard_id\":\"0\",\"checkpoint\":1767322800000000011,"
			 "\"update_time\":1767323055000,\"consumer_name\":\"a\"},"
			 "{\"shard_id\":\"1\",\"checkpoint\":1767332800000000003,"
			 "\"update_time\":1767323055000,\"consumer_name\":\"a\"}]");
	ck_assert_int_eq(get(GROUP "?shard_id=1"), 200);
	ck_assert_ptr_null(strstr(answer.body.data, "\"shard_id\":\"0\""));
	ck_assert_ptr_nonnull(strstr(answer.body.data, "\"shard_id\":\"1\""));
	ck_assert_int_eq(get(GROUP "?shard_id=2"), 200);
	ck_assert_str_eq(answer.body.data, "[]");
}
END_TEST

START_TEST(checkpoint_of_a_stranger_is_409_and_of_nonsense_400)
{
	const char *good = "[{\"shard_id\":\"0\",\"checkpoint\":\"1767322800000000011\"}]";
	post(GROUP "/heartbeat?consumer_name=a", "[]");
	ck_assert_int_eq(post(GROUP "?consumer_name=b", good), 409);
	ck_assert_ptr_nonnull(strstr(answer.body.data, "LTS.0409"));
	ck_assert_int_eq(
		post(GROUP "?consumer_name=a", "[{\"shard_id\":\"0\",\"checkpoint\":\"1\"}]"),
		400);
	ck_assert_int_eq(
		post(GROUP "?consumer_name=a", "[{\"shard_id\":\"9\",\"checkpoint\":\"1\"}]"),
		400);
	ck_assert_int_eq(post(GROUP "?consumer_name=a", "[{}]"), 400);
	ck_assert_int_eq(post(GROUP "?consumer_name=a", "[7]"), 400);
	ck_assert_int_eq(post(GROUP "?consumer_name=a", good), 200);
	now.mono_ms += 60000;
	ck_assert_int_eq(post(GROUP "?consumer_name=a", good), 409);
}
END_TEST

START_TEST(cursor_by_time_is_a_string)
{
	ck_assert_int_eq(get(BASE "/shards/0/cursor?from=begin"), 200);
	ck_assert_str_eq(answer.body.data, "{\"cursor\":\"1767322800000000001\"}");
	ck_assert_int_eq(get(BASE "/shards/0/cursor?from=end"), 200);
	ck_assert_str_eq(answer.body.data, "{\"cursor\":\"1767322800000001001\"}");
	ck_assert_int_eq(get(BASE "/shards/0/cursor?from=1767323044500000000"), 200);
	ck_assert_str_eq(answer.body.data, "{\"cursor\":\"1767322800000000501\"}");
	ck_assert_int_eq(get(BASE "/shards/0/cursor?from=9000000000000000000"), 200);
	ck_assert_str_eq(answer.body.data, "{\"cursor\":\"1767322800000001001\"}");
	ck_assert_int_eq(get(BASE "/shards/0/cursor?from=soon"), 400);
	ck_assert_int_eq(get(BASE "/shards/0/cursor"), 400);
}
END_TEST

#define BATCH(shard, start, limit, rest) \
	BASE "/shards/" shard "?limit=" limit "&start=17673228000000" start rest

START_TEST(batch_has_count_next_and_logs)
{
	ck_assert_int_eq(get(BATCH("0", "00001", "10", "")), 200);
	ck_assert(starts_with("{\"count\":10,\"next\":1767322800000000011,\"logs\":["
			      "{\"labels\":{\"log_content\":\""));
	ck_assert_str_eq(answer.body.data + answer.body.len - 5, "\"}}]}");
	ck_assert_int_eq(get(BATCH("0", "01001", "1000", "")), 200);
	ck_assert_str_eq(answer.body.data,
			 "{\"count\":0,\"next\":1767322800000001001,\"logs\":[]}");
	ck_assert_int_eq(get(BATCH("0", "00991", "1000", "&end=1767322800000000994")), 200);
	ck_assert(starts_with("{\"count\":3,\"next\":1767322800000000994,"));
	ck_assert_int_eq(get(BATCH("0", "00994", "1000", "&end=1767322800000000994")), 200);
	ck_assert_str_eq(answer.body.data,
			 "{\"count\":0,\"next\":1767322800000000994,\"logs\":[]}");
}
END_TEST

START_TEST(bad_batches_are_refused)
{
	ck_assert_int_eq(get(BATCH("0", "00001", "9", "")), 400);
	ck_assert_int_eq(get(BATCH("0", "00001", "1001", "")), 400);
	ck_assert_int_eq(get(BATCH("0", "00001", "x", "")), 400);
	ck_assert_int_eq(get(BATCH("0", "01002", "10", "")), 400);
	ck_assert_int_eq(get(BATCH("1", "00001", "10", "")), 400);
	ck_assert_int_eq(get(BATCH("0", "00001", "10", "&end=5")), 400);
	ck_assert_int_eq(get(BASE "/shards/0?limit=10"), 400);
	sim_stream_expire(sim.stream, 0, 500);
	ck_assert_int_eq(get(BATCH("0", "00500", "10", "")), 410);
	ck_assert_ptr_nonnull(strstr(answer.body.data, "LTS.0410"));
	ck_assert_int_eq(get(BATCH("0", "00501", "10", "")), 200);
}
END_TEST

START_TEST(faults_come_before_and_after_what_was_asked)
{
	const char *beat = GROUP "/heartbeat?consumer_name=a";
	set_faults("heartbeat count=1 reset");
	ck_assert_int_eq(post(beat, "[]"), -1);
	ck_assert_uint_eq(sim_group_members(sim.group), 0);
	set_faults("heartbeat count=1 lose_reply");
	ck_assert_int_eq(post(beat, "[]"), -1);
	ck_assert_uint_eq(sim_group_members(sim.group), 1);
	set_faults("any status=429 retry_after=3 latency=40");
	ck_assert_int_eq(post(beat, "[]"), 429);
	ck_assert_str_eq(answer.retry_after, "3");
	ck_assert_int_eq(answer.latency_ms, 40);
	ck_assert_ptr_nonnull(strstr(answer.body.data, "APIGW.0308"));
	set_faults("any status=503 retry_after=date:5");
	ck_assert_int_eq(post(beat, "[]"), 503);
	ck_assert_str_eq(answer.retry_after, "Fri, 02 Jan 2026 03:04:20 GMT");
	set_faults("any redirect=http://x/");
	ck_assert_int_eq(post(beat, "[]"), 302);
	ck_assert_str_eq(answer.location, "http://x/");
	set_faults("any garbage=[[");
	ck_assert_int_eq(post(beat, "[]"), 200);
	ck_assert_str_eq(answer.body.data, "[[");
}
END_TEST

START_TEST(batch_faults_lie_about_next)
{
	set_faults("batch same_next");
	ck_assert_int_eq(get(BATCH("0", "00101", "10", "")), 200);
	ck_assert(starts_with("{\"count\":10,\"next\":1767322800000000101,"));
	set_faults("batch back=5");
	ck_assert_int_eq(get(BATCH("0", "00101", "10", "")), 200);
	ck_assert(starts_with("{\"count\":10,\"next\":1767322800000000096,"));
	set_faults("batch empty");
	ck_assert_int_eq(get(BATCH("0", "00101", "10", "")), 200);
	ck_assert_str_eq(answer.body.data,
			 "{\"count\":0,\"next\":1767322800000000101,\"logs\":[]}");
}
END_TEST

START_TEST(structured_ingestion_becomes_records)
{
	ck_assert_int_eq(post(V3, "{\"logs\":[{\"time\":1767323045123,\"lineNum\":7,"
				  "\"contents\":[{\"k\":\"v\"}]},"
				  "{\"time\":1767323045124,\"contents\":[{\"log_"
				  "content\":\"a\\\"b\"}]}],"
				  "\"labels\":{\"app\":\"shop\"}}"),
			 200);
	ck_assert_uint_eq(sim_stream_produced(sim.stream, 0), 1002);
	ck_assert_int_eq(get(BATCH("0", "01001", "10", "")), 200);
	ck_assert_ptr_nonnull(
		strstr(answer.body.data,
		       "{\"log_content\":\"[{\\\"k\\\":\\\"v\\\"}]\",\"app\":\"shop\",\"k\":"
		       "\"v\","
		       "\"lineNum\":\"7\",\"category\":\"LTS\",\"__time__\":1767323045123000000,"
		       "\"shard\":\"0\",\"seq\":1000,\"sum\":\""));
	ck_assert_ptr_nonnull(
		strstr(answer.body.data, "{\"log_content\":\"a\\\"b\",\"app\":\"shop\","));
	ck_assert_int_eq(post(V3, "{\"logs\":[{\"time\":1,\"contents\":[]},{\"time\":\"x\"}]}"),
			 400);
	ck_assert_int_eq(post(V3, "{\"logs\":[{\"time\":1,\"contents\":[]}"), 400);
	ck_assert_uint_eq(sim_stream_produced(sim.stream, 1),
			  1000); /* nothing of a refused request */
}
END_TEST

START_TEST(raw_ingestion_keeps_nanoseconds_and_goes_round_the_shards)
{
	const char *body = "{\"log_items\":[{\"contents\":[{\"log_time_ns\":1767323045123456789,"
			   "\"log\":\"raw\"}],\"labels\":\"{\\\"a\\\":1}\"}]}";
	for (unsigned i = 0; i < 4; i++)
		ck_assert_int_eq(post(RAW, body), 200);
	for (unsigned i = 0; i < 4; i++)
		ck_assert_uint_eq(sim_stream_produced(sim.stream, i), 1001);
	ck_assert_int_eq(get(BATCH("0", "01001", "10", "")), 200);
	ck_assert_ptr_nonnull(strstr(answer.body.data,
				     "{\"log_content\":\"raw\",\"a\":1,\"category\":\"LTS\","
				     "\"__time__\":1767323045123456789,"));
	ck_assert_int_eq(post(RAW, "{\"log_items\":[{\"contents\":[{\"log\":\"x\"}]}]}"), 400);
	ck_assert_int_eq(post(RAW, "{\"log_items\":[{\"contents\":[],\"labels\":\"{\"}]}"), 400);
}
END_TEST

static void
expect_status(const char *const *parts, size_t n)
{
	ck_assert_int_eq(serve(&(struct sim_request){ .method = "GET", .target = "/sim/status" }),
			 200);
	for (size_t i = 0; i < n; i++)
		ck_assert_msg(strstr(answer.body.data, parts[i]) != NULL, "%s", parts[i]);
}

START_TEST(control_needs_no_signature_and_counts_by_kind)
{
	const struct sim_request produce = { .method = "POST",
					     .target = "/sim/produce?shard=2&records=5" };
	const struct sim_request expire = { .method = "POST", .target = "/sim/expire?before=7" };
	const struct sim_request wrong = { .method = "POST",
					   .target = "/sim/expire?shard=9&before=7" };
	const struct sim_request bad_fault = {
		.method = "POST", .target = "/sim/faults", .body = "x", .body_len = 1
	};
	post(GROUP "/heartbeat?consumer_name=a", "[]");
	post(GROUP "/heartbeat?consumer_name=a", "[\"0\",\"1\"]");
	get(BASE "/shards/9/cursor?from=begin");
	ck_assert_int_eq(serve(&produce), 200);
	ck_assert_int_eq(serve(&expire), 200);
	ck_assert_int_eq(serve(&wrong), 400);
	ck_assert_int_eq(serve(&bad_fault), 400);
	ck_assert_uint_eq(sim_stream_produced(sim.stream, 2), 1005);
	ck_assert_uint_eq(sim_stream_oldest(sim.stream, 3), 7);
	now.mono_ms += 30;
	static const char *const parts[] = {
		"{\"produced\":4005,",
		"{\"shard\":\"0\",\"produced\":1000,\"oldest\":7,\"owner\":\"a\","
		"\"leaving\":false,"
		"\"listed_by\":\"a\",\"checkpoint\":null,\"writer\":null,\"read_only\":false,"
		"\"on_offer\":true,\"parents\":[],\"children\":[]}",
		"{\"name\":\"a\",\"age_ms\":30,\"heartbeats\":2,\"lists\":[\"0\",\"1\"]}",
		"\"heartbeat\":{\"200\":2},",
		"\"cursor\":{\"404\":1},",
	};
	expect_status(parts, sizeof(parts) / sizeof(parts[0]));
}
END_TEST

START_TEST(forgotten_group_has_no_member_and_no_checkpoint)
{
	const struct sim_request forget = { .method = "POST", .target = "/sim/forget" };
	post(GROUP "/heartbeat?consumer_name=a", "[]");
	post(GROUP "/heartbeat?consumer_name=a", "[\"0\"]");
	struct cursor cursor = sim_stream_cursor(sim.stream, 0, 5);
	char *body = xasprintf("[{\"shard_id\":\"0\",\"checkpoint\":\"%s\"}]", cursor.text);
	ck_assert_int_eq(post(GROUP "?consumer_name=a", body), 200);
	ck_assert_int_eq(serve(&forget), 200);
	ck_assert_uint_eq(sim_group_members(sim.group), 0);
	ck_assert_int_eq(get(GROUP "?shard_id="), 200);
	ck_assert_str_eq(answer.body.data, "[]");
	free(body);
}
END_TEST

Suite *
suite_sim_serve(void)
{
	Suite *suite = suite_create("sim_serve");
	TCase *tcase = tcase_create("sim_serve");
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, unsigned_and_badly_signed_requests_are_refused);
	tcase_add_test(tcase, clock_skew_beyond_fifteen_minutes_is_refused);
	tcase_add_test(tcase, security_token_is_demanded_when_set);
	tcase_add_test(tcase, unknown_things_are_404_with_their_codes);
	tcase_add_test(tcase, heartbeat_answers_with_what_is_owned);
	tcase_add_test(tcase, checkpoints_are_read_as_integers_and_written_as_either);
	tcase_add_test(tcase, checkpoint_of_a_stranger_is_409_and_of_nonsense_400);
	tcase_add_test(tcase, cursor_by_time_is_a_string);
	tcase_add_test(tcase, batch_has_count_next_and_logs);
	tcase_add_test(tcase, bad_batches_are_refused);
	tcase_add_test(tcase, faults_come_before_and_after_what_was_asked);
	tcase_add_test(tcase, batch_faults_lie_about_next);
	tcase_add_test(tcase, structured_ingestion_becomes_records);
	tcase_add_test(tcase, raw_ingestion_keeps_nanoseconds_and_goes_round_the_shards);
	tcase_add_test(tcase, forgotten_group_has_no_member_and_no_checkpoint);
	tcase_add_test(tcase, control_needs_no_signature_and_counts_by_kind);
	suite_add_tcase(suite, tcase);
	return suite;
}
