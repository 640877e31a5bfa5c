/*
 * strays.c - a dead worker's descendants are killed, and nobody else's child is.
 *
 * Runs in the supervisor. Owns the list of the children that are somebody else's, which is as long
 * as they are many, and the descriptors that a look needs, for when there are no others. Must
 * never learn while a worker is ending: what it leaves would pass for somebody else's; nor take
 * what cannot be looked at for gone. Held by tests/supervisor/test_strays.c and
 * test_worker_pool.c.
 */
#include "supervisor/strays.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/proc_stat.h"
#include "common/used_up.h"
#include "common/xalloc.h"

enum { SPARE = 2 }; /* a directory, and a file of it */

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
	int spare[SPARE];   /* -1: none */
};

static void
make_room(struct strays *strays)
{
	for (int i = 0; i < SPARE; i++) {
		if (strays->spare[i] >= 0)
			close(strays->spare[i]);
		strays->spare[i] = -1;
	}
}

static void
keep_room(struct strays *strays)
{
	for (int i = 0; i < SPARE; i++)
		strays->spare[i] = open("/", O_PATH | O_CLOEXEC);
}

static void
add(struct list *list, pid_t pid, uint64_t start)
{
	if (list->n == list->room) {
		list->room = list->room ? 2 * list->room : 16;
		list->at = xreallocarray(list->at, list->room, sizeof(*list->at));
	}
	list->at[list->n++] = (struct somebody){ pid, start };
}

/* False: it cannot be looked at now. */
static bool
find_start(pid_t pid, uint64_t *start_out)
{
	struct proc_stat stat;
	errno = 0;
	bool seen = proc_stat_read(pid, &stat);
	if (!seen && used_up(errno))
		return false;
	*start_out = seen ? stat.start : 0;
	return true;
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
static bool
search_children(struct list *children)
{
	struct proc_stat stat;
	const struct dirent *entry;
	DIR *proc = opendir("/proc");
	bool all = proc || !used_up(errno);
	while (proc && (entry = readdir(proc))) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
		errno = 0;
		if (pid > 0 && proc_stat_read(pid, &stat) && stat.parent == getpid())
			add(children, pid, 0);
		else if (used_up(errno))
			all = false;
	}
	if (proc)
		closedir(proc);
	return all;
}

/* Exact, as nobody but us reaps them. Orphans come to the first thread, which is the only one
 * that starts processes. False: some may be missing. */
static bool
read_children(struct list *children)
{
	char path[64];
	int pid;
	snprintf(path, sizeof(path), "/proc/self/task/%d/children", getpid());
	FILE *file = fopen(path, "re");
	if (!file)
		return !used_up(errno) && search_children(children);
	while (fscanf(file, "%d", &pid) == 1)
		add(children, pid, 0);
	bool all = !ferror(file);
	fclose(file);
	return all;
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
	uint64_t start;
	make_room(strays);
	(void)read_children(&children); /* the rest at the next look */
	for (size_t i = 0; i < children.n; i++)
		if (!is_one_of(children.at[i].pid, own, n) &&
		    !find(&strays->others, children.at[i].pid) &&
		    find_start(children.at[i].pid, &start))
			add(&strays->others, children.at[i].pid, start);
	/* Looked at afterwards: who lives now had not left anything behind by then. */
	if (strays->others.n > known && !all_live(own, n))
		strays->others.n = known;
	keep_room(strays);
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
strays_kill(struct strays *strays, const pid_t *own, size_t n)
{
	struct list children = { 0 };
	make_room(strays);
	size_t left = read_children(&children) ? 0 : 1;
	for (size_t i = 0; i < children.n; i++) {
		pid_t pid = children.at[i].pid;
		const struct somebody *other = find(&strays->others, pid);
		uint64_t start = 0;
		bool seen = !other || find_start(pid, &start);
		if (is_one_of(pid, own, n) || (other && seen && other->start == start))
			continue;
		left++;
		if (seen)
			kill(pid, SIGKILL);
	}
	keep_room(strays);
	free(children.at);
	return left;
}

struct strays *
strays_create(void)
{
	struct strays *strays = xcalloc(1, sizeof(*strays));
	keep_room(strays);
	return strays;
}

void
strays_destroy(struct strays **strays)
{
	if (*strays) {
		make_room(*strays);
		free((*strays)->others.at);
	}
	free(*strays);
	*strays = NULL;
}
