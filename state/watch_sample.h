/*
 * watch_sample.h - what one look at an agent has found: its environment, what it says of its
 * lag, and of its processes what /proc says.
 */
#ifndef STATE_WATCH_SAMPLE_H
#define STATE_WATCH_SAMPLE_H

#include "state/proc.h"
#include "state/snapshot.h"

enum { WATCH_EVENTS_KEPT = 200, WATCH_TEXT_MAX = 400 };

struct watch_sample {
	int64_t taken_ms;         /* CLOCK_MONOTONIC, for rates */
	struct snapshot snapshot; /* the last WATCH_EVENTS_KEPT events; no problems */
	size_t n_problems;
	char problem[WATCH_TEXT_MAX]; /* the first of them */
	enum lts_err supervisor_err;  /* of asking who holds supervisor.lock: LTS_OK, NOTFOUND,
					 SYS */
	uint32_t supervisor_pid;
	enum proc_state supervisor;
	int64_t supervisor_up_ms;
	enum proc_state *workers; /* one for each worker of the snapshot */
	int64_t *behind_ms;       /* one for each lease, as watch_lag.h has it */
};

/* Fills in what is about processes. */
void watch_sample_ask(struct watch_sample *sample, const char *state_dir);
void watch_sample_fini(struct watch_sample *sample);

#endif
