/*
 * signals.h - what the supervisor does when it is sent a signal.
 */
#ifndef SUPERVISOR_SIGNALS_H
#define SUPERVISOR_SIGNALS_H

#include <stddef.h>

struct ev_loop;
struct signals;

struct signals_events {
	void (*stop)(void *arg);    /* TERM, INT: the second one means it */
	void (*quit)(void *arg);    /* QUIT */
	void (*reload)(void *arg);  /* HUP */
	void (*flush)(void *arg);   /* USR1 */
	void (*summary)(void *arg); /* USR2 */
};

struct signals *signals_create(struct ev_loop *loop, const struct signals_events *events,
			       void *arg);
void signals_destroy(struct signals **signals);

#endif
