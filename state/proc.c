/*
 * proc.c - reads /proc/PID/stat and /proc/locks.
 *
 * In lts-state. Owns nothing. Must never take a lock or send a signal: it looks at
 * processes that must not notice. Held by tests/state/test_dump.c.
 */
#include "state/proc.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "state/worker_record.h"

const char *
proc_state_name(enum proc_state state)
{
	static const char *const names[] = {
		[PROC_GONE] = "no",
		[PROC_LIVE] = "yes",
		[PROC_STOPPED] = "stopped",
		[PROC_UNKNOWN] = "unknown",
	};
	return names[state];
}

/* The letter after the name: R, S, D, T, t, Z, X, ...; '\0': no such process. */
static char
state_letter(uint32_t pid)
{
	char path[32], line[256];
	snprintf(path, sizeof(path), "/proc/%u/stat", pid);
	FILE *file = fopen(path, "re");
	if (!file)
		return '\0';
	size_t len = fread(line, 1, sizeof(line) - 1, file);
	fclose(file);
	line[len] = '\0';
	const char *at = strrchr(line, ')');
	return at && at[1] == ' ' ? at[2] : '\0';
}

enum proc_state
proc_state_of(uint32_t pid, uint64_t pid_start)
{
	char letter = pid ? state_letter(pid) : '\0';
	if (letter == '\0' || letter == 'Z' || letter == 'X')
		return PROC_GONE;
	if (!pid_start)
		return PROC_UNKNOWN;
	if (worker_pid_start(pid) != pid_start)
		return PROC_GONE; /* somebody else has that number now */
	return letter == 'T' || letter == 't' ? PROC_STOPPED : PROC_LIVE;
}

/* A line such as "3: FLOCK  ADVISORY  WRITE 1234 08:01:5678 0 EOF"; one that waits has
 * "->". */
static bool
parse_holder(const char *line, const struct stat *st, uint32_t *pid_out)
{
	unsigned pid, maj, min;
	unsigned long ino;
	if (sscanf(line, "%*d: FLOCK ADVISORY WRITE %u %x:%x:%lu", &pid, &maj, &min, &ino) != 4)
		return false;
	/* Where devices are anonymous (btrfs, overlayfs) stat shows another one than the
	 * kernel's. */
	bool same_dev = maj == major(st->st_dev) && min == minor(st->st_dev);
	if (ino != st->st_ino || (!same_dev && (major(st->st_dev) || maj)))
		return false;
	*pid_out = pid;
	return true;
}

enum lts_err
proc_lock_holder(const char *path, uint32_t *pid_out)
{
	struct stat st;
	char line[256];
	if (stat(path, &st) < 0)
		return errno == ENOENT ? LTS_NOTFOUND : LTS_SYS;
	FILE *locks = fopen("/proc/locks", "re");
	if (!locks)
		return LTS_SYS;
	enum lts_err err = LTS_NOTFOUND;
	while (err && fgets(line, sizeof(line), locks))
		if (parse_holder(line, &st, pid_out))
			err = LTS_OK;
	fclose(locks);
	return err;
}
