/*
 * worker_slot.h - the life of one worker process, as a table.
 *
 * Pure: time comes in (CLOCK_BOOTTIME milliseconds), actions go out through slot_ops.
 */
#ifndef SUPERVISOR_WORKER_SLOT_H
#define SUPERVISOR_WORKER_SLOT_H

#include <stdbool.h>

#include "common/backoff.h"

enum slot_state {
	SLOT_IDLE,     /* not started yet */
	SLOT_STARTING, /* forked; not READY yet */
	SLOT_LIVE,     /* serves shards */
	SLOT_DRAINING, /* asked to release everything and end; started anew if wanted */
	SLOT_KILLED,   /* SIGKILL sent; not reaped yet, nor its descendants */
	SLOT_BACKOFF,  /* dead; waits to be started again */
	SLOT_REFUSED,  /* ended with exit code 2 or 8: starting again cannot help */
	SLOT_ENDED,    /* dead and not wanted any more */
	SLOT_STATES,
};

enum slot_event {
	SLOT_START,   /* wanted from now on */
	SLOT_READY,   /* the worker says so */
	SLOT_OVERDUE, /* late, hung or stopped: see worker_pool */
	SLOT_STOP,    /* not wanted any more */
	SLOT_RENEW,   /* wanted, but anew: what it was told at its start has changed */
	SLOT_EXITED,  /* reaped, with all its descendants */
	SLOT_TIMER,   /* what set_timer asked for */
	SLOT_EVENTS,
};

/* How a life ended. */
struct slot_exit {
	int code;    /* of exit(); -1: a signal ended it */
	int signal;  /* 0: exit() ended it */
	bool ours;   /* we sent that signal */
	bool blamed; /* on a batch: the worker itself is not to blame */
};

struct worker_slot;

struct slot_ops {
	/* False: fork or exec failed; SLOT_EXITED does not come. */
	bool (*spawn)(void *arg, struct worker_slot *slot);
	void (*kill)(void *arg, struct worker_slot *slot);
	void (*ask_to_drain)(void *arg, struct worker_slot *slot);
	void (*set_timer)(void *arg, struct worker_slot *slot, int64_t delay_ms);
	/* The state changed; `exit` is set when that was by SLOT_EXITED. */
	void (*changed)(void *arg, struct worker_slot *slot, enum slot_state from,
			const struct slot_exit *exit);
};

struct worker_slot {
	const struct slot_ops *ops;
	void *arg;
	uint32_t index;
	enum slot_state state;
	int64_t since_ms; /* of the state */
	int64_t live_ms;  /* when it last became live */
	struct backoff backoff;
	bool wanted;           /* between SLOT_START and SLOT_STOP */
	bool first_free;       /* the next restart is at once */
	struct slot_exit exit; /* of the last life */
	unsigned restarts;
};

void worker_slot_init(struct worker_slot *slot, const struct slot_ops *ops, void *arg,
		      uint32_t index, uint64_t seed);
/* An event that is impossible in the present state aborts. */
void worker_slot_step(struct worker_slot *slot, enum slot_event event, int64_t now_ms);
/* SLOT_EXITED, with how. */
void worker_slot_exited(struct worker_slot *slot, struct slot_exit exit, int64_t now_ms);

const char *slot_state_name(enum slot_state state);
const char *slot_event_name(enum slot_event event);
/* Whether a process (or what it left) may still be there. */
bool slot_state_has_process(enum slot_state state);

#endif
