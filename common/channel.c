/*
 * channel.c - messages over a SOCK_SEQPACKET pair.
 *
 * In the supervisor (one per worker) and in workers (one). Owns the descriptor and the
 * queue. Must never block, and never hand out half a message. Held by
 * tests/common/test_channel.c.
 */
#include "common/channel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/xalloc.h"

/* A thousand shards' ASSIGNs and as much again; a worker that is this far behind is not
 * reading. */
/* One answer of the service may give us 4,096 shards and the next one take them back: an ASSIGN, a
 * REVOKE and a PUBLISHED for each, and as many more of all else. */
enum { CHANNEL_QUEUE_MAX = 4 * 4096 };

struct queued {
	struct queued *next;
	size_t len;
	uint8_t data[];
};

struct channel {
	int fd;
	struct queued *first, **last;
	unsigned queued;
	uint8_t in[HANDOFF_MESSAGE_MAX];
};

enum lts_err
channel_pair(int *ours_out, int *theirs_out)
{
	int fd[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd) < 0)
		return LTS_SYS;
	*ours_out = fd[0];
	*theirs_out = fd[1];
	return LTS_OK;
}

struct channel *
channel_create(int fd)
{
	struct channel *channel = xcalloc(1, sizeof(*channel));
	channel->fd = fd;
	channel->last = &channel->first;
	return channel;
}

static void
drop_first(struct channel *channel)
{
	struct queued *first = channel->first;
	channel->first = first->next;
	if (!channel->first)
		channel->last = &channel->first;
	channel->queued--;
	explicit_bzero(first->data, first->len);
	free(first);
}

void
channel_destroy(struct channel **channel)
{
	if (!*channel)
		return;
	while ((*channel)->first)
		drop_first(*channel);
	close((*channel)->fd);
	explicit_bzero((*channel)->in, sizeof((*channel)->in));
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
	return channel->first != NULL;
}

static enum lts_err
send_now(struct channel *channel, const uint8_t *data, size_t len)
{
	ssize_t n = send(channel->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n >= 0)
		return LTS_OK;
	return errno == EAGAIN || errno == EINTR || errno == ENOBUFS ? LTS_AGAIN : LTS_CLOSED;
}

enum lts_err
channel_flush(struct channel *channel)
{
	while (channel->first) {
		enum lts_err err = send_now(channel, channel->first->data, channel->first->len);
		if (err)
			return err == LTS_AGAIN ? LTS_OK : err;
		drop_first(channel);
	}
	return LTS_OK;
}

enum lts_err
channel_send(struct channel *channel, const struct message *message)
{
	uint8_t data[HANDOFF_MESSAGE_MAX];
	size_t len;
	enum lts_err err = message_encode(message, data, &len);
	if (err)
		goto out;
	err = channel->first ? LTS_AGAIN : send_now(channel, data, len);
	if (err != LTS_AGAIN)
		goto out;
	err = LTS_CLOSED;
	if (channel->queued == CHANNEL_QUEUE_MAX)
		goto out;
	struct queued *item = xmalloc(sizeof(*item) + len);
	item->next = NULL;
	item->len = len;
	memcpy(item->data, data, len);
	*channel->last = item;
	channel->last = &item->next;
	channel->queued++;
	err = LTS_OK;
out:
	if (message->type == MSG_CONFIG)
		explicit_bzero(data, sizeof(data));
	return err;
}

void
channel_wipe(struct channel *channel)
{
	explicit_bzero(channel->in, sizeof(channel->in));
}

enum lts_err
channel_receive(struct channel *channel, struct message *out)
{
	ssize_t n = recv(channel->fd, channel->in, sizeof(channel->in), MSG_DONTWAIT | MSG_TRUNC);
	/* A peer that left with messages unread resets us once, ahead of what it had said
	 * before. */
	if (n < 0 && errno == ECONNRESET)
		n = recv(channel->fd, channel->in, sizeof(channel->in), MSG_DONTWAIT | MSG_TRUNC);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? LTS_AGAIN : LTS_CLOSED;
	if (n == 0)
		return LTS_CLOSED;
	if ((size_t)n > sizeof(channel->in))
		return LTS_BADDATA;
	return message_decode(channel->in, (size_t)n, out);
}
