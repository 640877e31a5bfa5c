/*
 * parent.c - the channel to the supervisor.
 *
 * Runs on the worker's loop. Owns the channel and its watchers. Must never keep a worker
 * alive whose supervisor is gone: the closing of the channel is how it hears of that.
 * Held by the supervisor-kill scenario.
 */
#include "worker/parent.h"

#include <ev.h>
#include <stdlib.h>

#include "common/xalloc.h"

struct parent {
	struct ev_loop *loop;
	struct channel *channel;
	struct ev_io read, write;
	struct parent_events events;
	void *arg;
	bool gone;
};

static void
lose(struct parent *parent, enum lts_err why)
{
	if (parent->gone)
		return;
	parent->gone = true;
	ev_io_stop(parent->loop, &parent->read);
	ev_io_stop(parent->loop, &parent->write);
	parent->events.gone(parent->arg, why);
}

/* Nothing of the keys stays where they came in. */
static void
hand_on(struct parent *parent, const struct message *message)
{
	parent->events.message(parent->arg, message);
	if (message->type == MSG_CONFIG)
		channel_wipe(parent->channel);
}

static void
on_readable(struct ev_loop *loop, struct ev_io *io, int events)
{
	struct parent *parent = io->data;
	struct message message;
	enum lts_err err = LTS_OK;
	while (!parent->gone && !(err = channel_receive(parent->channel, &message)))
		hand_on(parent, &message);
	if (err && err != LTS_AGAIN)
		lose(parent, err);
}

static void
watch_writes(struct parent *parent)
{
	if (!parent->gone && channel_wants_write(parent->channel))
		ev_io_start(parent->loop, &parent->write);
	else
		ev_io_stop(parent->loop, &parent->write);
}

static void
on_writable(struct ev_loop *loop, struct ev_io *io, int events)
{
	struct parent *parent = io->data;
	enum lts_err err = channel_flush(parent->channel);
	if (err)
		lose(parent, err);
	watch_writes(parent);
}

void
parent_send(struct parent *parent, const struct message *message)
{
	if (parent->gone)
		return;
	enum lts_err err = channel_send(parent->channel, message);
	if (err)
		lose(parent, err);
	watch_writes(parent);
}

struct parent *
parent_create(struct ev_loop *loop, int fd, const struct parent_events *events, void *arg)
{
	struct parent *parent = xcalloc(1, sizeof(*parent));
	parent->loop = loop;
	parent->channel = channel_create(fd);
	parent->events = *events;
	parent->arg = arg;
	ev_io_init(&parent->read, on_readable, fd, EV_READ);
	ev_io_init(&parent->write, on_writable, fd, EV_WRITE);
	parent->read.data = parent->write.data = parent;
	ev_io_start(loop, &parent->read);
	return parent;
}

void
parent_destroy(struct parent **parent)
{
	struct parent *p = *parent;
	if (!p)
		return;
	ev_io_stop(p->loop, &p->read);
	ev_io_stop(p->loop, &p->write);
	channel_destroy(&p->channel);
	free(p);
	*parent = NULL;
}
