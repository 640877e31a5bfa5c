/*
 * holdings_lag.h - how far a shard is, for people to see: its cell on the board.
 */
#ifndef WORKER_HOLDINGS_LAG_H
#define WORKER_HOLDINGS_LAG_H

#include "common/board.h"
#include "worker/batch.h"

struct holding_lag {
	struct board_shard *cell; /* NULL: there was none left */
	uint64_t in_hand;         /* records fetched and neither delivered nor dropped */
	int64_t tail_ms; /* the last answer was whole, and asked for then; 0: it was not */
};

/* An answer to fetch_batch that is a batch. */
struct lag_answer {
	int64_t sent_ms;
	size_t records, bytes;
	unsigned limit;
	bool bounded;     /* by an end cursor: it says nothing of what is behind that */
	bool moved_empty; /* no records, and a new position */
	bool early;       /* what is before it may still be under way */
};

void lag_begin(struct holding_lag *lag, struct board *board, const struct lease *lease);
void lag_end(struct holding_lag *lag);
void lag_on_answer(struct holding_lag *lag, const struct lag_answer *answer, int64_t now_ms);
void lag_on_failure(struct holding_lag *lag);
void lag_on_delivered(struct holding_lag *lag, const struct batch *batch, int64_t now_ms);
void lag_on_dropped(struct holding_lag *lag, const struct batch *batch);

#endif
