/*
 * test_lts_sign.c - holds common/lts_sign.c and lts_sign_text.c to the published vectors.
 *
 * Expected values are those of protocol.md, made by Huawei's own client. Must never
 * compute what it expects with the code under test.
 */
#include <check.h>
#include <string.h>

#include "common/lts_sign.h"
#include "tests/suites.h"

#define AK "AKIDEXAMPLE"
#define SK "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY"
#define REGION "cn-north-4"
#define DATE "20260102T030405Z"
#define CONSUMER "9f1b2c3d-4e5f-4a6b-8c7d-0e1f2a3b4c5d"
#define BASE                                                       \
	"v2", "0123456789abcdef0123456789abcdef", "groups",        \
		"11111111-2222-3333-4444-555555555555", "streams", \
		"66666666-7777-8888-9999-aaaaaaaaaaaa"

static struct lts_signature
sign_with(struct lts_sign *sign, struct lts_sign_request request)
{
	struct lts_signature signature;
	if (!request.date)
		request.date = DATE;
	ck_assert_int_eq(lts_sign_request(sign, &request, &signature), LTS_OK);
	return signature;
}

static struct lts_sign *
make_signer(bool full_date)
{
	struct lts_sign *sign = NULL;
	ck_assert_int_eq(lts_sign_create(AK, SK, REGION, full_date, &sign), LTS_OK);
	return sign;
}

static struct lts_signature
sign_once(struct lts_sign_request request)
{
	struct lts_sign *sign = make_signer(false);
	struct lts_signature signature = sign_with(sign, request);
	lts_sign_destroy(&sign);
	return signature;
}

#define SEGMENTS(...)                                     \
	.segments = (const char *const[]){ __VA_ARGS__ }, \
	.n_segments = sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *)
#define QUERY(...)                                                         \
	.query = (const struct lts_sign_pair[]){ __VA_ARGS__ },            \
	.n_query = sizeof((const struct lts_sign_pair[]){ __VA_ARGS__ }) / \
		   sizeof(struct lts_sign_pair)
#define BODY(text) .body = (text), .body_len = strlen(text)

START_TEST(derived_key_is_the_vector)
{
	char key[LTS_SIGN_HEX_SIZE];
	ck_assert_int_eq(lts_sign_derive_key(AK, SK, "20260102/" REGION "/lts", key), LTS_OK);
	ck_assert_str_eq(key, "28f8e27e65d4c0961986b6d9c388abb7cdd54b7e5643149b80b233ee1d2e93e4");
}
END_TEST

START_TEST(heartbeat_is_the_vector)
{
	struct lts_signature got = sign_once((struct lts_sign_request){
		.method = "POST",
		SEGMENTS(BASE, "consumer-groups", "my-group", "heartbeat"),
		QUERY({ "consumer_name", CONSUMER }),
		BODY("[]") });
	ck_assert_str_eq(got.canonical_sha256,
			 "7f6c6b800d6b83408e780441c818d2dfe98939be6314b07dc7c0870525613745");
	ck_assert_str_eq(got.signature,
			 "4a673c2ca66ad79909700314338d926d796e745f718f72d2bfa3b5e6510cccc4");
	ck_assert_str_eq(got.authorization,
			 "V11-HMAC-SHA256 Credential=AKIDEXAMPLE/20260102/cn-north-4/lts, "
			 "SignedHeaders=content-type;x-sdk-date, Signature="
			 "4a673c2ca66ad79909700314338d926d796e745f718f72d2bfa3b5e6510cccc4");
}
END_TEST

START_TEST(cursor_is_the_vector)
{
	struct lts_signature got =
		sign_once((struct lts_sign_request){ .method = "GET",
						     SEGMENTS(BASE, "shards", "0", "cursor"),
						     QUERY({ "from", "1767322800000000000" }) });
	ck_assert_str_eq(got.canonical_sha256,
			 "a9de331c281c00a5defb5dd760a4a055f43ea46703de62a12e633c42337b50c9");
	ck_assert_str_eq(got.signature,
			 "bcb148fe738f148908485b68d877cdd7546a59c6353edcc1354f346ebb6c3067");
}
END_TEST

START_TEST(batch_with_unsorted_keys_is_the_vector)
{
	struct lts_signature got = sign_once((struct lts_sign_request){
		.method = "GET",
		SEGMENTS(BASE, "shards", "0"),
		QUERY({ "start", "1767322800000000000" }, { "limit", "1000" },
		      { "end", "1767326400000000000" }) });
	ck_assert_str_eq(got.canonical_sha256,
			 "056bb4cd60a91f1bb3a0d3bafa1fa39cf9029cde14a718df2c5093d9a6393c7c");
	ck_assert_str_eq(got.signature,
			 "30300058fa17a5e1c30a642bb518011f940552be4e00ed74bf3b1b45309b5609");
}
END_TEST

static const struct lts_sign_request checkpoint_write = {
	.method = "POST",
	SEGMENTS(BASE, "consumer-groups", "my-group"),
	QUERY({ "consumer_name", CONSUMER }),
	.body = "[{\"checkpoint\":\"1767322800000000001\",\"shard_id\":\"0\"}]",
	.body_len = 53,
};

START_TEST(checkpoint_write_is_the_vector)
{
	struct lts_signature got = sign_once(checkpoint_write);
	ck_assert_str_eq(got.canonical_sha256,
			 "5d2682a24598b3f3100902281127df3bc210e1d382754b67a12437a7f7b42bcc");
	ck_assert_str_eq(got.signature,
			 "826a9888d08e4363a7666f5df1e9a4df83efb3bf2279c7e71343bc748ee4dbb7");
}
END_TEST

START_TEST(one_signer_repeats_itself_and_follows_the_day)
{
	struct lts_sign *sign = make_signer(false);
	struct lts_sign_request tomorrow = checkpoint_write;
	tomorrow.date = "20260103T000000Z";
	struct lts_signature first = sign_with(sign, checkpoint_write);
	struct lts_signature again = sign_with(sign, checkpoint_write);
	struct lts_signature next_day = sign_with(sign, tomorrow);
	struct lts_signature fresh = sign_once(tomorrow);
	struct lts_signature back = sign_with(sign, checkpoint_write);
	lts_sign_destroy(&sign);
	ck_assert_str_eq(again.signature, first.signature);
	ck_assert_str_ne(next_day.signature, first.signature);
	ck_assert_str_eq(next_day.signature, fresh.signature);
	ck_assert_ptr_nonnull(strstr(next_day.authorization, "/20260103/cn-north-4/lts,"));
	ck_assert_str_eq(back.signature, first.signature);
}
END_TEST

START_TEST(full_date_changes_the_signature_but_not_the_hash)
{
	struct lts_sign *sign = make_signer(true);
	struct lts_signature full = sign_with(sign, checkpoint_write);
	lts_sign_destroy(&sign);
	struct lts_signature day = sign_once(checkpoint_write);
	ck_assert_str_eq(full.canonical_sha256, day.canonical_sha256);
	ck_assert_str_ne(full.signature, day.signature);
}
END_TEST

START_TEST(query_is_sorted_and_form_encoded)
{
	const struct lts_sign_pair pairs[] = { { "b", "x y*~" },
					       { "a b", "/?&=+%" },
					       { "a", "" },
					       { "C", "\xe4\xb8\xad" },
					       { "b", "earlier keys first" } };
	struct buf buf;
	buf_init(&buf, 0);
	ck_assert_int_eq(lts_sign_put_query(&buf, pairs, 5), LTS_OK);
	ck_assert_str_eq(buf.data, "C=%E4%B8%AD&a=&a+b=%2F%3F%26%3D%2B%25&b=x+y%2A~"
				   "&b=earlier+keys+first");
	buf_fini(&buf);
}
END_TEST

START_TEST(empty_query_is_empty_and_too_many_pairs_are_refused)
{
	struct lts_sign_pair pairs[LTS_SIGN_PAIRS_MAX + 1];
	for (size_t i = 0; i <= LTS_SIGN_PAIRS_MAX; i++)
		pairs[i] = (struct lts_sign_pair){ "k", "v" };
	struct buf buf;
	buf_init(&buf, 0);
	ck_assert_int_eq(lts_sign_put_query(&buf, NULL, 0), LTS_OK);
	ck_assert_uint_eq(buf.len, 0);
	ck_assert_int_eq(lts_sign_put_query(&buf, pairs, LTS_SIGN_PAIRS_MAX + 1), LTS_INVALID);
	ck_assert_int_eq(lts_sign_put_query(&buf, pairs, LTS_SIGN_PAIRS_MAX), LTS_OK);
	buf_fini(&buf);
}
END_TEST

START_TEST(path_segments_are_percent_encoded)
{
	const char *const segments[] = { "v2", "a b", "x/y", "*~-_.", "\xe7\xbb\x84" };
	struct buf buf;
	buf_init(&buf, 0);
	ck_assert_int_eq(lts_sign_put_path(&buf, segments, 5), LTS_OK);
	ck_assert_str_eq(buf.data, "/v2/a%20b/x%2Fy/%2A~-_./%E7%BB%84");
	buf_fini(&buf);
}
END_TEST

START_TEST(dates_render_and_parse_strictly)
{
	char date[LTS_SIGN_DATE_SIZE];
	int64_t time_s = -1;
	lts_sign_date_render(1767323045, date);
	ck_assert_str_eq(date, DATE);
	ck_assert_int_eq(lts_sign_date_parse(DATE, &time_s), LTS_OK);
	ck_assert_int_eq(time_s, 1767323045);
	lts_sign_date_render(-5, date);
	ck_assert_str_eq(date, "19700101T000000Z");
	lts_sign_date_render(INT64_MAX, date);
	ck_assert_str_eq(date, "99991231T235959Z");
	static const char *const wrong[] = { "",
					     "20260102T030405",
					     "20260102T030405Zx",
					     "20260132T030405Z",
					     "2026010 T030405Z",
					     "20260102t030405Z",
					     "20261302T030405Z",
					     "20260102T0304+5Z" };
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		ck_assert_msg(lts_sign_date_parse(wrong[i], &time_s) == LTS_INVALID, "%s",
			      wrong[i]);
	ck_assert_int_eq(time_s, 1767323045);
}
END_TEST

START_TEST(keys_that_cannot_stand_in_a_header_are_refused)
{
	char long_ak[LTS_SIGN_AK_MAX + 2];
	memset(long_ak, 'a', sizeof(long_ak) - 1);
	long_ak[sizeof(long_ak) - 1] = '\0';
	struct lts_sign *sign = NULL;
	ck_assert_int_eq(lts_sign_create("", SK, REGION, false, &sign), LTS_INVALID);
	ck_assert_int_eq(lts_sign_create(long_ak, SK, REGION, false, &sign), LTS_INVALID);
	ck_assert_int_eq(lts_sign_create("a\r\nX: y", SK, REGION, false, &sign), LTS_INVALID);
	ck_assert_int_eq(lts_sign_create(AK, SK, "", false, &sign), LTS_INVALID);
	ck_assert_ptr_null(sign);
	long_ak[LTS_SIGN_AK_MAX] = '\0';
	ck_assert_int_eq(lts_sign_create(long_ak, SK, REGION, false, &sign), LTS_OK);
	struct lts_signature got = sign_with(sign, checkpoint_write);
	ck_assert_ptr_nonnull(strstr(got.authorization, got.signature));
	lts_sign_destroy(&sign);
	ck_assert_ptr_null(sign);
	lts_sign_destroy(&sign);
}
END_TEST

START_TEST(bad_date_is_refused_and_moves_nothing)
{
	struct lts_sign *sign = make_signer(false);
	struct lts_sign_request request = checkpoint_write;
	struct lts_signature got = { .signature = "untouched" };
	request.date = "yesterday";
	ck_assert_int_eq(lts_sign_request(sign, &request, &got), LTS_INVALID);
	ck_assert_str_eq(got.signature, "untouched");
	lts_sign_destroy(&sign);
}
END_TEST

Suite *
suite_lts_sign(void)
{
	Suite *suite = suite_create("lts_sign");
	TCase *tcase = tcase_create("lts_sign");
	tcase_add_test(tcase, derived_key_is_the_vector);
	tcase_add_test(tcase, heartbeat_is_the_vector);
	tcase_add_test(tcase, cursor_is_the_vector);
	tcase_add_test(tcase, batch_with_unsorted_keys_is_the_vector);
	tcase_add_test(tcase, checkpoint_write_is_the_vector);
	tcase_add_test(tcase, one_signer_repeats_itself_and_follows_the_day);
	tcase_add_test(tcase, full_date_changes_the_signature_but_not_the_hash);
	tcase_add_test(tcase, query_is_sorted_and_form_encoded);
	tcase_add_test(tcase, empty_query_is_empty_and_too_many_pairs_are_refused);
	tcase_add_test(tcase, path_segments_are_percent_encoded);
	tcase_add_test(tcase, dates_render_and_parse_strictly);
	tcase_add_test(tcase, keys_that_cannot_stand_in_a_header_are_refused);
	tcase_add_test(tcase, bad_date_is_refused_and_moves_nothing);
	suite_add_tcase(suite, tcase);
	return suite;
}
