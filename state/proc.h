/*
 * proc.h - what /proc says about the processes named in records, without touching them.
 */
#ifndef STATE_PROC_H
#define STATE_PROC_H

#include <stdint.h>

#include "state/schema.h"

enum proc_state {
	PROC_GONE,
	PROC_LIVE,
	PROC_STOPPED, /* by a signal or a tracer */
	PROC_UNKNOWN, /* the pid is in use, by whom cannot be told */
};

/* The process that had this pid and this start time (worker_pid_start; 0: not known). */
enum proc_state proc_state_of(uint32_t pid, uint64_t pid_start);
/* The same of one that is noted in the state of `identity`, as of its last start: PROC_UNKNOWN when
 * that number is of another pid namespace or another machine. */
enum proc_state proc_state_noted(const struct identity_record *identity, uint32_t pid,
				 uint64_t pid_start);
/* proc_lock_holder for the supervisor of that state: LTS_SYS also when it may be one that cannot be
 * seen from here. */
enum lts_err proc_supervisor(const struct identity_record *identity, const char *path,
			     uint32_t *pid_out) LTS_MUST_USE;
/* "no", "yes", "stopped", "unknown": answers to "is it alive". */
const char *proc_state_name(enum proc_state state);

/* Who holds an exclusive flock on the file, asked of /proc/locks: trying the lock could
 * make the process that wants it fail. LTS_NOTFOUND: nobody. LTS_SYS: it cannot be told.
 */
enum lts_err proc_lock_holder(const char *path, uint32_t *pid_out) LTS_MUST_USE;

#endif
