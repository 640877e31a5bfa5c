/*
 * worker_record.h - a worker's own record: who it is, how long it lives, what it has
 * delivered.
 */
#ifndef STATE_WORKER_RECORD_H
#define STATE_WORKER_RECORD_H

#include "state/store.h"

enum lts_err worker_record_put(struct store_txn *txn,
			       const struct worker_record *record) LTS_MUST_USE;
enum lts_err worker_record_read(struct store_txn *txn, uint32_t slot,
				struct worker_record *out) LTS_MUST_USE;

/* When a process started, in clock ticks since boot: with the pid, its name for ever. 0:
 * no such process. */
uint64_t worker_pid_start(uint32_t pid);

#endif
