/*
 * spawn.h - starting a worker process.
 */
#ifndef SUPERVISOR_SPAWN_H
#define SUPERVISOR_SPAWN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "common/err.h"

struct spawn_fds { /* borrowed; become HANDOFF_CHANNEL and so on in the child */
	int channel, board, generation, stdout_lock;
};

/* The worker's program: beside ours. Caller frees; NULL with errno when it cannot be run.
 */
char *spawn_find_worker(void);

/* Forks and executes `program` in a process group of its own. `name` is argument 1, for
 * people who look at ps. LTS_SYS with errno: nothing was started, and why; also where the new
 * process could not become the program. */
enum lts_err spawn_worker(const char *program, const char *name, const struct spawn_fds *fds,
			  pid_t *pid_out) LTS_MUST_USE;

#endif
