/*
 * state_dir.c - who may use the state: one supervisor, and one generation of workers.
 *
 * Runs in the supervisor at start-up. Owns the lock files' descriptors. Must never go on
 * while a worker of an earlier supervisor may be alive: only the free lock is proof, the
 * pids beside it are a hint whom to kill. Held by the supervisor-kill scenarios.
 */
#include "supervisor/state_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fallback.h"
#include "common/ids.h"
#include "common/make_dirs.h"
#include "state/this_host.h"
#include "state/worker_record.h"

enum {
	NOTE_BYTES = 64, /* one worker's line in generation.lock */
	NOTES_BYTES = 256 * NOTE_BYTES,
	GRACE_MS = 1000,     /* what orphaned workers have to drain */
	PATIENCE_MS = 15000, /* a killed process in uninterruptible sleep may take a while
				to go */
	NO_LOCK_MS = 3000, /* a host may have none for a moment, a file system never */
	LOOK_AGAIN_MS = 20,
};

static enum lts_err
explain(struct buf *why, enum lts_err err, const char *what, const char *path, const char *more)
{
	int saved = errno;
	(void)!buf_printf(why, "%s '%s': %s", what, path, more);
	errno = saved;
	return err;
}

/* Nothing replaces a lock: two supervisors would not know of each other. */
static enum lts_err
explain_no_lock(int fd, const char *path, struct buf *why)
{
	char text[32];
	enum lts_err ignored = buf_printf(
		why,
		"state_dir '%s': its file system (%s) gives no locks (flock: %s): give a state_dir "
		"on one that does",
		path, fallback_fs_name(fd, text), strerror(errno));
	(void)ignored;
	return LTS_SYS;
}

static int
open_in(const char *dir, const char *name)
{
	char path[4096];
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
}

/* The descriptor is opened before the start time is compared: it cannot be recycled. Where the
 * kernel or a profile has none, the number alone must do, in the moment after the comparison. */
static void
kill_one(pid_t pid, uint64_t started)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	bool refused = pidfd < 0 && errno != ESRCH;
	if ((pidfd < 0 && !refused) || worker_pid_start((uint32_t)pid) != started)
		refused = false;
	else if (!refused)
		refused = syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, NULL, 0) < 0 &&
			  errno != ESRCH;
	if (refused)
		kill(pid, SIGKILL);
	if (pidfd >= 0)
		close(pidfd);
}

/* Of this boot and pid namespace: elsewhere a pid is another process's. */
static unsigned long long
here(void)
{
	struct identity_record place = { 0 };
	this_host_run_place(&place);
	uint64_t hash = ids_hash(place.boot_id, strlen(place.boot_id));
	return (hash ^ place.pid_namespace) * 0x100000001b3u;
}

static void
kill_noted(int fd)
{
	char line[NOTE_BYTES + 1] = { 0 };
	for (off_t at = 0; pread(fd, line, NOTE_BYTES, at) == NOTE_BYTES; at += NOTE_BYTES) {
		unsigned pid;
		unsigned long long started, place;
		int fields = sscanf(line, "%u %llu %llx", &pid, &started, &place);
		/* An earlier version noted no place. */
		if (fields >= 2 && pid != 0 && (fields == 2 || place == here()))
			kill_one((pid_t)pid, started);
	}
}

/* Empties them in place: a note must not need room on a disk that is full by then, for a stopped
 * worker that is not noted is one that nobody ends. */
static enum lts_err
clear_notes(int fd, const char *path, struct buf *why)
{
	static const char none[NOTES_BYTES];
	errno = ENOSPC; /* what a short write means */
	if (pwrite(fd, none, sizeof(none), 0) == (ssize_t)sizeof(none))
		return LTS_OK;
	return explain(why, LTS_SYS, "generation.lock in", path, strerror(errno));
}

static enum lts_err
wait_for_generation(int fd, const char *path, struct buf *why)
{
	int64_t start_ms = clock_mono_ms();
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		int64_t waited_ms = clock_mono_ms() - start_ms;
		if (errno == ENOLCK && waited_ms < NO_LOCK_MS) {
			poll(NULL, 0, LOOK_AGAIN_MS);
			continue;
		}
		if (errno != EWOULDBLOCK)
			return explain_no_lock(fd, path, why);
		if (waited_ms > PATIENCE_MS)
			return explain(why, LTS_BUSY,
				       "workers of an earlier supervisor still use", path,
				       "they were killed and did not go");
		if (waited_ms > GRACE_MS)
			kill_noted(fd);
		poll(NULL, 0, LOOK_AGAIN_MS);
	}
	return clear_notes(fd, path, why);
}

/* The pid beside a lock that is held; 0: not known. */
static pid_t
holder_of(int fd)
{
	char text[32] = "";
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	return n > 0 ? (pid_t)strtol(text, NULL, 10) : 0;
}

/*
 * A supervisor that died between fork and exec leaves its lock with the child for an instant: as
 * long as no such process is there, it is worth another look.
 */
static enum lts_err
take_supervisor_lock(const struct state_dir *dir, struct buf *why)
{
	int64_t start_ms = clock_mono_ms();
	while (flock(dir->supervisor_fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno == ENOLCK && clock_mono_ms() - start_ms < NO_LOCK_MS) {
			poll(NULL, 0, LOOK_AGAIN_MS);
			continue;
		}
		if (errno != EWOULDBLOCK)
			return explain_no_lock(dir->supervisor_fd, dir->path, why);
		pid_t holder = holder_of(dir->supervisor_fd);
		bool dead = holder > 0 && kill(holder, 0) < 0 && errno == ESRCH;
		if (dead && clock_mono_ms() - start_ms < GRACE_MS) {
			poll(NULL, 0, LOOK_AGAIN_MS);
			continue;
		}
		enum lts_err ignored =
			buf_printf(why,
				   "state_dir '%s' is in use by the supervisor with pid %d: "
				   "stop that one, or give this one a state_dir of its own",
				   dir->path, holder);
		(void)ignored;
		return LTS_BUSY;
	}
	return LTS_OK;
}

static int64_t
modified_ns(int fd)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return 0;
	return (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
}

/* Each start writes the first, each start and end of a worker the second. */
static int64_t
last_used_ns(const struct state_dir *dir)
{
	int64_t a = modified_ns(dir->supervisor_fd), b = modified_ns(dir->generation_fd);
	return a > b ? a : b;
}

static enum lts_err
take_locks(struct state_dir *dir, struct buf *why)
{
	char holder[32];
	dir->supervisor_fd = open_in(dir->path, "supervisor.lock");
	dir->generation_fd = open_in(dir->path, "generation.lock");
	dir->stdout_fd = open_in(dir->path, "stdout.lock");
	if (dir->supervisor_fd < 0 || dir->generation_fd < 0 || dir->stdout_fd < 0)
		return explain(why, LTS_SYS, "lock files in", dir->path, strerror(errno));
	enum lts_err err = take_supervisor_lock(dir, why);
	if (err)
		return err;
	dir->used_ns = last_used_ns(dir);
	int len = snprintf(holder, sizeof(holder), "%d\n", getpid());
	if (ftruncate(dir->supervisor_fd, 0) < 0 ||
	    pwrite(dir->supervisor_fd, holder, (size_t)len, 0) != len)
		return explain(why, LTS_SYS, "supervisor.lock in", dir->path, strerror(errno));
	return wait_for_generation(dir->generation_fd, dir->path, why);
}

enum lts_err
state_dir_open(struct state_dir *dir, const char *path, struct buf *why_out)
{
	*dir = (struct state_dir){
		.path = path, .supervisor_fd = -1, .generation_fd = -1, .stdout_fd = -1
	};
	if (make_dirs(path, 0700))
		return explain(why_out, LTS_SYS, "cannot make state_dir", path, strerror(errno));
	enum lts_err err = take_locks(dir, why_out);
	int saved = errno;
	if (err)
		state_dir_close(dir);
	errno = saved;
	return err;
}

void
state_dir_close(struct state_dir *dir)
{
	int *const fds[] = { &dir->generation_fd, &dir->stdout_fd, &dir->supervisor_fd };
	for (int i = 0; i < 3; i++) {
		if (*fds[i] >= 0)
			close(*fds[i]);
		*fds[i] = -1;
	}
}

static bool
is_in_place(const struct state_dir *dir, const char *name, int fd)
{
	char path[4096];
	struct stat held, named;
	snprintf(path, sizeof(path), "%s/%s", dir->path, name);
	return fstat(fd, &held) == 0 && stat(path, &named) == 0 && held.st_dev == named.st_dev &&
	       held.st_ino == named.st_ino;
}

bool
state_dir_is_ours(const struct state_dir *dir)
{
	return is_in_place(dir, "supervisor.lock", dir->supervisor_fd) &&
	       is_in_place(dir, "generation.lock", dir->generation_fd);
}

void
state_dir_note_worker(const struct state_dir *dir, uint32_t slot, pid_t pid)
{
	char line[NOTE_BYTES + 1];
	unsigned long long started = pid ? worker_pid_start((uint32_t)pid) : 0;
	snprintf(line, sizeof(line), "%-20u %-20llu %-21llx", (unsigned)pid, started, here());
	line[NOTE_BYTES - 1] = '\n';
	ssize_t ignored = pwrite(dir->generation_fd, line, NOTE_BYTES, (off_t)slot * NOTE_BYTES);
	(void)ignored;
}
