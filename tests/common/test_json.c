/*
 * test_json.c - holds common/json.c to what its header says.
 */
#include <cjson/cJSON.h>
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "tests/suites.h"

static cJSON *
parse(const char *text)
{
	return json_parse_exact(text, strlen(text));
}

START_TEST(cursor_is_the_same_text_as_integer_and_as_string)
{
	cJSON *tree = parse("[{\"shard_id\":\"0\",\"checkpoint\":1767322800000000001,"
			    "\"update_time\":17},"
			    " {\"shard_id\":1,\"checkpoint\":\"1767322800000000001\"}]");

	ck_assert_ptr_nonnull(tree);
	const cJSON *first = cJSON_GetArrayItem(tree, 0), *second = cJSON_GetArrayItem(tree, 1);
	ck_assert_str_eq(json_text(first, "checkpoint"), "1767322800000000001");
	ck_assert_str_eq(json_text(second, "checkpoint"), "1767322800000000001");
	ck_assert_str_eq(json_text(second, "shard_id"), "1");
	ck_assert_str_eq(json_text(first, "update_time"), "17");
	cJSON_Delete(tree);
}
END_TEST

START_TEST(digits_inside_strings_stay_untouched)
{
	cJSON *tree = parse("{\"a\":\"1,2 \\\" 3 \\\\\",\"b\\\"4\":-0.5e+10}");

	ck_assert_ptr_nonnull(tree);
	ck_assert_str_eq(json_text(tree, "a"), "1,2 \" 3 \\");
	ck_assert_str_eq(json_text(tree, "b\"4"), "-0.5e+10");
	cJSON_Delete(tree);
}
END_TEST

START_TEST(malformed_text_is_refused)
{
	static const char *const texts[] = {
		"",
		" ",
		"{",
		"}",
		"[1",
		"[1,]",
		"[1 2]",
		"[\"a\"1]",
		"{1:2}",
		"{1 :2}",
		"{\"a\" 1}",
		"[01]",
		"[-]",
		"[1.]",
		"[.5]",
		"[+1]",
		"[1e]",
		"[1e+]",
		"[0x10]",
		"[NaN]",
		"[1]x",
		"[1][2]",
		"[1] 2",
		"[tru e]",
		"[tr  ue]",
		"[nul1]",
		"[true1]",
		"[1true]",
		"\"a",
		"[\"\\x\"]",
		"[\"a\nb\"]",
		"[\"\\u0000\"]",
		"[\"a\\u00\"]",
		"\xef\xbb\xbf[]",
		"[\x01]",
		"['a']",
		"{\"a\":}",
		"<html>",
		"[\xff]",
		"]",
		"[}",
		"\"\\",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		cJSON *tree = parse(texts[i]);
		ck_assert_msg(tree == NULL, "taken: %s", texts[i]);
	}
	ck_assert_ptr_null(json_parse_exact("[1]\0", 4));
	ck_assert_ptr_null(json_parse_exact("[\"a\0b\"]", 7));
	ck_assert_ptr_null(json_parse_exact(NULL, 0));
}
END_TEST

START_TEST(plain_values_are_taken)
{
	static const char *const texts[] = {
		"[]",
		"{}",
		" [ ] \r\n\t",
		"0",
		"-0",
		"true",
		"null",
		"\"\"",
		"[[[]]]",
		"[true , false,null]",
		"[\"\xe6\x97\xa5\"]",
		"[1 , 2 ]",
		"{\"a\" : 1 }",
		"[\"\\u65e5\\n\"]",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		cJSON *tree = parse(texts[i]);
		ck_assert_msg(tree != NULL, "refused: %s", texts[i]);
		cJSON_Delete(tree);
	}
}
END_TEST

START_TEST(text_ends_at_its_length)
{
	char *text = malloc(3);

	memcpy(text, "[1]", 3);
	cJSON *tree = json_parse_exact(text, 3);
	ck_assert_ptr_nonnull(tree);
	cJSON_Delete(tree);
	ck_assert_ptr_null(json_parse_exact(text, 2));
	free(text);
}
END_TEST

START_TEST(depth_has_a_ceiling)
{
	static char text[200001];

	memset(text, '[', 100000);
	memset(text + 100000, ']', 100000);
	ck_assert_ptr_null(json_parse_exact(text, 200000));
	cJSON *tree = json_parse_exact(text + 100000 - JSON_DEPTH_MAX, 2 * JSON_DEPTH_MAX);
	ck_assert_ptr_nonnull(tree);
	cJSON_Delete(tree);
	ck_assert_ptr_null(
		json_parse_exact(text + 100000 - JSON_DEPTH_MAX - 1, 2 * JSON_DEPTH_MAX + 2));
}
END_TEST

START_TEST(member_that_is_absent_twice_or_not_text_is_null)
{
	cJSON *tree = parse("{\"a\":1,\"a\":2,\"b\":[],\"c\":null,\"d\":\"x\",\"D\":\"y\"}");

	ck_assert_ptr_nonnull(tree);
	ck_assert_ptr_null(json_text(tree, "a"));
	ck_assert_ptr_null(json_text(tree, "b"));
	ck_assert_ptr_nonnull(json_member(tree, "b"));
	ck_assert_ptr_null(json_text(tree, "c"));
	ck_assert_ptr_null(json_text(tree, "none"));
	ck_assert_str_eq(json_text(tree, "d"), "x");
	ck_assert_ptr_null(json_text(json_member(tree, "b"), "x"));
	ck_assert_ptr_null(json_text(NULL, "x"));
	ck_assert_ptr_null(json_value_text(NULL));
	cJSON_Delete(tree);
}
END_TEST

/* Whatever the bytes: no crash, and a number never reaches cJSON as one. */
START_TEST(random_text_never_crashes)
{
	static const char letters[] = "[]{}:,\"\\0123456789-+.eEtruefalsn \n\tu\x01\xff";
	unsigned seed = 7;
	char text[48];

	for (int round = 0; round < 100000; round++) {
		size_t len = (size_t)rand_r(&seed) % sizeof(text);
		for (size_t i = 0; i < len; i++)
			text[i] = letters[(size_t)rand_r(&seed) % (sizeof(letters) - 1)];
		cJSON *tree = json_parse_exact(text, len);
		ck_assert(!cJSON_IsNumber(tree));
		cJSON_Delete(tree);
	}
}
END_TEST

Suite *
suite_json(void)
{
	Suite *suite = suite_create("json");
	TCase *exact = tcase_create("exact");

	tcase_add_test(exact, cursor_is_the_same_text_as_integer_and_as_string);
	tcase_add_test(exact, digits_inside_strings_stay_untouched);
	tcase_add_test(exact, malformed_text_is_refused);
	tcase_add_test(exact, plain_values_are_taken);
	tcase_add_test(exact, text_ends_at_its_length);
	tcase_add_test(exact, depth_has_a_ceiling);
	tcase_add_test(exact, member_that_is_absent_twice_or_not_text_is_null);
	tcase_add_test(exact, random_text_never_crashes);
	suite_add_tcase(suite, exact);
	return suite;
}
