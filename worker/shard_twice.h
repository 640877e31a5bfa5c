/*
 * shard_twice.h - a place that no record vouches for is believed when it was said twice.
 *
 * Runs on the worker's loop, part of the shard machine. Pure.
 */
#ifndef WORKER_SHARD_TWICE_H
#define WORKER_SHARD_TWICE_H

#include "worker/shard.h"

/* What is being asked for, or waited for before it is asked for. */
enum fetch_what {
	FETCH_NOTHING,
	FETCH_START,  /* the cursor of start_time */
	FETCH_AHEAD,  /* a record between our position and another host's */
	FETCH_END,    /* the cursor of end_time */
	FETCH_RESUME, /* the cursor behind a gap */
	FETCH_BATCH,
};

struct shard_said {
	struct cursor cursor;
	int64_t at_ms;
};

struct shard_twice {
	enum fetch_what what; /* NOTHING: none; BATCH: empty ones */
	struct cursor place;  /* where the shard stood meanwhile */
	unsigned n;
	struct shard_said first, last;
};

/* `said` is where an answer says that the shard goes on. False: it is asked for again, a little
 * later. */
bool shard_twice(struct shard *s, enum fetch_what what, const struct cursor *said, int64_t now_ms);
void shard_twice_forget(struct shard *s);

#endif
