/*
 * state_lock.c - the two locks of a state_dir, taken by lts-state.
 *
 * In lts-state. Owns the descriptors. Must never make a lock file: one made by root would shut
 * the agent's own user out. Held by tests/state/test_state_lock.c.
 */
#include "state/state_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/xalloc.h"
#include "state/proc.h"

enum { GENERATION_MS = 3000, LOOK_AGAIN_MS = 20 };

/* -1: errno; EWOULDBLOCK: somebody has it, and had it for so long. */
static int
take(const char *dir, const char *name, int64_t wait_ms)
{
	char *path = xasprintf("%s/%s", dir, name);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	int64_t until_ms = clock_mono_ms() + wait_ms;
	free(path);
	while (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno == EWOULDBLOCK && clock_mono_ms() < until_ms) {
			poll(NULL, 0, LOOK_AGAIN_MS);
			continue;
		}
		int saved = errno;
		close(fd);
		errno = saved;
		fd = -1;
	}
	return fd;
}

static uint32_t
holder_of(const char *dir, const char *name)
{
	char *path = xasprintf("%s/%s", dir, name);
	uint32_t pid;
	if (proc_lock_holder(path, &pid))
		pid = 0;
	free(path);
	return pid;
}

enum lts_err
state_lock_take(const char *state_dir, struct state_lock *out, uint32_t *holder_out)
{
	*out = (struct state_lock){ -1, -1 };
	*holder_out = 0;
	out->supervisor_fd = take(state_dir, "supervisor.lock", 0);
	if (out->supervisor_fd >= 0)
		out->generation_fd = take(state_dir, "generation.lock", GENERATION_MS);
	if (out->generation_fd >= 0)
		return LTS_OK;
	int saved = errno;
	if (saved == EWOULDBLOCK)
		*holder_out = holder_of(state_dir, out->supervisor_fd < 0 ? "supervisor.lock"
									  : "generation.lock");
	state_lock_release(out);
	errno = saved;
	if (saved == EWOULDBLOCK)
		return LTS_BUSY;
	return saved == ENOENT ? LTS_NOTFOUND : LTS_SYS;
}

void
state_lock_release(struct state_lock *lock)
{
	if (lock->generation_fd >= 0)
		close(lock->generation_fd);
	if (lock->supervisor_fd >= 0)
		close(lock->supervisor_fd);
	*lock = (struct state_lock){ -1, -1 };
}
