/*
 * test_asides.c - holds worker/asides.c: only the very record that was put aside is known again,
 * wherever its place is by now.
 */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "tests/suites.h"
#include "worker/asides.h"

enum { RECORDS = 100 };

static struct asides asides;
static char texts[RECORDS][16];
static struct record records[RECORDS];

static void
setup(void)
{
	asides.n = 0;
	for (unsigned i = 0; i < RECORDS; i++) {
		int len = snprintf(texts[i], sizeof(texts[i]), "{\"n\":%u}", i);
		records[i] = (struct record){ texts[i], (size_t)len };
	}
}

static void
put(uint64_t place)
{
	ck_assert(asides_put(&asides, place, &records[place]));
}

/* Of the records first to first + n - 1, at that place. */
static void
expect(uint64_t place, unsigned first, size_t n, const char *indexes)
{
	size_t out[ASIDES_MAX];
	char found[200] = "";
	size_t many = asides_find(&asides, place, &records[first], n, out);
	for (size_t i = 0; i < many; i++)
		snprintf(found + strlen(found), sizeof(found) - strlen(found), "%zu ", out[i]);
	ck_assert_str_eq(found, indexes);
}

START_TEST(record_is_found_however_the_batches_are_cut)
{
	put(7);
	put(30);
	put(12);
	expect(0, 0, 100, "7 12 30 ");
	expect(0, 0, 7, "");
	expect(7, 7, 1, "0 ");
	expect(8, 8, 20, "4 ");
	expect(28, 28, 2, "");
	expect(28, 28, 3, "2 ");
	expect(31, 31, 69, "");
}
END_TEST

START_TEST(another_record_at_the_place_is_not_passed_over)
{
	put(7);
	put(9);
	expect(0, 1, 10, ""); /* 8 stands where 7 did, and 10 where 9 */
	ck_assert_uint_eq(asides.n, 0);
}
END_TEST

START_TEST(places_move_with_the_cursor_and_what_is_done_with_is_forgotten)
{
	put(7);
	put(12);
	put(30);
	asides_move(&asides, 0, 8);
	ck_assert_uint_eq(asides.n, 2);
	asides_move(&asides, 10, 2);
	expect(0, 10, 90, "2 20 ");
	asides_move(&asides, 0, 3);
	expect(0, 10, 90, "20 ");
	asides_move(&asides, 21, 0);
	ck_assert_uint_eq(asides.n, 0);
}
END_TEST

START_TEST(list_that_is_full_takes_no_more)
{
	for (unsigned i = 0; i < ASIDES_MAX; i++)
		put(i);
	struct asides before = asides;
	ck_assert(!asides_put(&asides, 50, &records[50]));
	ck_assert_mem_eq(&before, &asides, sizeof(before));
	asides_move(&asides, 1, 0);
	ck_assert(asides_put(&asides, 50, &records[51]));
	expect(0, 1, 60,
	       "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 "
	       "27 28 29 30 50 ");
}
END_TEST

Suite *
suite_asides(void)
{
	Suite *suite = suite_create("asides");
	TCase *tc = tcase_create("asides");
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, record_is_found_however_the_batches_are_cut);
	tcase_add_test(tc, another_record_at_the_place_is_not_passed_over);
	tcase_add_test(tc, places_move_with_the_cursor_and_what_is_done_with_is_forgotten);
	tcase_add_test(tc, list_that_is_full_takes_no_more);
	suite_add_tcase(suite, tc);
	return suite;
}
