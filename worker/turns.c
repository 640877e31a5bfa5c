/*
 * turns.c - one at a time, over processes.
 *
 * In a worker's delivery thread. Owns the open lock file. Two bytes of it are locked: RUNNING by
 * whom the turn is, NEXT by the one that looks for RUNNING to be free; all others look for NEXT.
 * The locks are the open file's, so that the kernel frees them when the last process that has it
 * is gone. Must never wait, nor hold NEXT while it runs. Held by tests/worker/test_turns.c.
 */
#include "worker/turns.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/xalloc.h"

enum { RUNNING = 0, NEXT = 1 };
enum {
	/* For NEXT all look equally often: it is free for moments only, and for everybody. */
	QUEUE_LOOK_MS = 20,
	/* For RUNNING after an eighth of the wait so far: a short command is followed soon, a
	 * long one costs little. */
	NEXT_LOOK_PART = 8,
	NEXT_LOOK_LEAST_MS = 2,
	NEXT_LOOK_MOST_MS = 50,
};

struct turns {
	char *path;
	int fd;
	bool next, running;
	int error;                /* why the last lock failed, but for being another's; else 0 */
	int64_t since_ms, due_ms; /* next since; when to look again */
};

static bool
lock(struct turns *t, off_t byte, short type)
{
	struct flock what = {
		.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1
	};
	bool done = fcntl(t->fd, F_OFD_SETLK, &what) == 0;
	if (type != F_UNLCK)
		t->error = done || errno == EAGAIN || errno == EACCES ? 0 : errno;
	return done;
}

static int
open_file(const char *path)
{
	return open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
}

static char *
path_in(const char *dir)
{
	return xasprintf("%s/batch.lock", dir);
}

bool
turns_are_used(const char *dir)
{
	char *path = path_in(dir);
	bool there = access(path, F_OK) == 0;
	free(path);
	return there;
}

enum lts_err
turns_open(const char *dir, struct turns **out)
{
	char *path = path_in(dir);
	int fd = open_file(path);
	if (fd < 0) {
		free(path);
		return LTS_SYS;
	}
	struct turns *t = xcalloc(1, sizeof(*t));
	t->path = path;
	t->fd = fd;
	*out = t;
	return LTS_OK;
}

enum lts_err
turns_adopt(int fd, struct turns **out)
{
	char path[40];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	int own = open(path, O_RDWR | O_CLOEXEC);
	if (own < 0)
		return LTS_SYS;
	struct turns *t = xcalloc(1, sizeof(*t));
	t->fd = own;
	*out = t;
	return LTS_OK;
}

void
turns_close(struct turns **turns)
{
	struct turns *t = *turns;
	if (!t)
		return;
	turns_put(t); /* a child may still have the descriptor */
	close(t->fd);
	free(t->path);
	free(t);
	*turns = NULL;
}

static bool
is_in_place(const struct turns *t)
{
	struct stat ours, named;
	return !t->path ||
	       (fstat(t->fd, &ours) == 0 && stat(t->path, &named) == 0 &&
		ours.st_dev == named.st_dev && ours.st_ino == named.st_ino);
}

/* Somebody removed the file: who came since has another one. */
static void
follow_file(struct turns *t)
{
	int fd = open_file(t->path);
	turns_put(t);
	if (fd < 0)
		return; /* next time */
	close(t->fd);
	t->fd = fd;
}

static int64_t
look_ms(const struct turns *t, int64_t now_ms)
{
	int64_t ms = (now_ms - t->since_ms) / NEXT_LOOK_PART;
	if (!t->next)
		return QUEUE_LOOK_MS;
	if (ms < NEXT_LOOK_LEAST_MS)
		return NEXT_LOOK_LEAST_MS;
	return ms < NEXT_LOOK_MOST_MS ? ms : NEXT_LOOK_MOST_MS;
}

bool
turns_try(struct turns *t, int64_t now_ms)
{
	if (t->running)
		return true;
	if (!t->next) {
		t->next = lock(t, NEXT, F_WRLCK);
		t->since_ms = now_ms;
	}
	if (t->next && lock(t, RUNNING, F_WRLCK)) {
		t->running = true;
		lock(t, NEXT, F_UNLCK);
		t->next = false;
		if (is_in_place(t))
			return true;
		follow_file(t);
	}
	t->due_ms = now_ms + look_ms(t, now_ms);
	return false;
}

bool
turns_take(struct turns *t, int64_t now_ms)
{
	if (t->running || now_ms < t->due_ms)
		return t->running;
	return turns_try(t, now_ms);
}

int
turns_error(const struct turns *t)
{
	return t->error;
}

void
turns_put(struct turns *t)
{
	if (t->running)
		lock(t, RUNNING, F_UNLCK);
	if (t->next)
		lock(t, NEXT, F_UNLCK);
	t->running = t->next = false;
	t->due_ms = 0;
}

int64_t
turns_due_ms(const struct turns *t)
{
	return t->due_ms;
}

int
turns_fd(const struct turns *t)
{
	return t->fd;
}
