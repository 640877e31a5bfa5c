/*
 * memory_limit.c - limits of memory: of the process, and of its control group.
 *
 * In every process. Owns nothing. Asks the kernel, through /proc and /sys; what is not there is no
 * limit. Must never fail. Held by tests/common/test_used_up.c.
 */
#include "common/memory_limit.h"

#include <inttypes.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

enum { HEAP_MMAP_BYTES = 1 << 20, HEAP_TRIM_BYTES = 4 << 20 };

/* A file of our control group (version 2). */
static FILE *
open_of_group(const char *name)
{
	char group[PATH_MAX / 2] = "", path[PATH_MAX];
	FILE *file = fopen("/proc/self/cgroup", "re");
	if (!file)
		return NULL;
	int found = fscanf(file, "0::%2047s", group);
	fclose(file);
	if (found != 1)
		return NULL;
	snprintf(path, sizeof(path), "/sys/fs/cgroup%s/%s", group, name);
	return fopen(path, "re");
}

static void
put_limit(struct buf *out, const char *what, uint64_t bytes)
{
	(void)!buf_printf(out, "%s%s of %" PRIu64 " bytes", out->len ? ", " : "", what, bytes);
}

static void
put_rlimit(struct buf *out, const char *what, int resource)
{
	struct rlimit limit;
	if (getrlimit((__rlimit_resource_t)resource, &limit) == 0 &&
	    limit.rlim_cur != RLIM_INFINITY)
		put_limit(out, what, limit.rlim_cur);
}

void
memory_limit_explain(struct buf *out)
{
	struct buf limits;
	uint64_t most;
	buf_init(&limits, 0);
	put_rlimit(&limits, "RLIMIT_AS", RLIMIT_AS);
	put_rlimit(&limits, "RLIMIT_DATA", RLIMIT_DATA);
	FILE *file = open_of_group("memory.max");
	if (file && fscanf(file, "%" SCNu64, &most) == 1)
		put_limit(&limits, "memory.max of the control group", most);
	if (file)
		fclose(file);
	if (limits.len)
		(void)!buf_put(out, limits.data, limits.len);
	buf_fini(&limits);
}

uint64_t
memory_limit_kills(void)
{
	char name[64];
	uint64_t n, kills = 0;
	FILE *file = open_of_group("memory.events");
	while (file && fscanf(file, "%63s %" SCNu64, name, &n) == 2)
		if (strcmp(name, "oom_kill") == 0)
			kills = n;
	if (file)
		fclose(file);
	return kills;
}

void
memory_bound_heap(void)
{
	mallopt(M_MMAP_THRESHOLD, HEAP_MMAP_BYTES);
	mallopt(M_TRIM_THRESHOLD, HEAP_TRIM_BYTES);
}
