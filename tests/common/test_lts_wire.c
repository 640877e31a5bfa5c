/*
 * test_lts_wire.c - the five requests as text, and answers of every shape, right and
 * wrong.
 */
#include <check.h>

#include "common/lts_wire.h"
#include "tests/suites.h"

static const struct lts_place place = { "prj", "grp", "str", "my-group" };
static const struct consumer_name consumer = { "host-1-0" };
static const struct shard_id shards[] = { { "0" }, { "12" } };

static struct lts_wire_request request;

static void
teardown(void)
{
	lts_wire_fini(&request);
}

/* Method, path and query as they go onto the wire, and the body. */
static void
assert_request(const char *method, const char *target, const char *body_text)
{
	struct buf text;
	buf_init(&text, 0);
	ck_assert_int_eq(lts_sign_put_path(&text, request.segments, request.n_segments), LTS_OK);
	ck_assert_int_eq(buf_put_text(&text, "?"), LTS_OK);
	ck_assert_int_eq(lts_sign_put_query(&text, request.query, request.n_query), LTS_OK);
	ck_assert_str_eq(request.method, method);
	ck_assert_str_eq(text.data, target);
	ck_assert_str_eq(request.body.data ? request.body.data : "", body_text);
	buf_fini(&text);
}

START_TEST(heartbeat_lists_the_shards_held)
{
	lts_wire_heartbeat(&request, &place, &consumer, shards, 2);
	assert_request("POST",
		       "/v2/prj/groups/grp/streams/str/consumer-groups/my-group/heartbeat"
		       "?consumer_name=host-1-0",
		       "[\"0\",\"12\"]");
}
END_TEST

START_TEST(first_heartbeat_lists_nothing)
{
	lts_wire_heartbeat(&request, &place, &consumer, NULL, 0);
	ck_assert_str_eq(request.body.data, "[]");
}
END_TEST

START_TEST(checkpoints_of_all_shards_are_asked_with_an_empty_id)
{
	lts_wire_read_checkpoints(&request, &place, NULL);
	assert_request("GET",
		       "/v2/prj/groups/grp/streams/str/consumer-groups/my-group?shard_id=", "");
}
END_TEST

START_TEST(checkpoint_of_one_shard_names_it)
{
	lts_wire_read_checkpoints(&request, &place, &shards[1]);
	assert_request("GET",
		       "/v2/prj/groups/grp/streams/str/consumer-groups/my-group?shard_id=12", "");
}
END_TEST

START_TEST(checkpoints_are_written_as_strings)
{
	const struct lts_checkpoint list[] = {
		{ .shard = { "0" }, .cursor = { "1767322800000000001" } },
		{ .shard = { "12" }, .cursor = { "7" } },
	};
	lts_wire_write_checkpoints(&request, &place, &consumer, list, 2);
	assert_request("POST",
		       "/v2/prj/groups/grp/streams/str/consumer-groups/my-group"
		       "?consumer_name=host-1-0",
		       "[{\"checkpoint\":\"1767322800000000001\",\"shard_id\":\"0\"},"
		       "{\"checkpoint\":\"7\",\"shard_id\":\"12\"}]");
}
END_TEST

START_TEST(cursor_is_asked_by_time)
{
	lts_wire_cursor(&request, &place, &shards[0], "1767322800000000000");
	assert_request("GET",
		       "/v2/prj/groups/grp/streams/str/shards/0/cursor?from=1767322800000000000",
		       "");
}
END_TEST

START_TEST(batch_is_asked_with_and_without_an_end)
{
	const struct cursor start = { "5" }, end = { "9" };
	lts_wire_batch(&request, &place, &shards[1], 1000, &start, &end);
	assert_request("GET", "/v2/prj/groups/grp/streams/str/shards/12?end=9&limit=1000&start=5",
		       "");
	lts_wire_batch(&request, &place, &shards[1], 10, &start, NULL);
	assert_request("GET", "/v2/prj/groups/grp/streams/str/shards/12?limit=10&start=5", "");
}
END_TEST

START_TEST(odd_ids_stay_one_segment)
{
	const struct shard_id odd = { "a/../b?c" };
	lts_wire_cursor(&request, &place, &odd, "end");
	assert_request("GET",
		       "/v2/prj/groups/grp/streams/str/shards/a%2F..%2Fb%3Fc/cursor?from=end",
		       "");
}
END_TEST

START_TEST(request_keeps_its_own_copy_of_ids)
{
	struct shard_id shard = { "3" };
	lts_wire_cursor(&request, &place, &shard, "begin");
	shard = (struct shard_id){ "9" };
	ck_assert_str_eq(request.segments[7], "3");
}
END_TEST

static void
assert_signature(const char *expected)
{
	struct lts_sign *sign;
	struct lts_signature signature;
	struct lts_sign_request to_sign = {
		.method = request.method,
		.segments = request.segments,
		.n_segments = request.n_segments,
		.query = request.query,
		.n_query = request.n_query,
		.body = request.body.len ? request.body.data : "",
		.body_len = request.body.len,
		.date = "20260102T030405Z",
	};
	ck_assert_int_eq(lts_sign_create("AKIDEXAMPLE", "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY",
					 "cn-north-4", false, &sign),
			 LTS_OK);
	ck_assert_int_eq(lts_sign_request(sign, &to_sign, &signature), LTS_OK);
	ck_assert_str_eq(signature.signature, expected);
	lts_sign_destroy(&sign);
	lts_wire_fini(&request);
}

/* The vectors of README's protocol section. */
START_TEST(requests_have_the_signatures_of_the_vectors)
{
	static const struct lts_place there = { "0123456789abcdef0123456789abcdef",
						"11111111-2222-3333-4444-555555555555",
						"66666666-7777-8888-9999-aaaaaaaaaaaa",
						"my-group" };
	static const struct consumer_name name = { "9f1b2c3d-4e5f-4a6b-8c7d-0e1f2a3b4c5d" };
	const struct cursor start = { "1767322800000000000" }, end = { "1767326400000000000" };
	const struct lts_checkpoint list[] = {
		{ .shard = { "0" }, .cursor = { "1767322800000000001" } },
	};
	lts_wire_heartbeat(&request, &there, &name, NULL, 0);
	assert_signature("4a673c2ca66ad79909700314338d926d796e745f718f72d2bfa3b5e6510cccc4");
	lts_wire_cursor(&request, &there, &shards[0], start.text);
	assert_signature("bcb148fe738f148908485b68d877cdd7546a59c6353edcc1354f346ebb6c3067");
	lts_wire_batch(&request, &there, &shards[0], 1000, &start, &end);
	assert_signature("30300058fa17a5e1c30a642bb518011f940552be4e00ed74bf3b1b45309b5609");
	lts_wire_write_checkpoints(&request, &there, &name, list, 1);
	assert_signature("826a9888d08e4363a7666f5df1e9a4df83efb3bf2279c7e71343bc748ee4dbb7");
}
END_TEST

Suite *
suite_lts_wire(void)
{
	Suite *suite = suite_create("lts_wire");
	TCase *tc = tcase_create("requests");
	tcase_add_checked_fixture(tc, NULL, teardown);
	tcase_add_test(tc, heartbeat_lists_the_shards_held);
	tcase_add_test(tc, first_heartbeat_lists_nothing);
	tcase_add_test(tc, checkpoints_of_all_shards_are_asked_with_an_empty_id);
	tcase_add_test(tc, checkpoint_of_one_shard_names_it);
	tcase_add_test(tc, checkpoints_are_written_as_strings);
	tcase_add_test(tc, cursor_is_asked_by_time);
	tcase_add_test(tc, batch_is_asked_with_and_without_an_end);
	tcase_add_test(tc, odd_ids_stay_one_segment);
	tcase_add_test(tc, request_keeps_its_own_copy_of_ids);
	tcase_add_test(tc, requests_have_the_signatures_of_the_vectors);
	suite_add_tcase(suite, tc);
	return suite;
}
