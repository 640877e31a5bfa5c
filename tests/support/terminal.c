/*
 * terminal.c - a pseudo-terminal, a shell of the smallest kind, and a reader of raw output.
 *
 * In the test process; the shell and the program are its children. The shell leads the session
 * and outlives the program: the kernel resets a terminal whose session's leader goes. Owns both
 * ends. Must never stop reading while it waits: a program that cannot write does not end.
 */
#include "tests/support/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utmp.h>

#include "common/xalloc.h"
#include "tests/support/tmpdir.h"

enum { QUIET_MS = 50, SHOWN_MAX = 1 << 20 };

bool
terminals_exist(void)
{
	int ours, theirs;
	if (openpty(&ours, &theirs, NULL, NULL, NULL) < 0)
		return false;
	close(ours);
	close(theirs);
	return true;
}

static void
run_program(const struct scenario *scenario, const char *term, const struct words *words)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setpgid(0, 0);
	tcsetpgrp(STDIN_FILENO, getpid()); /* TTOU is still ignored */
	process_default_signals();
	if (chdir(scenario->dir) < 0 || setenv(PROCESS_MARK, scenario->dir, 1) < 0 ||
	    setenv("LC_ALL", "C.UTF-8", 1) < 0 || unsetenv("COLUMNS") < 0 ||
	    unsetenv("LINES") < 0 || (term ? setenv("TERM", term, 1) : unsetenv("TERM")) < 0)
		_exit(99);
	execv(words->list[0], words->list);
	_exit(98);
}

/* Tells the program's pid, then whatever waitpid says of it. */
static void
run_shell(int theirs, int status_fd, const struct scenario *scenario, const char *term,
	  const struct words *words)
{
	int status;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigaction(SIGTTOU, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
	if (login_tty(theirs) < 0)
		_exit(97);
	pid_t pid = fork();
	if (pid == 0)
		run_program(scenario, term, words);
	if (pid < 0 || write(status_fd, &pid, sizeof(pid)) != sizeof(pid))
		_exit(96);
	while (waitpid(pid, &status, WUNTRACED) == pid)
		if (write(status_fd, &status, sizeof(status)) != sizeof(status))
			_exit(95);
	for (;;)
		pause();
}

void
terminal_start(struct terminal *t, const struct scenario *scenario, const char *term,
	       const char *text)
{
	struct words words = { .n = 0 };
	const struct winsize size = { .ws_row = 24, .ws_col = 80 };
	int status[2];
	words_add(&words, "%s/%s", scenario->bin, text);
	*t = (struct terminal){ .shown = xstrdup("") };
	ck_assert_int_eq(openpty(&t->fd, &t->theirs, NULL, NULL, &size), 0);
	ck_assert_int_eq(tcgetattr(t->theirs, &t->before), 0);
	ck_assert_int_eq(pipe2(status, O_CLOEXEC), 0);
	fcntl(t->fd, F_SETFD, FD_CLOEXEC);
	fcntl(t->theirs, F_SETFD, FD_CLOEXEC);
	t->shell = fork();
	ck_assert_int_ge(t->shell, 0);
	if (t->shell == 0)
		run_shell(t->theirs, status[1], scenario, term, &words);
	close(status[1]);
	t->status_fd = status[0];
	ck_assert_int_eq(read(t->status_fd, &t->pid, sizeof(t->pid)), sizeof(t->pid));
	words_fini(&words);
}

void
terminal_end(struct terminal *t)
{
	struct process shell = { .pid = t->shell };
	process_kill(&shell);
	close(t->fd);
	close(t->theirs);
	close(t->status_fd);
	free(t->shown);
	*t = (struct terminal){ .fd = -1 };
}

void
terminal_resize(const struct terminal *t, unsigned short columns, unsigned short lines)
{
	const struct winsize size = { .ws_row = lines, .ws_col = columns };
	ck_assert_int_eq(ioctl(t->fd, TIOCSWINSZ, &size), 0);
}

void
terminal_type(const struct terminal *t, const char *keys)
{
	ck_assert_int_eq(write(t->fd, keys, strlen(keys)), (ssize_t)strlen(keys));
}

void
terminal_read(struct terminal *t)
{
	struct pollfd in = { .fd = t->fd, .events = POLLIN };
	size_t len = strlen(t->shown);
	while (len < SHOWN_MAX && poll(&in, 1, QUIET_MS) == 1) {
		t->shown = xreallocarray(t->shown, len + 4096, 1);
		ssize_t n = read(t->fd, t->shown + len, 4095);
		if (n <= 0)
			break;
		for (char *at = t->shown + len, *end = at + n; at < end; at++)
			if (*at) /* an old terminal is sent NULs, to give it time */
				t->shown[len++] = *at;
		t->shown[len] = '\0';
	}
}

bool
terminal_shows(struct terminal *t, const char *text)
{
	t->shown[0] = '\0';
	terminal_type(t, "\f");
	terminal_read(t);
	return strstr(t->shown, text) != NULL;
}

bool
terminal_is_as_before(const struct terminal *t)
{
	struct termios now, before = t->before;
	ck_assert_int_eq(tcgetattr(t->theirs, &now), 0);
	return now.c_iflag == before.c_iflag && now.c_oflag == before.c_oflag &&
	       now.c_cflag == before.c_cflag && now.c_lflag == before.c_lflag &&
	       memcmp(now.c_cc, before.c_cc, sizeof(now.c_cc)) == 0;
}

int
terminal_wait(struct terminal *t)
{
	int status;
	struct pollfd told = { .fd = t->status_fd, .events = POLLIN };
	t->shown[0] = '\0';
	until("the program stops or ends", poll(&told, 1, 0) == 1)
	{
		terminal_read(t);
	}
	terminal_read(t);
	ck_assert_int_eq(read(t->status_fd, &status, sizeof(status)), sizeof(status));
	return status;
}

int
terminal_wait_end(struct terminal *t)
{
	int status = terminal_wait(t);
	ck_assert_msg(WIFEXITED(status), "status %x, and it showed %s", status, t->shown);
	ck_assert(terminal_is_as_before(t));
	return WEXITSTATUS(status);
}
