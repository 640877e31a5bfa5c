/*
 * state_program.c - runs lts-state and keeps what it said.
 *
 * In the test process. Owns the texts.
 */
#include "tests/support/state_program.h"

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/xalloc.h"
#include "tests/support/tmpdir.h"

enum { WORDS_MAX = 10 };

void
state_program_init(struct state_program *p, const char *dir)
{
	char self[4096];
	const char *named = getenv("LTS_STATE_PROGRAM");
	*p = (struct state_program){ .dir = dir };
	if (named) {
		p->path = xstrdup(named);
	} else {
		ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
		ck_assert_int_gt(len, 0);
		self[len] = '\0';
		*strrchr(self, '/') = '\0';
		p->path = tmpdir_path(self, "lts-state");
	}
	ck_assert_msg(access(p->path, X_OK) == 0, "%s is not there: build it first (make all)",
		      p->path);
}

static void
forget(struct state_program *p)
{
	free(p->output);
	free(p->errors);
	p->output = p->errors = NULL;
}

void
state_program_fini(struct state_program *p)
{
	forget(p);
	free(p->path);
	p->path = NULL;
}

/* The child's side: its two outputs go to files, unless stdout is given. */
static void
exec_program(const struct state_program *p, char *const *argv, int out)
{
	if (chdir(p->dir) < 0)
		_exit(99);
	int err = open("stderr", O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (out < 0)
		out = open("stdout", O_WRONLY | O_CREAT | O_TRUNC, 0600);
	dup2(out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	execv(p->path, argv);
	_exit(98);
}

static int
finish(struct state_program *p, pid_t pid)
{
	int status;
	size_t len;
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	forget(p);
	p->errors = tmpdir_read(p->dir, "stderr", &len);
	char *path = tmpdir_path(p->dir, "stdout");
	p->output = access(path, F_OK) == 0 ? tmpdir_read(p->dir, "stdout", &len) : xstrdup("");
	free(path);
	ck_assert_msg(WIFEXITED(status), "ended by signal %d: %s", WTERMSIG(status), p->errors);
	return WEXITSTATUS(status);
}

int
state_program_run_to(struct state_program *p, int out, const char *words)
{
	char *argv[WORDS_MAX + 2] = { p->path }, *copy = xstrdup(words), *rest = copy;
	for (size_t n = 1; n <= WORDS_MAX && rest; n++) {
		argv[n] = strsep(&rest, " ");
		if (!*argv[n])
			argv[n] = NULL;
	}
	pid_t pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		exec_program(p, argv, out);
	free(copy);
	return finish(p, pid);
}

int
state_program_run(struct state_program *p, const char *words)
{
	return state_program_run_to(p, -1, words);
}
