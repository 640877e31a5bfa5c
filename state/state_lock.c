/*
 * state_lock.c - takes what a supervisor takes at its start.
 *
 * In lts-state. Owns the lock files' descriptors. Must never write anything while a lock is
 * another's. Held by tests/state/test_backup.c.
 */
#include "state/state_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/xalloc.h"
#include "state/proc.h"

enum { GENERATION_MS = 3000, NO_LOCK_MS = 3000, LOOK_AGAIN_MS = 20 };

static enum exit_code
fail(const char *state_dir, const char *name)
{
	fprintf(stderr, "lts-state: %s/%s: %s\n", state_dir, name, strerror(errno));
	return EXIT_FAILED;
}

static enum exit_code
refuse(const char *state_dir, const char *path)
{
	uint32_t pid = 0;
	if (proc_lock_holder(path, &pid))
		fprintf(stderr, "lts-state: %s: in use by an agent: stop it first\n", state_dir);
	else
		fprintf(stderr,
			"lts-state: %s: in use by the process with pid %u: stop it first\n",
			state_dir, pid);
	return EXIT_IN_USE;
}

/* Workers of a supervisor that was killed go within a second. A host may have no lock left for a
 * moment; a file system that gives none never does. */
static int
lock(int fd, int64_t wait_ms)
{
	int64_t now_ms = clock_mono_ms(), until_ms = now_ms + wait_ms;
	int64_t locks_ms = now_ms + NO_LOCK_MS;
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		now_ms = clock_mono_ms();
		if (!(errno == EWOULDBLOCK && now_ms < until_ms) &&
		    !(errno == ENOLCK && now_ms < locks_ms))
			return -1;
		poll(NULL, 0, LOOK_AGAIN_MS);
	}
	return 0;
}

/* One that root makes belongs to whom the directory belongs to. */
static enum exit_code
take(const char *state_dir, const char *name, int64_t wait_ms, int *fd_out)
{
	struct stat st;
	enum exit_code code = EXIT_DONE;
	char *path = xasprintf("%s/%s", state_dir, name);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || stat(state_dir, &st) < 0 ||
	    (geteuid() == 0 && fchown(fd, st.st_uid, st.st_gid) < 0))
		code = fail(state_dir, name);
	else if (lock(fd, wait_ms) < 0)
		code = errno == EWOULDBLOCK ? refuse(state_dir, path) : fail(state_dir, name);
	*fd_out = fd;
	free(path);
	return code;
}

enum exit_code
state_lock_take(const char *state_dir, struct state_lock *out)
{
	struct state_lock taken = { -1, -1 };
	char pid[32];
	enum exit_code code = take(state_dir, "supervisor.lock", 0, &taken.supervisor_fd);
	if (!code)
		code = take(state_dir, "generation.lock", GENERATION_MS, &taken.generation_fd);
	if (code) {
		state_lock_release(&taken);
		return code;
	}
	/* For the message of a supervisor that is started meanwhile. */
	int len = snprintf(pid, sizeof(pid), "%d\n", getpid());
	if (ftruncate(taken.supervisor_fd, 0) < 0 ||
	    pwrite(taken.supervisor_fd, pid, (size_t)len, 0) != len) {
		code = fail(state_dir, "supervisor.lock");
		state_lock_release(&taken);
		return code;
	}
	*out = taken;
	return EXIT_DONE;
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
