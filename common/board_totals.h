/*
 * board_totals.h - what all workers have done, over all their lives.
 *
 * Pure. A life's board is added once, when that life is over; those that live are added to a
 * copy. So no counter goes back while the agent lives.
 */
#ifndef COMMON_BOARD_TOTALS_H
#define COMMON_BOARD_TOTALS_H

#include "common/board.h"

struct histogram_totals {
	uint64_t buckets[BOARD_BUCKETS], count, sum_us;
};

struct board_totals {
	uint64_t fetched_records, fetched_bytes, delivered_records, delivered_bytes;
	uint64_t dropped_records, dead_letters, attempts, batches, empty_batches, commits;
	uint64_t refused, retries, throttled, commit_ms;
	uint64_t retried[BOARD_REASONS];
	struct histogram_totals latencies[BOARD_LATENCIES];
};

void board_totals_add(struct board_totals *totals, const struct board *board);

#endif
