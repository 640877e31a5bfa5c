/*
 * proc_stat.h - what /proc/PID/stat says about one process.
 */
#ifndef COMMON_PROC_STAT_H
#define COMMON_PROC_STAT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct proc_stat {
	char state;     /* R, S, D, T, t, Z, X, ... */
	bool is_ending; /* it has begun to exit, and is given no orphans any more */
	pid_t parent;
	uint64_t start; /* in clock ticks since boot: with the pid it names one process */
};

/* False: there is no such process, or it cannot be seen. */
bool proc_stat_read(pid_t pid, struct proc_stat *out);

#endif
