/*
 * lease_publish.c - what the service is told of our shards' positions, and when one may
 * leave the list.
 *
 * Runs in the supervisor, part of the lease book. Pure. Must never publish what is not
 * committed under the present grant's epoch, have two writes of a shard in flight, write
 * again before a lost answer was read back, nor end a lease because one write was told that
 * another consumer owns the shard. Held by tests/supervisor/test_lease_publish.c,
 * test_lease_doubted.c and test_lease_leave.c.
 */
#include "supervisor/lease_entry.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/xalloc.h"

enum { PUBLISH_AGAIN_MS = 1000 };

/* What is committed under the present epoch and not yet at the service; false: nothing.
 */
bool
lease_unpublished(struct lease_book *book, const struct entry *e, struct cursor *cursor_out)
{
	struct checkpoint_record record;
	if (!e->current || book->ops->committed(book->arg, &e->shard, &record) ||
	    !epoch_equal(record.epoch, e->epoch))
		return false;
	if (cursor_equal(&record.cursor, &e->published))
		return false;
	*cursor_out = record.cursor;
	return true;
}

/* The present grant is in force, and the service takes our word for it. */
static bool
is_ours(const struct entry *e, int64_t now_ms)
{
	return e->granted && e->deadline_ms > now_ms && e->know == KNOW_IT && !e->no_publish;
}

bool
lease_book_may_repeat(const struct lease_book *book, const struct shard_id *shard, int64_t now_ms)
{
	const struct entry *e = lease_entry_find(book, shard);
	return e && is_ours(e, now_ms) && !e->stale_write;
}

/* While another may own it, only over what was seen to be ours. */
static bool
may_publish(const struct entry *e, int64_t now_ms)
{
	return is_ours(e, now_ms) && !e->writing && !e->doubtful &&
	       (!e->refused.gone || e->look.seen) && e->publish_after_ms <= now_ms;
}

static void
begin_write(struct lease_book *book, struct entry *e, const struct cursor *cursor, bool grouped)
{
	e->writing = true;
	lease_look_write(book, e, cursor, grouped);
}

void
lease_publish_one(struct lease_book *book, struct entry *e, int64_t now_ms)
{
	struct cursor cursor;
	if (!may_publish(e, now_ms) || !lease_unpublished(book, e, &cursor))
		return;
	begin_write(book, e, &cursor, false);
	book->ops->publish(book->arg, e->home, &e->shard, &cursor, 1);
}

static void
note_unpublished(struct lease_book *book, const struct entry *e, const char *why)
{
	char text[128];
	snprintf(text, sizeof(text), "%s: the next holder may repeat records", why);
	lease_entry_note(book, e, "given back without its last checkpoint", text);
}

/* No worker has closed it yet, and one may still. */
static bool
is_closing(struct lease_book *book, struct entry *e)
{
	return e->to_close && !e->current &&
	       (book->stopping || e->know != KNOW_IT || lease_seal(book, e));
}

/* The service wants it back and no worker has it: its last checkpoint, then it leaves the
 * list. */
bool
lease_may_leave(struct lease_book *book, struct entry *e, int64_t now_ms)
{
	struct cursor cursor;
	bool late = now_ms - e->wanted_ms >= book->config.timeout_ms / 2;
	if (e->writing)
		return false; /* its answer comes within a sixth of the timeout */
	if (!late && is_closing(book, e))
		return false;
	bool unclosed = late && e->to_close && !e->current;
	bool published = !unclosed && (e->no_publish || !lease_unpublished(book, e, &cursor));
	if (published && (e->no_publish || e->left_behind || cursor_is_none(&e->published) ||
			  lease_look_is_seen(book, e, now_ms)))
		return true;
	if (!late)
		return false;
	if (published)
		lease_entry_note(book, e, "given back without a last look",
				 "where the service stands could not be read for half of "
				 "heartbeat_timeout");
	else
		note_unpublished(book, e, "publishing it failed for half of heartbeat_timeout");
	return true;
}

void
lease_leave_unpublished(struct lease_book *book, struct entry *e)
{
	struct cursor cursor;
	bool unclosed = !e->current && !e->no_publish;
	e->granted = false;
	if (unclosed || e->writing || lease_unpublished(book, e, &cursor))
		note_unpublished(book, e, "the next heartbeat could not wait for it");
}

/* What its last write did is not known: it is read back before the next. */
static void
doubt(struct lease_book *book, struct entry *e, int64_t now_ms)
{
	e->doubtful = true;
	lease_look_later(book, e, now_ms);
	lease_entry_ask(book, e, now_ms);
}

static void
write_later(struct lease_book *book, struct entry *e, enum lts_err err, int64_t now_ms)
{
	char text[128];
	int64_t longest_ms = book->config.timeout_ms / 6;
	int64_t wait_ms = (int64_t)PUBLISH_AGAIN_MS << (e->refused.n < 6 ? e->refused.n : 6);
	if (!e->refused.n++) {
		e->refused.since_ms = now_ms;
		snprintf(text, sizeof(text), "%s; written alone, and seldom, until it is taken",
			 lts_err_name(err));
		lease_entry_note(book, e, "the service refuses its checkpoint", text);
	}
	e->refused.alone = LOOK_ALONE;
	e->publish_after_ms = now_ms + (wait_ms < longest_ms ? wait_ms : longest_ms);
}

/* Two refusals, some time apart, are believed; one may be the service's bad day. LTS_BADDATA is one
 * that speaks not of the shard. */
static void
on_refused(struct lease_book *book, struct entry *e, enum lts_err err, int64_t now_ms)
{
	write_later(book, e, err, now_ms);
	bool twice = now_ms - e->refused.since_ms >= PUBLISH_AGAIN_MS;
	if (e->wanted_back && err != LTS_BADDATA && twice)
		e->no_publish = true;
}

static void
on_taken(struct lease_book *book, struct entry *e, const struct cursor *cursor, int64_t now_ms)
{
	e->published = *cursor;
	e->publishes++;
	e->published_ms = now_ms;
	e->refused.alone -= e->refused.alone && !e->look.grouped;
	e->refused.n = 0;
	e->refused.gone = false;
	if (e->hold == HOLD_TAKING || e->hold == HOLD_HELD)
		book->ops->published(book->arg, (uint32_t)e->holder, &e->shard, e->epoch, cursor);
}

void
lease_lost(struct lease_book *book, struct entry *e)
{
	if (e->left_behind) {
		lease_entry_note(book, e, "closed; another consumer owns it", NULL);
	} else {
		lease_entry_note(book, e, "lease lost",
				 "the service refused its checkpoint: another consumer owns it");
		book->lost[book->n_lost++ % LOOK_LOST] = e->shard;
	}
	e->granted = false;
}

/*
 * A write was told that another consumer owns the shard. What heartbeats say is no second word
 * for that: they leave out what is only wanted back, too (and then nothing more is fetched). So
 * the service's checkpoint is looked at: one that another has written ends the lease, and
 * nothing is written before. Else the write is made again, and believed when half of the timeout
 * has brought no better word. What was left behind is known not to be ours.
 */
static void
on_gone(struct lease_book *book, struct entry *e, int64_t now_ms)
{
	if (!e->refused.gone)
		e->refused.gone_ms = now_ms;
	e->refused.gone = true;
	if (e->left_behind || now_ms - e->refused.gone_ms >= book->config.timeout_ms / 2)
		lease_lost(book, e);
	else
		write_later(book, e, LTS_GONE, now_ms);
}

void
book_on_written(struct lease_book *book, const struct shard_id *shard,
		const struct cursor *cursor, enum lts_err err, int64_t now_ms)
{
	struct entry *e = lease_entry_find(book, shard);
	if (!e)
		return;
	e->writing = false;
	lease_look_anew(book, e);
	if (e->stale_write) {
		e->stale_write = false;
		/* It may have landed after the present grant's read. */
		if (e->granted && (err == LTS_OK || err == LTS_UNKNOWN))
			doubt(book, e, now_ms);
		lease_book_settle(book, now_ms);
		return;
	}
	/* A failure waits, whatever it was: it must not become a storm. */
	e->publish_after_ms = err ? now_ms + PUBLISH_AGAIN_MS : 0;
	switch (err) {
	case LTS_OK:
		on_taken(book, e, cursor, now_ms);
		break;
	case LTS_UNKNOWN:
		doubt(book, e, now_ms);
		break;
	case LTS_GONE:
		on_gone(book, e, now_ms);
		break;
	case LTS_NOTFOUND:
	case LTS_INVALID:
	case LTS_BADDATA:
		on_refused(book, e, err, now_ms);
		break;
	default:
		break;
	}
	lease_book_settle(book, now_ms);
}

static void
publish_home(struct lease_book *book, uint32_t home, int64_t now_ms)
{
	struct shard_id *shards = xcalloc(book->count, sizeof(*shards));
	struct cursor *cursors = xcalloc(book->count, sizeof(*cursors));
	struct entry *last = NULL;
	size_t n = 0;
	for (size_t i = 0; i < book->count; i++) {
		struct entry *e = &book->entries[i];
		if (e->home != home || !may_publish(e, now_ms) ||
		    !lease_unpublished(book, e, &cursors[n]))
			continue;
		if (e->refused.alone) {
			lease_publish_one(book, e, now_ms);
			continue;
		}
		begin_write(book, e, &cursors[n], true);
		shards[n++] = e->shard;
		last = e;
	}
	if (n == 1)
		last->look.grouped = false;
	if (n)
		book->ops->publish(book->arg, home, shards, cursors, n);
	free(shards);
	free(cursors);
}

void
book_publish(struct lease_book *book, int64_t now_ms)
{
	for (uint32_t home = 0; home < book->config.workers; home++)
		publish_home(book, home, now_ms);
}

void
lease_publish_first(struct lease_book *book, int64_t now_ms)
{
	struct cursor cursor;
	for (size_t i = 0; i < book->count; i++) {
		const struct entry *e = &book->entries[i];
		if (e->hold == HOLD_HELD && cursor_is_none(&e->published) &&
		    may_publish(e, now_ms) && lease_unpublished(book, e, &cursor))
			publish_home(book, e->home, now_ms);
	}
}

bool
lease_book_all_finished(struct lease_book *book, size_t *stuck_out)
{
	struct cursor cursor;
	size_t stuck = 0;
	for (size_t i = 0; i < book->count; i++) {
		const struct entry *e = &book->entries[i];
		if (!e->finished && !e->stuck)
			return false;
		if (e->writing || e->doubtful ||
		    (!e->no_publish && lease_unpublished(book, e, &cursor)))
			return false;
		stuck += e->stuck;
	}
	*stuck_out = stuck;
	return true;
}

bool
lease_book_all_published(struct lease_book *book, int64_t now_ms)
{
	struct cursor cursor;
	for (size_t i = 0; i < book->count; i++) {
		const struct entry *e = &book->entries[i];
		if (e->writing || e->doubtful)
			return false;
		if (is_ours(e, now_ms) && lease_unpublished(book, e, &cursor))
			return false;
	}
	return true;
}
