/*
 * lease_reset.c - a shard goes on where people want it to.
 *
 * Runs in the supervisor, part of the lease book. Pure. Must never forget a wish before a worker
 * has taken the shard there, nor call it done for a take that was assigned before it. Held by
 * tests/supervisor/test_lease_reset.c.
 */
#include "supervisor/lease_reset.h"

enum lts_err
book_reset(struct lease_book *book, const struct shard_id *shard, const struct cursor *to,
	   int64_t now_ms)
{
	struct entry *e = lease_entry_find(book, shard);
	if (!e || e->left_behind)
		return LTS_NOTFOUND;
	if (book->stopping || !e->granted || e->wanted_back || e->to_close)
		return LTS_GONE;
	if (!cursor_is_none(&e->reset))
		return LTS_BUSY;
	e->reset = *to;
	e->reset_epoch = (struct epoch){ 0 };
	e->finished = false;
	e->suspect.attempts = 0; /* of records that may not come, or come again as new ones */
	if (e->hold == HOLD_TAKING || e->hold == HOLD_HELD)
		lease_entry_revoke(book, e);
	lease_book_settle(book, now_ms);
	return LTS_OK;
}

void
lease_reset_on_held(struct lease_book *book, struct entry *e, struct epoch epoch, int64_t now_ms)
{
	if (cursor_is_none(&e->reset) || !epoch_equal(e->reset_epoch, epoch))
		return;
	e->reset = (struct cursor){ 0 };
	lease_publish_one(book, e, now_ms); /* else another host might go on where it was */
	book->ops->was_reset(book->arg, &e->shard, LTS_OK);
}

void
lease_reset_on_left(struct lease_book *book, const struct entry *e)
{
	if (!cursor_is_none(&e->reset))
		book->ops->was_reset(book->arg, &e->shard, LTS_GONE);
}
