/*
 * spawn.c - fork, exec and the handoff.
 *
 * Runs in the supervisor. Owns nothing for longer than a call. Between vfork and exec
 * the child must call nothing that is not async-signal-safe. Held by tests/supervisor/test_spawn.c
 * and the kill scenarios.
 */
#include "supervisor/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/child_env.h"
#include "common/descriptors.h"
#include "common/fallback.h"
#include "common/handoff.h"
#include "common/xalloc.h"

char *
spawn_find_worker(void)
{
	char self[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (len < 0)
		return NULL;
	self[len] = '\0';
	char *slash = strrchr(self, '/');
	*slash = '\0';
	char *path = xasprintf("%s/lts-worker", self);
	if (access(path, X_OK) == 0)
		return path;
	free(path);
	return NULL;
}

/* Moves the four descriptors to their places without treading on one another. */
static int
place_fds(const struct spawn_fds *fds)
{
	int from[] = { fds->channel, fds->board, fds->generation, fds->stdout_lock };
	for (int i = 0; i < 4; i++)
		if ((from[i] = fcntl(from[i], F_DUPFD, HANDOFF_END)) < 0)
			return -1;
	for (int i = 0; i < 4; i++)
		if (dup2(from[i], HANDOFF_CHANNEL + i) < 0)
			return -1;
	return fallback_close_from(HANDOFF_END);
}

static void
reset_signals(void)
{
	struct sigaction action = { .sa_handler = SIG_DFL };
	sigset_t none;
	for (int sig = 1; sig < NSIG; sig++)
		sigaction(sig, &action, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* In the new process, in our memory, our thread waiting: system calls alone. */
static void __attribute__((noreturn))
become(const char *program, char *const argv[], char **env, const struct spawn_fds *fds,
       volatile int *error_out)
{
	setpgid(0, 0);
	reset_signals();
	if (place_fds(fds) == 0) {
		descriptors_give_back(); /* it raises its own, and its children get this */
		execve(program, argv, env);
	}
	*error_out = errno;
	_exit(EXIT_FAILED);
}

enum lts_err
spawn_worker(const char *program, const char *name, const struct spawn_fds *fds, pid_t *pid_out)
{
	char *argv[] = { (char *)(uintptr_t) "lts-worker", (char *)(uintptr_t)name, NULL };
	char **env = child_env(NULL);
	volatile int error = 0;
	sigset_t all, before;
	sigfillset(&all); /* no signal may find its handler in a process that shares our memory */
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pid_t pid = vfork();
	if (pid == 0)
		become(program, argv, env, fds, &error);
	if (pid > 0 && error)
		waitpid(pid, NULL, 0);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	int why = pid < 0 ? errno : error;
	free(env);
	errno = why;
	if (why)
		return LTS_SYS;
	setpgid(pid, pid); /* whichever of the two comes first */
	*pid_out = pid;
	return LTS_OK;
}
