/*
 * test_human.c - holds state/human.c and state/table.c to their headers: numbers as
 * people read them, in columns.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "state/human.h"
#include "state/table.h"
#include "tests/support/state_env.h"
#include "tests/suites.h"

START_TEST(ages_read_as_people_say_them)
{
	static const int64_t s = 1000000000;
	ck_assert_str_eq(human_age(0).text, "0.0s");
	ck_assert_str_eq(human_age(s / 5).text, "0.2s");
	ck_assert_str_eq(human_age(60 * s - 1).text, "59.9s");
	ck_assert_str_eq(human_age(192 * s).text, "3m12s");
	ck_assert_str_eq(human_age(3600 * s - 1).text, "59m59s");
	ck_assert_str_eq(human_age(7500 * s).text, "2h05m");
	ck_assert_str_eq(human_age((4 * 86400 + 7 * 3600) * s).text, "4d07h");
	ck_assert_str_eq(human_age(-3 * s).text, "-3.0s");
	ck_assert_str_eq(human_age(INT64_MIN).text, "-106751d23h");
}
END_TEST

START_TEST(bytes_read_as_people_say_them)
{
	ck_assert_str_eq(human_bytes(0).text, "0B");
	ck_assert_str_eq(human_bytes(1023).text, "1023B");
	ck_assert_str_eq(human_bytes(1024).text, "1.0KiB");
	ck_assert_str_eq(human_bytes(13000000).text, "12.4MiB");
	ck_assert_str_eq(human_bytes((1 << 20) - 1).text, "1.0MiB");
	ck_assert_str_eq(human_bytes(UINT64_MAX).text, "16.0EiB");
}
END_TEST

START_TEST(times_are_rfc_3339)
{
	ck_assert_str_eq(human_time(0).text, "1970-01-01T00:00:00.000000000Z");
	ck_assert_str_eq(human_time(1767322800000000001).text, "2026-01-02T03:00:00.000000001Z");
	ck_assert_str_eq(human_time(-1).text, "1969-12-31T23:59:59.999999999Z");
	ck_assert_str_eq(human_time(INT64_MIN).text, "1677-09-21T00:12:43.145224192Z");
	ck_assert_str_eq(human_epoch(epoch_of(3, 17)).text, "3.17");
	ck_assert_str_eq(human_epoch(epoch_of(UINT32_MAX, UINT32_MAX)).text,
			 "4294967295.4294967295");
}
END_TEST

START_TEST(only_printable_text_comes_through)
{
	static const struct {
		const char *in, *out;
	} texts[] = {
		{ "plain ~", "plain ~" },
		{ "\033[2J\r\n\t\x7f", "?[2J????" },
		{ "\xe6\x97\xa5\xc3\xa9\xf0\x9f\x98\x80",
		  "\xe6\x97\xa5\xc3\xa9\xf0\x9f\x98\x80" },
		{ "\xc2\x9b"
		  "31m",
		  "??31m" }, /* a C1 control */
		{ "cut \xe6\x97", "cut ??" },
		{ "\xc0\xaf \xe0\x80\xaf", "?? ???" }, /* longer than need be */
		{ "\xed\xa0\x80", "???" },             /* a surrogate */
		{ "\xf4\x90\x80\x80\xff\xfe", "??????" },
	};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		char text[32];
		snprintf(text, sizeof(text), "%s", texts[i].in);
		human_clean(text);
		ck_assert_str_eq(text, texts[i].out);
	}
}
END_TEST

static const struct table_column columns[] = { { "N", true }, { "NAME", false }, { "X", false } };

START_TEST(tables_are_aligned)
{
	char *text = NULL;
	size_t len;
	struct table table;
	FILE *out = open_memstream(&text, &len);
	table_init(&table, columns, 3);
	table_add(&table, "%d", 7);
	table_add(&table, "%s", "longer name");
	table_add(&table, "%s", "a");
	table_add(&table, "%d", 1234);
	table_add(&table, "%s", "\xc3\xa9"); /* one character of two bytes */
	table_add(&table, "%s", "");
	table_print(&table, out);
	table_fini(&table);
	fclose(out);
	ck_assert_str_eq(text, "   N  NAME         X\n"
			       "   7  longer name  a\n"
			       "1234  \xc3\xa9            -\n");
	free(text);
}
END_TEST

START_TEST(empty_table_is_its_header)
{
	char *text = NULL;
	size_t len;
	struct table table;
	FILE *out = open_memstream(&text, &len);
	table_init(&table, columns, 3);
	table_print(&table, out);
	table_fini(&table);
	fclose(out);
	ck_assert_str_eq(text, "N  NAME  X\n");
	free(text);
}
END_TEST

Suite *
suite_human(void)
{
	Suite *suite = suite_create("human");
	TCase *tc = tcase_create("human");
	tcase_add_test(tc, ages_read_as_people_say_them);
	tcase_add_test(tc, bytes_read_as_people_say_them);
	tcase_add_test(tc, times_are_rfc_3339);
	tcase_add_test(tc, only_printable_text_comes_through);
	tcase_add_test(tc, tables_are_aligned);
	tcase_add_test(tc, empty_table_is_its_header);
	suite_add_tcase(suite, tc);
	return suite;
}
