/*
 * this_host.h - what tells this machine, boot and pid namespace from others.
 */
#ifndef STATE_THIS_HOST_H
#define STATE_THIS_HOST_H

#include "state/schema.h"

/* The identity when none is configured: the host's name, as a consumer's name can hold it. */
void this_host_name(char *name, size_t room);
/* /etc/machine-id; "" where the image has none. */
void this_host_machine_id(char *id, size_t room);
/* Where pids that are noted now mean something. */
void this_host_run_place(struct identity_record *out);

/* Whether a pid that was noted there means the same process here. */
enum pid_sense {
	PID_MEANS_IT,
	PID_IS_GONE, /* this machine has been booted since */
	PID_UNKNOWN, /* another machine's, or another namespace's */
};
enum pid_sense this_host_pid_sense(const struct identity_record *identity);

#endif
