/*
 * shard_inside.h - the shard machine's inside: shard.c (its life), shard_fetch.c (what it asks
 * the service, and makes of the answers), shard_twice.c, shard_regain.c (which it asks for again),
 * shard_end.c (where it ends), shard_size.c, shard_early.c.
 */
#ifndef WORKER_SHARD_INSIDE_H
#define WORKER_SHARD_INSIDE_H

#include "common/backoff.h"
#include "worker/shard_doubt.h"
#include "worker/shard_end.h"
#include "worker/shard_regain.h"
#include "worker/shard_twice.h"

enum fetch_how {
	FETCH_IDLE,
	FETCH_ASKED,   /* the request is out */
	FETCH_WAITING, /* for the timer */
	FETCH_NO_ROOM, /* for the budget */
};

/* The batch behind the one that is under way, or behind the one that is ready. */
struct shard_early {
	enum { EARLY_NONE, EARLY_ASKED, EARLY_HERE } how;
	struct cursor from, end;
	size_t reserved;        /* once it is here: its own bytes */
	struct batch_head head; /* ASKED: what of it is known; count 0: nothing */
	struct batch *batch;    /* HERE */
	int64_t service_ns;
};

enum {
	SHARD_LIMIT_MIN = 10, /* the service takes no smaller limit */
	SHARD_PASSED = 512,   /* cursors passed of which a hash is kept: half a million records */
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
	int64_t idle_ms;       /* the next wait after an empty batch */
	struct cursor service, local; /* at the grant, when it is asked who is ahead */
	unsigned asked_ahead;  /* so often, from either in turn */
	struct cursor next;    /* where the next batch starts */
	struct cursor end;     /* none: not known yet, or no end */
	struct shard_at_end ends;
	unsigned too_big;      /* answers in a row above max_body_bytes, with the least limit */
	struct shard_doubt doubt;
	struct shard_twice twice;
	struct shard_regain regain;
	bool at_end;
	uint64_t passed[SHARD_PASSED]; /* hashes of the last starts, to notice a circle */
	unsigned n_passed;
	bool resumed;             /* over a gap, and no batch has come since */
	bool in_hand, failing;    /* a batch is with the delivery thread; errors only, of late */
	uint64_t answers, orders; /* that came back; for shard_waits */
	bool closing, taken;      /* the last commit was asked for; the delivery thread knows us */
	struct batch *ready;      /* fetched ahead */
	int64_t ready_due_ms;     /* joined: when it has lingered long enough... */
	bool pressed; /* ...or nothing more is to be joined to it */
	struct shard_early early;
	size_t reserved, room_bytes; /* for the answer under way; for the next */
	unsigned limit;
	struct suspect suspect; /* ahead of us, or where we stand; attempts 0: none */
	enum lease_state close; /* how it is let go */
	enum lts_err why;       /* LTS_OK: as told */
};

/* Does whatever can be done now: submits, finishes, fetches, drains. */
void shard_pump(struct shard *s, int64_t now_ms);
void shard_get_stuck(struct shard *s, enum lts_err err, const char *text);
/* Of worker/shard_join.c. The next batch is ready, or joined to the one that is. */
void shard_put_ready(struct shard *s, struct batch *batch, int64_t now_ms);
bool shard_is_closed(const struct shard *s); /* what is ready may take no more */
void shard_submit_ready(struct shard *s);
bool shard_may_submit(const struct shard *s, int64_t now_ms);
unsigned shard_join_limit(const struct shard *s, unsigned limit); /* of records, to ask for */

/* Of worker/shard_size.c: what is asked for after an answer of so many bytes, after one above
 * max_body_bytes (0: it does not say its size), after one that was not. */
void shard_set_room(struct shard *s, size_t bytes);
void shard_lower_limit(struct shard *s, size_t size);
void shard_raise_limit(struct shard *s, const struct batch *batch);
void shard_retry(struct shard *s, enum lts_err err, const char *text, int64_t retry_after_ms);
void shard_early_drop(struct shard *s);
/* What was asked for early is now what is under way, or answered. False: it was not. */
bool shard_early_take(struct shard *s, int64_t now_ms);
void shard_fetch_more(struct shard *s, int64_t now_ms);
void shard_ask_next(struct shard *s, int64_t now_ms);
void shard_wait(struct shard *s, int64_t delay_ms); /* and then goes on with `what` */

void shard_ask_cursor(struct shard *s, enum fetch_what what, int64_t now_ms);
void shard_ask_ahead(struct shard *s); /* ours or the service's position? Then it is taken */
/* Goes on here; what was fetched ahead is gone. */
void shard_roll_back(struct shard *s, const struct cursor *to);
void shard_stop_fetch(struct shard *s); /* and what is early, and any wait */

#endif
