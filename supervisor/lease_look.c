/*
 * lease_look.c - where the service stands with our shards, asked at a grant, after a write
 * whose answer was lost, from time to time, and before a shard is let go.
 *
 * Runs in the supervisor, part of the lease book. Pure. One answer proves nothing: a write that
 * was held on its way may land after later ones, and a list may be short. Must never take one
 * answer's word for "no checkpoint", nor have anything
 * written over what is not one of our own last cursors. Held by tests/supervisor/test_lease_look.c.
 */
#include "supervisor/lease_entry.h"

#include <stdio.h>
#include <string.h>

enum {
	LOOK_ASK_AGAIN_MS = 1000,  /* then doubling, up to a sixth of the timeout */
	LOOK_NONE_AGAIN_MS = 1000, /* between two answers that there is no checkpoint */
	LOOK_EVERY_MS = 30 * 1000, /* or half of the timeout */
	LOOK_OFTEN_MS = 5 * 1000,
};

static int64_t
look_every_ms(const struct lease_book *book)
{
	int64_t half_ms = book->config.timeout_ms / 2;
	return half_ms < LOOK_EVERY_MS ? half_ms : LOOK_EVERY_MS;
}

/* Cursors are compared for equality only. */
static uint64_t
hash_of(const struct cursor *cursor)
{
	return ids_hash(cursor->text, strlen(cursor->text));
}

static bool
is_wrote(const struct entry *e, const struct cursor *cursor)
{
	for (unsigned i = 0; i < LOOK_WROTE && i < e->look.n_wrote; i++)
		if (e->look.wrote[i] == hash_of(cursor))
			return true;
	return false;
}

static void
note_wrote(struct entry *e, const struct cursor *cursor)
{
	if (cursor_is_none(cursor) || cursor_equal(&e->look.last, cursor))
		return;
	e->look.last = *cursor;
	e->look.wrote[e->look.n_wrote++ % LOOK_WROTE] = hash_of(cursor);
}

void
lease_entry_ask(struct lease_book *book, struct entry *e, int64_t now_ms)
{
	e->know = e->know == KNOW_IT ? KNOW_IT : KNOW_ASKED;
	int64_t longest_ms = book->config.timeout_ms / 6;
	e->asked_ms = now_ms;
	e->ask_again_ms = e->ask_again_ms ? 2 * e->ask_again_ms : LOOK_ASK_AGAIN_MS;
	if (e->ask_again_ms > longest_ms)
		e->ask_again_ms = longest_ms;
	e->look.asked = ++book->questions;
	book->ops->ask_service(book->arg, &e->shard, book->questions, e->look.none);
}

/* Each question is answered, be it by a failure; for longer than that nobody waits. */
bool
lease_entry_may_ask(const struct lease_book *book, const struct entry *e, int64_t now_ms)
{
	int64_t since_ms = now_ms - e->asked_ms;
	return !e->ask_again_ms || since_ms >= book->config.timeout_ms / 3 ||
	       (!e->look.asked && since_ms >= e->ask_again_ms);
}

void
lease_entry_ask_anew(struct lease_book *book, struct entry *e)
{
	e->look.asked = 0;
	e->asked_from = book->questions + 1;
	e->ask_again_ms = 0;
}

void
lease_look_begin(struct lease_book *book, struct entry *e)
{
	e->look.none = e->look.wanted = false;
	e->look.at_ms = 0;
	for (unsigned i = 0; i < LOOK_LEFT && !e->look.n_wrote; i++) {
		const struct look_left *left = &book->left[i];
		if (!shard_id_equal(&left->shard, &e->shard))
			continue;
		memcpy(e->look.wrote, left->wrote, sizeof(e->look.wrote));
		e->look.n_wrote = left->n_wrote;
	}
	lease_look_anew(book, e);
}

void
lease_look_end(struct lease_book *book, const struct entry *e)
{
	struct look_left *left = NULL;
	if (!e->look.n_wrote)
		return;
	for (unsigned i = 0; i < LOOK_LEFT; i++)
		if (shard_id_equal(&book->left[i].shard, &e->shard))
			left = &book->left[i];
	if (!left)
		left = &book->left[book->n_left++ % LOOK_LEFT];
	left->shard = e->shard;
	memcpy(left->wrote, e->look.wrote, sizeof(left->wrote));
	left->n_wrote = e->look.n_wrote;
}

void
lease_look_write(struct lease_book *book, struct entry *e, const struct cursor *cursor,
		 bool grouped)
{
	e->look.grouped = grouped;
	e->look.before = e->published;
	note_wrote(e, cursor);
	lease_look_anew(book, e);
}

void
lease_look_later(struct lease_book *book, struct entry *e, int64_t now_ms)
{
	e->look.at_ms = now_ms + look_every_ms(book);
}

void
lease_look_anew(struct lease_book *book, struct entry *e)
{
	lease_entry_ask_anew(book, e);
	e->look.seen = false;
}

static bool
can_look(const struct entry *e)
{
	return e->granted && e->know == KNOW_IT && !e->writing && !e->doubtful;
}

static void
look(struct lease_book *book, struct entry *e, int64_t now_ms)
{
	if (can_look(e) && lease_entry_may_ask(book, e, now_ms))
		lease_entry_ask(book, e, now_ms);
}

void
lease_look_around(struct lease_book *book, int64_t now_ms)
{
	bool all = now_ms - book->looked_ms >= look_every_ms(book);
	if (all)
		book->looked_ms = now_ms;
	for (size_t i = 0; i < book->count; i++) {
		struct entry *e = &book->entries[i];
		if (e->look.at_ms && e->look.at_ms <= now_ms) {
			e->look.at_ms = 0;
			e->look.wanted = true;
		}
		e->look.wanted |= all && !cursor_is_none(&e->published);
		e->look.wanted |= e->refused.gone && !e->look.seen;
		if (e->look.wanted)
			look(book, e, now_ms);
	}
}

bool
lease_look_is_seen(struct lease_book *book, struct entry *e, int64_t now_ms)
{
	/* What a lost answer left on its way may land until then; but a look needs time, too. */
	int64_t longest_ms = book->config.timeout_ms * 5 / 12;
	if (e->look.at_ms > now_ms && now_ms - e->wanted_ms < longest_ms)
		return false;
	if (e->look.seen)
		return true;
	e->look.wanted = true;
	look(book, e, now_ms);
	return false;
}

/* With a position of our own, too: another host may have moved on. */
static bool
is_to_be_asked_again(struct lease_book *book, struct entry *e, const struct cursor *cursor,
		     int64_t now_ms)
{
	if (!cursor_is_none(cursor) || e->look.none)
		return false;
	e->look.none = true;
	lease_entry_ask_anew(book, e);
	e->asked_ms = now_ms;
	e->ask_again_ms = LOOK_NONE_AGAIN_MS;
	return true;
}

/* False: it is to be asked again. */
static bool
on_grants_answer(struct lease_book *book, struct entry *e, const struct cursor *cursor, bool ours,
		 int64_t now_ms)
{
	struct checkpoint_record record;
	if (is_to_be_asked_again(book, e, cursor, now_ms))
		return false;
	e->know = KNOW_IT;
	e->published_ms = now_ms;
	e->service = *cursor;
	e->service_is_ours = ours;
	e->published = *cursor;
	e->look.none = false;
	if (ours) /* and what our last life had written may be on its way still */
		note_wrote(e, cursor);
	if (!book->ops->committed(book->arg, &e->shard, &record))
		note_wrote(e, &record.service);
	return true;
}

/* Our last write of several was taken, and what it was to replace stands there still. */
static bool
is_left_out(const struct entry *e, const struct cursor *cursor)
{
	return e->look.grouped && cursor_equal(cursor, &e->look.before);
}

/* What we found at the grant, and have gone on from: none of our writes has come there. */
static bool
is_as_found(const struct entry *e, const struct cursor *cursor, bool ours)
{
	return cursor_equal(cursor, &e->service) && ours == e->service_is_ours;
}

static void
note_other(struct lease_book *book, struct entry *e)
{
	if (!e->look.other)
		lease_entry_note(book, e, "checkpoint at the service is not ours",
				 "another host may have written it; it is left as it is");
	e->look.other = true;
}

static void
tell_holder(struct lease_book *book, const struct entry *e)
{
	if (e->hold == HOLD_TAKING || e->hold == HOLD_HELD)
		book->ops->published(book->arg, (uint32_t)e->holder, &e->shard, e->epoch,
				     &e->published);
}

/* An older one of ours: of a write that was held on its way, or of one of several shards that
 * did not reach this one. */
static void
on_older(struct lease_book *book, struct entry *e, const struct cursor *cursor, int64_t now_ms)
{
	char text[200];
	snprintf(text, sizeof(text), "it stood at %.64s, which is older than %.64s; written anew",
		 cursor->text, e->published.text);
	lease_entry_note(book, e, "checkpoint at the service had moved back", text);
	if (is_left_out(e, cursor))
		e->refused.alone = LOOK_ALONE;
	/* A service that takes writes and keeps none is not stormed. */
	if (e->look.older_ms && now_ms - e->look.older_ms < LOOK_OFTEN_MS)
		e->publish_after_ms = now_ms + LOOK_NONE_AGAIN_MS;
	e->look.older_ms = now_ms;
	e->published = *cursor;
	e->published_ms = now_ms;
	tell_holder(book, e);
	lease_look_anew(book, e);
	lease_publish_one(book, e, now_ms);
}

static void
compare(struct lease_book *book, struct entry *e, const struct cursor *cursor, bool ours,
	int64_t now_ms)
{
	bool none = cursor_is_none(cursor);
	bool same = cursor_equal(cursor, &e->published);
	if (none && !same && !e->look.none) {
		e->look.none = true;
		e->asked_ms = now_ms;
		e->ask_again_ms = LOOK_NONE_AGAIN_MS;
		return;
	}
	e->look.none = false;
	e->look.wanted = false;
	e->look.seen = true;
	e->look.other &= !same;
	if (same)
		e->published_ms = now_ms;
	else if (none || is_left_out(e, cursor) || is_as_found(e, cursor, ours) ||
		 (ours && is_wrote(e, cursor)))
		on_older(book, e, cursor, now_ms);
	else if (e->refused.gone)
		lease_lost(book, e);
	else
		note_other(book, e);
}

/* What the write whose answer was lost has done. */
static void
on_read_back(struct lease_book *book, struct entry *e, const struct cursor *cursor, bool ours,
	     int64_t now_ms)
{
	const struct cursor *last = &e->look.last;
	e->doubtful = false;
	e->published_ms = now_ms;
	if (cursor_equal(cursor, &e->published))
		return; /* it had not arrived */
	e->publish_after_ms = 0;
	e->published = *cursor;
	if (cursor_is_none(cursor))
		return;
	if (cursor_is_none(last) || cursor_equal(cursor, last) || (ours && is_wrote(e, cursor))) {
		tell_holder(book, e);
		return;
	}
	e->published = *last;
	note_other(book, e);
}

void
book_on_service(struct lease_book *book, const struct shard_id *shard, uint64_t question,
		enum lts_err err, const struct cursor *cursor, bool ours, int64_t now_ms)
{
	struct entry *e = lease_entry_find(book, shard);
	if (e && question == e->look.asked)
		e->look.asked = 0;
	if (!e || err || question < e->asked_from)
		return; /* asked again by the tick */
	e->ask_again_ms = 0;
	if (e->doubtful) {
		on_read_back(book, e, cursor, ours, now_ms);
	} else if (e->know == KNOW_ASKED) {
		if (!on_grants_answer(book, e, cursor, ours, now_ms))
			return;
	} else if (e->look.wanted && can_look(e)) {
		compare(book, e, cursor, ours, now_ms);
	} else {
		return;
	}
	lease_book_settle(book, now_ms);
}

bool
lease_book_all_seen(struct lease_book *book, int64_t now_ms)
{
	bool all = true;
	for (size_t i = 0; i < book->count; i++) {
		struct entry *e = &book->entries[i];
		if (can_look(e) && e->deadline_ms > now_ms && !cursor_is_none(&e->published))
			all &= e->look.seen || lease_look_is_seen(book, e, now_ms);
	}
	return all;
}
