/*
 * this_host.c - reads what the system says of itself.
 *
 * In the supervisor at its start, and in lts-state. Owns nothing. Must never fail: what cannot be
 * read is empty, and whoever compares takes that for not known. Held by
 * tests/state/test_identity.c.
 */
#include "state/this_host.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void
this_host_name(char *name, size_t room)
{
	if (gethostname(name, room) < 0)
		snprintf(name, room, "localhost");
	name[room - 1] = '\0';
	for (char *p = name; *p; p++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ01234567"
			    "89._-",
			    *p))
			*p = '_';
}

static void
read_line(const char *path, char *line, size_t room)
{
	FILE *file = fopen(path, "re");
	size_t len = file ? fread(line, 1, room - 1, file) : 0;
	if (file)
		fclose(file);
	line[len] = '\0';
	line[strcspn(line, "\n")] = '\0';
}

void
this_host_machine_id(char *id, size_t room)
{
	read_line("/etc/machine-id", id, room);
	if (strcmp(id, "uninitialized") == 0) /* an image that was never booted */
		id[0] = '\0';
}

void
this_host_run_place(struct identity_record *out)
{
	struct stat st;
	read_line("/proc/sys/kernel/random/boot_id", out->boot_id, sizeof(out->boot_id));
	out->pid_namespace = stat("/proc/self/ns/pid", &st) == 0 ? st.st_ino : 0;
}

enum pid_sense
this_host_pid_sense(const struct identity_record *identity)
{
	struct identity_record here;
	this_host_run_place(&here);
	this_host_machine_id(here.machine_id, sizeof(here.machine_id));
	if (!identity->boot_id[0] || !here.boot_id[0])
		return PID_MEANS_IT; /* noted by an earlier version: as that did */
	if (strcmp(identity->boot_id, here.boot_id) == 0)
		return identity->pid_namespace == here.pid_namespace ? PID_MEANS_IT : PID_UNKNOWN;
	bool same_machine =
		here.machine_id[0] && strcmp(identity->machine_id, here.machine_id) == 0;
	return same_machine ? PID_IS_GONE : PID_UNKNOWN;
}
