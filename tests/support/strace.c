/*
 * strace.c - strace(1) on a program that a scenario runs.
 *
 * In the test process. Owns nothing. Must never attach to what no test started.
 */
#include "tests/support/strace.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/xalloc.h"

static const char program[] = "/usr/bin/strace";

/* Of how many threads `pid` has, so many are traced; false: not all, or it is gone. */
static bool
all_are_traced(pid_t pid)
{
	char path[300], line[256];
	struct dirent *entry;
	size_t threads = 0, traced = 0;
	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	DIR *dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		threads++;
		snprintf(path, sizeof(path), "/proc/%d/task/%s/status", pid, entry->d_name);
		FILE *file = fopen(path, "re");
		while (file && fgets(line, sizeof(line), file))
			traced += strncmp(line, "TracerPid:", 10) == 0 &&
				  strtol(line + 10, NULL, 10) > 0;
		if (file)
			fclose(file);
	}
	if (dir)
		closedir(dir);
	return threads && traced == threads;
}

static void
start(struct process *strace, const struct scenario *s, pid_t pid, const char *name,
      const char *rules)
{
	struct words words = { .n = 0 };
	char *log = xasprintf("%s/%s.strace.log", s->dir, name);
	words_add(&words, "%s -f -qq -o %s/%s.trace -p %d %s", program, s->dir, name, pid, rules);
	process_start(
		strace, &words,
		&(struct process_files){ .dir = s->dir, .out = log, .err = log, .out_fd = -1 });
	words_fini(&words);
	free(log);
}

bool
strace_is_possible(const struct scenario *s)
{
	struct process strace = { 0 };
	bool possible = access(program, X_OK) == 0;
	const char *asan = getenv("ASAN_OPTIONS");
	pid_t child = possible ? fork() : 0;
	if (possible && child == 0) {
		setenv(PROCESS_MARK, s->dir, 1);
		for (;;)
			pause();
	}
	if (possible) {
		start(&strace, s, child, "probe", "-e trace=fdatasync");
		until("strace attaches or fails",
		      process_has_ended(&strace) || all_are_traced(child));
		possible = !process_has_ended(&strace);
		process_kill(&strace);
		process_kill(&(struct process){ .pid = child });
	}
	if (!possible)
		scenario_skip("strace is not installed or may not attach");
	char *more = xasprintf("%s%sdetect_leaks=0", asan ? asan : "", asan ? ":" : "");
	setenv("ASAN_OPTIONS", more, 1);
	free(more);
	return possible;
}

void
strace_attach(struct process *strace, const struct scenario *s, pid_t pid, const char *name,
	      const char *rules)
{
	start(strace, s, pid, name, rules);
	until("strace has attached, or has done its work",
	      all_are_traced(pid) || process_has_ended(strace));
}

void
strace_detach(struct process *strace)
{
	if (process_has_ended(strace))
		return;
	process_signal(strace, SIGTERM);
	until("strace lets go", process_has_ended(strace));
}

size_t
strace_saw(const struct scenario *s, const char *name, const char *text)
{
	char *file = xasprintf("%s.trace", name), *trace = scenario_read(s, file);
	size_t n = 0;
	for (const char *at = trace; (at = strstr(at, text)); at++)
		n++;
	free(file);
	free(trace);
	return n;
}
