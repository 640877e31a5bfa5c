/*
 * state_lock.h - both locks of a state_dir, for a command of lts-state that writes.
 */
#ifndef STATE_STATE_LOCK_H
#define STATE_STATE_LOCK_H

#include "common/err.h"
#include "common/handoff.h"

struct state_lock {
	int supervisor_fd, generation_fd;
};

/* No supervisor lives and none of its workers, nor does one start until the release. EXIT_IN_USE:
 * one does;
 * workers of one that was killed are waited for. EXIT_FAILED: there is no such directory, or it
 * is not ours. Said on stderr. */
enum exit_code state_lock_take(const char *state_dir, struct state_lock *out) LTS_MUST_USE;
void state_lock_release(struct state_lock *lock);

#endif
