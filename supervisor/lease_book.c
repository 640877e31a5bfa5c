/*
 * lease_book.c - every shard this host was granted.
 *
 * Runs in the supervisor. Owns the table of shards, their deadlines and epochs. Pure:
 * never sends, reads LMDB or the clock itself. Must never list a shard past its deadline,
 * renew one that was not listed, nor let one leave the list before its last checkpoint is
 * published. Held by tests/supervisor/test_lease_book.c.
 */
#include "supervisor/lease_reset.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/xalloc.h"

enum {
	BOOK_SHARDS_MAX = 4096,   /* one answer's ceiling too */
	BOOK_SEEN_MAX = 2 * BOOK_SHARDS_MAX,
};

struct lease_book *
lease_book_create(const struct book_config *config, const struct book_ops *ops, void *arg)
{
	struct lease_book *book = xcalloc(1, sizeof(*book));
	book->config = *config;
	book->ops = ops;
	book->arg = arg;
	return book;
}

void
lease_book_destroy(struct lease_book **book)
{
	if (!*book)
		return;
	free((*book)->entries);
	free((*book)->seen);
	free(*book);
	*book = NULL;
}

void
lease_book_grow(struct lease_book *book, uint32_t workers)
{
	if (workers > book->config.workers)
		book->config.workers = workers;
}

void
lease_book_set_times(struct lease_book *book, const char *start, int64_t start_ns, int64_t end_ns)
{
	snprintf(book->config.start, sizeof(book->config.start), "%s", start);
	book->config.start_ns = start_ns;
	book->config.end_ns = end_ns;
}

struct entry *
lease_entry_find(const struct lease_book *book, const struct shard_id *shard)
{
	for (size_t i = 0; i < book->count; i++)
		if (shard_id_equal(&book->entries[i].shard, shard))
			return &book->entries[i];
	return NULL;
}

static bool
contains(const struct shard_id *list, size_t n, const struct shard_id *shard)
{
	for (size_t i = 0; i < n; i++)
		if (shard_id_equal(&list[i], shard))
			return true;
	return false;
}

void
lease_entry_note(struct lease_book *book, const struct entry *e, const char *what,
		 const char *why)
{
	book->ops->note(book->arg, &e->shard, what, why);
}

void
lease_entry_revoke(struct lease_book *book, struct entry *e)
{
	e->hold = HOLD_RELEASING;
	book->ops->revoke(book->arg, (uint32_t)e->holder, &e->shard, e->epoch);
}

/* We have a position of it, and no worker has taken it under the present grant. */
static bool
is_untaken(struct lease_book *book, const struct entry *e)
{
	struct checkpoint_record record;
	return e->hold == HOLD_NONE && !book->ops->committed(book->arg, &e->shard, &record) &&
	       !(e->current && epoch_equal(record.epoch, e->epoch));
}

/* Returns false when the entry is of no more use. */
static bool
step(struct lease_book *book, struct entry *e, int64_t now_ms)
{
	if (e->granted && e->deadline_ms <= now_ms) {
		e->granted = false;
		lease_entry_note(book, e, "lease ended", "no heartbeat was answered in time");
	}
	if (e->granted && e->wanted_back && !e->to_close && is_untaken(book, e)) {
		e->to_close = true; /* what an earlier grant left may be unpublished */
		e->current = false;
	}
	if (e->granted && e->know == KNOW_NOTHING && (e->to_close || !e->wanted_back))
		lease_entry_ask(book, e, now_ms);
	int64_t half_ms = book->config.timeout_ms / 2;
	if (e->left_behind && !e->current && (!book->stopping || now_ms - e->wanted_ms < half_ms)) {
		if (!e->granted) /* a file of ours is closed, and nothing else */
			e->deadline_ms = now_ms + half_ms;
		return book->stopping || e->know != KNOW_IT || lease_seal(book, e);
	}
	if (!e->granted) {
		if (e->hold == HOLD_TAKING || e->hold == HOLD_HELD)
			lease_entry_revoke(book, e);
		return e->hold != HOLD_NONE || e->writing;
	}
	if (e->wanted_back) {
		if (e->hold == HOLD_TAKING || e->hold == HOLD_HELD)
			lease_entry_revoke(book, e);
		if (e->hold != HOLD_NONE)
			return true;
		if (!lease_may_leave(book, e, now_ms)) {
			lease_publish_one(book, e, now_ms);
			return true;
		}
		lease_entry_note(book, e, "given back", NULL);
		book->ops->left(book->arg, e->home);
		return false;
	}
	return true;
}

static void
remove_entry(struct lease_book *book, size_t index)
{
	lease_reset_on_left(book, &book->entries[index]);
	lease_look_end(book, &book->entries[index]);
	book->entries[index] = book->entries[--book->count];
	book->changes++;
}

void
lease_book_settle(struct lease_book *book, int64_t now_ms)
{
	for (size_t i = 0; i < book->count;) {
		if (step(book, &book->entries[i], now_ms))
			i++;
		else
			remove_entry(book, i);
	}
	lease_plan(book);
}

struct shard_id *
lease_book_list(struct lease_book *book, uint32_t home, size_t *n_out, int64_t now_ms)
{
	struct shard_id *list = xcalloc(book->count, sizeof(*list));
	size_t n = 0;
	for (size_t i = 0; i < book->count; i++) {
		struct entry *e = &book->entries[i];
		if (e->left_behind && e->granted && e->home == home)
			lease_leave_unpublished(book, e); /* it may become another's now */
		if (e->granted && e->deadline_ms > now_ms && e->home == home)
			list[n++] = e->shard;
	}
	*n_out = n;
	return list;
}

bool
lease_book_is_closing(const struct lease_book *book, uint32_t home)
{
	for (size_t i = 0; i < book->count; i++)
		if (book->entries[i].left_behind && book->entries[i].granted &&
		    book->entries[i].home == home)
			return true;
	return false;
}

static struct entry *
new_entry(struct lease_book *book, const struct shard_id *shard)
{
	if (book->count == BOOK_SHARDS_MAX)
		return NULL;
	if (book->count == book->cap) {
		book->cap = book->cap ? 2 * book->cap : 16;
		book->entries = xreallocarray(book->entries, book->cap, sizeof(*book->entries));
	}
	struct entry *e = &book->entries[book->count++];
	*e = (struct entry){ .shard = *shard, .holder = ASSIGN_NOBODY };
	return e;
}

/* A grant that was not there before: who read where the service stands does so again. */
static void
grant(struct lease_book *book, struct entry *e, uint32_t home, int64_t deadline_ms)
{
	if (book->n_seen < BOOK_SEEN_MAX && !contains(book->seen, book->n_seen, &e->shard)) {
		if (book->n_seen == book->seen_cap) {
			book->seen_cap = book->seen_cap ? 2 * book->seen_cap : 16;
			book->seen = xreallocarray(book->seen, book->seen_cap, sizeof(*book->seen));
		}
		book->seen[book->n_seen++] = e->shard;
	}
	book->changes++;
	e->left_behind = e->to_close = false;
	e->home = home;
	e->granted = true;
	e->deadline_ms = deadline_ms;
	e->wanted_back = false;
	e->know = KNOW_NOTHING;
	e->unbroken = false;
	e->no_publish = false;
	e->doubtful = false;
	e->current = false;
	e->publish_after_ms = 0;
	e->stale_write = e->writing;
	e->refused.n = 0;
	e->refused.gone = false;
	for (unsigned i = 0; i < LOOK_LOST; i++)
		if (shard_id_equal(&book->lost[i], &e->shard))
			e->refused.alone = LOOK_ALONE;
	lease_look_begin(book, e);
	e->finished = false; /* the next holder's take says so again */
	lease_entry_note(book, e, "granted", NULL);
}

static void
on_owned(struct lease_book *book, uint32_t home, const struct shard_id *shard, bool listed,
	 int64_t deadline_ms)
{
	struct entry *e = lease_entry_find(book, shard);
	if (e && e->granted && e->home != home && !e->left_behind)
		return; /* another consumer of ours has not let go of it yet */
	if (e && e->granted && listed)
		e->deadline_ms = deadline_ms;
	if (e && e->granted && !e->left_behind && !e->to_close) {
		e->wanted_back = e->no_publish = false;
		return;
	}
	if (book->stopping)
		return;
	/* What was being closed was not taken under this grant: where to go on is asked anew. */
	if (e && e->granted && !e->left_behind)
		deadline_ms = e->deadline_ms;
	if (!e)
		e = new_entry(book, shard);
	if (e)
		grant(book, e, home, deadline_ms);
}

static void
send_renewals(struct lease_book *book, uint32_t worker, uint32_t home, int64_t deadline_ms)
{
	struct epoch epochs[MESSAGE_MAX_RENEW];
	uint32_t n = 0;
	for (size_t i = 0; i < book->count; i++) {
		const struct entry *e = &book->entries[i];
		if (e->current && e->holder == (int32_t)worker && e->home == home && e->granted &&
		    e->deadline_ms == deadline_ms)
			epochs[n++] = e->epoch;
	}
	if (n)
		book->ops->renew(book->arg, worker, epochs, n, deadline_ms);
}

static int64_t
deadline_of(const struct lease_book *book, int64_t sent_ms)
{
	return sent_ms + book->config.timeout_ms - book->config.timeout_ms / 6;
}

void
book_on_first_answer(struct lease_book *book, uint32_t home, const struct shard_id *listed,
		     size_t n_listed, const struct shard_id *owned, size_t n_owned,
		     int64_t sent_ms)
{
	for (size_t i = 0; i < n_listed; i++) {
		if (contains(owned, n_owned, &listed[i]) || lease_entry_find(book, &listed[i]))
			continue;
		struct entry *e = new_entry(book, &listed[i]);
		if (!e)
			return;
		e->home = home;
		e->granted = true;
		e->deadline_ms = deadline_of(book, sent_ms);
		e->left_behind = e->to_close = true;
		lease_entry_note(book, e, "left behind by our last life; to be closed", NULL);
	}
}

void
book_on_answer(struct lease_book *book, uint32_t home, const struct shard_id *listed,
	       size_t n_listed, const struct shard_id *owned, size_t n_owned, int64_t sent_ms,
	       int64_t now_ms)
{
	int64_t deadline_ms = deadline_of(book, sent_ms);
	for (size_t i = 0; i < book->count; i++) {
		struct entry *e = &book->entries[i];
		if (e->home != home || !e->granted || !contains(listed, n_listed, &e->shard) ||
		    contains(owned, n_owned, &e->shard))
			continue;
		e->deadline_ms = deadline_ms; /* draining: still ours while we list it */
		if (!e->wanted_back) {
			e->wanted_ms = now_ms;
			e->look.seen = false;
		}
		e->wanted_back = true;
	}
	for (size_t i = 0; i < n_owned; i++)
		on_owned(book, home, &owned[i], contains(listed, n_listed, &owned[i]),
			 deadline_ms);
	for (uint32_t w = 0; w < book->config.workers; w++)
		send_renewals(book, w, home, deadline_ms);
	lease_book_settle(book, now_ms);
}

void
book_on_live(struct lease_book *book, uint32_t worker, int64_t now_ms)
{
	book->live[worker] = true;
	lease_book_settle(book, now_ms);
}

void
book_on_leaving(struct lease_book *book, uint32_t worker, int64_t now_ms)
{
	book->live[worker] = false;
	lease_book_settle(book, now_ms);
}

void
book_on_gone(struct lease_book *book, uint32_t worker, enum fate fate, int64_t now_ms)
{
	book->live[worker] = false;
	for (size_t i = 0; i < book->count; i++) {
		struct entry *e = &book->entries[i];
		if (e->holder != (int32_t)worker)
			continue;
		e->hold = HOLD_NONE;
		e->holder = ASSIGN_NOBODY;
		e->fate = fate;
		e->fate_slot = worker;
		e->stuck = e->look.seen = false;
		lease_reset_on_free(book, e, now_ms);
	}
	lease_book_settle(book, now_ms);
}

void
book_on_message(struct lease_book *book, uint32_t worker, const struct message *message,
		int64_t now_ms)
{
	const struct message_lease *m = &message->lease;
	struct entry *e = lease_entry_find(book, &m->shard);
	if (!e || e->holder != (int32_t)worker || !epoch_equal(e->epoch, m->epoch))
		return; /* of an assignment that is over */
	switch (message->type) {
	case MSG_HELD:
		e->unbroken = e->current;
		if (e->hold == HOLD_TAKING)
			e->hold = HOLD_HELD;
		lease_reset_on_held(book, e, now_ms);
		break;
	case MSG_RELEASED:
		e->hold = HOLD_NONE;
		e->holder = ASSIGN_NOBODY;
		e->stuck = e->look.seen = false;
		lease_reset_on_free(book, e, now_ms);
		break;
	case MSG_FINISHED:
		e->finished = e->current && cursor_is_none(&e->reset);
		lease_publish_one(book, e, now_ms);
		break;
	case MSG_STUCK:
		lease_reset_on_stuck(book, e);
		e->stuck = cursor_is_none(&e->reset); /* else it goes on elsewhere */
		memcpy(e->why, m->text, sizeof(e->why));
		break;
	default:
		break;
	}
	lease_book_settle(book, now_ms);
}

void
book_on_tick(struct lease_book *book, int64_t now_ms)
{
	for (size_t i = 0; i < book->count; i++) {
		struct entry *e = &book->entries[i];
		if (e->finished || e->stuck) /* the end of a run waits for this */
			lease_publish_one(book, e, now_ms);
		if ((e->know == KNOW_ASKED || e->doubtful) && lease_entry_may_ask(book, e, now_ms))
			lease_entry_ask(book, e, now_ms);
	}
	lease_publish_first(book, now_ms);
	lease_look_around(book, now_ms);
	lease_book_settle(book, now_ms);
}

void
book_stop(struct lease_book *book)
{
	book->stopping = true;
	lease_reset_on_stop(book);
}

size_t
lease_book_count(const struct lease_book *book)
{
	return book->count;
}

uint64_t
lease_book_changes(const struct lease_book *book)
{
	return book->changes;
}

/* Who has it comes first, as in enum hold. */
static const char *const state_names[] = {
	[HOLD_NONE] = "unheld",
	[HOLD_TAKING] = "taking",
	[HOLD_HELD] = "held",
	[HOLD_RELEASING] = "releasing",
	"ended",
	"stuck",
	"draining",
	"finished",
	NULL,
};
enum { STATE_ENDED = HOLD_RELEASING + 1, STATE_STUCK, STATE_DRAINING, STATE_FINISHED };

const char *
lease_book_state_name(size_t index)
{
	return state_names[index];
}

static const char *
state_name(const struct entry *e)
{
	if (!e->granted)
		return state_names[STATE_ENDED];
	if (e->stuck)
		return state_names[STATE_STUCK];
	if (e->wanted_back)
		return state_names[STATE_DRAINING];
	return state_names[e->finished ? STATE_FINISHED : (size_t)e->hold];
}

void
lease_book_get(const struct lease_book *book, size_t index, struct book_shard *out)
{
	const struct entry *e = &book->entries[index];
	*out = (struct book_shard){
		.shard = e->shard,
		.home = e->home,
		.holder = e->holder,
		.epoch = e->epoch,
		.state = state_name(e),
		.finished = e->finished,
		.stuck = e->stuck,
		.stalled = e->clocks[0].said || e->clocks[1].said,
		.published = e->published,
		.published_ms = e->published_ms,
	};
	memcpy(out->why, e->why, sizeof(out->why));
}

bool
lease_book_has(const struct lease_book *book, const struct shard_id *shard)
{
	return lease_entry_find(book, shard) != NULL;
}

const struct shard_id *
lease_book_seen(const struct lease_book *book, size_t index)
{
	return index < book->n_seen ? &book->seen[index] : NULL;
}
