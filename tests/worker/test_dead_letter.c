/*
 * test_dead_letter.c - holds worker/dead_letter.c to what its header says.
 *
 * Lines are read from allocations of exactly their size, so that ASan sees a step outside.
 */
#include "worker/dead_letter.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"
#include "tests/suites.h"

/* The record of the letter in `line`; NULL: it is none. The caller frees. */
static char *
record_in(const char *line, size_t len)
{
	struct dead_letter letter;
	char *copy = xmalloc(len ? len : 1), *record = NULL;
	memcpy(copy, line, len);
	if (!dead_letter_read(copy, len, &letter))
		record = xstrndup(letter.record.text, letter.record.len);
	free(copy);
	return record;
}

/* Their bytes come back, whatever cJSON would have made of them. */
static const char *const records[] = {
	"{}",
	"{\"seq\":1}",
	"{ \"n\" : 12345678901234567890123 , \"f\":1.50e+03 }",
	"{\"record\":{\"shard\":\"x\"},\"a\":\"\\u00e9\\/\"}",
	"{\"a\":1,\"a\":2,\"deep\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]"
	"]]]]]]]]]]]]]]]]]]]]}",
};

START_TEST(letter_comes_back_with_its_record_byte_for_byte)
{
	struct dead_letter in = { .shard = { "12" },
				  .cursor = { "1767322800000000001" },
				  .index = 4000000,
				  .attempts = 7,
				  .error = "said \"no\"",
				  .record = { records[_i], strlen(records[_i]) } },
			   out;
	char *line = dead_letter_print(&in);
	ck_assert_int_eq(dead_letter_read(line, strlen(line), &out), LTS_OK);
	ck_assert(shard_id_equal(&out.shard, &in.shard));
	ck_assert(cursor_equal(&out.cursor, &in.cursor));
	ck_assert_uint_eq(out.index, in.index);
	ck_assert_uint_eq(out.attempts, in.attempts);
	ck_assert_uint_eq(out.record.len, in.record.len);
	ck_assert_mem_eq(out.record.text, in.record.text, in.record.len);
	ck_assert_ptr_null(strchr(line, '\n'));
	free(line);
}
END_TEST

START_TEST(members_may_stand_in_any_order)
{
	static const char line[] = " { \"record\" : {\"seq\": 5} , \"more\":[1], \"index\":3,"
				   "\"attempts\":\"2\",\"cursor\":\"17\",\"shard\":\"0\" } \r";
	char *record = record_in(line, strlen(line));
	ck_assert_ptr_nonnull(record);
	ck_assert_str_eq(record, "{\"seq\": 5}");
	free(record);
}
END_TEST

static const char *const no_letters[] = {
	"",
	"{}",
	"[]",
	"no letter",
	"{\"shard\":\"0\",\"cursor\":\"1\",\"index\":0,\"attempts\":1,\"record\":{}",
	"{\"shard\":\"0\",\"cursor\":\"1\",\"index\":0,\"attempts\":1,\"record\":{}}x",
	"{\"shard\":\"0\",\"cursor\":\"1\",\"index\":0,\"attempts\":1,\"record\":7}",
	"{\"shard\":\"0\",\"cursor\":\"1\",\"index\":0,\"attempts\":1,\"record\":{\r}}",
	"{\"shard\":\"0\",\"cursor\":\"1\",\"index\":0,\"attempts\":1,\"record\":{},\"record\":{}"
	"}",
	"{\"shard\":\"0\",\"cursor\":\"1\",\"index\":-1,\"attempts\":1,\"record\":{}}",
	"{\"shard\":\"0\",\"cursor\":\"1\",\"index\":0,\"attempts\":1.5,\"record\":{}}",
	"{\"shard\":\"\",\"cursor\":\"1\",\"index\":0,\"attempts\":1,\"record\":{}}",
	"{\"shard\":\"..\",\"cursor\":\"1\",\"index\":0,\"attempts\":1,\"record\":{}}",
	"{\"shard\":\"0\",\"index\":0,\"attempts\":1,\"record\":{}}",
	"{\"shard\":\"0\",\"shard\":\"1\",\"cursor\":\"1\",\"index\":0,\"attempts\":1,\"record\":"
	"{}}",
	"{\"shard\":\"0\",\"cursor\":\"1\",\"index\":0,\"attempts\":1,\"record\":{\"a\":\"\xff\"}"
	"}",
};

START_TEST(line_that_lacks_a_part_is_no_letter)
{
	char *record = record_in(no_letters[_i], strlen(no_letters[_i]));
	ck_assert_msg(record == NULL, "%s", record);
}
END_TEST

START_TEST(every_truncation_is_no_letter)
{
	static const char line[] = "{\"shard\":\"0\",\"cursor\":\"1\",\"index\":0,\"attempts\":1,"
				   "\"error\":\"e\",\"time\":\"t\",\"record\":{\"a\":[1,\"b\"]}}";
	for (size_t len = 0; len < strlen(line); len++)
		ck_assert_ptr_null(record_in(line, len));
	char *record = record_in(line, strlen(line));
	ck_assert_ptr_nonnull(record);
	free(record);
}
END_TEST

START_TEST(bytes_that_are_no_record_are_a_letter_that_cannot_be_sent)
{
	struct dead_letter letter = { .shard = { "0" },
				      .cursor = { "1" },
				      .error = "cannot be read",
				      .record = { "\xff\0{\n", 4 },
				      .raw = true },
			   read = { .index = 77 };
	char *line = dead_letter_print(&letter);
	ck_assert_ptr_nonnull(strstr(line, "\"record_base64\":\"/wB7Cg==\"}"));
	ck_assert_int_eq(dead_letter_read(line, strlen(line), &read), LTS_INVALID);
	ck_assert_uint_eq(read.index, 77);
	ck_assert_int_eq(dead_letter_read(line, strlen(line) - 1, &read), LTS_BADDATA);
	free(line);
}
END_TEST

Suite *
suite_dead_letter(void)
{
	Suite *suite = suite_create("dead_letter");
	TCase *tc = tcase_create("dead_letter");
	tcase_add_loop_test(tc, letter_comes_back_with_its_record_byte_for_byte, 0,
			    sizeof(records) / sizeof(records[0]));
	tcase_add_test(tc, members_may_stand_in_any_order);
	tcase_add_loop_test(tc, line_that_lacks_a_part_is_no_letter, 0,
			    sizeof(no_letters) / sizeof(no_letters[0]));
	tcase_add_test(tc, every_truncation_is_no_letter);
	tcase_add_test(tc, bytes_that_are_no_record_are_a_letter_that_cannot_be_sent);
	suite_add_tcase(suite, tc);
	return suite;
}
