/*
 * lease_watch.c - that no shard of this host waits for ever without a word.
 *
 * Runs in the supervisor, part of the lease book. Pure; deadlines and steps are
 * common/stage_clock.c's. What a shard does inside its worker is the worker's to watch.
 * Must never change the book. Held by tests/supervisor/test_lease_watch.c.
 */
#include "supervisor/lease_watch.h"

#include "supervisor/lease_entry.h"

static enum stage
hold_stage(const struct lease_book *book, const struct entry *e)
{
	if (e->hold == HOLD_TAKING)
		return STAGE_ASSIGN;
	if (e->hold == HOLD_RELEASING)
		return STAGE_REVOKE;
	if (e->hold == HOLD_HELD || !e->granted || e->wanted_back || e->finished ||
	    book->stopping)
		return STAGE_IDLE;
	return e->know == KNOW_IT ? STAGE_UNHELD : STAGE_ASK;
}

static enum stage
publish_stage(const struct entry *e)
{
	bool failed = e->granted && e->publish_after_ms;
	return failed || e->writing || e->doubtful ? STAGE_PUBLISH : STAGE_IDLE;
}

void
book_watch(struct lease_book *book, const struct stage_limits *limits, int64_t now_ms,
	   book_stalled *stalled, void *arg)
{
	struct stage_news news;
	for (size_t i = 0; i < book->count; i++) {
		struct entry *e = &book->entries[i];
		if (stage_clock_look(&e->clocks[0], hold_stage(book, e), e->epoch.value, limits,
				     now_ms, &news))
			stalled(arg, &e->shard, e->holder, &news);
		if (stage_clock_look(&e->clocks[1], publish_stage(e), e->publishes, limits,
				     now_ms, &news))
			stalled(arg, &e->shard, e->holder, &news);
	}
}
