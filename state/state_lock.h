/*
 * state_lock.h - keeping agents away from a state_dir while lts-state changes it.
 */
#ifndef STATE_STATE_LOCK_H
#define STATE_STATE_LOCK_H

#include <stdint.h>

#include "common/err.h"

struct state_lock {
	int supervisor_fd, generation_fd; /* -1: not taken */
};

/* Both locks that an agent needs, supervisor.lock and generation.lock; waits a little for the
 * workers of one that was killed. LTS_BUSY: *holder_out has it; 0: it cannot be told.
 * LTS_NOTFOUND: no agent has ever run there. LTS_SYS: errno. */
enum lts_err state_lock_take(const char *state_dir, struct state_lock *out,
			     uint32_t *holder_out) LTS_MUST_USE;
void state_lock_release(struct state_lock *lock);

#endif
