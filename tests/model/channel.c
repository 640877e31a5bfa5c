/*
 * channel.c - the channel between supervisor and worker, and the board: descriptors are
 * numbers, messages take time.
 *
 * In lts-model, in place of common/channel.c and board.c's memfd. As on a socket pair the
 * order is kept, nothing is lost while both sides live, and what was sent before an end is
 * read before its closing is noticed.
 */
#include "common/channel.h"

#include <stdlib.h>
#include <string.h>

#include "common/board.h"
#include "common/xalloc.h"
#include "tests/model/inside.h"
#include "tests/model/service.h"

struct packet {
	struct packet *next;
	int64_t due_us;
	size_t len;
	uint8_t data[];
};

struct end {
	struct end *peer; /* NULL: closed, from closed_us on */
	struct process *owner;
	int fd;
	struct packet *first, **last;
	int64_t last_due_us, closed_us;
};

struct channel { /* in the process' memory */
	int fd;
	struct packet *in; /* what the last message borrows from */
};

struct board_slot {
	struct board_slot *next;
	int fd;
	struct board board;
};

static struct board_slot *boards;

/* ---- descriptors ---- */

struct end *
end_of(struct process *p, int fd)
{
	for (int i = 0; i < ENDS_MAX; i++)
		if (p->ends[i] && p->ends[i]->fd == fd)
			return p->ends[i];
	return NULL;
}

static void
put(struct process *p, struct end *end, int fd)
{
	for (int i = 0; i < ENDS_MAX; i++) {
		if (p->ends[i])
			continue;
		p->ends[i] = end;
		end->owner = p;
		end->fd = fd;
		return;
	}
	abort();
}

static void
take_away(struct process *p, const struct end *end)
{
	for (int i = 0; i < ENDS_MAX; i++)
		if (p->ends[i] == end)
			p->ends[i] = NULL;
}

static void
close_end(struct end *end)
{
	if (end->peer) {
		end->peer->peer = NULL;
		end->peer->closed_us = the_world->now_us + some_time(0, 20 * MS);
		task_wake(end->peer->owner->main);
	}
	for (struct packet *packet; (packet = end->first); world_free(packet))
		end->first = packet->next;
	take_away(end->owner, end);
	world_free(end);
}

void
end_close(struct process *p, int fd)
{
	struct end *end = end_of(p, fd);
	if (end)
		close_end(end);
}

void
ends_close(struct process *p)
{
	for (int i = 0; i < ENDS_MAX; i++)
		if (p->ends[i])
			close_end(p->ends[i]);
}

void
end_hand_over(struct process *from, int fd, struct process *to, int as)
{
	struct end *end = end_of(from, fd);
	take_away(from, end);
	put(to, end, as);
}

int64_t
end_due_us(const struct end *end)
{
	if (end->first)
		return end->first->due_us;
	return end->peer ? NEVER : end->closed_us;
}

bool
end_is_readable(const struct end *end)
{
	return end_due_us(end) <= the_world->now_us;
}

/* ---- common/channel.h ---- */

enum lts_err
channel_pair(int *ours_out, int *theirs_out)
{
	struct end *a = world_new(sizeof(*a)), *b = world_new(sizeof(*b));
	a->peer = b;
	b->peer = a;
	a->last = &a->first;
	b->last = &b->first;
	*ours_out = the_world->next_fd++;
	*theirs_out = the_world->next_fd++;
	put(the_world->running, a, *ours_out);
	put(the_world->running, b, *theirs_out);
	return LTS_OK;
}

struct channel *
channel_create(int fd)
{
	struct channel *channel = xcalloc(1, sizeof(*channel));
	channel->fd = fd;
	return channel;
}

void
channel_destroy(struct channel **channel)
{
	if (!*channel)
		return;
	end_close(the_world->running, (*channel)->fd);
	free((*channel)->in);
	free(*channel);
	*channel = NULL;
}

int
channel_fd(const struct channel *channel)
{
	return channel->fd;
}

bool
channel_wants_write(const struct channel *channel)
{
	return false;
}

enum lts_err
channel_flush(struct channel *channel)
{
	return LTS_OK;
}

enum lts_err
channel_send(struct channel *channel, const struct message *message)
{
	static uint8_t data[HANDOFF_MESSAGE_MAX];
	struct end *end = end_of(the_world->running, channel->fd);
	size_t len;
	enum lts_err err = message_encode(message, data, &len);
	if (err || !end || !end->peer)
		return err ? err : LTS_CLOSED;
	if (message->type == MSG_ASSIGN)
		network_note_assign(the_world->running->host, shard_number(&message->assign.shard),
				    message->assign.epoch, message->assign.seal_only);
	struct end *peer = end->peer;
	struct packet *packet = world_new(sizeof(*packet) + len);
	packet->due_us = the_world->now_us + some_time(10, once_in(100) ? SECOND : 3 * MS);
	if (packet->due_us < peer->last_due_us)
		packet->due_us = peer->last_due_us;
	peer->last_due_us = packet->due_us;
	packet->len = len;
	memcpy(packet->data, data, len);
	*peer->last = packet;
	peer->last = &packet->next;
	task_wake(peer->owner->main);
	return LTS_OK;
}

static const char *
shard_of_message(const struct message *message)
{
	switch (message->type) {
	case MSG_ASSIGN:
		return message->assign.shard.text;
	case MSG_REVOKE:
	case MSG_PUBLISHED:
	case MSG_HELD:
	case MSG_RELEASED:
	case MSG_FINISHED:
	case MSG_STUCK:
		return message->lease.shard.text;
	default:
		return "";
	}
}

void
channel_wipe(struct channel *channel)
{
}

enum lts_err
channel_receive(struct channel *channel, struct message *out)
{
	struct end *end = end_of(the_world->running, channel->fd);
	if (!end)
		return LTS_CLOSED;
	if (!end_is_readable(end))
		return LTS_AGAIN;
	struct packet *packet = end->first;
	if (!packet)
		return LTS_CLOSED;
	end->first = packet->next;
	if (!end->first)
		end->last = &end->first;
	free(channel->in);
	channel->in = xmalloc(sizeof(*packet) + packet->len);
	memcpy(channel->in, packet, sizeof(*packet) + packet->len);
	size_t len = packet->len;
	world_free(packet);
	enum lts_err err = message_decode(channel->in->data, len, out);
	if (!err && out->type != MSG_RENEW)
		trace("hears %s %s", message_name(out->type), shard_of_message(out));
	return err;
}

/* ---- common/board.h: its page ---- */

enum lts_err
__wrap_board_create(int *fd_out, struct board **out)
{
	struct board_slot *slot = world_new(sizeof(*slot));
	slot->next = boards;
	boards = slot;
	slot->fd = *fd_out = the_world->next_fd++;
	*out = &slot->board;
	return LTS_OK;
}

struct board *
board_of(int fd)
{
	for (struct board_slot *slot = boards; slot; slot = slot->next)
		if (slot->fd == fd)
			return &slot->board;
	return NULL;
}

enum lts_err
__wrap_board_map(int fd, struct board **out)
{
	*out = the_world->running->board;
	return LTS_OK;
}

void
__wrap_board_unmap(struct board **board)
{
	*board = NULL;
}

void
boards_end(void)
{
	for (struct board_slot *slot; (slot = boards); world_free(slot))
		boards = slot->next;
}
