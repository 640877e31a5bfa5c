/*
 * strays.h - which of our children a dead worker has left behind, and which it has not.
 *
 * Children come to us that we never started: those that were there before exec made us
 * lts-supervisor, and the orphans of anything else, where we are a container's first process. A
 * worker is the subreaper of its descendants: they come to us only when it dies.
 */
#ifndef SUPERVISOR_STRAYS_H
#define SUPERVISOR_STRAYS_H

#include <stddef.h>
#include <sys/types.h>

struct strays;

struct strays *strays_create(void);
void strays_destroy(struct strays **strays);

/* Takes every child that is there, and is none of `own`, for somebody else's: to be done often
 * while no worker is dead and not yet buried. `own` are our workers and whom else we started; when
 * one of them is ending, nothing is learnt. */
void strays_look(struct strays *strays, const pid_t *own, size_t n);
/* That child is reaped: its number may be another's. */
void strays_forget(struct strays *strays, pid_t pid);
/* Kills every child that is neither of `own` nor somebody else's; how many there are, or may be:
 * more than none also while they cannot be looked at. */
size_t strays_kill(struct strays *strays, const pid_t *own, size_t n);

#endif
