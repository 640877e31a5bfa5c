/*
 * state_dir.h - the directory, its two locks, and what a former supervisor left alive.
 */
#ifndef SUPERVISOR_STATE_DIR_H
#define SUPERVISOR_STATE_DIR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/buf.h"
#include "common/err.h"

struct state_dir {
	const char *path;
	int64_t used_ns;   /* when the last supervisor or worker here had started or ended, by the
			      wall clock; or later */
	int supervisor_fd; /* supervisor.lock: close-on-exec, so that only a supervisor
			      holds it */
	int generation_fd; /* generation.lock: inherited by workers, so that it is free
			      only when all are gone */
	int stdout_fd;     /* stdout.lock: what workers lock around a write to standard output
			    */
};

/* Makes the directory, takes both locks; ends what a dead supervisor's workers still do.
 * May wait for some seconds. LTS_BUSY: another supervisor lives. LTS_SYS. `why_out` has a
 * line. `path` is borrowed. */
enum lts_err state_dir_open(struct state_dir *dir, const char *path,
			    struct buf *why_out) LTS_MUST_USE;
void state_dir_close(struct state_dir *dir);
/* False: a lock that we hold is not the file that others would look at. */
bool state_dir_is_ours(const struct state_dir *dir);

/* Notes a worker beside the lock, for the next supervisor. pid 0: forgets it. */
void state_dir_note_worker(const struct state_dir *dir, uint32_t slot, pid_t pid);

#endif
