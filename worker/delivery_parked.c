/*
 * delivery_parked.c - orders that are to be tried again, each at its time, and what is said of
 * them.
 *
 * In a worker's delivery thread, part of worker/delivery.h. Owns the parked orders. Must never
 * keep an order whose shard is being let go, but for what user code may still end. Held by
 * tests/worker/test_delivery.c and tests/scenario/pipes.c.
 */
#include <stdio.h>

#include "common/board_wait.h"
#include "common/clock.h"
#include "worker/delivery_inside.h"

/* A reader or another worker is waited for now and then; so long, seldom. */
enum { SAY_MS = 1000 };

/* A batch that a processor has under way may still come to its end in time. */
static bool
gives_up(const struct delivery *d, struct delivery_order *order)
{
	int64_t now_ms = clock_mono_ms();
	if (!atomic_load(&order->lease->letting_go))
		return false;
	if (!order->give_up_ms)
		order->give_up_ms = now_ms + (order->due_ms == INT64_MAX
						      ? committer_let_go_ms(d->committer)
						      : 0);
	return order->give_up_ms <= now_ms;
}

/* The loop is told: `why` "" is no news. */
static void
tell_blocked(struct delivery *d, const struct delivery_order *order, const char *why)
{
	struct delivery_done done = { .kind = DELIVERY_BLOCKED,
				      .lease = order->lease,
				      .err = order->err };
	snprintf(done.why, sizeof(done.why), "%s", why);
	delivery_complete(d, &done);
}

/* There is none of something; or nothing moves, for a while: a reader that is slow is none that
 * sleeps. What user code works on is no wait. */
static bool
stands_still(const struct delivery *d, const struct delivery_order *order, int64_t now_ms)
{
	int64_t moved_ms = committer_moved_ms(d->committer);
	if (order->err == LTS_NOSPACE)
		return true;
	if (!committer_only_waits(d->committer))
		return false;
	return now_ms - (moved_ms > order->parked_ms ? moved_ms : order->parked_ms) >= SAY_MS;
}

void
delivery_say_it_waits(struct delivery *d, struct delivery_order *order, int64_t now_ms)
{
	char text[300];
	bool pauses = order->due_ms > now_ms && order->due_ms != INT64_MAX;
	order->still = stands_still(d, order, now_ms);
	if (order->still && !order->said)
		tell_blocked(d, order, order->waits);
	else if (!order->blocked && (pauses || committer_only_waits(d->committer)))
		tell_blocked(d, order, "");
	else if (!order->still && !order->blocked)
		return;
	order->blocked = true;
	order->said |= order->still;
	if (!order->still || d->still++)
		return;
	snprintf(text, sizeof(text), "shard %s: %s", order->lease->shard.text, order->waits);
	board_wait(d->config.board, BOARD_WANT_SINK, text, clock_boot_ms());
}

void
delivery_keep_parked(struct delivery *d, struct delivery_order *order)
{
	order->next = NULL;
	*d->parked_end = order;
	d->parked_end = &order->next;
}

bool
delivery_park(struct delivery *d, struct delivery_order *order, int64_t due_ms, enum lts_err err,
     const char *why)
{
	int64_t now_ms = clock_mono_ms(), look_ms = now_ms + PARKED_LOOK_MS;
	order->due_ms = due_ms;
	if (!due_ms || gives_up(d, order))
		return false;
	if (!order->parked_ms)
		order->parked_ms = now_ms;
	order->err = err;
	snprintf(order->waits, sizeof(order->waits), "%s", why);
	delivery_say_it_waits(d, order, now_ms);
	if (look_ms > due_ms)
		look_ms = due_ms;
	if (!d->parked || look_ms < d->retry_ms)
		d->retry_ms = look_ms;
	delivery_keep_parked(d, order);
	return true;
}
