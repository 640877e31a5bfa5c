/*
 * chaos_guests.h - what a kind of fault of the chaos proof is, and those of guests at a host's
 * processes: tracers, readers of the state, limits (chaos_guests.c).
 */
#ifndef TESTS_PROOF_CHAOS_GUESTS_H
#define TESTS_PROOF_CHAOS_GUESTS_H

#include "tests/proof/chaos.h"

enum needs { NEEDS_NOTHING, NEEDS_MOUNT, NEEDS_TRACE };

/* What was drawn for one fault. `worker` is taken modulo what lives. */
struct strike {
	const struct kind *kind;
	unsigned host, worker;
	int64_t ms; /* between the kind's bounds */
};

struct kind {
	const char *name;
	unsigned weight;
	/* False: not now, not on this host. host NULL: it is not about one. */
	bool (*act)(struct chaos *c, struct host *h, const struct strike *strike);
	int arg;
	int64_t least_ms, most_ms; /* how long it lasts, where it lasts */
	const char *text;          /* act's: a rule, a tracer's words */
	enum needs needs;
};

bool trace_worker(struct chaos *chaos, struct host *host, const struct strike *strike);
/* No descriptor more, while that lasts. */
bool limit_worker(struct chaos *chaos, struct host *host, const struct strike *strike);
bool limit_supervisor(struct chaos *chaos, struct host *host, const struct strike *strike);
/* An lts-state that is stopped somewhere on its way, or killed. */
bool stop_reader(struct chaos *chaos, struct host *host, const struct strike *strike);
bool kill_reader(struct chaos *chaos, struct host *host, const struct strike *strike);
void guests_step(struct chaos *chaos, int64_t now_ms);
void guests_lift(struct chaos *chaos);
/* The episode is over. */
void guests_end(struct chaos *chaos);

#endif
