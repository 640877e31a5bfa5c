/*
 * test_backoff.c - the waits between tries: how they grow, spread, and heed Retry-After.
 */
#include <check.h>

#include "common/backoff.h"
#include "tests/suites.h"

enum { BASE = 100, MOST = 30000, ROUNDS = 2000 };

START_TEST(first_wait_is_at_most_the_base)
{
	for (uint64_t seed = 0; seed < ROUNDS; seed++) {
		struct backoff b;
		backoff_init(&b, BASE, MOST, seed);
		int64_t ms = backoff_next_ms(&b, -1);
		ck_assert_int_ge(ms, 1);
		ck_assert_int_le(ms, BASE);
	}
}
END_TEST

START_TEST(ceiling_doubles_up_to_the_maximum)
{
	struct backoff b;
	backoff_init(&b, BASE, MOST, 7);
	int64_t ceiling = BASE;
	for (int i = 0; i < 100; i++) {
		ck_assert_int_le(backoff_next_ms(&b, -1), ceiling);
		ceiling = ceiling * 2 < MOST ? ceiling * 2 : MOST;
		ck_assert_int_eq(b.ceiling_ms, ceiling);
	}
}
END_TEST

START_TEST(jitter_covers_the_whole_range)
{
	struct backoff b;
	int64_t low = 0, high = 0;
	backoff_init(&b, 1000, 1000, 42);
	for (int i = 0; i < ROUNDS; i++) {
		int64_t ms = backoff_next_ms(&b, -1);
		low += ms <= 250;
		high += ms > 750;
	}
	ck_assert_int_gt(low, ROUNDS / 5);
	ck_assert_int_gt(high, ROUNDS / 5);
}
END_TEST

START_TEST(neighbouring_seeds_wait_differently)
{
	struct backoff a, b;
	int same = 0;
	backoff_init(&a, 10000, 10000, 1);
	backoff_init(&b, 10000, 10000, 2);
	for (int i = 0; i < 100; i++)
		same += backoff_next_ms(&a, -1) == backoff_next_ms(&b, -1);
	ck_assert_int_lt(same, 5);
}
END_TEST

START_TEST(reset_starts_over_at_the_base)
{
	struct backoff b;
	backoff_init(&b, BASE, MOST, 3);
	for (int i = 0; i < 20; i++)
		(void)backoff_next_ms(&b, -1);
	backoff_reset(&b);
	ck_assert_int_le(backoff_next_ms(&b, -1), BASE);
}
END_TEST

START_TEST(never_earlier_than_retry_after)
{
	struct backoff b;
	backoff_init(&b, BASE, MOST, 4);
	for (int i = 0; i < ROUNDS; i++)
		ck_assert_int_gt(backoff_next_ms(&b, 300000), 300000);
	backoff_reset(&b);
	ck_assert_int_le(backoff_next_ms(&b, 0), BASE);
}
END_TEST

START_TEST(huge_maximum_does_not_overflow)
{
	struct backoff b;
	backoff_init(&b, 1, INT64_MAX, 5);
	for (int i = 0; i < 200; i++)
		ck_assert_int_ge(backoff_next_ms(&b, -1), 1);
	ck_assert_int_eq(b.ceiling_ms, INT64_MAX);
}
END_TEST

Suite *
suite_backoff(void)
{
	Suite *suite = suite_create("backoff");
	TCase *tc = tcase_create("backoff");
	tcase_add_test(tc, first_wait_is_at_most_the_base);
	tcase_add_test(tc, ceiling_doubles_up_to_the_maximum);
	tcase_add_test(tc, jitter_covers_the_whole_range);
	tcase_add_test(tc, neighbouring_seeds_wait_differently);
	tcase_add_test(tc, reset_starts_over_at_the_base);
	tcase_add_test(tc, never_earlier_than_retry_after);
	tcase_add_test(tc, huge_maximum_does_not_overflow);
	suite_add_tcase(suite, tc);
	return suite;
}
