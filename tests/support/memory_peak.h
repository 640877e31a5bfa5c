/*
 * memory_peak.h - how much the processes of an agent grow while something is done to them.
 *
 * By the kernel's own peak of each (VmHWM), so that nothing between two looks is missed. Without
 * meaning under a sanitizer: there nothing is measured.
 */
#ifndef TESTS_SUPPORT_MEMORY_PEAK_H
#define TESTS_SUPPORT_MEMORY_PEAK_H

#include "tests/support/agent.h"

struct memory_peak {
	pid_t pids[AGENT_WORKERS_MAX + 1]; /* the supervisor's is the last */
	long before_kib[AGENT_WORKERS_MAX + 1];
	size_t n;
};

/* Forgets their former peaks. */
void memory_peak_begin(struct memory_peak *memory, const struct agent *agent);
/* None has been `growth_kib` larger since; a process that is gone fails the test. */
void memory_peak_expect(const struct memory_peak *memory, long growth_kib);

#endif
