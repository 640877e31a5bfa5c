/*
 * test_board_cells.c - holds common/board.c and common/board_totals.c to what they say of
 * latencies, of each shard, and of all lives together.
 */
#include <check.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/board_totals.h"
#include "tests/suites.h"

static int fd;
static struct board *board;

static void
setup(void)
{
	ck_assert_int_eq(board_create(&fd, &board), LTS_OK);
}

static void
teardown(void)
{
	board_unmap(&board);
	close(fd);
}

static struct shard_id
shard_named(unsigned n)
{
	struct shard_id shard = { 0 };
	snprintf(shard.text, sizeof(shard.text), "%u", n);
	return shard;
}

static struct board_shard *
take(unsigned n, uint64_t epoch)
{
	struct shard_id shard = shard_named(n);
	return board_shard_take(board, &shard, (struct epoch){ epoch });
}

START_TEST(latency_is_in_the_first_bucket_that_is_long_enough)
{
	static const int64_t us[] = { 0, 500, 501, 1000, 30000000, 30000001 };
	static const unsigned buckets[] = { 0, 0, 1, 1, 14, 15 };
	uint64_t sum = 0;
	for (unsigned i = 0; i < 6; i++) {
		uint64_t before = board->latencies[BOARD_LATENCY_SINK].buckets[buckets[i]];
		board_observe(board, BOARD_LATENCY_SINK, us[i] * 1000);
		ck_assert_uint_eq(board->latencies[BOARD_LATENCY_SINK].buckets[buckets[i]],
				  before + 1);
		sum += (uint64_t)us[i];
	}
	ck_assert_uint_eq(board->latencies[BOARD_LATENCY_SINK].sum_us, sum);
	ck_assert_uint_eq(board->latencies[BOARD_LATENCY_FETCH].sum_us, 0);
	board_observe(board, BOARD_LATENCY_FETCH, -5); /* a clock that went back */
	ck_assert_uint_eq(board->latencies[BOARD_LATENCY_FETCH].buckets[0], 1);
	for (unsigned i = 1; i < BOARD_BUCKETS; i++)
		ck_assert_int_lt(board_bucket_us(i - 1), board_bucket_us(i));
}
END_TEST

START_TEST(cell_is_read_until_it_is_free_and_is_blank_when_it_is_taken_again)
{
	struct board_shard seen;
	struct board_shard *cell = take(12, 7);
	cell->in_hand = 5;
	ck_assert_uint_eq(board_shards_used(board), 1);
	ck_assert(board_shard_get(board, 0, &seen));
	ck_assert_str_eq(seen.shard.text, "12");
	ck_assert_uint_eq(seen.epoch, 7);
	ck_assert_uint_eq(seen.in_hand, 5);
	board_shard_free(&cell);
	board_shard_free(&cell); /* NULL-safe */
	ck_assert(!board_shard_get(board, 0, &seen));
	ck_assert_ptr_eq(take(13, 8), &board->shards[0]);
	ck_assert(board_shard_get(board, 0, &seen));
	ck_assert_uint_eq(seen.in_hand, 0);
}
END_TEST

START_TEST(there_is_no_cell_beyond_the_ceiling)
{
	for (unsigned i = 0; i < BOARD_SHARDS; i++)
		ck_assert_ptr_nonnull(take(i, i + 1));
	ck_assert_ptr_null(take(BOARD_SHARDS, BOARD_SHARDS + 1));
	board->shards_used = UINT32_MAX; /* a worker that went wild */
	ck_assert_uint_eq(board_shards_used(board), BOARD_SHARDS);
}
END_TEST

START_TEST(cleared_board_is_as_new)
{
	static const struct board blank;
	for (unsigned i = 0; i < 40; i++)
		take(i, i + 1);
	board_add(&board->counters.delivered_records, 9);
	board_observe(board, BOARD_LATENCY_COMMIT, 1);
	board_clear(board);
	ck_assert_int_eq(memcmp(board, &blank, sizeof(blank)), 0);
}
END_TEST

/* Each counter has a value of its own, so that none is added to another. */
START_TEST(totals_add_every_counter_of_every_life)
{
	struct board_totals totals = { 0 };
	_Atomic uint64_t *counters = (_Atomic uint64_t *)&board->counters;
	for (size_t i = 0; i < sizeof(board->counters) / sizeof(counters[0]); i++)
		counters[i] = i + 1;
	board_observe(board, BOARD_LATENCY_FETCH, 2000000);
	board_observe(board, BOARD_LATENCY_FETCH, 700000);
	board_totals_add(&totals, board);
	board_totals_add(&totals, board);
	const struct board_counters *c = &board->counters;
	ck_assert_uint_eq(totals.fetched_records, 2 * c->fetched_records);
	ck_assert_uint_eq(totals.fetched_bytes, 2 * c->fetched_bytes);
	ck_assert_uint_eq(totals.delivered_records, 2 * c->delivered_records);
	ck_assert_uint_eq(totals.delivered_bytes, 2 * c->delivered_bytes);
	ck_assert_uint_eq(totals.dropped_records, 2 * c->dropped_records);
	ck_assert_uint_eq(totals.dead_letters, 2 * c->dead_letters);
	ck_assert_uint_eq(totals.attempts, 2 * c->attempts);
	ck_assert_uint_eq(totals.batches, 2 * c->batches);
	ck_assert_uint_eq(totals.empty_batches, 2 * c->empty_batches);
	ck_assert_uint_eq(totals.commits, 2 * c->commits);
	ck_assert_uint_eq(totals.refused, 2 * c->refused);
	ck_assert_uint_eq(totals.retries, 2 * c->retries);
	ck_assert_uint_eq(totals.throttled, 2 * c->throttled);
	ck_assert_uint_eq(totals.commit_ms, 2 * c->commit_ms);
	for (unsigned i = 0; i < BOARD_REASONS; i++)
		ck_assert_uint_eq(totals.retried[i], 2 * c->retried[i]);
	ck_assert_uint_eq(totals.latencies[BOARD_LATENCY_FETCH].count, 4);
	ck_assert_uint_eq(totals.latencies[BOARD_LATENCY_FETCH].sum_us, 2 * 2700);
	ck_assert_uint_eq(totals.latencies[BOARD_LATENCY_FETCH].buckets[2], 2);
}
END_TEST

Suite *
suite_board_cells(void)
{
	Suite *suite = suite_create("board_cells");
	TCase *tc = tcase_create("board_cells");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, latency_is_in_the_first_bucket_that_is_long_enough);
	tcase_add_test(tc, cell_is_read_until_it_is_free_and_is_blank_when_it_is_taken_again);
	tcase_add_test(tc, there_is_no_cell_beyond_the_ceiling);
	tcase_add_test(tc, cleared_board_is_as_new);
	tcase_add_test(tc, totals_add_every_counter_of_every_life);
	suite_add_tcase(suite, tc);
	return suite;
}
