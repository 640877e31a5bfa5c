/*
 * shard.c - what a worker does with one shard.
 *
 * Runs on the worker's loop. Owns the shard's state, its backoff, and the batch that was
 * fetched ahead. Never fetches, waits or reads a clock itself. Must never submit a batch
 * that does not start where the last one ended, nor ask for more once the shard is being
 * let go. Held by tests/worker/test_shard.c.
 */
#include "worker/shard.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/backoff.h"
#include "common/xalloc.h"

enum {
	SHARD_LIMIT_MIN = 10, /* the service takes no smaller limit */
	SHARD_IDLE_FIRST_MS = 10,
	SHARD_RETRY_FIRST_MS = 200,
	SHARD_RETRY_MAX_MS = 30000,
};

/* What is being asked for, or waited for before it is asked for. */
enum fetch_what {
	FETCH_NOTHING,
	FETCH_START,  /* the cursor of start_time */
	FETCH_END,    /* the cursor of end_time */
	FETCH_RESUME, /* the cursor behind a gap */
	FETCH_BATCH,
};

enum fetch_how {
	FETCH_IDLE,
	FETCH_ASKED,   /* the request is out */
	FETCH_WAITING, /* for the timer */
	FETCH_NO_ROOM, /* for the budget */
};

struct shard {
	const struct shard_config *config;
	const struct shard_ops *ops;
	void *arg;
	struct lease *lease;
	char start[24];
	int64_t end_ns;
	enum shard_state state;
	enum fetch_what what;
	enum fetch_how how;
	struct backoff backoff;
	int64_t idle_ms;    /* the next wait after an empty batch */
	struct cursor next; /* where the next batch starts */
	struct cursor end;  /* none: not known yet, or no end */
	bool at_end;
	bool in_hand;	     /* a batch is with the delivery thread */
	bool closing;	     /* the last commit was asked for */
	bool taken;	     /* the delivery thread knows the shard */
	struct batch *ready; /* fetched ahead */
	size_t reserved;     /* for the request under way */
	size_t last_bytes;   /* of the last answer: what the next will take */
	unsigned limit;
	enum lease_state close; /* how it is let go */
	enum lts_err why;	/* LTS_OK: as told */
};

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
	s->end_ns = assign->end_ns;
	s->limit = config->batch_size;
	s->last_bytes = config->first_bytes;
	s->close = LEASE_RELEASED;
	backoff_init(&s->backoff, SHARD_RETRY_FIRST_MS, SHARD_RETRY_MAX_MS, seed);
	return s;
}

void
shard_destroy(struct shard **shard)
{
	if (!*shard)
		return;
	batch_destroy(&(*shard)->ready);
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
	s->ops->take(s->arg, s, &(struct cursor){ 0 });
}

/* ---- fetching ---- */

static void
drop_reservation(struct shard *s)
{
	if (s->reserved)
		s->ops->release(s->arg, s, s->reserved);
	s->reserved = 0;
}

static void
stop_fetch(struct shard *s)
{
	if (s->how != FETCH_IDLE)
		s->ops->cancel_fetch(s->arg, s);
	s->how = FETCH_IDLE;
	s->what = FETCH_NOTHING;
	drop_reservation(s);
}

static void
wait_for(struct shard *s, int64_t delay_ms)
{
	drop_reservation(s);
	s->how = FETCH_WAITING;
	s->ops->wait(s->arg, s, delay_ms);
}

static void
ask_cursor(struct shard *s, enum fetch_what what)
{
	char end[24];
	const char *from = s->start;
	if (what == FETCH_END) {
		snprintf(end, sizeof(end), "%lld", (long long)s->end_ns);
		from = end;
	} else if (what == FETCH_RESUME) {
		from = s->config->on_expired == EXPIRED_BEGIN ? "begin" : "end";
	}
	s->what = what;
	s->how = FETCH_ASKED;
	s->ops->fetch_cursor(s->arg, s, from);
}

static void
ask_batch(struct shard *s)
{
	s->what = FETCH_BATCH;
	if (!s->reserved) {
		if (!s->ops->reserve(s->arg, s, s->last_bytes)) {
			s->how = FETCH_NO_ROOM;
			return;
		}
		s->reserved = s->last_bytes;
	}
	s->how = FETCH_ASKED;
	s->ops->fetch_batch(s->arg, s, &s->next, &s->end, s->limit);
}

/*
 * Towards end_time: its cursor means something only once the service's clock has passed
 * it. Until shortly before, batches are fetched without an end; the last stretch waits.
 */
static void
fetch_towards_end(struct shard *s, int64_t now_ms)
{
	int64_t service_ns = service_clock_at_least_ns(s->config->clock, now_ms);
	if (service_ns >= s->end_ns)
		ask_cursor(s, FETCH_END);
	else if (service_ns + SERVICE_CLOCK_SLACK_NS <= s->end_ns)
		ask_batch(s);
	else
		wait_for(s, (s->end_ns - service_ns) / 1000000 + 1);
}

static void
fetch_more(struct shard *s, int64_t now_ms)
{
	if (s->end_ns && cursor_is_none(&s->end))
		fetch_towards_end(s, now_ms);
	else
		ask_batch(s);
}

/* ---- moving on ---- */

static void
finish(struct shard *s)
{
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

/* Does whatever can be done now. */
static void
pump(struct shard *s, int64_t now_ms)
{
	if (s->state == SHARD_DRAINING) {
		drain(s);
		return;
	}
	if (s->state != SHARD_FETCHING)
		return;
	if (s->ready && !s->in_hand) {
		struct batch *batch = s->ready;
		s->ready = NULL;
		s->in_hand = true;
		s->ops->submit(s->arg, s, batch);
	}
	if (!cursor_is_none(&s->end) && cursor_equal(&s->next, &s->end))
		s->at_end = true;
	if (s->at_end) {
		if (!s->in_hand && !s->ready)
			finish(s);
	} else if (s->how == FETCH_IDLE && !s->ready) {
		fetch_more(s, now_ms);
	}
}

static void
get_stuck(struct shard *s, enum lts_err err, const char *text)
{
	stop_fetch(s);
	s->state = SHARD_STUCK;
	s->ops->report(s->arg, s, MSG_STUCK, err, text);
}

static void
retry(struct shard *s, enum lts_err err, const char *text, int64_t retry_after_ms)
{
	int64_t delay_ms = backoff_next_ms(&s->backoff, retry_after_ms);
	s->ops->trouble(s->arg, s, err, text, delay_ms);
	wait_for(s, delay_ms);
}

/* ---- events ---- */

void
shard_on_taken(struct shard *s, enum lts_err err, const struct lease_taken *taken,
	       const char *why, int64_t now_ms)
{
	s->taken = err != LTS_GONE && err != LTS_NOTFOUND && err != LTS_NOSPACE;
	if (s->state == SHARD_DRAINING) {
		if (s->taken) {
			drain(s);
		} else {
			s->closing = true;
			shard_on_closed(s, LTS_OK, now_ms);
		}
		return;
	}
	switch (err) {
	case LTS_OK:
		s->state = SHARD_FETCHING;
		s->next = taken->checkpoint.cursor;
		s->at_end = s->end_ns && taken->checkpoint.finished_end_ns == s->end_ns;
		s->ops->report(s->arg, s, MSG_HELD, LTS_OK,
			       lease_origin_name(taken->origin));
		pump(s, now_ms);
		return;
	case LTS_NOTFOUND:
		ask_cursor(s, FETCH_START);
		return;
	case LTS_GONE:
	case LTS_NOSPACE:
		s->state = SHARD_DRAINING;
		s->closing = true;
		s->why = err;
		shard_on_closed(s, err, now_ms);
		return;
	default:
		get_stuck(s, err, why);
	}
}

/* A batch that was fetched without an end must not hold what came in after end_time. */
static bool
may_pass_end(const struct shard *s, const struct shard_answer *answer, int64_t now_ms)
{
	int64_t service_ns = answer->service_ns;
	if (!s->end_ns || !cursor_is_none(&s->end))
		return false;
	if (!service_ns)
		service_ns = service_clock_at_least_ns(s->config->clock, now_ms);
	return service_ns + SERVICE_CLOCK_SLACK_NS > s->end_ns;
}

static void
on_empty(struct shard *s, struct batch *batch, int64_t now_ms)
{
	bool moved = !cursor_is_none(&batch->to) && !cursor_equal(&batch->to, &s->next);
	if (moved) {
		s->idle_ms = 0;
		s->next = batch->to;
		s->ready = batch;
		pump(s, now_ms);
		return;
	}
	s->ops->drop(s->arg, s, batch);
	if (!cursor_is_none(&s->end)) {
		s->at_end = true;
		pump(s, now_ms);
		return;
	}
	s->idle_ms = s->idle_ms ? 2 * s->idle_ms : SHARD_IDLE_FIRST_MS;
	if (s->idle_ms > s->config->fetch_interval_ms)
		s->idle_ms = s->config->fetch_interval_ms;
	wait_for(s, s->idle_ms);
}

static void
on_batch(struct shard *s, struct shard_answer *answer, int64_t now_ms)
{
	struct batch *batch = answer->batch;
	answer->batch = NULL;
	drop_reservation(s);
	s->ops->charge(s->arg, s, batch->bytes);
	if (may_pass_end(s, answer, now_ms)) {
		s->ops->drop(s->arg, s, batch);
		pump(s, now_ms);
		return;
	}
	if (batch->n_records &&
	    (cursor_is_none(&batch->to) || cursor_equal(&batch->to, &batch->from))) {
		s->ops->drop(s->arg, s, batch);
		retry(s, LTS_BADDATA, "an answer with records and no new position", -1);
		return;
	}
	backoff_reset(&s->backoff);
	s->limit += s->limit / 8 + 1;
	if (s->limit > s->config->batch_size)
		s->limit = s->config->batch_size;
	if (batch->n_records == 0) {
		on_empty(s, batch, now_ms);
		return;
	}
	s->last_bytes = batch->bytes;
	s->idle_ms = 0;
	s->next = batch->to;
	s->ready = batch;
	pump(s, now_ms);
}

/* The service dropped what the cursor points at. */
static void
on_expired(struct shard *s, const char *text)
{
	if (s->config->on_expired == EXPIRED_STOP) {
		get_stuck(s, LTS_EXPIRED, text);
		return;
	}
	drop_reservation(s);
	ask_cursor(s, FETCH_RESUME);
}

static void
on_error(struct shard *s, const struct shard_answer *answer)
{
	if (answer->err == LTS_EXPIRED && s->what == FETCH_BATCH) {
		on_expired(s, answer->text);
	} else if (answer->err == LTS_TOOBIG && s->what == FETCH_BATCH) {
		if (s->limit == SHARD_LIMIT_MIN) {
			get_stuck(s, LTS_TOOBIG,
				  "an answer of ten records is above max_body_bytes");
			return;
		}
		s->limit =
			s->limit / 2 < SHARD_LIMIT_MIN ? SHARD_LIMIT_MIN : s->limit / 2;
		drop_reservation(s);
		ask_batch(s);
	} else {
		retry(s, answer->err, answer->text, answer->retry_after_ms);
	}
}

static void
on_cursor(struct shard *s, enum fetch_what what, const struct cursor *cursor,
	  int64_t now_ms)
{
	backoff_reset(&s->backoff);
	switch (what) {
	case FETCH_START:
		s->ops->take(s->arg, s, cursor);
		break;
	case FETCH_END:
		s->end = *cursor;
		pump(s, now_ms);
		break;
	default: /* FETCH_RESUME: the step over the gap is committed like a batch */
		s->ready = batch_create(s->lease, &s->next);
		s->ready->to = s->next = *cursor;
		s->ready->gap = true;
		s->ops->trouble(s->arg, s, LTS_EXPIRED,
				"records were dropped by the service", 0);
		pump(s, now_ms);
	}
}

void
shard_on_answer(struct shard *s, struct shard_answer *answer, int64_t now_ms)
{
	enum fetch_what what = s->what;
	if (s->how != FETCH_ASKED)
		abort(); /* what was cancelled does not answer */
	s->how = FETCH_IDLE;
	if (answer->err)
		on_error(s, answer);
	else if (what == FETCH_BATCH)
		on_batch(s, answer, now_ms);
	else
		on_cursor(s, what, &answer->cursor, now_ms);
}

void
shard_on_delivered(struct shard *s, struct batch *batch, enum lts_err err,
		   const char *why, int64_t now_ms)
{
	s->in_hand = false;
	if (err) {
		s->ops->drop(s->arg, s, batch);
	} else {
		s->ops->release(s->arg, s, batch->bytes);
		batch_destroy(&batch);
	}
	if (err && s->state == SHARD_FETCHING) {
		if (err == LTS_GONE)
			shard_on_gone(s, now_ms);
		else
			get_stuck(s, err, why);
		return;
	}
	pump(s, now_ms);
}

void
shard_on_closed(struct shard *s, enum lts_err err, int64_t now_ms)
{
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

void
shard_on_timer(struct shard *s, int64_t now_ms)
{
	if (s->how != FETCH_WAITING)
		return;
	s->how = FETCH_IDLE;
	if (s->state == SHARD_INITIALIZING)
		ask_cursor(s, FETCH_START);
	else if (s->what == FETCH_RESUME)
		ask_cursor(s, FETCH_RESUME);
	else
		pump(s, now_ms);
}

void
shard_on_room(struct shard *s, int64_t now_ms)
{
	if (s->how != FETCH_NO_ROOM)
		return;
	s->how = FETCH_IDLE;
	pump(s, now_ms);
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
	stop_fetch(s);
	if (s->ready) {
		s->ops->drop(s->arg, s, s->ready);
		s->ready = NULL;
	}
	atomic_store(&s->lease->letting_go, true);
	s->state = SHARD_DRAINING;
	s->why = why;
	if (untaken) {
		s->closing = true;
		shard_on_closed(s, LTS_OK, now_ms);
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
