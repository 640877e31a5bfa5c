/*
 * channel.c - messages over a SOCK_SEQPACKET pair.
 *
 * In the supervisor (one per worker) and in workers (one). Owns the descriptor and the
 * queue. Must never block, and never hand out half a message. Held by
 * tests/common/test_channel.c.
 */
#include "common/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/xalloc.h"

/* A thousand shards' ASSIGNs and as much again; a worker that is this far behind is not
 * reading. */
/* One answer of the service may give us 4,096 shards and the next one take them back: an ASSIGN, a
 * REVOKE and a PUBLISHED for each, and as many more of all else. */
enum { CHANNEL_QUEUE_MAX = 4 * 4096, CHANNEL_FDS = 2 };

struct queued {
	struct queued *next;
	int fds[CHANNEL_FDS]; /* copies */
	size_t n_fds, len;
	uint8_t data[];
};

struct channel {
	int fd;
	struct queued *first, **last;
	unsigned queued;
	int fds[CHANNEL_FDS]; /* that came with the message received last */
	size_t n_fds;
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
close_all(int *fds, size_t *n)
{
	while (*n)
		close(fds[--*n]);
}

static void
drop_first(struct channel *channel)
{
	struct queued *first = channel->first;
	channel->first = first->next;
	if (!channel->first)
		channel->last = &channel->first;
	channel->queued--;
	close_all(first->fds, &first->n_fds);
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
	close_all((*channel)->fds, &(*channel)->n_fds);
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

union control {
	struct cmsghdr align;
	char space[CMSG_SPACE(CHANNEL_FDS * sizeof(int))];
};

static enum lts_err
send_now(struct channel *channel, const uint8_t *data, size_t len, const int *fds, size_t n_fds)
{
	union control control = { .space = "" };
	struct iovec part = { (void *)(uintptr_t)data, len };
	struct msghdr msg = { .msg_iov = &part, .msg_iovlen = 1 };
	if (n_fds) {
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		struct cmsghdr *head = CMSG_FIRSTHDR(&msg);
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(head), fds, n_fds * sizeof(int));
	}
	ssize_t n = sendmsg(channel->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n >= 0)
		return LTS_OK;
	return errno == EAGAIN || errno == EINTR || errno == ENOBUFS || errno == ETOOMANYREFS
		       ? LTS_AGAIN
		       : LTS_CLOSED;
}

/* Which descriptors go with a message, in the order of its fields. */
static size_t
fds_of(const struct message *message, int fds[CHANNEL_FDS])
{
	size_t n = 0;
	if (message->type != MSG_CONFIG)
		return 0;
	if (message->config.log_fd > 0)
		fds[n++] = message->config.log_fd;
	if (message->config.trust_fd > 0)
		fds[n++] = message->config.trust_fd;
	return n;
}

/* Their owner may close them before they are sent. One that cannot be copied is not sent, and its
 * message is taken for broken: better than another one in its place. */
static void
copy_fds(struct queued *item, const int *fds, size_t n_fds)
{
	for (size_t i = 0; i < n_fds; i++) {
		int copy = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
		if (copy >= 0)
			item->fds[item->n_fds++] = copy;
	}
}

enum lts_err
channel_flush(struct channel *channel)
{
	while (channel->first) {
		const struct queued *first = channel->first;
		enum lts_err err =
			send_now(channel, first->data, first->len, first->fds, first->n_fds);
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
	int fds[CHANNEL_FDS];
	size_t len, n_fds = fds_of(message, fds);
	enum lts_err err = message_encode(message, data, &len);
	if (err)
		goto out;
	err = channel->first ? LTS_AGAIN : send_now(channel, data, len, fds, n_fds);
	if (err != LTS_AGAIN)
		goto out;
	err = LTS_CLOSED;
	if (channel->queued == CHANNEL_QUEUE_MAX)
		goto out;
	struct queued *item = xmalloc(sizeof(*item) + len);
	*item = (struct queued){ .len = len };
	copy_fds(item, fds, n_fds);
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

static void
take_fds(struct channel *channel, struct msghdr *msg)
{
	for (struct cmsghdr *head = CMSG_FIRSTHDR(msg); head; head = CMSG_NXTHDR(msg, head)) {
		if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
			continue;
		channel->n_fds = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		memcpy(channel->fds, CMSG_DATA(head), channel->n_fds * sizeof(int));
	}
}

static ssize_t
receive_once(struct channel *channel)
{
	union control control;
	struct iovec part = { channel->in, sizeof(channel->in) };
	struct msghdr msg = { .msg_iov = &part,
			      .msg_iovlen = 1,
			      .msg_control = &control,
			      .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(channel->fd, &msg, MSG_DONTWAIT | MSG_TRUNC | MSG_CMSG_CLOEXEC);
	if (n >= 0)
		take_fds(channel, &msg);
	return n;
}

/* The message says which came; that must be as many as did. */
static enum lts_err
place_fds(struct channel *channel, struct message *message)
{
	size_t used = 0;
	if (message->type == MSG_CONFIG) {
		int *const fields[] = { &message->config.log_fd, &message->config.trust_fd };
		for (size_t i = 0; i < CHANNEL_FDS; i++)
			if (*fields[i])
				*fields[i] = used < channel->n_fds ? channel->fds[used++] : -1;
	}
	if (used == channel->n_fds &&
	    (message->type != MSG_CONFIG ||
	     (message->config.log_fd >= 0 && message->config.trust_fd >= 0)))
		return LTS_OK;
	return LTS_BADDATA;
}

enum lts_err
channel_receive(struct channel *channel, struct message *out)
{
	close_all(channel->fds, &channel->n_fds);
	ssize_t n = receive_once(channel);
	/* A peer that left with messages unread resets us once, ahead of what it had said
	 * before. */
	if (n < 0 && errno == ECONNRESET)
		n = receive_once(channel);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? LTS_AGAIN : LTS_CLOSED;
	if (n == 0)
		return LTS_CLOSED;
	if ((size_t)n > sizeof(channel->in))
		return LTS_BADDATA;
	enum lts_err err = message_decode(channel->in, (size_t)n, out);
	return err ? err : place_fds(channel, out);
}
