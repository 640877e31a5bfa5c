/*
 * snapshot.h - the whole environment, read in one transaction and copied out.
 *
 * Ceilings: what the environment's map can hold, and SNAPSHOT_PROBLEMS_MAX problems.
 */
#ifndef STATE_SNAPSHOT_H
#define STATE_SNAPSHOT_H

#include "state/store.h"

enum { SNAPSHOT_PROBLEMS_MAX = 1000 };

struct snapshot {
	uint8_t newer_schema; /* its version, when this program cannot read it: the rest is
				 empty */
	int64_t read_ns;      /* when it was read, by the wall clock */
	bool has_identity, has_start;
	struct identity_record identity;
	struct start_record start;
	struct lease_record *leases; /* by shard, numbers as numbers */
	struct checkpoint_record *checkpoints;
	struct worker_record *workers; /* by slot */
	struct event_record *events;   /* by number */
	size_t n_leases, n_checkpoints, n_workers, n_events;
	size_t n_records; /* read in all, good or bad */
	struct store_usage usage;
	char **problems; /* one line each: records that must not be used, then what verify
			    adds */
	size_t n_problems;
};

/* Opens for reading, reads, closes: nothing stays behind. Errors are those of store_open
 * and of reading; a record that does not decode is no error but a problem. Frees with
 * snapshot_fini. */
enum lts_err snapshot_read(const char *state_dir, struct snapshot *out) LTS_MUST_USE;
/* The same of a backup's file. */
enum lts_err snapshot_read_file(const char *file, struct snapshot *out) LTS_MUST_USE;
void snapshot_fini(struct snapshot *snapshot);
void snapshot_problem(struct snapshot *snapshot, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Adds what does not fit together: leases, checkpoints, epochs, numbers of events. */
void snapshot_verify(struct snapshot *snapshot);

/* Borrowed from the snapshot; NULL: there is none. */
const struct lease_record *snapshot_lease(const struct snapshot *snapshot,
					  const struct shard_id *shard);
/* It has a lease, and was not given back to the service. */
bool snapshot_is_ours(const struct snapshot *snapshot, const struct shard_id *shard);
const struct checkpoint_record *snapshot_checkpoint(const struct snapshot *snapshot,
						    const struct shard_id *shard);
/* Why this shard is stuck, or was when the agent stopped; NULL: it is, or was, not. */
const char *snapshot_why_stuck(const struct snapshot *snapshot, const struct lease_record *lease);
const struct worker_record *snapshot_worker(const struct snapshot *snapshot, uint32_t slot);

#endif
