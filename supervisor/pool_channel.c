/*
 * pool_channel.c - the pool's end of each worker's channel.
 *
 * Runs on the supervisor's loop. Owns nothing but the watchers' turns. Must never go on
 * talking to a worker that does not read or talks nonsense: it is of no use and is
 * killed. Held by the kill and stop scenarios.
 */
#include "supervisor/pool_inside.h"

#include "common/clock.h"

static void
watch_writes(struct pool_slot *s)
{
	if (s->channel && channel_wants_write(s->channel))
		ev_io_start(s->pool->config.loop, &s->write);
	else
		ev_io_stop(s->pool->config.loop, &s->write);
}

/*
 * One that closed is dying, and SIGCHLD says how; only if that does not come is it killed
 * (see overdue). One that does not read, or talks nonsense, is of no use.
 */
static void
on_channel_error(struct pool_slot *s, enum lts_err err)
{
	ev_io_stop(s->pool->config.loop, &s->read);
	ev_io_stop(s->pool->config.loop, &s->write);
	if (s->slot.state == SLOT_KILLED)
		return;
	log_debug(s->pool->config.log, "channel closed", LOG_UINT("worker", s->slot.index),
		  LOG_TEXT("reason", lts_err_name(err)));
	if (err == LTS_CLOSED) {
		s->closed_ms = clock_boot_ms();
		return;
	}
	s->killed_for = END_CHANNEL;
	worker_slot_step(&s->slot, SLOT_OVERDUE, clock_boot_ms());
}

static void
on_message(struct pool_slot *s, const struct message *message)
{
	struct worker_pool *pool = s->pool;
	if (message->type == MSG_READY && s->slot.state == SLOT_LIVE)
		on_channel_error(s, LTS_BADDATA);
	else if (message->type == MSG_READY)
		worker_slot_step(&s->slot, SLOT_READY, clock_boot_ms());
	else
		pool->config.events->message(pool->config.arg, s->slot.index, message);
}

void
pool_on_readable(struct ev_loop *loop, struct ev_io *io, int events)
{
	struct pool_slot *s = io->data;
	struct message message;
	enum lts_err err = LTS_OK;
	while (s->channel && !(err = channel_receive(s->channel, &message)))
		on_message(s, &message);
	if (err && err != LTS_AGAIN)
		on_channel_error(s, err);
}

void
pool_on_writable(struct ev_loop *loop, struct ev_io *io, int events)
{
	struct pool_slot *s = io->data;
	enum lts_err err = channel_flush(s->channel);
	watch_writes(s);
	if (err)
		on_channel_error(s, err);
}

void
pool_send_to(struct pool_slot *s, const struct message *message)
{
	if (!s->channel)
		return;
	enum lts_err err = channel_send(s->channel, message);
	watch_writes(s);
	if (err) /* that a worker ends is told by how it ended */
		log_at(s->pool->config.log, err == LTS_CLOSED ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARN,
		       "message not sent", LOG_UINT("worker", s->slot.index),
		       LOG_TEXT("message", message_name(message->type)),
		       LOG_TEXT("reason", lts_err_name(err)));
	if (err && !s->closed_ms)
		on_channel_error(s, err);
}

void
pool_send_config(struct pool_slot *s)
{
	struct worker_pool *pool = s->pool;
	struct message message = { .type = MSG_CONFIG };
	pool->config.events->fill_config(pool->config.arg, s->slot.index, &message.config);
	message.config.thrift = s->thrift;
	pool_send_to(s, &message);
}
