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
	if (book->stopping)
		return LTS_AGAIN;
	if (!e->granted || e->wanted_back || e->to_close)
		return LTS_GONE;
	if (!cursor_is_none(&e->reset))
		return LTS_BUSY;
	e->reset = *to;
	e->reset_first = (struct epoch){ 0 };
	e->finished = e->stuck = false; /* the end of a run waits for it again */
	book->changes++;
	e->suspect.attempts = 0; /* of records that may not come, or come again as new ones */
	if (e->hold == HOLD_TAKING || e->hold == HOLD_HELD)
		lease_entry_revoke(book, e);
	lease_book_settle(book, now_ms);
	return LTS_OK;
}

static void
end_wish(struct lease_book *book, struct entry *e, enum lts_err err)
{
	e->reset = (struct cursor){ 0 };
	book->ops->was_reset(book->arg, &e->shard, err);
}

static bool
is_assigned(const struct entry *e)
{
	return !cursor_is_none(&e->reset) && e->reset_first.value;
}

void
lease_reset_on_held(struct lease_book *book, struct entry *e, int64_t now_ms)
{
	if (!is_assigned(e))
		return;
	lease_publish_one(book, e, now_ms); /* else another host might go on where it was */
	end_wish(book, e, LTS_OK);
}

void
lease_reset_on_stuck(struct lease_book *book, struct entry *e)
{
	if (is_assigned(e))
		end_wish(book, e, LTS_BADDATA);
}

void
lease_reset_on_free(struct lease_book *book, struct entry *e, int64_t now_ms)
{
	struct checkpoint_record record;
	if (is_assigned(e) && !book->ops->committed(book->arg, &e->shard, &record) &&
	    record.epoch.value >= e->reset_first.value)
		lease_reset_on_held(book, e, now_ms);
	else if (book->stopping && !cursor_is_none(&e->reset))
		end_wish(book, e, LTS_AGAIN);
}

void
lease_reset_on_left(struct lease_book *book, struct entry *e)
{
	if (!cursor_is_none(&e->reset))
		end_wish(book, e, LTS_GONE);
}

void
lease_reset_on_stop(struct lease_book *book)
{
	for (size_t i = 0; i < book->count; i++)
		if (book->entries[i].hold == HOLD_NONE)
			lease_reset_on_free(book, &book->entries[i], 0);
}
