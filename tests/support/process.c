/*
 * process.c - fork, exec, wait, and a last sweep.
 *
 * In the test process, and after its death in the scenario's watch. Owns nothing but what
 * the caller keeps. Must never signal a process that no test started: the mark in the
 * environment names the scenario.
 */
#include "tests/support/process.h"

#include <check.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/xalloc.h"
#include "tests/support/patience.h"

void
words_add(struct words *words, const char *fmt, ...)
{
	va_list args;
	char *text, *word, *rest;
	va_start(args, fmt);
	int len = vasprintf(&text, fmt, args);
	va_end(args);
	ck_assert_int_ge(len, 0);
	rest = text;
	while ((word = strsep(&rest, " "))) {
		if (!*word)
			continue;
		ck_assert_uint_lt(words->n, PROCESS_WORDS_MAX);
		words->list[words->n++] = xstrdup(word);
	}
	free(text);
}

void
words_fini(struct words *words)
{
	for (size_t i = 0; i < words->n; i++)
		free(words->list[i]);
	*words = (struct words){ .n = 0 };
}

static void
append_to(const char *path, int fd, int target)
{
	if (fd < 0 && path)
		fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd >= 0)
		dup2(fd, target);
}

/* A shell in the background has INT and QUIT ignored, nohup HUP. */
void
process_default_signals(void)
{
	const struct sigaction action = { .sa_handler = SIG_DFL };
	sigset_t none;
	for (int sig = 1; sig < NSIG; sig++)
		sigaction(sig, &action, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static void
run_child(const struct words *words, const struct process_files *files, pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent || chdir(files->dir) < 0 ||
	    setenv(PROCESS_MARK, files->dir, 1) < 0)
		_exit(99);
	process_default_signals();
	append_to(files->out, files->out_fd, STDOUT_FILENO);
	append_to(files->err, -1, STDERR_FILENO);
	execv(words->list[0], words->list);
	_exit(98);
}

void
process_start(struct process *process, const struct words *words,
	      const struct process_files *files)
{
	pid_t self = getpid(), pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		run_child(words, files, self);
	*process = (struct process){ .pid = pid };
}

void
process_signal(const struct process *process, int sig)
{
	ck_assert_int_gt(process->pid, 0);
	ck_assert_int_eq(kill(process->pid, sig), 0);
}

bool
process_has_ended(struct process *process)
{
	if (process->pid && waitpid(process->pid, &process->status, WNOHANG) == process->pid)
		process->pid = 0;
	return process->pid == 0;
}

int
process_wait(struct process *process, const char *what)
{
	until(what, process_has_ended(process));
	ck_assert_msg(WIFEXITED(process->status), "%s: ended by signal %d", what,
		      WTERMSIG(process->status));
	return WEXITSTATUS(process->status);
}

void
process_kill(struct process *process)
{
	if (!process->pid)
		return;
	kill(process->pid, SIGKILL);
	until("a killed process is reaped", process_has_ended(process));
}

/* State letter and name of a process; false: it is gone. */
static bool
read_stat(pid_t pid, char *state_out, char name_out[16])
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	FILE *file = fopen(path, "re");
	if (!file)
		return false;
	bool found = fscanf(file, "%*d (%15[^)]) %c", name_out, state_out) == 2;
	fclose(file);
	return found;
}

static size_t
list_children(pid_t parent, const char *program, bool zombies, pid_t *pids_out, size_t max)
{
	char path[64], name[16], state;
	size_t n = 0;
	int pid;
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", parent, parent);
	FILE *file = fopen(path, "re");
	if (!file)
		return 0;
	while (n < max && fscanf(file, "%d", &pid) == 1)
		if (read_stat(pid, &state, name) && (state == 'Z') == zombies &&
		    strcmp(name, program) == 0)
			pids_out[n++] = pid;
	fclose(file);
	return n;
}

size_t
process_children(pid_t parent, const char *program, pid_t *pids_out, size_t max)
{
	return list_children(parent, program, false, pids_out, max);
}

size_t
process_zombies(pid_t parent, const char *program, pid_t *pids_out, size_t max)
{
	return list_children(parent, program, true, pids_out, max);
}

static bool
is_marked(pid_t pid, const char *mark)
{
	char path[64], *text = NULL;
	size_t room = 0;
	bool found = false;
	snprintf(path, sizeof(path), "/proc/%d/environ", pid);
	FILE *file = fopen(path, "re");
	if (!file)
		return false;
	while (!found && getdelim(&text, &room, '\0', file) > 0)
		found = strcmp(text, mark) == 0;
	free(text);
	fclose(file);
	return found;
}

size_t
process_sweep(const char *dir, int sig)
{
	size_t n = 0;
	struct dirent *entry;
	char *mark = xasprintf(PROCESS_MARK "=%s", dir);
	DIR *proc = opendir("/proc");
	while (proc && (entry = readdir(proc))) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
		if (!isdigit((unsigned char)entry->d_name[0]) || pid == getpid() ||
		    !is_marked(pid, mark))
			continue;
		n++;
		kill(pid, sig);
	}
	if (proc)
		closedir(proc);
	free(mark);
	return n;
}

size_t
process_descriptors(pid_t pid)
{
	char path[64];
	size_t n = 0;
	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	DIR *dir = opendir(path);
	ck_assert_ptr_nonnull(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

size_t
process_descriptors_of(pid_t pid, const char *part)
{
	char path[64], target[256];
	size_t n = 0;
	for (int fd = 0; fd < 256; fd++) {
		snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid, fd);
		ssize_t len = readlink(path, target, sizeof(target) - 1);
		target[len > 0 ? len : 0] = '\0';
		n += strstr(target, part) != NULL;
	}
	return n;
}
