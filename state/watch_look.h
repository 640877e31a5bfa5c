/*
 * watch_look.h - reading an environment in a process of its own, so that waiting for a stuck lock
 * and falling over damage happen there.
 */
#ifndef STATE_WATCH_LOOK_H
#define STATE_WATCH_LOOK_H

#include <sys/types.h>

#include "state/watch_sample.h"

/* In the caller's storage, zero at first. */
struct watch_look {
	pid_t pid;             /* 0: none is on its way */
	int found_fd, said_fd; /* memfds: what it has read; what it says when it cannot */
};

/* The caller blocks SIGCHLD, which says that it is done, and what must not reach it. LTS_SYS. */
enum lts_err watch_look_start(struct watch_look *look, const char *state_dir) LTS_MUST_USE;
/* LTS_AGAIN: it still reads. LTS_OK: the caller frees with watch_sample_fini. Else it could not,
 * and `why` has a line for people. */
enum lts_err watch_look_take(struct watch_look *look, const char *state_dir,
			     struct watch_sample *out, char why[WATCH_TEXT_MAX]) LTS_MUST_USE;
/* Waits for one on its way: killed, it would leave its reader slot behind. It ends by itself
 * within seconds. */
void watch_look_end(struct watch_look *look);

#endif
