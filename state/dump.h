/*
 * dump.h - a snapshot as aligned tables, or as one JSON object.
 */
#ifndef STATE_DUMP_H
#define STATE_DUMP_H

#include <stdio.h>

#include "state/ask_waits.h"
#include "state/human.h"
#include "state/snapshot.h"

struct dump {
	const struct snapshot *snapshot;
	const char *state_dir;
	unsigned tables;             /* a bit for each enum store_table to be shown */
	size_t last;                 /* so many events; 0: all */
	enum lts_err supervisor_err; /* of asking who holds supervisor.lock: LTS_OK,
					NOTFOUND, SYS */
	uint32_t supervisor_pid;
	const struct agent_waits *waits; /* beside the leases; NULL: not asked */
};

/* The tables asked for; with more than one, each under a line with its name. */
void dump_tables(const struct dump *dump, FILE *out);
/* The same as one object on one line: meta as an object, else an array per table, times
 * in RFC 3339 with their age in ms, epochs as "boot.sequence", all other numbers exact
 * integers. */
void dump_json(const struct dump *dump, FILE *out);
/* What verify found: a line each and a summary, or an object. */
void dump_findings(const struct dump *dump, FILE *out);
void dump_findings_json(const struct dump *dump, FILE *out);

/* Whether the process that holds a lease lives, "-" when nobody holds it; and a worker's
 * process. */
const char *dump_holder_alive(const struct snapshot *snapshot, const struct lease_record *lease);
const char *dump_worker_alive(const struct snapshot *snapshot,
			      const struct worker_record *worker);
/* How long a worker has run, or ran. */
int64_t dump_worker_uptime_ns(const struct snapshot *snapshot,
			      const struct worker_record *worker);
/* "running (pid 12)", "not running", "unknown" */
struct human_text dump_supervisor(const struct dump *dump);
/* The index of the first event to be shown. */
size_t dump_first_event(const struct dump *dump);

#endif
