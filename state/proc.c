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

#include "common/proc_stat.h"
#include "state/this_host.h"

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

enum proc_state
proc_state_of(uint32_t pid, uint64_t pid_start)
{
	struct proc_stat stat;
	if (!pid || !proc_stat_read((pid_t)pid, &stat) || stat.state == 'Z' || stat.state == 'X')
		return PROC_GONE;
	if (!pid_start)
		return PROC_UNKNOWN;
	if (stat.start != pid_start)
		return PROC_GONE; /* somebody else has that number now */
	return stat.state == 'T' || stat.state == 't' ? PROC_STOPPED : PROC_LIVE;
}

enum proc_state
proc_state_noted(const struct identity_record *identity, uint32_t pid, uint64_t pid_start)
{
	switch (this_host_pid_sense(identity)) {
	case PID_IS_GONE:
		return PROC_GONE;
	case PID_UNKNOWN:
		return PROC_UNKNOWN;
	default:
		return proc_state_of(pid, pid_start);
	}
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

enum lts_err
proc_supervisor(const struct identity_record *identity, const char *path, uint32_t *pid_out)
{
	enum lts_err err = proc_lock_holder(path, pid_out);
	if (err == LTS_NOTFOUND && this_host_pid_sense(identity) == PID_UNKNOWN)
		err = LTS_SYS;
	return err;
}
