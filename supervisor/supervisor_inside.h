/*
 * supervisor_inside.h - the agent's inside, for its own files: supervisor.c (start, tick
 * and end), supervisor_events.c (what pool, book and group say to one another),
 * supervisor_signals.c and supervisor_reload.c.
 */
#ifndef SUPERVISOR_SUPERVISOR_INSIDE_H
#define SUPERVISOR_SUPERVISOR_INSIDE_H

#include <ev.h>

#include "supervisor/assign.h"
#include "supervisor/finish.h"
#include "supervisor/group.h"
#include "supervisor/keys.h"
#include "supervisor/metrics.h"
#include "supervisor/notify.h"
#include "supervisor/reset.h"
#include "supervisor/signals.h"
#include "supervisor/start.h"
#include "common/trust.h"
#include "supervisor/supervisor.h"
#include "supervisor/tally.h"
#include "supervisor/worker_pool.h"

enum phase {
	PHASE_RUNNING,
	PHASE_DRAINING,   /* the workers let go of their shards and end */
	PHASE_PUBLISHING, /* what they committed last is published */
};

struct supervisor {
	struct supervisor_config config;
	struct options *options;
	struct log *log;
	struct ev_loop *loop;
	struct start start;
	struct lts_api *api;
	struct trust trust;
	int64_t trust_ms;   /* when it was last looked at */
	bool trust_is_said; /* that it cannot be read */
	struct keys *keys;
	struct worker_pool *pool;
	struct lease_book *book;
	struct group *group;
	struct finish *finish;
	struct tally *tally;
	struct signals *signals;
	struct notify *notify;
	struct metrics *metrics;
	struct control *control; /* NULL: it could not be made */
	struct reset *reset;
	bool joined; /* the consumer group: a heartbeat was answered, and the times are known */
	bool ready;              /* the service manager knows */
	int64_t status_ms;       /* when it was last told how we fare... */
	uint64_t status_records; /* ...and what the workers had delivered by then */
	struct ev_timer tick, publish;
	char *options_text; /* for CONFIG */
	enum phase phase;
	int64_t phase_ms;     /* when it began */
	int64_t published_ms; /* the last round of the last phase */
	int64_t no_worker_ms; /* since when none is live; 0: one is */
	int64_t end_ns;
	bool clock_is_certain;
	/* What waits for the clocks, or NULL; as it was said; with how far they are apart. */
	const char *clock_why, *clock_said;
	char clock_text[200];
	char reader_text[200]; /* who keeps the state's room while there is some; "": nobody */
	bool flushing[ASSIGN_WORKERS_MAX]; /* has not answered FLUSH */
	bool flush_wanted;                 /* once all have: publish, then say so */
	int64_t quiet_since_ms; /* the group was seen at its end then; 0: it was not... */
	uint64_t quiet_changes; /* ...and so many changes had been made to the book */
	bool reached_end;
	int64_t told_to_stop_ms;        /* by a signal; 0: not */
	bool renew[ASSIGN_WORKERS_MAX]; /* is to be started anew, with what a reload brought... */
	int32_t renewing;               /* ...and this one is at it; ASSIGN_NOBODY */
	enum exit_code exit;
};

void supervisor_leave(struct supervisor *s, enum exit_code code);
void supervisor_enter(struct supervisor *s, enum phase phase);
/* Workers drain, then what they committed is published, then it ends. */
void supervisor_begin_stop(struct supervisor *s, const char *why);
/* How far the service's clock is ahead of CLOCK_BOOTTIME, at the least and for certain;
 * SERVICE_CLOCK_UNKNOWN: not yet, or nobody needs to know. */
int64_t supervisor_certain_ahead_ns(const struct supervisor *s, int64_t now_ms);
bool supervisor_has_passed_end(const struct supervisor *s, int64_t now_ms);
void supervisor_watch_clock(struct supervisor *s, int64_t now_ms);
/* Names the shards that stand still, and does something about it. */
void supervisor_watch(struct supervisor *s, int64_t now_ms);
/* READY=1, once a worker runs and the group is joined; until then the manager is told what it
 * waits for. */
void supervisor_say_ready(struct supervisor *s);
/* HUP: options and credentials; then workers one by one, as far as they are concerned. */
void supervisor_reload(struct supervisor *s);
/* The next worker that is to be started anew, if none is at it. */
void supervisor_renew_workers(struct supervisor *s, int64_t now_ms);
void supervisor_start_trust(struct supervisor *s);
/* Reads the certificates to trust again, if they have changed, and hands them on; later than the
 * last look by a second at least, unless it is to be now. */
void supervisor_look_at_trust(struct supervisor *s, bool now);
/* Hands the present credentials to the client and to the workers. */
enum lts_err supervisor_use_credentials(struct supervisor *s) LTS_MUST_USE;

/* Their argument is the struct supervisor. */
extern const struct book_ops supervisor_book_ops;
extern const struct worker_pool_events supervisor_pool_events;
extern const struct group_events supervisor_group_events;
extern const struct signals_events supervisor_signals_events;

#endif
