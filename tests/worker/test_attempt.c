/*
 * test_attempt.c - holds worker/attempt.c: nothing is passed that was neither acknowledged nor
 * buried, and only what fails alone is buried.
 */
#include "tests/suites.h"

#include <stdlib.h>

#include "worker/attempt.h"

enum { MOST = 17, MAX = 3 };

static const struct suspect none;
static struct attempt a;
static bool buried[MOST];
static unsigned tries[MOST]; /* alone */

static bool
holds(const bool *bad)
{
	for (size_t i = a.done; i < a.to; i++)
		if (bad[i])
			return true;
	return false;
}

static size_t
first_bad(const bool *bad)
{
	size_t i = a.done;
	while (!bad[i])
		i++;
	return i - a.done;
}

/* Goes through a batch whose bad records are always refused; the number of tries. */
static unsigned
drive(const bool *bad, bool blames)
{
	unsigned n = 0;
	int64_t now_ms = 1000;
	while (!attempt_is_over(&a)) {
		ck_assert_uint_lt(a.done, a.to);
		ck_assert_uint_le(a.to, a.n);
		if (a.poison) {
			ck_assert_uint_eq(a.to - a.done, 1);
			ck_assert_uint_ge(a.failed, MAX);
			buried[a.done] = true;
			attempt_bury(&a);
			continue;
		}
		now_ms = a.due_ms > now_ms ? a.due_ms : now_ms;
		ck_assert_uint_lt(++n, 2000);
		tries[a.done] += a.to - a.done == 1;
		if (holds(bad))
			attempt_refused(&a, blames ? first_bad(bad) : SIZE_MAX, now_ms);
		else
			attempt_ack(&a, a.to - a.done);
	}
	return n;
}

/* The same where some are aside, the bits of `out`. */
static void
drive_past(const bool *bad, unsigned out)
{
	while (!attempt_is_over(&a)) {
		ck_assert_uint_lt(a.done, a.to);
		for (size_t i = a.done; i < a.to; i++)
			ck_assert(!(out >> i & 1));
		ck_assert_int_eq(attempt_is_last(&a), !(~out & ((1u << a.n) - (1u << a.to))));
		if (a.poison) {
			buried[a.done] = true;
			attempt_bury(&a);
		} else if (holds(bad)) {
			attempt_refused(&a, SIZE_MAX, 0);
		} else {
			attempt_ack(&a, a.to - a.done);
		}
	}
}

/* Every set of bad records, in batches of every length up to ten, whatever is done already. */
START_TEST(exactly_the_bad_records_are_buried)
{
	for (size_t n = 0; n <= 10; n++)
		for (unsigned set = 0; set < 1u << n; set++)
			for (size_t done = 0; done <= n; done += n ? (n + 3) / 4 : 1) {
				bool bad[MOST] = { false };
				for (size_t i = 0; i < n; i++)
					bad[i] = set >> i & 1;
				memset(buried, 0, sizeof(buried));
				memset(tries, 0, sizeof(tries));
				attempt_init(&a, MAX, set);
				attempt_begin(&a, n, done, &none, NULL, 0);
				drive(bad, _i == 1);
				for (size_t i = 0; i < n; i++) {
					ck_assert_int_eq(buried[i], bad[i] && i >= done);
					ck_assert(!buried[i] || tries[i] == MAX);
				}
			}
}
END_TEST

/* A worker dies with each piece that holds a bad record; the next begins as it was told. */
START_TEST(exactly_the_records_that_end_workers_are_buried)
{
	enum { N = 10 };
	for (unsigned set = 0; set < 1u << N; set++) {
		size_t done = 0;
		unsigned deaths = 0;
		struct suspect suspect = { .attempts = 0 };
		bool bad[MOST] = { false };
		for (size_t i = 0; i < N; i++)
			bad[i] = set >> i & 1;
		memset(buried, 0, sizeof(buried));
		attempt_init(&a, MAX, set);
		attempt_begin(&a, N, 0, &none, NULL, 0);
		while (!attempt_is_over(&a)) {
			if (a.poison) {
				buried[a.done] = true;
				attempt_bury(&a);
				done = a.done; /* that is committed before all else */
			} else if (!holds(bad)) {
				attempt_ack(&a, a.to - a.done);
			} else {
				uint32_t first = (uint32_t)a.done,
					 count = (uint32_t)(a.to - a.done);
				bool same = suspect.attempts &&
					    (first == suspect.first ||
					     (first > suspect.first &&
					      first + count <= suspect.first + suspect.count));
				suspect.attempts = same ? suspect.attempts + 1 : 1;
				suspect.first = first;
				suspect.count = count;
				if (deaths++ % 2)
					done = a.done; /* as far as it was committed */
				ck_assert_uint_lt(deaths, 200);
				attempt_begin(&a, N, done, &suspect, NULL, 0);
				continue;
			}
			done = _i ? a.done : done;
		}
		for (size_t i = 0; i < N; i++)
			ck_assert_int_eq(buried[i], bad[i]);
	}
}
END_TEST

START_TEST(piece_is_tried_again_with_growing_pauses_before_it_is_cut)
{
	int64_t most_ms = 100;
	attempt_init(&a, 5, 1);
	attempt_begin(&a, 8, 0, &none, NULL, 0);
	for (unsigned i = 1; i < 5; i++, most_ms *= 2) {
		attempt_refused(&a, SIZE_MAX, 1000);
		ck_assert_uint_eq(a.to, 8);
		ck_assert_uint_eq(a.failed, i);
		ck_assert_int_gt(a.due_ms, 1000);
		ck_assert_int_le(a.due_ms, 1000 + most_ms);
	}
	attempt_refused(&a, SIZE_MAX, 1000);
	ck_assert_uint_eq(a.to, 4);
	attempt_refused(&a, SIZE_MAX, 1000); /* a half is tried once */
	ck_assert_uint_eq(a.to, 2);
	attempt_ack(&a, a.to - a.done);
	ck_assert_uint_eq(a.done, 2);
	ck_assert_uint_eq(a.to, 4);
}
END_TEST

START_TEST(later_counts_nothing)
{
	attempt_init(&a, 2, 1);
	attempt_begin(&a, 8, 0, &none, NULL, 0);
	for (unsigned i = 0; i < 20; i++) {
		attempt_later(&a, 1000);
		ck_assert_int_gt(a.due_ms, 1000);
		ck_assert_int_le(a.due_ms, 6000);
	}
	ck_assert_uint_eq(a.failed, 0);
	ck_assert_uint_eq(a.to, 8);
	attempt_ack(&a, a.to - a.done);
	ck_assert(attempt_is_over(&a));
}
END_TEST

START_TEST(records_before_the_suspect_ones_are_a_piece_of_their_own)
{
	attempt_init(&a, 5, 1);
	attempt_begin(&a, 10, 2, &(struct suspect){ .first = 4, .count = 3, .attempts = 2 }, NULL,
		      0);
	ck_assert_uint_eq(a.done, 2);
	ck_assert_uint_eq(a.to, 4);
	ck_assert_uint_eq(a.failed, 0);
	attempt_ack(&a, a.to - a.done);
	ck_assert_uint_eq(a.to, 7);
	ck_assert_uint_eq(a.failed, 2);
	ck_assert_int_eq(a.due_ms, 0);
	attempt_ack(&a, a.to - a.done);
	ck_assert_uint_eq(a.to, 10);
	ck_assert_uint_eq(a.failed, 0);
}
END_TEST

START_TEST(record_left_over_of_suspect_ones_is_tried_before_it_is_poison)
{
	attempt_init(&a, 5, 1);
	attempt_begin(&a, 10, 6, &(struct suspect){ .first = 4, .count = 3, .attempts = 9 }, NULL,
		      0);
	ck_assert_uint_eq(a.to, 7);
	ck_assert(!a.poison);
	attempt_begin(&a, 10, 6, &(struct suspect){ .first = 6, .count = 1, .attempts = 10 },
		      NULL, 0);
	ck_assert(a.poison);
	ck_assert_uint_eq(a.failed, 10);
}
END_TEST

/* Whatever of it is aside, whatever is bad, wherever workers died. */
START_TEST(records_aside_are_in_no_piece_and_the_bad_ones_are_buried)
{
	enum { N = 5 };
	for (unsigned set = 0; set < 1u << N; set++)
		for (unsigned out = 0; out < 1u << N; out++)
			for (unsigned first = 0; first < N; first++) {
				struct suspect suspect = { .first = first,
							   .count = 1 + set % 3,
							   .attempts = out % (MAX + 2) };
				size_t aside[N], n_aside = 0;
				bool bad[MOST] = { false };
				for (size_t i = 0; i < N; i++) {
					bad[i] = set >> i & 1;
					if (out >> i & 1)
						aside[n_aside++] = i;
				}
				if (suspect.count == 1)
					bad[first] |= suspect.attempts >= MAX;
				memset(buried, 0, sizeof(buried));
				attempt_init(&a, MAX, set);
				attempt_begin(&a, N, 0, &suspect, aside, n_aside);
				drive_past(bad, out);
				for (size_t i = 0; i < N; i++)
					ck_assert_int_eq(buried[i], bad[i] && !(out >> i & 1));
			}
}
END_TEST

Suite *
suite_attempt(void)
{
	Suite *suite = suite_create("attempt");
	TCase *tc = tcase_create("attempt");
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, records_aside_are_in_no_piece_and_the_bad_ones_are_buried);
	tcase_add_loop_test(tc, exactly_the_bad_records_are_buried, 0, 2);
	tcase_add_loop_test(tc, exactly_the_records_that_end_workers_are_buried, 0, 2);
	tcase_add_test(tc, piece_is_tried_again_with_growing_pauses_before_it_is_cut);
	tcase_add_test(tc, later_counts_nothing);
	tcase_add_test(tc, records_before_the_suspect_ones_are_a_piece_of_their_own);
	tcase_add_test(tc, record_left_over_of_suspect_ones_is_tried_before_it_is_poison);
	suite_add_tcase(suite, tc);
	return suite;
}
