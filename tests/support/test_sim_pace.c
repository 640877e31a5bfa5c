/*
 * test_sim_pace.c - a paced body comes when it should.
 */
#include "tests/sim/sim_pace.h"

#include <check.h>

#include "tests/suites.h"

/* Sends as lts-sim does, always woken on time; when the last byte went. */
static int64_t
last_byte_ns(int64_t bandwidth, uint64_t end)
{
	int64_t now_ns = 0;
	for (uint64_t at = 0; at < end;) {
		uint64_t allowed = sim_pace_allowed(bandwidth, now_ns);
		if (allowed <= at) {
			int64_t due_ns = sim_pace_due_ns(bandwidth, now_ns, at, end);
			ck_assert_int_gt(due_ns, now_ns);
			ck_assert_int_le(due_ns - now_ns, SIM_PACE_NS);
			now_ns = due_ns;
			continue;
		}
		uint64_t take = (allowed < end ? allowed : end) - at;
		at += take < SIM_PACE_BLOCK_BYTES ? take : SIM_PACE_BLOCK_BYTES;
	}
	return now_ns;
}

START_TEST(body_takes_its_length_over_the_bandwidth)
{
	static const struct {
		int64_t bandwidth;
		uint64_t end;
		int64_t ns;
	} cases[] = {
		{ 25000000, 500000, 20000000 },
		{ 25450000, 509000, 20000000 },
		{ 1000, 100, 100000000 },
		{ 1000000, 1, 1000 },
		{ 3, 2, 666666666 },
	};
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t ns = last_byte_ns(cases[i].bandwidth, cases[i].end);
		ck_assert_int_ge(ns, cases[i].ns);
		ck_assert_int_le(ns, cases[i].ns + 10);
	}
}
END_TEST

START_TEST(first_packet_comes_first)
{
	int64_t due_ns = sim_pace_due_ns(25000000, 0, 0, 500000);
	ck_assert_int_lt(due_ns, 100000);
	ck_assert_uint_eq(sim_pace_allowed(25000000, due_ns), sim_pace_block(0, 500000));
	ck_assert_uint_gt(sim_pace_block(1460, 500000), sim_pace_block(0, 500000));
}
END_TEST

START_TEST(no_bandwidth_is_no_bound)
{
	ck_assert_uint_eq(sim_pace_allowed(0, 0), UINT64_MAX);
}
END_TEST

Suite *
suite_sim_pace(void)
{
	Suite *suite = suite_create("sim_pace");
	TCase *tcase = tcase_create("sim_pace");
	tcase_add_test(tcase, body_takes_its_length_over_the_bandwidth);
	tcase_add_test(tcase, first_packet_comes_first);
	tcase_add_test(tcase, no_bandwidth_is_no_bound);
	suite_add_tcase(suite, tcase);
	return suite;
}
