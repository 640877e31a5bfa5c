/*
 * idle_pace.h - when a shard without records asks again, so that thousands of them cost a worker
 * next to nothing.
 *
 * Each waits for fetch_interval, as it should; but in that time no more than a hundred of a
 * worker ask, at even distances. With more of them each waits longer, never beyond
 * IDLE_WAIT_MAX_MS (or fetch_interval): there each comes when it has to, however many they are.
 */
#ifndef WORKER_IDLE_PACE_H
#define WORKER_IDLE_PACE_H

#include <stdint.h>

enum { IDLE_ASKS = 100, IDLE_WAIT_MAX_MS = 5000 };

struct idle_pace {       /* one for a worker, in the caller's storage; zero to begin with */
	int64_t next_ms; /* the first time that is not given away */
};

/* How long the next one waits. */
int64_t idle_pace_wait_ms(struct idle_pace *pace, int64_t interval_ms, int64_t now_ms);

#endif
