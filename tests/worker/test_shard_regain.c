/*
 * test_shard_regain.c - a `next` that came with records and is then refused holds no shard for
 * ever: the same records are fetched once more, for another, and none is delivered again.
 */
#include <check.h>
#include <string.h>

#include "tests/suites.h"
#include "tests/worker/shard_bed.h"

enum { HAVE = 20 };

static struct shard_bed bed;

static void
setup(void)
{
	shard_bed_init(&bed, 0);
}

static void
teardown(void)
{
	if (bed.submitted)
		shard_bed_delivered(&bed, LTS_OK);
	shard_on_gone(bed.shard, bed.now_ms);
	shard_bed_fini(&bed);
}

/* Records 0 and so on came from 10, with a `next` that is no place. */
static void
stand_at_no_place(void)
{
	shard_bed_fetching(&bed);
	shard_bed_batch(&bed, "odd", HAVE, 500);
	shard_bed_expect(&bed, "submit 10>odd 20\nbatch odd - 100\n");
	shard_bed_delivered(&bed, LTS_OK);
}

static void
be_refused(int64_t later_ms)
{
	shard_bed_error(&bed, LTS_INVALID, -1);
	shard_bed_ignore(&bed);
	shard_bed_timer(&bed, later_ms);
}

/* `n` records from that one on. */
static void
come_from(size_t first, const char *to, size_t n)
{
	uint64_t fetched = bed.fetched;
	bed.fetched = first;
	shard_bed_batch(&bed, to, n, 500);
	bed.fetched = fetched + n;
}

static void
come_again(const char *to, size_t n)
{
	come_from(0, to, n);
}

static void
expect_cut(const char *lines)
{
	shard_bed_expect(&bed, lines);
	bed.dropped += HAVE; /* cut off what was submitted */
}

static void
ask_from_the_last_place_again(void)
{
	stand_at_no_place();
	be_refused(600);
	be_refused(600);
	shard_bed_expect(&bed, "batch odd - 100\n");
	be_refused(600);
	shard_bed_expect(&bed, "batch 10 - 20\n");
}

START_TEST(place_that_is_refused_is_asked_for_anew_from_the_last_one)
{
	ask_from_the_last_place_again();
	come_again("30", HAVE);
	bed.dropped += HAVE;
	shard_bed_expect(&bed, "wait 250\n");
	shard_bed_timer(&bed, 250);
	shard_bed_expect(&bed, "batch 10 - 20\n");
	come_again("30", HAVE);
	expect_cut("submit odd>30 0\nbatch 30 - 100\n");
}
END_TEST

START_TEST(records_behind_those_that_came_before_are_delivered_once)
{
	ask_from_the_last_place_again();
	come_again("33", HAVE + 3);
	shard_bed_timer(&bed, 250);
	shard_bed_ignore(&bed);
	come_again("33", HAVE + 3);
	expect_cut("submit odd>33 3\nbatch 33 - 100\n");
	ck_assert_uint_eq(bed.submitted->records[0].len, HAVE);
}
END_TEST

START_TEST(one_refusal_or_a_moment_of_them_asks_for_nothing_again)
{
	stand_at_no_place();
	for (int i = 0; i < 5; i++)
		be_refused(200);
	shard_bed_expect(&bed, "batch odd - 100\n");
	shard_bed_batch(&bed, "40", 5, 100);
	shard_bed_expect(&bed, "submit odd>40 5\nbatch 40 - 100\n");
}
END_TEST

START_TEST(other_records_than_before_move_nothing)
{
	ask_from_the_last_place_again();
	come_from(_i ? 1 : 0, "30", _i ? HAVE : HAVE - 1); /* others, or fewer */
	ck_assert_ptr_null(strstr(bed.said.data, "submit"));
	shard_bed_ignore(&bed);
	shard_bed_timer(&bed, 30000);
	shard_bed_expect(&bed, "batch odd - 100\n");
}
END_TEST

START_TEST(same_place_again_or_one_that_leads_back_moves_nothing)
{
	static const char *const places[] = { "odd", "10", "" };
	ask_from_the_last_place_again();
	come_again(places[_i], HAVE);
	ck_assert_ptr_null(strstr(bed.said.data, "submit"));
	shard_bed_ignore(&bed);
	shard_bed_timer(&bed, 30000);
	shard_bed_expect(&bed, "batch odd - 100\n");
}
END_TEST

START_TEST(last_place_that_cannot_be_asked_for_either_steps_over_nothing)
{
	static const enum lts_err errors[] = { LTS_INVALID, LTS_EXPIRED, LTS_TOOBIG };
	bed.config.on_expired = EXPIRED_BEGIN;
	shard_bed_again(&bed, 0);
	ask_from_the_last_place_again();
	shard_bed_error(&bed, errors[_i], -1);
	ck_assert_ptr_null(strstr(bed.said.data, "cursor"));
	shard_bed_ignore(&bed);
	shard_bed_timer(&bed, 30000);
	shard_bed_expect(&bed, "batch odd - 100\n");
}
END_TEST

Suite *
suite_shard_regain(void)
{
	Suite *suite = suite_create("shard_regain");
	TCase *tc = tcase_create("regain");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, place_that_is_refused_is_asked_for_anew_from_the_last_one);
	tcase_add_test(tc, records_behind_those_that_came_before_are_delivered_once);
	tcase_add_test(tc, one_refusal_or_a_moment_of_them_asks_for_nothing_again);
	tcase_add_loop_test(tc, other_records_than_before_move_nothing, 0, 2);
	tcase_add_loop_test(tc, same_place_again_or_one_that_leads_back_moves_nothing, 0, 3);
	tcase_add_loop_test(tc, last_place_that_cannot_be_asked_for_either_steps_over_nothing, 0,
			    3);
	suite_add_tcase(suite, tc);
	return suite;
}
