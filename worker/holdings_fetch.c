/*
 * holdings_fetch.c - what the shards want of the service: each has one request under way, and
 * maybe one that went out early, on another connection.
 *
 * Runs on the worker's loop. Owns the requests. Must never take bytes for an early one that
 * another shard waits for. Held by the scenarios of bad answers, and by the model.
 */
#include "worker/holdings_inside.h"

#include "common/clock.h"

static struct fetch *
now_of(struct holding *holding)
{
	return &holding->fetches[holding->turn];
}

static struct fetch *
early_of(struct holding *holding)
{
	return &holding->fetches[!holding->turn];
}

static void
note_answer(struct holding *holding, const struct fetch *fetch, const struct batch *batch)
{
	bool moved = !cursor_is_none(&batch->to) && !cursor_equal(&batch->to, &batch->from);
	struct lag_answer answer = { .sent_ms = fetch->sent_ms,
				     .records = batch->n_records,
				     .bytes = batch->body.len,
				     .limit = fetch->limit,
				     .bounded = fetch->bounded,
				     .moved_empty = moved && !batch->n_records,
				     .early = fetch != now_of(holding) };
	lag_on_answer(&holding->lag, &answer, clock_boot_ms());
}

static void
on_fetch_done(struct fetch *fetch, struct shard_answer *answer)
{
	struct holding *holding = holding_of_lease(fetch->lease);
	if (answer->batch)
		note_answer(holding, fetch, answer->batch);
	if (fetch == now_of(holding))
		shard_on_answer(holding->shard, answer, clock_boot_ms());
	else
		shard_on_early_answer(holding->shard, answer);
}

static void
on_fetch_head(struct fetch *fetch, const struct batch_head *head)
{
	struct holding *holding = holding_of_lease(fetch->lease);
	if (fetch == now_of(holding))
		shard_on_head(holding->shard, head, clock_boot_ms());
	else
		shard_on_early_head(holding->shard, head);
}

void
holding_init_fetches(struct holdings *h, struct holding *holding)
{
	for (int i = 0; i < 2; i++)
		holding->fetches[i] = (struct fetch){
			.env = &h->fetch_env,
			.lease = &holding->lease,
			.done = on_fetch_done,
			.head = on_fetch_head,
		};
}

void
holding_fetch_cursor(void *arg, struct shard *shard, const char *from)
{
	fetch_cursor(now_of(holding_of(shard)), from);
}

void
holding_fetch_batch(void *arg, struct shard *shard, const struct cursor *from,
		    const struct cursor *end, unsigned limit, size_t bytes)
{
	fetch_batch(now_of(holding_of(shard)), from, end, limit, bytes);
}

bool
holding_fetch_early(void *arg, struct shard *shard, const struct cursor *from,
		    const struct cursor *end, unsigned limit, size_t bytes)
{
	struct holdings *h = arg;
	if (!TAILQ_EMPTY(&h->no_room) || h->used_bytes + bytes > h->budget_bytes)
		return false;
	h->used_bytes += bytes;
	fetch_batch(early_of(holding_of(shard)), from, end, limit, bytes);
	return true;
}

void
holding_take_early(void *arg, struct shard *shard)
{
	struct holding *holding = holding_of(shard);
	holding->turn = !holding->turn;
}

void
holding_cancel_early(void *arg, struct shard *shard)
{
	fetch_cancel(early_of(holding_of(shard)));
}
