/*
 * test_lease_watch.c - holds supervisor/lease_watch.c: a shard that waits for a worker or
 * for the service is named, at the stage where it waits; one that is held is not.
 */
#include <check.h>
#include <stdio.h>

#include "supervisor/lease_watch.h"
#include "tests/suites.h"
#include "tests/support/state_env.h"
#include "tests/supervisor/book_bed.h"

static const struct stage_limits limits = { .process_ms = 300000,
					    .heartbeat_ms = 60000,
					    .request_ms = 180000 };
static struct book_bed bed;
static struct stage_news last;
static int32_t last_worker;
static unsigned stalls, ends;

static void
setup(void)
{
	book_bed_init(&bed, 0);
	stalls = ends = 0;
}

static void
teardown(void)
{
	book_bed_fini(&bed);
}

static void
on_stalled(void *arg, const struct shard_id *shard, int32_t worker, const struct stage_news *news)
{
	ck_assert_str_eq(shard->text, "A");
	last = *news;
	last_worker = worker;
	if (news->goes_on)
		ends++;
	else
		stalls++;
}

/* Looks every second. */
static void
pass(int64_t seconds)
{
	for (; seconds; seconds--, bed.now_ms += 1000)
		book_watch(bed.book, &limits, bed.now_ms, on_stalled, NULL);
}

static void
expect_stall(enum stage stage, int64_t seconds)
{
	pass(seconds);
	ck_assert_uint_eq(stalls, 0);
	pass(2);
	ck_assert_uint_eq(stalls, 1);
	ck_assert_int_eq(last.stage, stage);
}

START_TEST(service_that_does_not_say_where_it_stands_is_named)
{
	book_bed_live(&bed, 0);
	for (int i = 0; i < 62; i++) {
		book_bed_heartbeat(&bed, 0, "A");
		pass(1);
	}
	ck_assert_uint_eq(stalls, 1);
	ck_assert_int_eq(last.stage, STAGE_ASK);
	book_bed_service(&bed, "A", "100", false);
	pass(1);
	ck_assert_uint_eq(ends, 1);
}
END_TEST

START_TEST(shard_without_a_worker_is_named)
{
	book_bed_heartbeat(&bed, 0, "A");
	book_bed_service(&bed, "A", "100", false);
	expect_stall(STAGE_UNHELD, 60);
}
END_TEST

START_TEST(worker_that_does_not_take_is_named)
{
	book_bed_live(&bed, 0);
	book_bed_heartbeat(&bed, 0, "A");
	book_bed_service(&bed, "A", "100", false);
	expect_stall(STAGE_ASSIGN, 300);
	ck_assert_int_eq(last_worker, 0);
	ck_assert_int_eq(last.step, STEP_SAY);
}
END_TEST

START_TEST(worker_that_does_not_let_go_is_named_then_restarted)
{
	book_bed_live(&bed, 0);
	book_bed_hold(&bed, 0, "A");
	pass(1000);
	ck_assert_uint_eq(stalls, 0);
	book_bed_heartbeat(&bed, 0, "");
	expect_stall(STAGE_REVOKE, 300);
	ck_assert_int_eq(last.step, STEP_SAY);
	pass(600);
	ck_assert_uint_eq(stalls, 2);
	ck_assert_int_eq(last.step, STEP_RESTART);
	ck_assert_int_eq(last_worker, 0);
}
END_TEST

START_TEST(checkpoint_that_is_never_written_is_named_though_it_is_tried_again)
{
	book_bed_live(&bed, 0);
	book_bed_hold(&bed, 0, "A");
	book_bed_commit(&bed, "A", 1, "200");
	for (int i = 0; i < 70; i++) {
		book_bed_heartbeat(&bed, 0, "A");
		book_bed_publish(&bed);
		book_bed_written(&bed, "A", "200", LTS_AGAIN);
		pass(1);
	}
	ck_assert_uint_eq(stalls, 1);
	ck_assert_int_eq(last.stage, STAGE_PUBLISH);
	bed.now_ms += 1000;
	book_bed_publish(&bed);
	book_bed_written(&bed, "A", "200", LTS_OK);
	pass(1);
	ck_assert_uint_eq(ends, 1);
}
END_TEST

START_TEST(checkpoints_that_are_written_one_after_another_are_progress)
{
	char cursor[16];
	book_bed_live(&bed, 0);
	book_bed_hold(&bed, 0, "A");
	for (int i = 0; i < 300; i++) {
		snprintf(cursor, sizeof(cursor), "%d", 200 + i);
		book_bed_heartbeat(&bed, 0, "A");
		book_bed_commit(&bed, "A", 1, cursor);
		book_bed_publish(&bed); /* under way whenever we look */
		pass(1);
		book_bed_written(&bed, "A", cursor, LTS_OK);
	}
	ck_assert_uint_eq(stalls, 0);
}
END_TEST

Suite *
suite_lease_watch(void)
{
	Suite *suite = suite_create("lease_watch");
	TCase *tc = tcase_create("lease_watch");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, service_that_does_not_say_where_it_stands_is_named);
	tcase_add_test(tc, shard_without_a_worker_is_named);
	tcase_add_test(tc, worker_that_does_not_take_is_named);
	tcase_add_test(tc, worker_that_does_not_let_go_is_named_then_restarted);
	tcase_add_test(tc, checkpoint_that_is_never_written_is_named_though_it_is_tried_again);
	tcase_add_test(tc, checkpoints_that_are_written_one_after_another_are_progress);
	suite_add_tcase(suite, tc);
	return suite;
}
