/*
 * lease_suspect.c - the batches over which workers died, counted.
 *
 * Runs in the supervisor, part of the lease book. Pure. Must never tell a holder of a
 * batch that its shard may have passed: one that was delivered would be asked for again
 * and again. A new supervisor counts anew. Held by tests/supervisor/test_lease_suspect.c.
 */
#include "supervisor/lease_entry.h"

#include <stdio.h>

static struct cursor
committed(struct lease_book *book, const struct entry *e)
{
	struct checkpoint_record record;
	if (book->ops->committed(book->arg, &e->shard, &record))
		return (struct cursor){ 0 };
	return record.cursor;
}

/* Another death over the same records, or over some of them: those are known more closely. */
static bool
is_same(const struct suspect *known, const struct suspect *now)
{
	if (!known->attempts || !cursor_equal(&known->cursor, &now->cursor))
		return false;
	if (now->first == known->first)
		return true;
	return now->count && now->first > known->first &&
	       now->first + now->count <= known->first + known->count;
}

void
book_on_suspect(struct lease_book *book, uint32_t worker, const struct shard_id *shard,
		const struct suspect *now)
{
	char text[200];
	struct entry *e = lease_entry_find(book, shard);
	if (!e || e->holder != (int32_t)worker || cursor_is_none(&now->cursor))
		return;
	uint32_t attempts = is_same(&e->suspect, now) ? e->suspect.attempts : 0;
	uint32_t count = now->count || !attempts ? now->count : e->suspect.count;
	e->suspect = *now;
	e->suspect.count = count;
	e->suspect.attempts = attempts + 1;
	e->suspect_from = committed(book, e);
	snprintf(text, sizeof(text),
		 "worker %u died or hung with the batch at cursor %s inside the sink, "
		 "first=%u records=%u attempts=%u",
		 worker, now->cursor.text, now->first, e->suspect.count, e->suspect.attempts);
	lease_entry_note(book, e, "batch suspected", text);
}

struct suspect
lease_suspect(struct lease_book *book, const struct entry *e)
{
	struct cursor at;
	if (!e->suspect.attempts)
		return (struct suspect){ 0 };
	at = committed(book, e);
	if (cursor_equal(&at, &e->suspect.cursor) || cursor_equal(&at, &e->suspect_from))
		return e->suspect;
	return (struct suspect){ 0 };
}
