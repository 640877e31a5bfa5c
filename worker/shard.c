/*
 * shard.c - the life of a shard in a worker: taken, fetched and delivered, let go.
 *
 * Runs on the worker's loop. Owns the shard's state, its backoff, and the batch that was
 * fetched ahead. Never fetches, waits or reads a clock itself. Must never submit a batch
 * that does not start where the last one ended, nor ask for more once the shard is being
 * let go. Held by tests/worker/test_shard.c.
 */
#include "worker/shard_inside.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/xalloc.h"

enum {
	SHARD_RETRY_FIRST_MS = 200,
	SHARD_RETRY_MAX_MS = 30000,
};

static const struct cursor none;

const char *
shard_state_name(enum shard_state state)
{
	static const char *const names[] = {
		[SHARD_INITIALIZING] = "INITIALIZING",
		[SHARD_FETCHING] = "FETCHING",
		[SHARD_DRAINING] = "DRAINING",
		[SHARD_FINISHING] = "FINISHING",
		[SHARD_FINISHED] = "FINISHED",
		[SHARD_STUCK] = "STUCK",
		[SHARD_DONE] = "DONE",
	};
	return names[state];
}

struct shard *
shard_create(const struct shard_config *config, const struct shard_ops *ops, void *arg,
	     struct lease *lease, const struct message_assign *assign, uint64_t seed)
{
	struct shard *s = xcalloc(1, sizeof(*s));
	s->config = config;
	s->ops = ops;
	s->arg = arg;
	s->lease = lease;
	memcpy(s->start, assign->start, sizeof(s->start));
	s->service = assign->service;
	s->end_ns = assign->end_ns;
	s->suspect = assign->suspect;
	s->limit = config->batch_size;
	s->room_bytes =
		config->first_bytes < config->max_bytes ? config->first_bytes : config->max_bytes;
	s->close = LEASE_RELEASED;
	s->state = assign->seal_only ? SHARD_DRAINING : SHARD_INITIALIZING;
	atomic_store(&lease->letting_go, assign->seal_only);
	backoff_init(&s->backoff, SHARD_RETRY_FIRST_MS, SHARD_RETRY_MAX_MS, seed);
	return s;
}

void
shard_destroy(struct shard **shard)
{
	if (!*shard)
		return;
	batch_destroy(&(*shard)->ready);
	batch_destroy(&(*shard)->early.batch);
	shard_doubt_forget(&(*shard)->doubt);
	free(*shard);
	*shard = NULL;
}

enum shard_state
shard_state(const struct shard *s)
{
	return s->state;
}

struct lease *
shard_lease(const struct shard *s)
{
	return s->lease;
}

void
shard_start(struct shard *s)
{
	s->ops->take(s->arg, s, &(struct cursor){ 0 }, 0);
}

static void
finish(struct shard *s)
{
	shard_early_drop(s);
	s->state = SHARD_FINISHING;
	s->ops->close(s->arg, s, LEASE_FINISHED, s->end_ns);
}

static void
drain(struct shard *s)
{
	if (s->in_hand || s->closing)
		return;
	s->closing = true;
	s->ops->close(s->arg, s, s->close, 0);
}

/* The next batch has ended too many workers. */
static bool
is_poison(const struct shard *s)
{
	return !s->config->isolates && s->suspect.attempts >= SUSPECT_ATTEMPTS_MAX &&
	       cursor_equal(&s->next, &s->suspect.cursor);
}

static void
stop_at_poison(struct shard *s)
{
	char text[200];
	snprintf(text, sizeof(text),
		 "%u workers died or hung with the batch at cursor %s (%u records) inside the "
		 "sink; mend that and restart the agent",
		 s->suspect.attempts, s->suspect.cursor.text, s->suspect.count);
	shard_get_stuck(s, LTS_BADDATA, text);
}

/* Does whatever can be done now. */
void
shard_pump(struct shard *s, int64_t now_ms)
{
	if (s->state == SHARD_DRAINING) {
		drain(s);
		return;
	}
	if (s->state != SHARD_FETCHING)
		return;
	if (shard_is_at_its_end(s) && s->ends.is_sure)
		s->at_end = true;
	if (shard_may_submit(s, now_ms))
		shard_submit_ready(s);
	if (s->at_end) {
		if (!s->in_hand && !s->ready)
			finish(s);
	} else if (is_poison(s)) {
		if (!s->in_hand && !s->ready)
			stop_at_poison(s);
	} else if (s->how == FETCH_IDLE && (!s->ready || !shard_is_closed(s))) {
		shard_fetch_more(s, now_ms);
	}
}

static void
drop_ready(struct shard *s)
{
	if (s->ready)
		s->ops->drop(s->arg, s, s->ready);
	s->ready = NULL;
}

void
shard_get_stuck(struct shard *s, enum lts_err err, const char *text)
{
	shard_stop_fetch(s);
	drop_ready(s);
	s->state = SHARD_STUCK;
	s->ops->report(s->arg, s, MSG_STUCK, err, text);
}

void
shard_on_taken(struct shard *s, enum lts_err err, const struct lease_taken *taken,
	       const char *why, int64_t now_ms)
{
	s->orders++;
	s->taken =
		err != LTS_GONE && err != LTS_NOTFOUND && err != LTS_AGAIN && err != LTS_NOSPACE;
	if (s->state == SHARD_DRAINING) {
		if (s->taken) {
			drain(s);
		} else {
			s->closing = true;
			shard_on_closed(s, LTS_OK, &none, "", now_ms);
		}
		return;
	}
	switch (err) {
	case LTS_OK:
		s->state = SHARD_FETCHING;
		s->next = taken->checkpoint.cursor;
		if (taken->origin != LEASE_FROM_LOCAL)
			s->suspect.attempts = 0; /* another host has been further */
		/* One time that was wrong may have finished it: looked at again, always. */
		s->ends.was_finished = s->end_ns && taken->checkpoint.finished_end_ns == s->end_ns;
		s->ops->report(s->arg, s, MSG_HELD, LTS_OK, lease_origin_name(taken->origin));
		shard_pump(s, now_ms);
		return;
	case LTS_NOTFOUND:
		if (taken->from[0])
			memcpy(s->start, taken->from, sizeof(s->start));
		shard_ask_cursor(s, FETCH_START, now_ms);
		return;
	case LTS_AGAIN:
		s->local = taken->checkpoint.cursor;
		shard_ask_ahead(s);
		return;
	case LTS_GONE:
	case LTS_NOSPACE:
		s->state = SHARD_DRAINING;
		s->closing = true;
		s->why = err;
		shard_on_closed(s, err, &none, "", now_ms);
		return;
	default:
		shard_get_stuck(s, err, why);
	}
}

void
shard_on_delivered(struct shard *s, struct batch *batch, enum lts_err err, const char *why,
		   int64_t now_ms)
{
	struct cursor rollback = { 0 };
	struct suspect suspect = { .attempts = 0 };
	if (!err) {
		rollback = batch->rollback;
		suspect = batch->suspect;
	}
	s->orders++;
	s->in_hand = false;
	if (err || !cursor_is_none(&rollback)) {
		s->ops->drop(s->arg, s, batch);
	} else {
		s->ops->release(s->arg, s, batch->bytes);
		batch_destroy(&batch);
	}
	if (err && s->state == SHARD_FETCHING) {
		if (err == LTS_GONE)
			shard_on_gone(s, now_ms);
		else
			shard_get_stuck(s, err, why);
		return;
	}
	if (!cursor_is_none(&rollback) && s->state == SHARD_FETCHING) {
		drop_ready(s);
		shard_roll_back(s, &rollback);
		if (suspect.attempts)
			s->suspect = suspect;
	}
	shard_pump(s, now_ms);
}

void
shard_on_back(struct shard *s, const struct cursor *back, int64_t now_ms)
{
	/* A batch in hand is given back with the same place; what is let go stays where it is. */
	if (s->state != SHARD_FETCHING || s->in_hand)
		return;
	drop_ready(s);
	shard_roll_back(s, back);
	shard_pump(s, now_ms);
}

void
shard_on_closed(struct shard *s, enum lts_err err, const struct cursor *back, const char *why,
		int64_t now_ms)
{
	s->orders++;
	if (s->state == SHARD_FINISHING && err == LTS_AGAIN && !cursor_is_none(back)) {
		s->state = SHARD_FETCHING;
		shard_roll_back(s, back);
		shard_pump(s, now_ms);
		return;
	}
	if (s->state == SHARD_FINISHING && err == LTS_AGAIN) {
		/* Given to another worker it would only come to this point again. */
		shard_get_stuck(s, err, why);
		return;
	}
	if (s->state == SHARD_FINISHING && !err) {
		s->state = SHARD_FINISHED;
		s->ops->report(s->arg, s, MSG_FINISHED, LTS_OK, "");
		return;
	}
	if (!s->closing) {
		/* That was the finish; the release follows it. */
		if (s->state == SHARD_FINISHING)
			s->why = err;
		s->state = SHARD_DRAINING;
		drain(s);
		return;
	}
	s->state = SHARD_DONE;
	s->ops->report(s->arg, s, MSG_RELEASED, s->why ? s->why : err, "");
	s->ops->forget(s->arg, s);
}

static void
let_go(struct shard *s, enum lts_err why, int64_t now_ms)
{
	if (s->state == SHARD_DRAINING || s->state == SHARD_DONE)
		return;
	bool busy = s->state == SHARD_FINISHING; /* a take or a finish is under way */
	bool untaken = false;
	if (s->state == SHARD_INITIALIZING) {
		busy = s->how == FETCH_IDLE;
		untaken = !busy;
	}
	shard_stop_fetch(s);
	if (!why && s->ready && !s->in_hand)
		shard_submit_ready(s); /* it lingered only for more to come */
	drop_ready(s);
	atomic_store(&s->lease->letting_go, true);
	s->state = SHARD_DRAINING;
	s->why = why;
	if (untaken) {
		s->closing = true;
		shard_on_closed(s, LTS_OK, &none, "", now_ms);
	} else if (!busy) {
		drain(s);
	}
}

void
shard_on_revoke(struct shard *s, enum lease_state close, int64_t now_ms)
{
	s->close = close;
	let_go(s, LTS_OK, now_ms);
}

void
shard_on_gone(struct shard *s, int64_t now_ms)
{
	let_go(s, LTS_GONE, now_ms);
}
