/*
 * start.h - what the supervisor needs before it can run: the directory, the state, who we
 * are, and when to begin.
 */
#ifndef SUPERVISOR_START_H
#define SUPERVISOR_START_H

#include "common/handoff.h"
#include "common/options.h"
#include "state/identity.h"
#include "supervisor/group.h"
#include "supervisor/state_dir.h"

struct start {
	struct state_dir dir;
	struct store *store; /* written until start_open returns, only read from then on */
	struct identity_record identity;
	uint32_t former_schema; /* that of the agent's last start on this state; 0: it is new */
};

/* start_time and end_time as shards and the service take them. */
struct times {
	char start[24];   /* "begin" or nanoseconds */
	int64_t start_ns; /* what `end` was resolved to; 0: start_time is not `end` */
	int64_t end_ns;   /* 0: none */
};

/* Takes the locks, opens and claims the state. EXIT_DONE, or why_out has a line. */
enum exit_code start_open(struct start *start, const struct options *options,
			  struct buf *why_out);
void start_close(struct start *start);
/* Around every read of the state: should LMDB not survive what it finds, the process ends with
 * EXIT_DAMAGED and says why. */
void start_guard(const struct start *start, bool reading);
/* Whether the state is still the one that was opened: the locks and the environment. */
bool start_is_intact(const struct start *start);
/* Tells the group what each consumer held when the state was last written, and what it had let
 * go of so shortly before that the service may still wait for its last checkpoint. Where that was
 * no orderly stop, consumers that the options no longer have stay members, so that nobody waits for
 * them to be missed. */
void start_remember_leases(struct start *start, struct group *group, struct lease_book *book,
			   int64_t timeout_ms);
/* Whether an option says `end`, and what that means is not known yet. */
bool start_asks_the_time(struct start *start, const struct options *options);
/* now: what the service's clock shows, in nanoseconds since 1970. */
void start_resolve_times(struct start *start, const struct options *options,
			 const struct service_time *now, struct times *out);

#endif
