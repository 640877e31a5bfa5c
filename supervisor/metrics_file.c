/*
 * metrics_file.c - the metrics for node_exporter's textfile collector.
 *
 * Runs in the supervisor; each text is written by a child that does nothing else. Owns that child
 * and the pipe that says how it went. Must never wait for a disk, have two writers at it, nor let
 * a writer hold what is the supervisor's: its locks end with it. Held by
 * tests/supervisor/test_metrics_file.c.
 */
#include "supervisor/metrics_file.h"

#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fallback.h"
#include "common/xalloc.h"

struct metrics_file {
	struct metrics_file_config config;
	char *temporary;   /* beside the path, where the new text grows */
	struct ev_io done; /* active while a writer is at it */
	int pid_fd;        /* of it; -1 */
	bool failing;      /* and that was said */
};

/* ---- the child ---- */

static int
write_all(const char *path, const struct buf *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
	size_t at = 0;
	if (fd < 0 || fchmod(fd, 0644) < 0) /* whoever collects it is another user */
		return -1;
	while (at < text->len) {
		ssize_t n = write(fd, text->data + at, text->len - at);
		if (n < 0 && errno != EINTR)
			return -1;
		at += n > 0 ? (size_t)n : 0;
	}
	return close(fd);
}

/* Nothing in here that is not async-signal-safe; what goes into the pipe is errno. */
static void
run_child(const struct metrics_file *file, const struct buf *text, int pipe_fd)
{
	int failure = 0;
	enum { PIPE = 3 };
	if (dup2(pipe_fd, PIPE) < 0)
		_exit(1);
	(void)fallback_close_from(PIPE + 1);
	if (write_all(file->temporary, text) || rename(file->temporary, file->config.path))
		failure = errno;
	ssize_t ignored = write(PIPE, &failure, sizeof(failure));
	(void)ignored;
	_exit(0);
}

/* ---- the supervisor ---- */

static void
let_go(struct metrics_file *file)
{
	int fd = file->done.fd;
	ev_io_stop(file->config.loop, &file->done);
	close(fd);
	close(file->pid_fd);
	file->pid_fd = -1;
}

static void
note(struct metrics_file *file, int failure)
{
	if (failure && !file->failing)
		log_error(file->config.log, "metrics not written; tried again",
			  LOG_TEXT("path", file->config.path),
			  LOG_TEXT("text", strerror(failure)));
	file->failing = failure != 0;
}

static void
on_done(struct ev_loop *loop, struct ev_io *io, int events)
{
	struct metrics_file *file = io->data;
	int failure = ECHILD; /* it died before it could say */
	ssize_t n = read(io->fd, &failure, sizeof(failure));
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	let_go(file);
	note(file, failure);
}

/* With every signal blocked: the handlers are the supervisor's. */
static pid_t
fork_writer(const struct metrics_file *file, const struct buf *text, int pipe_fd)
{
	sigset_t all, before;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid_t pid = fork();
	if (pid == 0)
		run_child(file, text, pipe_fd);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return pid;
}

void
metrics_file_write(struct metrics_file *file, const struct buf *text)
{
	int fds[2];
	if (ev_is_active(&file->done))
		return;
	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) < 0) {
		note(file, errno);
		return;
	}
	pid_t pid = fork_writer(file, text, fds[1]);
	int failure = pid < 0 ? errno : 0;
	close(fds[1]);
	if (failure) {
		close(fds[0]);
		note(file, failure);
		return;
	}
	file->pid_fd = pidfd_open(pid, 0); /* not reaped yet: that is done on this very loop */
	file->config.forked(file->config.arg, pid);
	ev_io_set(&file->done, fds[0], EV_READ);
	ev_io_start(file->config.loop, &file->done);
}

struct metrics_file *
metrics_file_create(const struct metrics_file_config *config)
{
	struct metrics_file *file = xcalloc(1, sizeof(*file));
	file->config = *config;
	file->temporary = xasprintf("%s.part", config->path);
	file->pid_fd = -1;
	ev_init(&file->done, on_done);
	file->done.data = file;
	return file;
}

void
metrics_file_destroy(struct metrics_file **filep)
{
	struct metrics_file *file = *filep;
	if (!file)
		return;
	if (ev_is_active(&file->done)) {
		pidfd_send_signal(file->pid_fd, SIGKILL, NULL, 0);
		let_go(file);
	}
	free(file->temporary);
	free(file);
	*filep = NULL;
}
