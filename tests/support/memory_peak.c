/*
 * memory_peak.c - how much the processes of an agent grow while something is done to them.
 *
 * In the test process. Owns nothing. Must never take a peak from before for one of now.
 */
#include "tests/support/memory_peak.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static long
peak_kib(pid_t pid)
{
	char path[64], line[256];
	long kib = 0;
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	FILE *file = fopen(path, "re");
	ck_assert_msg(file != NULL, "process %d is gone", pid);
	while (fgets(line, sizeof(line), file))
		(void)!sscanf(line, "VmHWM: %ld", &kib);
	fclose(file);
	ck_assert_int_gt(kib, 0);
	return kib;
}

static void
forget_peak(pid_t pid)
{
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/clear_refs", pid);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, "5", 1), 1);
	close(fd);
}

void
memory_peak_begin(struct memory_peak *memory, const struct agent *agent)
{
	if (PATIENCE_SLOWNESS != 1) {
		memory->n = 0;
		return;
	}
	memory->n = agent_workers(agent, memory->pids);
	memory->pids[memory->n++] = agent->process.pid;
	for (size_t i = 0; i < memory->n; i++) {
		forget_peak(memory->pids[i]);
		memory->before_kib[i] = peak_kib(memory->pids[i]);
	}
}

void
memory_peak_expect(const struct memory_peak *memory, long growth_kib)
{
	for (size_t i = 0; i < memory->n; i++) {
		long grown_kib = peak_kib(memory->pids[i]) - memory->before_kib[i];
		ck_assert_msg(grown_kib <= growth_kib, "process %zu of %zu grew by %ld KiB", i,
			      memory->n, grown_kib);
	}
}
