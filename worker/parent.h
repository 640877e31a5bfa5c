/*
 * parent.h - the worker's end of the channel, on its loop.
 */
#ifndef WORKER_PARENT_H
#define WORKER_PARENT_H

#include "common/channel.h"

struct ev_loop;
struct parent;

struct parent_events {
	void (*message)(void *arg, const struct message *message);
	/* The supervisor is dead, or broken; called once. */
	void (*gone)(void *arg, enum lts_err why);
};

/* Takes the descriptor. */
struct parent *parent_create(struct ev_loop *loop, int fd, const struct parent_events *events,
			     void *arg);
void parent_destroy(struct parent **parent);
void parent_send(struct parent *parent, const struct message *message);

#endif
