/*
 * stage_clock.h - stuck is never silent: how long a shard has waited for the same thing,
 * and what is done about it when that is too long.
 *
 * Pure: time comes in (CLOCK_BOOTTIME milliseconds). All deadlines and steps stand in one
 * table, in stage_clock.c. Normal idleness is STAGE_IDLE: no new records, a batch that the
 * sink is working on (that is process_timeout's), a backoff.
 */
#ifndef COMMON_STAGE_CLOCK_H
#define COMMON_STAGE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

enum stage {
	STAGE_IDLE,
	/* in a worker */
	STAGE_CURSOR, /* a cursor was asked for, and no answer of any kind came */
	STAGE_BATCH,  /* a batch, likewise */
	STAGE_ERRORS, /* the service answers nothing but errors */
	STAGE_ROOM,   /* no room in the budget, and nothing frees any */
	STAGE_QUEUE,  /* an order waits though the delivery thread does nothing */
	STAGE_LOCK,   /* the delivery thread waits for LMDB's lock */
	STAGE_PARKED, /* no space for it */
	STAGE_COMMIT, /* delivered, and the commit does not come about */
	STAGE_CLOSE,  /* its last commit was asked for */
	/* in the supervisor */
	STAGE_ASK,     /* the service's checkpoint is not known */
	STAGE_UNHELD,  /* granted, and no worker to hold it */
	STAGE_ASSIGN,  /* ASSIGN sent, no HELD */
	STAGE_REVOKE,  /* REVOKE sent, no RELEASED */
	STAGE_PUBLISH, /* a checkpoint is not written to the service */
	STAGES,
};

enum stage_step {
	STEP_SAY,     /* nothing that we could do would help, or it is being tried again */
	STEP_REFETCH, /* cancel the request, ask again */
	STEP_RESTART, /* the worker drains and is started again */
};

struct stage_limits { /* from the options */
	int64_t process_ms, heartbeat_ms;
	int64_t request_ms; /* the longest that a request can take */
};

struct stage_clock { /* in the caller's storage; all zero at first */
	enum stage stage;
	uint64_t token;
	int64_t since_ms, looked_ms, next_ms;
	unsigned said;
};

struct stage_news {
	bool goes_on; /* what was said to stand still does not any more */
	enum stage stage;
	enum stage_step step; /* what to do now, unless goes_on */
	int64_t for_ms;
};

/* Call it now and then: where it stands, and a token that changes with every progress.
 * True: there is news for the log. First at the deadline, then ever more rarely. Time in
 * which nobody looked (a stopped machine) does not count. */
bool stage_clock_look(struct stage_clock *clock, enum stage stage, uint64_t token,
		      const struct stage_limits *limits, int64_t now_ms,
		      struct stage_news *news_out);

const char *stage_name(enum stage stage);
const char *stage_step_name(enum stage_step step);

#endif
