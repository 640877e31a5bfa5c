/*
 * test_basics.c - holds common/err.c, buf.c and ids.c to what their headers say.
 */
#include <check.h>
#include <stdint.h>
#include <string.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/ids.h"
#include "tests/suites.h"

START_TEST(every_code_has_a_name_of_its_own)
{
	ck_assert_str_eq(lts_err_name(LTS_OK), "OK");
	ck_assert_str_eq(lts_err_name(LTS_SYS), "SYS");
	for (int a = LTS_OK; a <= LTS_SYS; a++)
		for (int b = LTS_OK; b < a; b++)
			ck_assert_str_ne(lts_err_name((enum lts_err)a),
					 lts_err_name((enum lts_err)b));
}
END_TEST

START_TEST(code_that_is_none_has_a_name_too)
{
	ck_assert_str_eq(lts_err_name((enum lts_err)(LTS_SYS + 1)), "?");
	ck_assert_str_eq(lts_err_name((enum lts_err) - 1), "?");
}
END_TEST

START_TEST(buf_is_null_until_something_is_put)
{
	struct buf buf;
	buf_init(&buf, 0);
	ck_assert_ptr_null(buf.data);
	ck_assert_uint_eq(buf.len, 0);
	ck_assert_int_eq(buf_put_text(&buf, "abc"), LTS_OK);
	ck_assert_str_eq(buf.data, "abc");
	buf_fini(&buf);
	ck_assert_ptr_null(buf.data);
}
END_TEST

START_TEST(buf_grows_and_stays_nul_terminated)
{
	struct buf buf;
	buf_init(&buf, 0);
	for (unsigned i = 0; i < 5000; i++) {
		char byte = (char)('a' + i % 26);
		ck_assert_int_eq(buf_put(&buf, &byte, 1), LTS_OK);
		ck_assert_uint_eq(buf.len, i + 1);
		ck_assert_int_eq(buf.data[buf.len], '\0');
	}
	for (unsigned i = 0; i < 5000; i++)
		ck_assert_int_eq(buf.data[i], (char)('a' + i % 26));
	buf_fini(&buf);
}
END_TEST

START_TEST(put_past_the_ceiling_adds_nothing)
{
	struct buf buf;
	buf_init(&buf, 10);
	ck_assert_int_eq(buf_put_text(&buf, "12345678"), LTS_OK);
	ck_assert_int_eq(buf_put_text(&buf, "abc"), LTS_TOOBIG);
	ck_assert_int_eq(buf_printf(&buf, "%d", 123), LTS_TOOBIG);
	ck_assert_int_eq(buf_reserve(&buf, 3), LTS_TOOBIG);
	ck_assert_str_eq(buf.data, "12345678");
	ck_assert_int_eq(buf_put_text(&buf, "90"), LTS_OK); /* exactly full */
	ck_assert_uint_eq(buf.len, 10);
	ck_assert_str_eq(buf.data, "1234567890");
	ck_assert_int_eq(buf_put_text(&buf, "x"), LTS_TOOBIG);
	buf_fini(&buf);
}
END_TEST

START_TEST(every_ceiling_is_reached_and_not_passed)
{
	static char bytes[1100];
	for (size_t max = 1; max < sizeof(bytes); max += 13) {
		struct buf buf;
		buf_init(&buf, max);
		ck_assert_int_eq(buf_put(&buf, bytes, max + 1), LTS_TOOBIG);
		ck_assert_int_eq(buf_put(&buf, bytes, max), LTS_OK);
		ck_assert_uint_eq(buf.len, max);
		ck_assert_uint_le(buf.cap, max + 1 > 256 ? max + 1 : 256);
		buf_fini(&buf);
	}
}
END_TEST

START_TEST(absurd_sizes_do_not_wrap_around)
{
	struct buf buf;
	buf_init(&buf, 0);
	ck_assert_int_eq(buf_put_text(&buf, "abc"), LTS_OK);
	ck_assert_int_eq(buf_reserve(&buf, SIZE_MAX), LTS_TOOBIG);
	ck_assert_int_eq(buf_reserve(&buf, SIZE_MAX - 3), LTS_TOOBIG);
	ck_assert_int_eq(buf_reserve(&buf, SIZE_MAX / 2), LTS_TOOBIG);
	ck_assert_str_eq(buf.data, "abc");
	buf_fini(&buf);
}
END_TEST

START_TEST(cleared_buf_is_empty_and_keeps_its_memory)
{
	struct buf buf;
	buf_init(&buf, 0);
	buf_clear(&buf);
	ck_assert_ptr_null(buf.data);
	ck_assert_int_eq(buf_printf(&buf, "%s-%d", "abc", 7), LTS_OK);
	ck_assert_str_eq(buf.data, "abc-7");
	const char *memory = buf.data;
	buf_clear(&buf);
	ck_assert_uint_eq(buf.len, 0);
	ck_assert_str_eq(buf.data, "");
	ck_assert_int_eq(buf_put_text(&buf, "x"), LTS_OK);
	ck_assert_ptr_eq(buf.data, memory);
	buf_fini(&buf);
}
END_TEST

START_TEST(reserved_room_may_be_written)
{
	struct buf buf;
	buf_init(&buf, 100);
	ck_assert_int_eq(buf_reserve(&buf, 100), LTS_OK);
	memset(buf.data, 'x', 100);
	buf.len = 100;
	ck_assert_int_eq(buf_put(&buf, "", 0), LTS_OK);
	ck_assert_int_eq(buf.data[100], '\0');
	ck_assert_int_eq(buf_reserve(&buf, 1), LTS_TOOBIG);
	buf_fini(&buf);
	ck_assert_uint_eq(buf.max, 100);
}
END_TEST

START_TEST(id_as_long_as_its_room_is_taken_whole)
{
	struct cursor cursor;
	char text[66];
	memset(&cursor, 'z', sizeof(cursor));
	memset(text, '9', sizeof(text));
	text[63] = '\0';
	ck_assert(cursor_set(&cursor, text));
	ck_assert_str_eq(cursor.text, text);
	ck_assert(cursor_set(&cursor, "7"));
	for (size_t i = 1; i < sizeof(cursor.text); i++)
		ck_assert_int_eq(cursor.text[i], '\0');
}
END_TEST

START_TEST(id_that_does_not_fit_is_refused_not_cut)
{
	struct shard_id shard;
	struct consumer_name name = { "before" };
	char text[130];
	ck_assert(shard_id_set(&shard, "before"));
	memset(text, '9', sizeof(text));
	text[64] = '\0';
	ck_assert(!shard_id_set(&shard, text));
	ck_assert_str_eq(shard.text, "before");
	text[64] = '9';
	text[128] = '\0';
	ck_assert(!consumer_name_set(&name, text));
	ck_assert_str_eq(name.text, "before");
	text[127] = '\0';
	ck_assert(consumer_name_set(&name, text));
}
END_TEST

START_TEST(id_takes_printable_ascii_only)
{
	struct shard_id shard = { "before" };
	ck_assert(!shard_id_set(&shard, ""));
	for (int c = 1; c < 256; c++) {
		const char text[] = { 'a', (char)c, 'b', '\0' };
		struct shard_id one = shard;
		bool good = c > ' ' && c <= '~' && c != '"' && c != '\\';
		ck_assert_msg(shard_id_set(&one, text) == good, "byte %d", c);
		ck_assert_str_eq(one.text, good ? text : "before");
	}
}
END_TEST

START_TEST(id_that_is_another_place_in_a_path_is_refused)
{
	struct shard_id shard;
	ck_assert(!shard_id_set(&shard, "."));
	ck_assert(!shard_id_set(&shard, ".."));
	ck_assert(shard_id_set(&shard, "..."));
	ck_assert(shard_id_set(&shard, ".a"));
}
END_TEST

START_TEST(ids_are_equal_by_their_text)
{
	struct cursor a = { "100" }, b = { "100" }, c = { "0100" }, none = { "" };
	b.text[10] = 'x'; /* behind the end */
	ck_assert(cursor_equal(&a, &b));
	ck_assert(!cursor_equal(&a, &c));
	ck_assert(cursor_is_none(&none));
	ck_assert(!cursor_is_none(&a));
	ck_assert(epoch_equal((struct epoch){ 5 }, (struct epoch){ 5 }));
	ck_assert(!epoch_equal((struct epoch){ 5 }, (struct epoch){ 5ull << 32 }));
}
END_TEST

Suite *
suite_basics(void)
{
	Suite *suite = suite_create("basics");
	TCase *tc = tcase_create("basics");
	tcase_add_test(tc, every_code_has_a_name_of_its_own);
	tcase_add_test(tc, code_that_is_none_has_a_name_too);
	tcase_add_test(tc, buf_is_null_until_something_is_put);
	tcase_add_test(tc, buf_grows_and_stays_nul_terminated);
	tcase_add_test(tc, put_past_the_ceiling_adds_nothing);
	tcase_add_test(tc, every_ceiling_is_reached_and_not_passed);
	tcase_add_test(tc, absurd_sizes_do_not_wrap_around);
	tcase_add_test(tc, cleared_buf_is_empty_and_keeps_its_memory);
	tcase_add_test(tc, reserved_room_may_be_written);
	tcase_add_test(tc, id_as_long_as_its_room_is_taken_whole);
	tcase_add_test(tc, id_that_does_not_fit_is_refused_not_cut);
	tcase_add_test(tc, id_takes_printable_ascii_only);
	tcase_add_test(tc, id_that_is_another_place_in_a_path_is_refused);
	tcase_add_test(tc, ids_are_equal_by_their_text);
	suite_add_tcase(suite, tc);
	return suite;
}
