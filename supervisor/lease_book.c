/*
 * lease_book.c - every shard this host was granted.
 *
 * Runs in the supervisor. Owns the table of shards, their deadlines and epochs. Pure:
 * never sends, reads LMDB or the clock itself. Must never assign a shard that another
 * worker may still hold, list or publish one past its deadline, nor let one leave the
 * list before its last checkpoint is published. Held by
 * tests/supervisor/test_lease_book.c.
 */
#include "supervisor/lease_book.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/xalloc.h"
#include "supervisor/assign.h"

enum {
	BOOK_ASK_AGAIN_MS = 1000,
	BOOK_SHARDS_MAX = 4096, /* one answer's ceiling too */
};

/* Who has the shard on this host. */
enum hold {
	HOLD_NONE,
	HOLD_TAKING,	/* ASSIGN was sent */
	HOLD_HELD,	/* its take committed */
	HOLD_RELEASING, /* REVOKE was sent */
};

/* What is known of the service's checkpoint under the present grant. */
enum knowledge { KNOW_NOTHING, KNOW_ASKED, KNOW_IT };

struct entry {
	struct shard_id shard;
	uint32_t home;
	bool granted; /* and the deadline is not past */
	int64_t deadline_ms;
	bool wanted_back; /* the service's answer leaves it out */
	int64_t wanted_ms;
	enum knowledge know;
	int64_t asked_ms;
	struct cursor service;
	bool service_is_ours;
	bool unbroken; /* a worker has held it under this grant: the local position wins
			*/
	enum hold hold;
	int32_t holder;	    /* ASSIGN_NOBODY with HOLD_NONE */
	int32_t target;	    /* where it goes when it is released */
	struct epoch epoch; /* of the last assignment */
	enum fate fate;
	uint32_t fate_slot;
	bool finished, stuck;
	char why[200];
	struct cursor published; /* what stands at the service, as far as we know */
	bool writing;		 /* a write is under way */
	bool doubtful;		 /* its answer was lost: read back before the next */
	bool no_publish;	 /* the service refuses: let it go without */
};

struct lease_book {
	struct book_config config;
	const struct book_ops *ops;
	void *arg;
	struct entry *entries;
	size_t count, cap;
	bool live[ASSIGN_WORKERS_MAX];
	uint32_t sequence;
	int64_t service_ahead_ns;
	bool stopping;
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
	free(*book);
	*book = NULL;
}

void
lease_book_set_times(struct lease_book *book, const char *start, int64_t start_ns,
		     int64_t end_ns)
{
	snprintf(book->config.start, sizeof(book->config.start), "%s", start);
	book->config.start_ns = start_ns;
	book->config.end_ns = end_ns;
}

void
lease_book_set_service_ahead(struct lease_book *book, int64_t ahead_ns)
{
	book->service_ahead_ns = ahead_ns;
}

static struct entry *
find(const struct lease_book *book, const struct shard_id *shard)
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

static void
note(struct lease_book *book, const struct entry *e, const char *what, const char *why)
{
	book->ops->note(book->arg, &e->shard, what, why);
}

/* ---- one entry's next step ---- */

static void
revoke(struct lease_book *book, struct entry *e)
{
	e->hold = HOLD_RELEASING;
	book->ops->revoke(book->arg, (uint32_t)e->holder, &e->shard, e->epoch);
}

static void
ask_service(struct lease_book *book, struct entry *e, int64_t now_ms)
{
	e->know = e->know == KNOW_IT ? KNOW_IT : KNOW_ASKED;
	e->asked_ms = now_ms;
	book->ops->ask_service(book->arg, &e->shard);
}

/* What is committed under the present epoch and not yet at the service; false: nothing.
 */
static bool
unpublished(struct lease_book *book, const struct entry *e, struct cursor *cursor_out)
{
	struct checkpoint_record record;
	if (book->ops->committed(book->arg, &e->shard, &record) ||
	    !epoch_equal(record.epoch, e->epoch))
		return false;
	if (cursor_equal(&record.cursor, &e->published))
		return false;
	*cursor_out = record.cursor;
	return true;
}

static bool
may_publish(const struct entry *e, int64_t now_ms)
{
	return e->granted && e->deadline_ms > now_ms && e->know == KNOW_IT &&
	       !e->writing && !e->doubtful && !e->no_publish;
}

static void
publish_one(struct lease_book *book, struct entry *e, int64_t now_ms)
{
	struct cursor cursor;
	if (!may_publish(e, now_ms) || !unpublished(book, e, &cursor))
		return;
	e->writing = true;
	book->ops->publish(book->arg, e->home, &e->shard, &cursor, 1);
}

/* The service wants it back and no worker has it: its last checkpoint, then it leaves the
 * list. */
static bool
may_leave(struct lease_book *book, struct entry *e, int64_t now_ms)
{
	struct cursor cursor;
	if (e->no_publish || !unpublished(book, e, &cursor))
		return !e->writing;
	if (now_ms - e->wanted_ms < book->config.timeout_ms / 2)
		return false;
	note(book, e, "given back without its last checkpoint",
	     "publishing it failed for half of heartbeat_timeout: the next holder may "
	     "repeat records");
	return true;
}

/* Returns false when the entry is of no more use. */
static bool
step(struct lease_book *book, struct entry *e, int64_t now_ms)
{
	if (e->granted && e->deadline_ms <= now_ms) {
		e->granted = false;
		note(book, e, "lease ended", "no heartbeat was answered in time");
	}
	if (!e->granted) {
		if (e->hold == HOLD_TAKING || e->hold == HOLD_HELD)
			revoke(book, e);
		return e->hold != HOLD_NONE || e->writing;
	}
	if (e->wanted_back) {
		if (e->hold == HOLD_TAKING || e->hold == HOLD_HELD)
			revoke(book, e);
		if (e->hold != HOLD_NONE)
			return true;
		publish_one(book, e, now_ms);
		if (!may_leave(book, e, now_ms))
			return true;
		note(book, e, "given back", NULL);
		return false;
	}
	if (e->know == KNOW_NOTHING)
		ask_service(book, e, now_ms);
	return true;
}

static void
remove_entry(struct lease_book *book, size_t index)
{
	book->entries[index] = book->entries[--book->count];
}

/* ---- the plan ---- */

static bool
is_assignable(const struct lease_book *book, const struct entry *e)
{
	if (book->stopping || !e->granted || e->wanted_back || e->know != KNOW_IT)
		return false;
	return !e->finished || e->hold != HOLD_NONE;
}

static void
assign(struct lease_book *book, struct entry *e, int32_t worker)
{
	struct message_assign m = {
		.shard = e->shard,
		.epoch = { (uint64_t)book->config.boot_count << 32 | ++book->sequence },
		.deadline_ms = e->deadline_ms,
		.home = e->home,
		.service = e->service,
		.service_is_ours = e->service_is_ours,
		.unbroken = e->unbroken,
		.start_ns = book->config.start_ns,
		.end_ns = book->config.end_ns,
		.service_ahead_ns = book->service_ahead_ns,
		.fate = e->fate,
		.fate_slot = e->fate_slot,
	};
	memcpy(m.start, book->config.start, sizeof(m.start));
	e->epoch = m.epoch;
	e->hold = HOLD_TAKING;
	e->holder = worker;
	e->target = worker;
	e->fate = FATE_NONE;
	book->ops->assign(book->arg, (uint32_t)worker, &m);
}

static void
carry_out(struct lease_book *book, struct entry *e, int32_t target)
{
	if (target == ASSIGN_NOBODY)
		return;
	if (e->hold == HOLD_NONE) {
		assign(book, e, target);
	} else if (e->hold == HOLD_HELD && target != e->holder) {
		e->target = target;
		revoke(book, e);
	}
}

static void
plan(struct lease_book *book)
{
	struct assign_shard *shards = xcalloc(book->count, sizeof(*shards));
	struct entry **entries = xcalloc(book->count, sizeof(struct entry *));
	size_t n = 0;
	for (size_t i = 0; i < book->count; i++) {
		struct entry *e = &book->entries[i];
		if (!is_assignable(book, e))
			continue;
		entries[n] = e;
		shards[n++] = (struct assign_shard){
			.home = e->home,
			.holder = e->hold == HOLD_NONE	      ? ASSIGN_NOBODY
				  : e->hold == HOLD_RELEASING ? e->target
							      : e->holder,
			.fixed = e->hold == HOLD_TAKING || e->hold == HOLD_RELEASING ||
				 e->finished || e->stuck,
		};
	}
	assign_plan(shards, n, book->live, book->config.workers);
	for (size_t i = 0; i < n; i++)
		carry_out(book, entries[i], shards[i].target);
	free(shards);
	free(entries);
}

static void
settle(struct lease_book *book, int64_t now_ms)
{
	for (size_t i = 0; i < book->count;) {
		if (step(book, &book->entries[i], now_ms))
			i++;
		else
			remove_entry(book, i);
	}
	plan(book);
}

/* ---- heartbeats ---- */

struct shard_id *
lease_book_list(struct lease_book *book, uint32_t home, size_t *n_out, int64_t now_ms)
{
	struct shard_id *list = xcalloc(book->count, sizeof(*list));
	size_t n = 0;
	for (size_t i = 0; i < book->count; i++) {
		const struct entry *e = &book->entries[i];
		if (e->granted && e->deadline_ms > now_ms && e->home == home)
			list[n++] = e->shard;
	}
	*n_out = n;
	return list;
}

static struct entry *
new_entry(struct lease_book *book, const struct shard_id *shard)
{
	if (book->count == BOOK_SHARDS_MAX)
		return NULL;
	if (book->count == book->cap) {
		book->cap = book->cap ? 2 * book->cap : 16;
		book->entries =
			xreallocarray(book->entries, book->cap, sizeof(*book->entries));
	}
	struct entry *e = &book->entries[book->count++];
	*e = (struct entry){ .shard = *shard, .holder = ASSIGN_NOBODY };
	return e;
}

/* A grant that was not there before: who read where the service stands does so again. */
static void
grant(struct lease_book *book, struct entry *e, uint32_t home, int64_t deadline_ms)
{
	e->home = home;
	e->granted = true;
	e->deadline_ms = deadline_ms;
	e->wanted_back = false;
	e->know = KNOW_NOTHING;
	e->unbroken = false;
	e->no_publish = false;
	e->doubtful = false;
	e->finished = false; /* the next holder's take says so again */
	note(book, e, "granted", NULL);
}

static void
on_owned(struct lease_book *book, uint32_t home, const struct shard_id *shard,
	 bool listed, int64_t deadline_ms)
{
	struct entry *e = find(book, shard);
	if (e && e->granted && e->home != home)
		return; /* another consumer of ours has not let go of it yet */
	if (e && e->granted) {
		if (listed)
			e->deadline_ms = deadline_ms;
		e->wanted_back = false;
		return;
	}
	if (book->stopping)
		return;
	if (!e)
		e = new_entry(book, shard);
	if (e)
		grant(book, e, home, deadline_ms);
}

static void
send_renewals(struct lease_book *book, uint32_t worker, uint32_t home,
	      int64_t deadline_ms)
{
	struct epoch epochs[MESSAGE_MAX_RENEW];
	uint32_t n = 0;
	for (size_t i = 0; i < book->count; i++) {
		const struct entry *e = &book->entries[i];
		if (e->holder == (int32_t)worker && e->home == home && e->granted &&
		    e->deadline_ms == deadline_ms)
			epochs[n++] = e->epoch;
	}
	if (n)
		book->ops->renew(book->arg, worker, epochs, n, deadline_ms);
}

void
book_on_answer(struct lease_book *book, uint32_t home, const struct shard_id *listed,
	       size_t n_listed, const struct shard_id *owned, size_t n_owned,
	       int64_t sent_ms, int64_t now_ms)
{
	int64_t deadline_ms =
		sent_ms + book->config.timeout_ms - book->config.timeout_ms / 6;
	for (size_t i = 0; i < book->count; i++) {
		struct entry *e = &book->entries[i];
		if (e->home != home || !e->granted ||
		    !contains(listed, n_listed, &e->shard) ||
		    contains(owned, n_owned, &e->shard))
			continue;
		e->deadline_ms = deadline_ms; /* draining: still ours while we list it */
		if (!e->wanted_back)
			e->wanted_ms = now_ms;
		e->wanted_back = true;
	}
	for (size_t i = 0; i < n_owned; i++)
		on_owned(book, home, &owned[i], contains(listed, n_listed, &owned[i]),
			 deadline_ms);
	for (uint32_t w = 0; w < book->config.workers; w++)
		send_renewals(book, w, home, deadline_ms);
	settle(book, now_ms);
}

/* ---- the service's checkpoints ---- */

void
book_on_service(struct lease_book *book, const struct shard_id *shard, enum lts_err err,
		const struct cursor *cursor, bool ours, int64_t now_ms)
{
	struct entry *e = find(book, shard);
	if (!e || err)
		return; /* asked again by the tick */
	if (e->doubtful) {
		e->doubtful = false;
		e->published = *cursor;
		settle(book, now_ms);
		return;
	}
	if (e->know != KNOW_ASKED)
		return;
	e->know = KNOW_IT;
	e->service = *cursor;
	e->service_is_ours = ours;
	e->published = *cursor;
	settle(book, now_ms);
}

void
book_on_written(struct lease_book *book, const struct shard_id *shard,
		const struct cursor *cursor, enum lts_err err, int64_t now_ms)
{
	struct entry *e = find(book, shard);
	if (!e)
		return;
	e->writing = false;
	switch (err) {
	case LTS_OK:
		e->published = *cursor;
		if (e->hold == HOLD_TAKING || e->hold == HOLD_HELD)
			book->ops->published(book->arg, (uint32_t)e->holder, &e->shard,
					     e->epoch, cursor);
		break;
	case LTS_UNKNOWN:
		e->doubtful = true;
		ask_service(book, e, now_ms);
		break;
	case LTS_GONE:
		note(book, e, "lease lost",
		     "the service refused its checkpoint: another consumer owns it");
		e->granted = false;
		break;
	case LTS_NOTFOUND:
	case LTS_INVALID:
		if (e->wanted_back)
			e->no_publish = true;
		break;
	default:
		break; /* again with the next round */
	}
	settle(book, now_ms);
}

static void
publish_home(struct lease_book *book, uint32_t home, int64_t now_ms)
{
	struct shard_id *shards = xcalloc(book->count, sizeof(*shards));
	struct cursor *cursors = xcalloc(book->count, sizeof(*cursors));
	size_t n = 0;
	for (size_t i = 0; i < book->count; i++) {
		struct entry *e = &book->entries[i];
		if (e->home != home || !may_publish(e, now_ms) ||
		    !unpublished(book, e, &cursors[n]))
			continue;
		e->writing = true;
		shards[n++] = e->shard;
	}
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

/* ---- workers ---- */

void
book_on_live(struct lease_book *book, uint32_t worker, int64_t now_ms)
{
	book->live[worker] = true;
	settle(book, now_ms);
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
		e->stuck = false;
	}
	settle(book, now_ms);
}

void
book_on_message(struct lease_book *book, uint32_t worker, const struct message *message,
		int64_t now_ms)
{
	const struct message_lease *m = &message->lease;
	struct entry *e = find(book, &m->shard);
	if (!e || e->holder != (int32_t)worker || !epoch_equal(e->epoch, m->epoch))
		return; /* of an assignment that is over */
	switch (message->type) {
	case MSG_HELD:
		e->unbroken = true;
		if (e->hold == HOLD_TAKING)
			e->hold = HOLD_HELD;
		break;
	case MSG_RELEASED:
		e->hold = HOLD_NONE;
		e->holder = ASSIGN_NOBODY;
		e->stuck = false;
		break;
	case MSG_FINISHED:
		e->finished = true;
		publish_one(book, e, now_ms);
		break;
	case MSG_STUCK:
		e->stuck = true;
		memcpy(e->why, m->text, sizeof(e->why));
		break;
	default:
		break;
	}
	settle(book, now_ms);
}

void
book_on_tick(struct lease_book *book, int64_t now_ms)
{
	for (size_t i = 0; i < book->count; i++) {
		struct entry *e = &book->entries[i];
		if ((e->know == KNOW_ASKED || e->doubtful) &&
		    now_ms - e->asked_ms >= BOOK_ASK_AGAIN_MS)
			ask_service(book, e, now_ms);
	}
	settle(book, now_ms);
}

void
book_stop(struct lease_book *book)
{
	book->stopping = true;
}

/* ---- questions ---- */

size_t
lease_book_count(const struct lease_book *book)
{
	return book->count;
}

static const char *
state_name(const struct entry *e)
{
	static const char *const holds[] = {
		[HOLD_NONE] = "unheld",
		[HOLD_TAKING] = "taking",
		[HOLD_HELD] = "held",
		[HOLD_RELEASING] = "releasing",
	};
	if (!e->granted)
		return "ended";
	if (e->stuck)
		return "stuck";
	if (e->wanted_back)
		return "draining";
	return e->finished ? "finished" : holds[e->hold];
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
		.published = e->published,
	};
	memcpy(out->why, e->why, sizeof(out->why));
}

bool
lease_book_has(const struct lease_book *book, const struct shard_id *shard)
{
	return find(book, shard) != NULL;
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
		    (!e->no_publish && unpublished(book, e, &cursor)))
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
		if (may_publish(e, now_ms) && unpublished(book, e, &cursor))
			return false;
	}
	return true;
}
