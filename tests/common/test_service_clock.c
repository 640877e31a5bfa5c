/*
 * test_service_clock.c - holds common/service_clock.c to its rule: no single answer, no single
 * gateway and no single clock makes it later at the service than it is.
 */
#include "common/service_clock.h"

#include <check.h>

#include "tests/suites.h"

static const int64_t S = 1000000000;
static const int64_t HOUR = 3600 * (int64_t)1000000000;
static const int64_t TRUE_AHEAD = 1767322800 * (int64_t)1000000000; /* of boot time */

static struct service_clock sc;
static int64_t now_ms;

static void
setup(void)
{
	service_clock_init(&sc);
	now_ms = 5000;
}

static int64_t
true_now(void)
{
	return TRUE_AHEAD + now_ms * 1000000;
}

/* An answer whose Date is off by so much, so long after the last. */
static void
answer(int64_t off_ns, int64_t later_ms)
{
	now_ms += later_ms;
	service_clock_learn(&sc, (true_now() + off_ns) / S * S, now_ms);
}

static void
answers(unsigned n, int64_t off_ns, int64_t later_ms)
{
	for (unsigned i = 0; i < n; i++)
		answer(off_ns, later_ms);
}

static int64_t
certain(int64_t host_off_ns)
{
	return service_clock_certain(&sc, TRUE_AHEAD + host_off_ns, true, now_ms);
}

static bool
is_right(int64_t ahead_ns)
{
	return ahead_ns <= TRUE_AHEAD && ahead_ns >= TRUE_AHEAD - 2 * S;
}

START_TEST(eight_answers_that_agree_with_the_host_are_certain_within_two_seconds)
{
	for (int i = 0; i < 8; i++) {
		answer(0, 250);
		ck_assert((certain(0) != SERVICE_CLOCK_UNKNOWN) == (i == 7));
	}
	ck_assert(is_right(certain(0)));
}
END_TEST

START_TEST(answers_at_one_time_are_one_answer)
{
	for (int i = 0; i < 1000; i++)
		answer(0, i == 999 ? 2000 : 0);
	ck_assert_uint_eq(sc.heard, 2);
	ck_assert(certain(0) == SERVICE_CLOCK_UNKNOWN);
}
END_TEST

START_TEST(one_answer_ahead_among_others_moves_nothing)
{
	answers((unsigned)_i, 0, 250);
	answer(HOUR, 250);
	answers(8, 0, 250);
	now_ms += 60000;
	ck_assert_int_le(certain(0), TRUE_AHEAD);
	ck_assert_int_le(certain(HOUR), TRUE_AHEAD);
}
END_TEST

START_TEST(answers_all_ahead_are_held_back_by_the_host)
{
	answers(300, HOUR, 250);
	ck_assert(is_right(certain(0)));
}
END_TEST

START_TEST(host_ahead_is_held_back_by_the_answers)
{
	answers(8, 0, 250);
	ck_assert(certain(HOUR) == SERVICE_CLOCK_UNKNOWN); /* it is watched for longer */
	answers(19, 0, 1000);
	ck_assert(is_right(certain(HOUR)));
}
END_TEST

START_TEST(host_behind_is_waited_for)
{
	answers(300, 0, 1000);
	ck_assert_int_eq(certain(-HOUR), TRUE_AHEAD - HOUR);
}
END_TEST

/* Every second answer, or one in ten, for ever: it must not wait for ever. */
START_TEST(gateway_that_is_off_is_left_out_later_when_host_and_others_agree)
{
	int64_t off = _i % 2 ? HOUR : -10 * 365 * 24 * HOUR;
	unsigned every = _i < 2 ? 2 : 10;
	for (unsigned i = 0; i < 400; i++) {
		answer(i % every ? 0 : off, 250);
		int64_t at = certain(0);
		ck_assert(at == SERVICE_CLOCK_UNKNOWN || at <= TRUE_AHEAD);
		ck_assert(i * 250 < 20000 || is_right(at));
	}
}
END_TEST

START_TEST(date_that_goes_back_is_followed)
{
	answers(20, 0, 1000);
	answers(70, -HOUR, 1000);
	ck_assert_int_le(certain(0), TRUE_AHEAD - HOUR);
}
END_TEST

START_TEST(rare_answers_count_as_well)
{
	answers(8, 0, 30000);
	ck_assert(is_right(certain(0)));
}
END_TEST

START_TEST(service_without_a_date_is_the_host_less_half_a_minute)
{
	for (int i = 0; i < 8; i++) {
		ck_assert(certain(0) == SERVICE_CLOCK_UNKNOWN);
		now_ms += 250;
		service_clock_learn(&sc, 0, now_ms);
	}
	ck_assert_int_eq(certain(0), TRUE_AHEAD - 30 * S);
	answer(0, 250); /* one has: it is by Dates from now on */
	ck_assert(certain(0) == SERVICE_CLOCK_UNKNOWN);
}
END_TEST

/* ---- what `end` means ---- */

static bool
agreed(int64_t host_off_ns, struct service_time *out)
{
	return service_clock_agreed(&sc, TRUE_AHEAD + host_off_ns, now_ms, out);
}

START_TEST(answers_agree_without_the_one_that_is_off)
{
	struct service_time at;
	answer(_i ? HOUR : -HOUR, 250);
	answers(7, 0, 250);
	ck_assert(agreed(0, &at));
	ck_assert(is_right(at.least_ns) && is_right(at.most_ns));
	ck_assert(!agreed(3 * HOUR, &at)); /* the host is off, too: watched for longer */
	answers(19, 0, 1000);
	ck_assert(agreed(3 * HOUR, &at));
	ck_assert(is_right(at.least_ns) && is_right(at.most_ns));
}
END_TEST

/* However many are behind: an end before what is there would leave it out. */
START_TEST(most_answers_behind_make_no_early_end)
{
	struct service_time at = { 0 };
	for (int i = 0; i < 40; i++) {
		answer(i % 10 == 7 ? 0 : -HOUR, 600);
		if (agreed(_i ? 0 : 3 * HOUR, &at))
			ck_assert(is_right(at.most_ns));
	}
	ck_assert(at.most_ns);
}
END_TEST

START_TEST(answers_agree_however_wrong_the_host_is)
{
	struct service_time at;
	answers(8, 0, 250);
	ck_assert(agreed(-10 * 365 * 24 * HOUR, &at));
	ck_assert(is_right(at.least_ns) && is_right(at.most_ns));
}
END_TEST

START_TEST(answers_that_nobody_agrees_with_mean_the_widest_in_the_end)
{
	struct service_time at;
	for (int i = 0; i < 20; i++) {
		answer(i % 2 ? HOUR : -HOUR, 1000);
		ck_assert(!agreed(0, &at));
	}
	answer(0, 1000);
	ck_assert(agreed(0, &at));
	ck_assert_int_le(at.least_ns, TRUE_AHEAD - HOUR);
	ck_assert_int_ge(at.most_ns, TRUE_AHEAD + HOUR - S);
}
END_TEST

/* ---- in a worker ---- */

START_TEST(passed_takes_what_was_told_and_two_answers)
{
	int64_t at = true_now();
	sc.told_ns = TRUE_AHEAD;
	answer(0, 2000);
	ck_assert(!service_clock_has_passed(&sc, at, now_ms));
	answer(0, 250);
	ck_assert(service_clock_has_passed(&sc, at, now_ms));
	sc.told_ns = TRUE_AHEAD - HOUR;
	ck_assert(!service_clock_has_passed(&sc, at, now_ms));
	sc.told_ns = SERVICE_CLOCK_UNKNOWN;
	ck_assert(!service_clock_has_passed(&sc, at, now_ms));
	sc.told_ns = TRUE_AHEAD;
	answer(-HOUR, 250);
	ck_assert(!service_clock_has_passed(&sc, at, now_ms));
	answers(20, 0, 1000);
	ck_assert(service_clock_has_passed(&sc, at, now_ms));
}
END_TEST

START_TEST(what_was_told_alone_passes_where_there_is_no_date)
{
	int64_t at = true_now();
	sc.told_ns = TRUE_AHEAD;
	for (int i = 0; i < 2; i++) {
		ck_assert(!service_clock_has_passed(&sc, at, now_ms));
		now_ms += 250;
		service_clock_learn(&sc, 0, now_ms);
	}
	ck_assert(service_clock_has_passed(&sc, at, now_ms));
}
END_TEST

Suite *
suite_service_clock(void)
{
	Suite *suite = suite_create("service_clock");
	TCase *tc = tcase_create("certain");
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc,
		       eight_answers_that_agree_with_the_host_are_certain_within_two_seconds);
	tcase_add_test(tc, answers_at_one_time_are_one_answer);
	tcase_add_loop_test(tc, one_answer_ahead_among_others_moves_nothing, 0, 10);
	tcase_add_test(tc, answers_all_ahead_are_held_back_by_the_host);
	tcase_add_test(tc, host_ahead_is_held_back_by_the_answers);
	tcase_add_test(tc, host_behind_is_waited_for);
	tcase_add_loop_test(
		tc, gateway_that_is_off_is_left_out_later_when_host_and_others_agree, 0, 4);
	tcase_add_test(tc, date_that_goes_back_is_followed);
	tcase_add_test(tc, rare_answers_count_as_well);
	tcase_add_test(tc, service_without_a_date_is_the_host_less_half_a_minute);
	suite_add_tcase(suite, tc);
	tc = tcase_create("agreed");
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_loop_test(tc, answers_agree_without_the_one_that_is_off, 0, 2);
	tcase_add_loop_test(tc, most_answers_behind_make_no_early_end, 0, 2);
	tcase_add_test(tc, answers_agree_however_wrong_the_host_is);
	tcase_add_test(tc, answers_that_nobody_agrees_with_mean_the_widest_in_the_end);
	suite_add_tcase(suite, tc);
	tc = tcase_create("passed");
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, passed_takes_what_was_told_and_two_answers);
	tcase_add_test(tc, what_was_told_alone_passes_where_there_is_no_date);
	suite_add_tcase(suite, tc);
	return suite;
}
