/*
 * test_holdings_lag.c - what a shard's cell says of how far it is.
 */
#include "worker/holdings_lag.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/suites.h"

static int fd;
static struct board *board;
static struct lease lease = { .shard = { "12" }, .epoch = { 7 } };
static struct holding_lag lag;

static void
setup(void)
{
	ck_assert_int_eq(board_create(&fd, &board), LTS_OK);
	lag_begin(&lag, board, &lease);
}

static void
teardown(void)
{
	lag_end(&lag);
	board_unmap(&board);
	close(fd);
}

/* Of a request that was sent a millisecond before. */
static void
answer(size_t records, unsigned limit, int64_t now_ms)
{
	struct lag_answer a = { .sent_ms = now_ms - 1, .records = records, .limit = limit };
	lag_on_answer(&lag, &a, now_ms);
}

static const struct batch *
batch_of(size_t n)
{
	static struct record records[1000];
	static struct batch batch;
	if (n)
		records[n - 1] = (struct record){ "{\"__time__\":1767322800}", 23 };
	batch = (struct batch){ .records = records, .n_records = n };
	return &batch;
}

static void
expect(uint32_t in_hand, bool at_tail, int64_t caught_up_ms)
{
	struct board_shard cell;
	ck_assert(board_shard_get(board, 0, &cell));
	ck_assert_uint_eq(cell.in_hand, in_hand);
	ck_assert_uint_eq(cell.at_tail, at_tail);
	ck_assert_int_eq(cell.caught_up_ms, caught_up_ms);
}

START_TEST(empty_answer_has_caught_up_when_it_was_asked_for)
{
	expect(0, false, 0);
	answer(0, 1000, 50);
	expect(0, true, 49);
}
END_TEST

START_TEST(short_answer_has_caught_up_once_it_is_delivered)
{
	answer(30, 1000, 50);
	expect(30, true, 0);
	lag_on_delivered(&lag, batch_of(30), 90);
	expect(0, true, 49);
	ck_assert_int_eq(lag.cell->record_ns, 1767322800000000000);
	ck_assert_int_eq(lag.cell->progress_ms, 90);
}
END_TEST

START_TEST(full_answer_is_not_at_the_tail)
{
	answer(1000, 1000, 50);
	lag_on_delivered(&lag, batch_of(1000), 60);
	expect(0, false, 0);
}
END_TEST

/* Cut for its size, bounded by a cursor, moved on, or ahead of another: it may not be all. */
START_TEST(answer_that_is_short_for_another_reason_is_not_at_the_tail)
{
	const struct lag_answer answers[] = {
		{ .sent_ms = 1, .records = 5, .limit = 1000, .bytes = 2 << 20 },
		{ .sent_ms = 1, .records = 5, .limit = 1000, .bounded = true },
		{ .sent_ms = 1, .records = 0, .limit = 1000, .moved_empty = true },
		{ .sent_ms = 1, .records = 0, .limit = 1000, .early = true },
	};
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		lag_on_answer(&lag, &answers[i], 2);
		lag_on_delivered(&lag, batch_of(answers[i].records), 3);
		expect(0, false, 0);
	}
}
END_TEST

START_TEST(what_is_dropped_is_not_caught_up)
{
	answer(30, 1000, 50);
	lag_on_dropped(&lag, batch_of(30));
	expect(0, false, 0);
	answer(0, 1000, 70);
	expect(0, true, 69);
}
END_TEST

START_TEST(failure_ends_what_was_known_but_not_what_was)
{
	answer(0, 1000, 50);
	lag_on_failure(&lag);
	expect(0, false, 49);
}
END_TEST

START_TEST(shard_without_a_cell_is_no_trouble)
{
	lag_end(&lag);
	answer(30, 1000, 50);
	lag_on_delivered(&lag, batch_of(30), 60);
	lag_on_failure(&lag);
	ck_assert_uint_eq(lag.in_hand, 0);
}
END_TEST

Suite *
suite_holdings_lag(void)
{
	Suite *suite = suite_create("holdings_lag");
	TCase *tc = tcase_create("holdings_lag");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, empty_answer_has_caught_up_when_it_was_asked_for);
	tcase_add_test(tc, short_answer_has_caught_up_once_it_is_delivered);
	tcase_add_test(tc, full_answer_is_not_at_the_tail);
	tcase_add_test(tc, answer_that_is_short_for_another_reason_is_not_at_the_tail);
	tcase_add_test(tc, what_is_dropped_is_not_caught_up);
	tcase_add_test(tc, failure_ends_what_was_known_but_not_what_was);
	tcase_add_test(tc, shard_without_a_cell_is_no_trouble);
	suite_add_tcase(suite, tc);
	return suite;
}
