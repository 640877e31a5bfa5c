/*
 * proc_stat.c - reads /proc/PID/stat.
 *
 * In every process. Owns nothing. Must never trust the name in it: that holds whatever its process
 * likes, blanks and parentheses too. Held by tests/supervisor/test_strays.c.
 */
#include "common/proc_stat.h"

#include <stdio.h>
#include <string.h>

enum { EXITING = 0x4 }; /* PF_EXITING of the kernel's linux/sched.h */

bool
proc_stat_read(pid_t pid, struct proc_stat *out)
{
	char path[32], line[1024], state;
	unsigned flags;
	int parent;
	unsigned long long start;
	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	FILE *file = fopen(path, "re");
	if (!file)
		return false;
	size_t len = fread(line, 1, sizeof(line) - 1, file);
	fclose(file);
	line[len] = '\0';
	const char *at = strrchr(line, ')');
	if (!at || sscanf(at + 1,
			  " %c %d %*d %*d %*d %*d %u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d "
			  "%*d %llu",
			  &state, &parent, &flags, &start) != 4)
		return false;
	*out = (struct proc_stat){ .state = state,
				   .is_ending = flags & EXITING || state == 'Z' || state == 'X',
				   .parent = parent,
				   .start = start };
	return true;
}
