/*
 * child.c - a command of the user's as a child process.
 *
 * In a worker's delivery thread. Owns the process and its group, our ends of its pipes, its
 * pidfd and the epoll descriptor over them. Must never wait but for a killed child's end, never
 * allocate between vfork and exec (the other thread may hold the allocator's lock), nor signal a
 * group whose leader is reaped: its number may be another's. Held by tests/worker/test_child.c.
 */
#include "worker/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/child_env.h"
#include "common/clock.h"
#include "common/fallback.h"
#include "common/descriptors.h"
#include "common/xalloc.h"
#include "worker/child_log.h"

enum {
	PIPE_BYTES = 1 << 20, /* of its stdin, where that is allowed: fewer turns */
	STDERR_TURN = 256 << 10,
	REAP_MS = 1000,
	LOOK_MS = 20, /* for its end, where the kernel has no pidfd */
	NOT_STARTED = 127,
	FDS_MOST = 4, /* of the new process: 0, 1, 2, and one to keep */
};

enum { READ_END, WRITE_END };

struct child {
	pid_t pid;
	int pidfd, epoll;
	int in, out, err; /* our ends; -1: closed */
	bool room_wanted; /* epoll looks whether `in` has room */
	bool ended;
	int status;
	struct child_log log;
	char *shard;
};

struct pipes {
	int in[2], out[2], err[2];
};

/* All that the new process needs, made before it. */
struct plan {
	char *argv[4];
	char **env;
	int fds[FDS_MOST], n_fds;
	pid_t parent;
	volatile int error; /* why there is no new program: the new process says so */
};

/* ---- start ---- */

static void
close_fd(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

static void
close_pipes(struct pipes *pipes)
{
	for (int i = 0; i < 2; i++) {
		close_fd(&pipes->in[i]);
		close_fd(&pipes->out[i]);
		close_fd(&pipes->err[i]);
	}
}

/* Its ends block, as programs expect; ours do not. */
static enum lts_err
make_pipes(struct pipes *pipes, enum child_stdout out)
{
	if (pipe2(pipes->in, O_CLOEXEC) || pipe2(pipes->err, O_CLOEXEC) ||
	    (out == CHILD_STDOUT_PIPE && pipe2(pipes->out, O_CLOEXEC)))
		return LTS_SYS;
	(void)fcntl(pipes->in[WRITE_END], F_SETPIPE_SZ, PIPE_BYTES);
	int ours[] = { pipes->in[WRITE_END], pipes->out[READ_END], pipes->err[READ_END] };
	for (int i = 0; i < 3; i++) {
		if (ours[i] >= 0 && fcntl(ours[i], F_SETFL, O_NONBLOCK) < 0)
			return LTS_SYS;
	}
	return LTS_OK;
}

static void __attribute__((noreturn)) give_up(struct plan *plan)
{
	plan->error = errno;
	_exit(NOT_STARTED);
}

/* In the new process, in our memory, our thread waiting: system calls alone. */
static void __attribute__((noreturn)) become(struct plan *plan)
{
	struct sigaction action = { .sa_handler = SIG_DFL };
	sigset_t none;
	int fds[FDS_MOST];
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != plan->parent)
		_exit(NOT_STARTED);
	for (int sig = 1; sig < NSIG; sig++)
		sigaction(sig, &action, NULL);
	/* Out of the way first: any of them may be one of the new numbers. */
	for (int i = 0; i < plan->n_fds; i++) {
		fds[i] = fcntl(plan->fds[i], F_DUPFD, FDS_MOST);
		if (fds[i] < 0)
			give_up(plan);
	}
	for (int i = 0; i < plan->n_fds; i++) {
		if (dup2(fds[i], i) < 0)
			give_up(plan);
	}
	if (fallback_close_from((unsigned)plan->n_fds))
		give_up(plan);
	descriptors_give_back();
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execve(plan->argv[0], plan->argv, plan->env);
	give_up(plan);
}

/* No signal may find its handler in a process that shares our memory. */
static pid_t
spawn(struct plan *plan)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pid_t pid = vfork();
	if (pid == 0)
		become(plan);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (pid < 0 || !plan->error)
		return pid;
	(void)waitpid(pid, NULL, 0);
	errno = plan->error;
	return -1;
}

static enum lts_err
watch(const struct child *child, int fd, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.fd = fd };
	if (fd >= 0 && epoll_ctl(child->epoll, EPOLL_CTL_ADD, fd, &event))
		return LTS_SYS;
	return LTS_OK;
}

static enum lts_err
watch_all(struct child *child)
{
	enum lts_err err = watch(child, child->pidfd, EPOLLIN);
	if (!err)
		err = watch(child, child->out, EPOLLIN);
	return err ? err : watch(child, child->err, EPOLLIN);
}

static void
take_end(int *from, int *to)
{
	*to = *from;
	*from = -1;
}

static enum lts_err
start_process(struct child *child, const struct child_config *config, struct pipes *pipes)
{
	struct plan plan = {
		.argv = { (char *)(uintptr_t) "/bin/sh", (char *)(uintptr_t) "-c",
			  (char *)(uintptr_t)config->command, NULL },
		.fds = { pipes->in[READ_END], pipes->out[WRITE_END], pipes->err[WRITE_END],
			 config->keep },
		.n_fds = config->keep ? FDS_MOST : FDS_MOST - 1,
		.parent = getpid(),
	};
	if (config->out == CHILD_STDOUT_LOG)
		plan.fds[1] = plan.fds[2];
	if (config->out == CHILD_STDOUT_OURS)
		plan.fds[1] = STDOUT_FILENO;
	child->epoll = epoll_create1(EPOLL_CLOEXEC); /* what runs is not ended for want of it */
	if (child->epoll < 0)
		return LTS_SYS;
	plan.env = child_env(config->env);
	child->pid = spawn(&plan);
	free(plan.env);
	if (child->pid < 0)
		return LTS_SYS;
	/* Where there is none, for now or for ever, its end is looked for: child_due_ms. */
	child->pidfd = (int)syscall(SYS_pidfd_open, child->pid, 0);
	take_end(&pipes->in[WRITE_END], &child->in);
	take_end(&pipes->out[READ_END], &child->out);
	take_end(&pipes->err[READ_END], &child->err);
	return watch_all(child);
}

enum lts_err
child_start(const struct child_config *config, struct child **out)
{
	struct pipes pipes = { { -1, -1 }, { -1, -1 }, { -1, -1 } };
	struct child *child = xcalloc(1, sizeof(*child));
	child->pid = child->pidfd = child->epoll = child->in = child->out = child->err = -1;
	enum lts_err err = make_pipes(&pipes, config->out);
	if (!err)
		err = start_process(child, config, &pipes);
	int why = errno;
	close_pipes(&pipes);
	if (config->shard)
		child->shard = xstrdup(config->shard);
	child_log_init(&child->log, config->log, child->shard, child->pid, clock_mono_ms());
	if (config->rate)
		child->log.rate = config->rate;
	if (err)
		child_destroy(&child);
	else
		*out = child;
	errno = why;
	return err;
}

/* ---- talk ---- */

int
child_fd(const struct child *child)
{
	return child->epoll;
}

pid_t
child_pid(const struct child *child)
{
	return child->pid;
}

static void
want_room(struct child *child, bool wanted)
{
	if (wanted && !child->room_wanted)
		child->room_wanted = watch(child, child->in, EPOLLOUT) == LTS_OK;
	else if (!wanted && child->room_wanted)
		child->room_wanted = epoll_ctl(child->epoll, EPOLL_CTL_DEL, child->in, NULL) != 0;
}

enum lts_err
child_write(struct child *child, const struct iovec *iov, size_t n, size_t *written)
{
	size_t all = 0;
	if (n > 1024)
		n = 1024;
	for (size_t i = 0; i < n; i++)
		all += iov[i].iov_len;
	if (child->in < 0)
		return LTS_CLOSED;
	ssize_t got = writev(child->in, iov, (int)n);
	if (got < 0 && errno != EAGAIN && errno != EINTR) {
		child_close_stdin(child);
		return LTS_CLOSED;
	}
	*written += got > 0 ? (size_t)got : 0;
	want_room(child, got < 0 || (size_t)got < all);
	return got < 0 || (size_t)got < all ? LTS_AGAIN : LTS_OK;
}

void
child_close_stdin(struct child *child)
{
	child->room_wanted = false; /* epoll forgets what is closed */
	close_fd(&child->in);
}

enum lts_err
child_read(struct child *child, struct buf *to, size_t most)
{
	if (child->out < 0)
		return LTS_CLOSED;
	if (buf_reserve(to, most))
		return LTS_TOOBIG;
	ssize_t got = read(child->out, to->data + to->len, most);
	if (got > 0) {
		to->len += (size_t)got;
		to->data[to->len] = '\0';
		return LTS_OK;
	}
	if (got < 0 && (errno == EAGAIN || errno == EINTR) && !child->ended)
		return LTS_AGAIN;
	close_fd(&child->out);
	return LTS_CLOSED;
}

static void
take_stderr(struct child *child, int64_t now_ms)
{
	char data[16384];
	for (size_t all = 0; child->err >= 0 && all < STDERR_TURN;) {
		ssize_t got = read(child->err, data, sizeof(data));
		if (got < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (got <= 0) {
			close_fd(&child->err);
			return;
		}
		child_log_put(&child->log, data, (size_t)got, now_ms);
		all += (size_t)got;
	}
}

/* ---- end ---- */

void
child_kill(struct child *child)
{
	if (!child->ended && child->pid > 0) {
		(void)kill(-child->pid, SIGKILL);
		(void)kill(child->pid, SIGKILL); /* it may not have its group yet */
	}
}

/* Its group is killed before it is reaped: until then the number is its own. */
static void
notice_end(struct child *child)
{
	siginfo_t info = { 0 };
	if (child->ended)
		return;
	if (waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOHANG | WNOWAIT)) {
		/* Somebody else reaped it, and knows how it ended: not well, as far as we know.
		 */
		child->ended = errno == ECHILD;
		child->status = W_EXITCODE(NOT_STARTED, 0);
	} else if (info.si_pid) {
		child_kill(child);
		child->ended = waitpid(child->pid, &child->status, WNOHANG) == child->pid;
	}
	if (child->ended)
		close_fd(&child->pidfd);
}

void
child_turn(struct child *child, int64_t now_ms)
{
	notice_end(child);
	take_stderr(child, now_ms);
	child_log_turn(&child->log, now_ms);
}

int64_t
child_due_ms(const struct child *child)
{
	int64_t due_ms = child_log_due_ms(&child->log);
	int64_t look_ms = clock_mono_ms() + LOOK_MS;
	bool looks = child->pidfd < 0 && !child->ended; /* nobody tells us of its end */
	return looks && look_ms < due_ms ? look_ms : due_ms;
}

bool
child_has_ended(const struct child *child, int *status_out)
{
	if (child->ended)
		*status_out = child->status;
	return child->ended;
}

void
child_describe(const struct child *child, char *to, size_t room)
{
	const char *name;
	if (!child->ended) {
		snprintf(to, room, "runs");
	} else if (WIFEXITED(child->status)) {
		snprintf(to, room, "exited with %d", WEXITSTATUS(child->status));
	} else {
		name = sigabbrev_np(WTERMSIG(child->status));
		snprintf(to, room, "was killed by signal %d (%s)", WTERMSIG(child->status),
			 name ? name : "?");
	}
}

const char *
child_said(const struct child *child)
{
	return child->log.len ? child->log.line : child->log.last;
}

static void
wait_for_end(struct child *child)
{
	int64_t until_ms = clock_mono_ms() + REAP_MS;
	for (int64_t left = REAP_MS; left > 0 && !child->ended;) {
		struct pollfd end = { .fd = child->pidfd, .events = POLLIN };
		(void)poll(&end, 1, (int)(child->pidfd < 0 && left > LOOK_MS ? LOOK_MS : left));
		notice_end(child);
		left = until_ms - clock_mono_ms();
	}
}

void
child_destroy(struct child **child_in)
{
	struct child *child = *child_in;
	if (!child)
		return;
	child_kill(child);
	if (child->pid > 0)
		wait_for_end(child);
	take_stderr(child, clock_mono_ms());
	child_log_end(&child->log, clock_mono_ms());
	close_fd(&child->in);
	close_fd(&child->out);
	close_fd(&child->err);
	close_fd(&child->pidfd);
	close_fd(&child->epoll);
	free(child->shard);
	free(child);
	*child_in = NULL;
}

void
child_reap_orphans(void)
{
	while (waitpid(-1, NULL, WNOHANG | __WNOTHREAD) > 0)
		;
}
