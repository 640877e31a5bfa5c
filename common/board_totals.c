/*
 * board_totals.c - adds up boards.
 *
 * Runs in the supervisor. Owns nothing. Must never read a counter twice for one sum. Held by
 * tests/common/test_board.c.
 */
#include "common/board_totals.h"

static void
add_histogram(struct histogram_totals *totals, const struct board_histogram *histogram)
{
	for (unsigned i = 0; i < BOARD_BUCKETS; i++) {
		uint64_t n = histogram->buckets[i];
		totals->buckets[i] += n;
		totals->count += n;
	}
	totals->sum_us += histogram->sum_us;
}

void
board_totals_add(struct board_totals *totals, const struct board *board)
{
	const struct board_counters *c = &board->counters;
	totals->fetched_records += c->fetched_records;
	totals->fetched_bytes += c->fetched_bytes;
	totals->delivered_records += c->delivered_records;
	totals->delivered_bytes += c->delivered_bytes;
	totals->dropped_records += c->dropped_records;
	totals->dead_letters += c->dead_letters;
	totals->attempts += c->attempts;
	totals->batches += c->batches;
	totals->empty_batches += c->empty_batches;
	totals->commits += c->commits;
	totals->refused += c->refused;
	totals->retries += c->retries;
	totals->throttled += c->throttled;
	totals->commit_ms += c->commit_ms;
	for (unsigned i = 0; i < BOARD_REASONS; i++)
		totals->retried[i] += c->retried[i];
	for (unsigned i = 0; i < BOARD_LATENCIES; i++)
		add_histogram(&totals->latencies[i], &board->latencies[i]);
}
