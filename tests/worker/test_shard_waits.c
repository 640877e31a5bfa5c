/*
 * test_shard_waits.c - holds the shard machine to saying what it waits for, and to asking
 * again without losing or repeating anything.
 */
#include <check.h>

#include "tests/suites.h"
#include "tests/worker/shard_bed.h"
#include "worker/shard_waits.h"

static struct shard_bed bed;

static void
setup(void)
{
	shard_bed_init(&bed, 0);
}

static void
teardown(void)
{
	shard_bed_fini(&bed);
}

static void
expect(enum stage fetch, enum stage delivery, bool failing)
{
	struct shard_waits waits = shard_waits(bed.shard);
	ck_assert_str_eq(stage_name(waits.fetch), stage_name(fetch));
	ck_assert_str_eq(stage_name(waits.delivery), stage_name(delivery));
	ck_assert_int_eq(waits.failing, failing);
}

static void
end(void)
{
	shard_on_gone(bed.shard, bed.now_ms);
	expect(STAGE_IDLE, STAGE_CLOSE, false);
	shard_bed_closed(&bed, LTS_OK);
	expect(STAGE_IDLE, STAGE_QUEUE, false); /* for the memory */
}

START_TEST(every_wait_has_its_name)
{
	shard_start(bed.shard);
	expect(STAGE_IDLE, STAGE_QUEUE, false);
	shard_bed_taken(&bed, LTS_NOTFOUND, "");
	expect(STAGE_CURSOR, STAGE_IDLE, false);
	shard_bed_cursor_twice(&bed, "10");
	expect(STAGE_IDLE, STAGE_QUEUE, false);
	shard_bed_taken(&bed, LTS_OK, "10");
	expect(STAGE_BATCH, STAGE_IDLE, false);
	shard_bed_batch(&bed, "20", 10, 500);
	expect(STAGE_BATCH, STAGE_QUEUE, false);
	shard_bed_delivered(&bed, LTS_OK);
	expect(STAGE_BATCH, STAGE_IDLE, false);
	end();
}
END_TEST

START_TEST(wait_after_an_empty_answer_is_idleness)
{
	shard_bed_fetching(&bed);
	shard_bed_batch(&bed, "10", 0, 100);
	expect(STAGE_IDLE, STAGE_IDLE, false);
	end();
}
END_TEST

START_TEST(errors_are_failing_until_an_answer_can_be_used)
{
	shard_bed_fetching(&bed);
	for (int i = 0; i < 3; i++) {
		shard_bed_error(&bed, LTS_AGAIN, -1);
		expect(STAGE_IDLE, STAGE_IDLE, true);
		shard_bed_timer(&bed, 60000);
		expect(STAGE_BATCH, STAGE_IDLE, true);
	}
	shard_bed_batch(&bed, "10", 0, 100);
	expect(STAGE_IDLE, STAGE_IDLE, false);
	end();
}
END_TEST

START_TEST(no_room_is_named)
{
	bed.full = true;
	shard_start(bed.shard);
	shard_bed_taken(&bed, LTS_OK, "10");
	expect(STAGE_ROOM, STAGE_IDLE, false);
	end();
}
END_TEST

START_TEST(lost_request_is_asked_again_from_the_same_place)
{
	shard_bed_fetching(&bed);
	shard_refetch(bed.shard);
	shard_bed_expect(&bed, "cancel\nbatch 10 - 100\n");
	shard_bed_batch(&bed, "20", 10, 500);
	shard_bed_expect(&bed, "submit 10>20 10\nbatch 20 - 100\n");
	shard_refetch(bed.shard);
	shard_bed_expect(&bed, "cancel\nbatch 20 - 100\n");
	shard_bed_delivered(&bed, LTS_OK);
	end();
}
END_TEST

START_TEST(lost_cursor_is_asked_again)
{
	shard_start(bed.shard);
	shard_bed_taken(&bed, LTS_NOTFOUND, "");
	shard_bed_ignore(&bed);
	shard_refetch(bed.shard);
	shard_bed_expect(&bed, "cancel\ncursor begin\n");
	shard_bed_cursor_twice(&bed, "10");
	shard_bed_expect(&bed, "take 10\n");
	shard_refetch(bed.shard); /* nothing is asked for */
	shard_bed_expect(&bed, "");
	shard_bed_taken(&bed, LTS_OK, "10");
	end();
}
END_TEST

Suite *
suite_shard_waits(void)
{
	Suite *suite = suite_create("shard_waits");
	TCase *tc = tcase_create("shard_waits");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, every_wait_has_its_name);
	tcase_add_test(tc, wait_after_an_empty_answer_is_idleness);
	tcase_add_test(tc, errors_are_failing_until_an_answer_can_be_used);
	tcase_add_test(tc, no_room_is_named);
	tcase_add_test(tc, lost_request_is_asked_again_from_the_same_place);
	tcase_add_test(tc, lost_cursor_is_asked_again);
	suite_add_tcase(suite, tc);
	return suite;
}
