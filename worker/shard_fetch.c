/*
 * shard_fetch.c - what a shard asks the service for, and what it makes of the answers.
 *
 * Runs on the worker's loop, part of the shard machine. Pure. Must never let an answer
 * move the shard that does not say where it goes on. Held by tests/worker/test_shard.c.
 */
#include "worker/shard_inside.h"
#include "worker/idle_pace.h"
#include "worker/shard_waits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	SHARD_IDLE_FIRST_MS = 10,
	SHARD_EXPIRED_MS = 1000,
	SHARD_AHEAD_ASKS = 6,
	SHARD_AHEAD_MS = 1000, /* before the last two */
	SHARD_TOO_BIG_TRIES = 6,
	SHARD_ROOM_GROWTH = 16, /* from the least to 16 MiB in two steps */
};

static void
shard_unreserve(struct shard *s)
{
	if (s->reserved)
		s->ops->release(s->arg, s, s->reserved);
	s->reserved = 0;
}

void
shard_stop_fetch(struct shard *s)
{
	if (s->how != FETCH_IDLE)
		s->ops->cancel_fetch(s->arg, s);
	s->how = FETCH_IDLE;
	s->what = FETCH_NOTHING;
	shard_unreserve(s);
	shard_early_drop(s);
}

void
shard_wait(struct shard *s, int64_t delay_ms)
{
	shard_unreserve(s);
	shard_early_drop(s); /* its bytes may be others' meanwhile */
	s->how = FETCH_WAITING;
	s->ops->wait(s->arg, s, delay_ms);
}

void
shard_ask_cursor(struct shard *s, enum fetch_what what, int64_t now_ms)
{
	char end[24];
	const char *from = s->start;
	if (what == FETCH_END) {
		snprintf(end, sizeof(end), "%lld", (long long)s->end_ns);
		from = end;
	} else if (what == FETCH_RESUME) {
		from = s->config->on_expired == EXPIRED_BEGIN ? "begin" : "end";
	}
	shard_early_drop(s);
	s->what = what;
	s->how = FETCH_ASKED;
	s->ends.asked_ms = now_ms;
	s->ops->fetch_cursor(s->arg, s, from);
}

/* A suspect batch is cut as it was before. */
static unsigned
batch_limit(const struct shard *s)
{
	bool at_suspect = s->suspect.attempts && cursor_equal(&s->next, &s->suspect.cursor);
	unsigned most = s->suspect.first + s->suspect.count;
	if (at_suspect && most >= SHARD_LIMIT_MIN && most < s->limit)
		return most;
	return shard_join_limit(s, s->limit);
}

static void
ask(struct shard *s, enum fetch_what what, const struct cursor *from, const struct cursor *end,
    unsigned limit)
{
	s->what = what;
	if (!s->reserved) {
		if (!s->ops->reserve(s->arg, s, s->room_bytes)) {
			s->how = FETCH_NO_ROOM;
			shard_press(s);
			return;
		}
		s->reserved = s->room_bytes;
	}
	s->how = FETCH_ASKED;
	s->ops->fetch_batch(s->arg, s, from, end, limit, s->reserved);
}

static void
ask_batch(struct shard *s)
{
	if (shard_regains(s)) {
		ask(s, FETCH_BATCH, &s->regain.from, &s->end, shard_regain_limit(s));
		return;
	}
	bool before = s->suspect.attempts && !cursor_equal(&s->next, &s->suspect.cursor);
	ask(s, FETCH_BATCH, &s->next, before ? &s->suspect.cursor : &s->end, batch_limit(s));
}

static bool
asks_from_local(const struct shard *s)
{
	return s->asked_ahead % 2;
}

/* Cursors have no order, but records have: is there one from this position up to that? */
void
shard_ask_ahead(struct shard *s)
{
	bool local = asks_from_local(s);
	ask(s, FETCH_AHEAD, local ? &s->local : &s->service, local ? &s->service : &s->local,
	    SHARD_LIMIT_MIN);
}

/* Only a record decides: an empty answer may be a fault, and is asked for again, from either
 * side. When there is none at all between the two, both are right. */
static void
on_ahead(struct shard *s, bool is_behind)
{
	enum lease_origin ahead = asks_from_local(s) ? LEASE_FROM_SERVICE : LEASE_FROM_LOCAL;
	s->ends.expired = 0;
	shard_unreserve(s);
	if (!is_behind && ++s->asked_ahead < SHARD_AHEAD_ASKS) {
		bool last = s->asked_ahead == SHARD_AHEAD_ASKS - 2;
		shard_wait(s, last                 ? SHARD_AHEAD_MS
			      : asks_from_local(s) ? 0
						   : SHARD_IDLE_FIRST_MS * s->asked_ahead);
		return;
	}
	s->what = FETCH_NOTHING;
	s->ops->take(s->arg, s, &(struct cursor){ 0 }, is_behind ? ahead : LEASE_FROM_SERVICE);
}

void
shard_retry(struct shard *s, enum lts_err err, const char *text, int64_t retry_after_ms)
{
	int64_t delay_ms = backoff_next_ms(&s->backoff, retry_after_ms);
	s->failing = true;
	s->ops->trouble(s->arg, s, err, text, delay_ms);
	shard_wait(s, delay_ms);
}

static void
on_ahead_answer(struct shard *s, struct shard_answer *answer)
{
	struct batch *batch = answer->batch;
	bool is_behind = batch->n_records > 0;
	answer->batch = NULL;
	s->ops->charge(s->arg, s, batch->bytes);
	if (!shard_believes(s, batch, answer->text))
		return;
	s->ops->drop(s->arg, s, batch);
	on_ahead(s, is_behind);
}

void
shard_ask_next(struct shard *s, int64_t now_ms)
{
	if (!shard_early_take(s, now_ms))
		ask_batch(s);
}

void
shard_roll_back(struct shard *s, const struct cursor *to)
{
	if (s->what != FETCH_END || !cursor_is_none(&s->end))
		shard_stop_fetch(s);
	s->ends.is_short = false;
	s->ends.was_finished = false;
	s->next = *to;
	s->n_passed = 0; /* it is no circle */
	s->at_end = false;
	s->resumed = false;
	s->ends.empties = 0;
	s->idle_ms = 0;
}

void
shard_fetch_more(struct shard *s, int64_t now_ms)
{
	if (s->end_ns && cursor_is_none(&s->end))
		shard_fetch_towards_end(s, now_ms);
	else if (shard_is_at_its_end(s))
		shard_look_at_end_again(s, now_ms);
	else
		shard_ask_next(s, now_ms);
}

static uint64_t
hash(const struct cursor *cursor)
{
	return ids_hash(cursor->text, strlen(cursor->text));
}

static void
pass(struct shard *s, const struct cursor *to)
{
	s->passed[s->n_passed++ % SHARD_PASSED] = hash(&s->next);
	s->next = *to;
}

static void
on_empty(struct shard *s, struct batch *batch, int64_t now_ms)
{
	bool moved = !cursor_is_none(&batch->to) && !cursor_equal(&batch->to, &s->next);
	if (moved) {
		s->ends.empties = 0;
		if (!shard_twice(s, FETCH_BATCH, &batch->to, now_ms)) {
			s->ops->drop(s->arg, s, batch);
			return;
		}
		s->idle_ms = 0;
		pass(s, &batch->to);
		shard_put_ready(s, batch, now_ms);
		shard_pump(s, now_ms);
		return;
	}
	s->ops->drop(s->arg, s, batch);
	s->suspect.attempts = 0; /* there must be records up to it and at it: no cursor of ours */
	if (shard_ends_short(s, now_ms)) {
		s->ops->trouble(s->arg, s, LTS_BADDATA,
				"empty answers short of the end cursor: taken for the end", 0);
		s->ends.is_short = true;
		shard_pump(s, now_ms);
		return;
	}
	s->idle_ms = s->idle_ms ? 2 * s->idle_ms : SHARD_IDLE_FIRST_MS;
	if (s->idle_ms < s->config->fetch_interval_ms) {
		shard_wait(s, s->idle_ms);
		return;
	}
	s->idle_ms = s->config->fetch_interval_ms;
	shard_wait(s, idle_pace_wait_ms(s->config->pace, s->idle_ms, now_ms));
}

/* Whether a batch with records says where it goes on, and that is not where we have been. An
 * empty one may stay where it is.
 */
static bool
makes_progress(const struct shard *s, const struct batch *batch)
{
	if (cursor_is_none(&batch->to) || cursor_equal(&batch->to, &batch->from))
		return batch->n_records == 0;
	uint64_t to = hash(&batch->to);
	for (unsigned i = 0; i < s->n_passed && i < SHARD_PASSED; i++)
		if (s->passed[i] == to)
			return false;
	return true;
}

static void
on_batch(struct shard *s, struct shard_answer *answer, int64_t now_ms)
{
	struct batch *batch = answer->batch;
	answer->batch = NULL;
	shard_unreserve(s);
	s->ops->charge(s->arg, s, batch->bytes);
	if (shard_may_pass_end(s, answer, now_ms)) {
		s->ops->drop(s->arg, s, batch);
		shard_pump(s, now_ms);
		return;
	}
	if (shard_regains(s) && !(batch = shard_regain_take(s, batch, now_ms)))
		return;
	if (!makes_progress(s, batch)) {
		const char *text = batch->n_records ? "an answer with records and no new position"
						    : "an empty answer that leads back";
		s->ops->drop(s->arg, s, batch);
		shard_retry(s, LTS_BADDATA, text, -1);
		return;
	}
	if (!shard_believes(s, batch, answer->text))
		return;
	shard_doubt_forget(&s->doubt);
	backoff_reset(&s->backoff);
	s->failing = false;
	s->resumed = false;
	s->ends.expired = 0;
	s->too_big = 0;
	shard_raise_limit(s, batch);
	if (batch->n_records == 0) {
		on_empty(s, batch, now_ms);
		return;
	}
	shard_set_room(s, batch->bytes + batch->bytes / 4);
	s->idle_ms = 0;
	shard_twice_forget(s);
	s->ends.empties = 0;
	s->ends.was_finished = false;
	shard_regain_note(s, batch);
	if (cursor_equal(&s->next, &s->suspect.cursor))
		s->suspect.attempts = 0; /* in hand now; what follows is not suspect */
	pass(s, &batch->to);
	shard_put_ready(s, batch, now_ms);
	shard_pump(s, now_ms);
}

/* What follows is for good. False: it is asked for again, a little later. */
static bool
is_said_again(struct shard *s, enum lts_err err, const char *text, int64_t now_ms)
{
	if (!s->ends.expired++)
		s->ends.expired_ms = now_ms;
	if (now_ms - s->ends.expired_ms >= SHARD_EXPIRED_MS)
		return true;
	s->ops->trouble(s->arg, s, err, text, SHARD_EXPIRED_MS);
	shard_wait(s, SHARD_EXPIRED_MS);
	return false;
}

/* The service dropped what the cursor points at. */
static void
on_expired(struct shard *s, const char *text, int64_t now_ms)
{
	if (!is_said_again(s, LTS_EXPIRED, text, now_ms))
		return;
	if (s->ends.was_finished && !cursor_is_none(&s->end)) {
		/* Nothing was left behind it; what might have been is gone. */
		s->ops->trouble(s->arg, s, LTS_EXPIRED,
				"records behind a finished shard's place were dropped", 0);
		shard_unreserve(s);
		s->ends.is_short = true;
		shard_pump(s, now_ms);
	} else if (s->config->on_expired == EXPIRED_STOP) {
		shard_get_stuck(s, LTS_EXPIRED, text);
	} else if (s->resumed) {
		shard_unreserve(s);
		s->what = FETCH_RESUME;
		shard_retry(s, LTS_EXPIRED, text, -1);
	} else {
		shard_unreserve(s);
		shard_ask_cursor(s, FETCH_RESUME, now_ms);
	}
}

/* It cannot be asked for in smaller pieces. One such answer may be a fault; all of them are not.
 */
static void
on_least_too_big(struct shard *s)
{
	static const char text[] = "an answer of ten records is above max_body_bytes";
	shard_press(s); /* what came before it is delivered first */
	if (!s->ready && ++s->too_big == SHARD_TOO_BIG_TRIES)
		shard_get_stuck(s, LTS_TOOBIG, text);
	else
		shard_retry(s, LTS_TOOBIG, text, -1);
}

/* Above what was reserved for it, or above max_body_bytes. */
static void
on_too_big(struct shard *s, size_t size)
{
	if (s->reserved < s->config->max_bytes && size <= s->config->max_bytes) {
		shard_set_room(s, size ? size + size / 8 : SHARD_ROOM_GROWTH * s->reserved);
	} else if (s->limit > SHARD_LIMIT_MIN) {
		shard_lower_limit(s, size);
		shard_set_room(s, s->config->max_bytes);
	} else {
		on_least_too_big(s);
		return;
	}
	shard_unreserve(s);
	ask_batch(s);
}

static void
on_error(struct shard *s, const struct shard_answer *answer, int64_t now_ms)
{
	if (s->what == FETCH_BATCH && shard_regain_on_error(s, answer->err, answer->text, now_ms))
		return;
	if (answer->err == LTS_EXPIRED && s->ready) {
		/* What came before the gap is delivered first; then it is asked for again. */
		shard_unreserve(s);
		shard_press(s);
		shard_pump(s, now_ms);
	} else if (s->what == FETCH_AHEAD && answer->err == LTS_INVALID) {
		on_ahead(s, false); /* it is nowhere */
	} else if (s->what == FETCH_AHEAD &&
		   (answer->err == LTS_EXPIRED || answer->err == LTS_TOOBIG)) {
		/* What is behind it is gone, or too large to be looked at. */
		if (is_said_again(s, answer->err, answer->text, now_ms))
			on_ahead(s, true);
	} else if (answer->err == LTS_EXPIRED && s->what == FETCH_BATCH) {
		on_expired(s, answer->text, now_ms);
	} else if (answer->err == LTS_TOOBIG && s->what == FETCH_BATCH) {
		on_too_big(s, answer->size);
	} else if (answer->err == LTS_BADDATA && s->what == FETCH_BATCH) {
		shard_on_unread(s, answer->text);
	} else {
		if (answer->err == LTS_INVALID)
			s->suspect.attempts = 0; /* it was the bound, maybe */
		shard_retry(s, answer->err, answer->text, answer->retry_after_ms);
	}
}

static void
on_cursor(struct shard *s, enum fetch_what what, const struct cursor *cursor, int64_t now_ms)
{
	if (what != FETCH_RESUME) {
		backoff_reset(&s->backoff);
		s->failing = false;
	}
	switch (what) {
	case FETCH_START:
		if (shard_twice(s, what, cursor, now_ms))
			s->ops->take(s->arg, s, cursor, 0);
		break;
	case FETCH_END:
		shard_on_end(s, cursor);
		shard_pump(s, now_ms);
		break;
	default: /* FETCH_RESUME: the step over the gap is committed like a batch */
		if (!shard_twice(s, what, cursor, now_ms))
			break;
		s->ready = batch_create(s->lease, &s->next);
		s->ready->to = s->next = *cursor;
		s->ready->gap = true;
		s->n_passed = 0;
		s->resumed = true;
		s->ops->trouble(s->arg, s, LTS_EXPIRED, "records were dropped by the service", 0);
		shard_pump(s, now_ms);
	}
}

void
shard_on_answer(struct shard *s, struct shard_answer *answer, int64_t now_ms)
{
	enum fetch_what what = s->what;
	if (s->how != FETCH_ASKED)
		abort(); /* what was cancelled does not answer */
	s->how = FETCH_IDLE;
	s->answers++;
	if (answer->err) {
		shard_early_drop(s); /* it begins where the first bytes of that body said */
		on_error(s, answer, now_ms);
	} else if (what == FETCH_AHEAD) {
		on_ahead_answer(s, answer);
	} else if (what == FETCH_BATCH) {
		on_batch(s, answer, now_ms);
	} else {
		on_cursor(s, what, &answer->cursor, now_ms);
	}
}

void
shard_on_timer(struct shard *s, int64_t now_ms)
{
	if (s->how != FETCH_WAITING)
		return;
	s->how = FETCH_IDLE;
	if (s->what == FETCH_AHEAD)
		shard_ask_ahead(s);
	else if (s->state == SHARD_INITIALIZING)
		shard_ask_cursor(s, FETCH_START, now_ms);
	else if (s->what == FETCH_RESUME)
		shard_ask_cursor(s, FETCH_RESUME, now_ms);
	else if (s->what == FETCH_END && shard_is_at_its_end(s))
		shard_ask_cursor(s, FETCH_END, now_ms);
	else
		shard_pump(s, now_ms);
}

void
shard_on_room(struct shard *s, int64_t now_ms)
{
	if (s->how != FETCH_NO_ROOM)
		return;
	s->how = FETCH_IDLE;
	if (s->what == FETCH_AHEAD)
		shard_ask_ahead(s);
	else
		shard_pump(s, now_ms);
}

void
shard_refetch(struct shard *s)
{
	if (s->how != FETCH_ASKED)
		return;
	s->ops->cancel_fetch(s->arg, s);
	shard_early_drop(s);
	if (s->what == FETCH_BATCH)
		ask_batch(s); /* its bytes are still reserved */
	else
		shard_ask_cursor(s, s->what, s->ends.asked_ms);
}
