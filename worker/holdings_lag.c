/*
 * holdings_lag.c - how far each shard of this worker is, for people to see.
 *
 * Runs on the worker's loop. Owns the shards' cells on the board. Nothing is decided by them.
 * Must never say that a shard has caught up while something fetched is not delivered, nor because
 * of an answer that was bounded by more than the stream's end. Held by
 * tests/worker/test_holdings_lag.c and the scenario of metrics.
 */
#include "worker/holdings_lag.h"

#include "worker/record_time.h"

/* Below this it was no bound on bytes that cut an answer short. */
enum { LAG_WHOLE_BYTES = 1 << 20 };

void
lag_begin(struct holding_lag *lag, struct board *board, const struct lease *lease)
{
	*lag = (struct holding_lag){ .cell = board_shard_take(board, &lease->shard,
							      lease->epoch) };
}

void
lag_end(struct holding_lag *lag)
{
	board_shard_free(&lag->cell);
}

static void
show(struct holding_lag *lag)
{
	if (!lag->cell)
		return;
	atomic_store_explicit(&lag->cell->in_hand, (uint32_t)lag->in_hand, memory_order_relaxed);
	atomic_store_explicit(&lag->cell->at_tail, lag->tail_ms != 0, memory_order_relaxed);
	if (lag->tail_ms && !lag->in_hand)
		atomic_store_explicit(&lag->cell->caught_up_ms, lag->tail_ms,
				      memory_order_relaxed);
}

static void
note_progress(struct holding_lag *lag, int64_t now_ms)
{
	if (lag->cell)
		atomic_store_explicit(&lag->cell->progress_ms, now_ms, memory_order_relaxed);
}

/* Fewer than asked for, and for no other reason than that there were no more. */
static bool
is_whole(const struct lag_answer *answer)
{
	return !answer->early && !answer->bounded && !answer->moved_empty &&
	       answer->records < answer->limit && answer->bytes < LAG_WHOLE_BYTES;
}

void
lag_on_answer(struct holding_lag *lag, const struct lag_answer *answer, int64_t now_ms)
{
	lag->in_hand += answer->records;
	lag->tail_ms = is_whole(answer) ? answer->sent_ms : 0;
	note_progress(lag, now_ms);
	show(lag);
}

void
lag_on_failure(struct holding_lag *lag)
{
	lag->tail_ms = 0;
	show(lag);
}

void
lag_on_delivered(struct holding_lag *lag, const struct batch *batch, int64_t now_ms)
{
	lag->in_hand -= batch->n_records;
	int64_t ns = batch->n_records ? record_time_ns(&batch->records[batch->n_records - 1]) : 0;
	if (ns && lag->cell)
		atomic_store_explicit(&lag->cell->record_ns, ns, memory_order_relaxed);
	note_progress(lag, now_ms);
	show(lag);
}

void
lag_on_dropped(struct holding_lag *lag, const struct batch *batch)
{
	lag->in_hand -= batch->n_records;
	if (batch->n_records)
		lag->tail_ms = 0; /* they come again */
	show(lag);
}
