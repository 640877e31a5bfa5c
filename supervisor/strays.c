/*
 * strays.c - a dead worker's descendants are killed, and nobody else's child is.
 *
 * Runs in the supervisor. Owns the list of the children that are somebody else's, which is as long
 * as they are many. Must never learn while a worker is ending: what it leaves would pass for
 * somebody else's. Held by tests/supervisor/test_strays.c and test_worker_pool.c.
 */
#include "supervisor/strays.h"

#include <dirent.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/proc_stat.h"
#include "common/xalloc.h"

struct somebody {
	pid_t pid;
	uint64_t start; /* 0: not to be seen */
};

struct list {
	struct somebody *at;
	size_t n, room;
};

struct strays {
	struct list others; /* children that are not ours */
};

static void
add(struct list *list, pid_t pid, uint64_t start)
{
	if (list->n == list->room) {
		list->room = list->room ? 2 * list->room : 16;
		list->at = xreallocarray(list->at, list->room, sizeof(*list->at));
	}
	list->at[list->n++] = (struct somebody){ pid, start };
}

static uint64_t
start_of(pid_t pid)
{
	struct proc_stat stat;
	return proc_stat_read(pid, &stat) ? stat.start : 0;
}

static const struct somebody *
find(const struct list *list, pid_t pid)
{
	for (size_t i = 0; i < list->n; i++)
		if (list->at[i].pid == pid)
			return &list->at[i];
	return NULL;
}

/* For a kernel that has no list of children. */
static void
search_children(struct list *children)
{
	struct proc_stat stat;
	const struct dirent *entry;
	DIR *proc = opendir("/proc");
	while (proc && (entry = readdir(proc))) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
		if (pid > 0 && proc_stat_read(pid, &stat) && stat.parent == getpid())
			add(children, pid, 0);
	}
	if (proc)
		closedir(proc);
}

/* Exact, as nobody but us reaps them. Orphans come to the first thread, which is the only one
 * that starts processes. */
static void
read_children(struct list *children)
{
	char path[64];
	int pid;
	snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
	FILE *file = fopen(path, "re");
	if (!file) {
		search_children(children);
		return;
	}
	while (fscanf(file, "%d", &pid) == 1)
		add(children, pid, 0);
	fclose(file);
}

static bool
is_one_of(pid_t pid, const pid_t *own, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (own[i] == pid)
			return true;
	return false;
}

static bool
all_live(const pid_t *own, size_t n)
{
	struct proc_stat stat;
	for (size_t i = 0; i < n; i++)
		if (!proc_stat_read(own[i], &stat) || stat.is_ending)
			return false;
	return true;
}

void
strays_look(struct strays *strays, const pid_t *own, size_t n)
{
	struct list children = { 0 };
	size_t known = strays->others.n;
	read_children(&children);
	for (size_t i = 0; i < children.n; i++)
		if (!is_one_of(children.at[i].pid, own, n) &&
		    !find(&strays->others, children.at[i].pid))
			add(&strays->others, children.at[i].pid, start_of(children.at[i].pid));
	/* Looked at afterwards: who lives now had not left anything behind by then. */
	if (strays->others.n > known && !all_live(own, n))
		strays->others.n = known;
	free(children.at);
}

void
strays_forget(struct strays *strays, pid_t pid)
{
	struct list *others = &strays->others;
	for (size_t i = 0; i < others->n; i++)
		if (others->at[i].pid == pid)
			others->at[i--] = others->at[--others->n];
}

size_t
strays_kill(const struct strays *strays, const pid_t *own, size_t n)
{
	struct list children = { 0 };
	size_t left = 0;
	read_children(&children);
	for (size_t i = 0; i < children.n; i++) {
		pid_t pid = children.at[i].pid;
		const struct somebody *other = find(&strays->others, pid);
		if (is_one_of(pid, own, n) || (other && other->start == start_of(pid)))
			continue;
		left++;
		kill(pid, SIGKILL);
	}
	free(children.at);
	return left;
}

struct strays *
strays_create(void)
{
	return xcalloc(1, sizeof(struct strays));
}

void
strays_destroy(struct strays **strays)
{
	if (*strays)
		free((*strays)->others.at);
	free(*strays);
	*strays = NULL;
}
