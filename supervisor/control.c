/*
 * control.c - lines in and lines out on a socket that only this user can reach.
 *
 * Runs on the supervisor's loop. Owns the socket and its peers. Must never wait for a peer, nor
 * let one that asks nothing keep its place. Held by tests/supervisor/test_control.c.
 */
#include "supervisor/control.h"

#include <errno.h>
#include <ev.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/control_address.h"
#include "common/handoff.h"
#include "common/used_up.h"
#include "common/xalloc.h"

enum { CONTROL_REST_MS = 250 };

struct control_peer {
	LIST_ENTRY(control_peer) link;
	struct control *control;
	int fd;
	uid_t uid;
	struct ev_io read, write;
	struct ev_timer late;
	struct buf in, out;
	size_t sent;          /* of `out` */
	bool asked, answered; /* the line came; all is said */
};

struct control {
	struct control_config config;
	char *path;
	int fd;
	struct ev_io ready;
	struct ev_timer rest; /* there was no descriptor for a peer */
	LIST_HEAD(, control_peer) peers;
	unsigned n_peers;
};

static void
drop(struct control_peer *peer)
{
	struct control *c = peer->control;
	ev_io_stop(c->config.loop, &peer->read);
	ev_io_stop(c->config.loop, &peer->write);
	ev_timer_stop(c->config.loop, &peer->late);
	LIST_REMOVE(peer, link);
	if (c->n_peers-- == CONTROL_PEERS)
		ev_io_start(c->config.loop, &c->ready);
	close(peer->fd);
	buf_fini(&peer->in);
	buf_fini(&peer->out);
	free(peer);
}

static void
lose(struct control_peer *peer)
{
	if (peer->asked && !peer->answered)
		peer->control->config.gone(peer->control->config.arg, peer);
	drop(peer);
}

/* Nobody is there any more, to ask or to listen. */
static bool
is_closed(const struct control_peer *peer)
{
	struct pollfd state = { .fd = peer->fd };
	return poll(&state, 1, 0) > 0 && state.revents & POLLHUP;
}

/* From now on, so long until it does something. */
static void
wait_for(struct control_peer *peer)
{
	ev_now_update(peer->control->config.loop);
	ev_timer_again(peer->control->config.loop, &peer->late);
}

static void
on_writable(struct ev_loop *loop, struct ev_io *io, int events)
{
	struct control_peer *peer = io->data;
	while (peer->sent < peer->out.len) {
		ssize_t n = send(peer->fd, peer->out.data + peer->sent,
				 peer->out.len - peer->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n < 0) {
			lose(peer);
			return;
		}
		peer->sent += (size_t)n;
		if (peer->answered)
			wait_for(peer);
	}
	ev_io_stop(loop, io);
	if (peer->answered)
		drop(peer);
}

static void
on_readable(struct ev_loop *loop, struct ev_io *io, int events)
{
	struct control_peer *peer = io->data;
	struct control *c = peer->control;
	char bytes[4096];
	ssize_t n = recv(peer->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n == 0 && peer->asked && !is_closed(peer)) { /* it says no more, but may listen */
		ev_io_stop(loop, io);
		return;
	}
	if (n <= 0 || (!peer->asked && buf_put(&peer->in, bytes, (size_t)n))) {
		lose(peer);
		return;
	}
	char *end = peer->asked ? NULL : memchr(peer->in.data, '\n', peer->in.len);
	if (!end)
		return;
	*end = '\0';
	peer->asked = true;
	ev_timer_stop(loop, &peer->late);
	c->config.request(c->config.arg, peer, peer->in.data, (size_t)(end - peer->in.data));
}

static void
on_late(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	/* Nothing asked yet, or all is said: nobody need be told. */
	drop(timer->data);
}

static void
on_rested(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	struct control *c = timer->data;
	ev_io_start(loop, &c->ready);
}

/* Who asks stays in the queue, and we do not spin over it. */
static void
rest(struct control *c)
{
	ev_io_stop(c->config.loop, &c->ready);
	ev_timer_set(&c->rest, CONTROL_REST_MS / 1e3, 0);
	ev_timer_start(c->config.loop, &c->rest);
}

static void
on_peer(struct ev_loop *loop, struct ev_io *io, int events)
{
	struct control *c = io->data;
	struct ucred who;
	socklen_t len = sizeof(who);
	int fd = accept4(c->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0 && used_up(errno) && errno != EAGAIN)
		rest(c);
	if (fd < 0)
		return;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) < 0) {
		close(fd);
		return;
	}
	struct control_peer *peer = xcalloc(1, sizeof(*peer));
	peer->control = c;
	peer->fd = fd;
	peer->uid = who.uid;
	buf_init(&peer->in, CONTROL_LINE_MAX);
	buf_init(&peer->out, 0);
	ev_io_init(&peer->read, on_readable, fd, EV_READ);
	ev_io_init(&peer->write, on_writable, fd, EV_WRITE);
	ev_timer_init(&peer->late, on_late, (double)c->config.ask_ms / 1e3,
		      (double)c->config.ask_ms / 1e3);
	peer->read.data = peer->write.data = peer->late.data = peer;
	LIST_INSERT_HEAD(&c->peers, peer, link);
	if (++c->n_peers == CONTROL_PEERS)
		ev_io_stop(loop, io);
	ev_io_start(loop, &peer->read);
	ev_timer_start(loop, &peer->late);
}

void
control_say(struct control_peer *peer, const char *text)
{
	if (buf_printf(&peer->out, "%s\n", text))
		abort(); /* the buffer has no ceiling */
	ev_io_start(peer->control->config.loop, &peer->write);
}

void
control_end(struct control_peer *peer)
{
	peer->answered = true;
	wait_for(peer);
	ev_io_start(peer->control->config.loop, &peer->write);
}

uid_t
control_uid(const struct control_peer *peer)
{
	return peer->uid;
}

static int
listen_in(const char *dir, const char *path)
{
	struct sockaddr_un address;
	int in = control_address(dir, &address);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	unlink(path);
	mode_t before = umask(0177);
	bool good = in >= 0 && fd >= 0 &&
		    bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
		    listen(fd, CONTROL_PEERS) == 0;
	int saved = errno;
	umask(before);
	if (in >= 0)
		close(in);
	if (!good && fd >= 0)
		close(fd);
	errno = saved;
	return good ? fd : -1;
}

enum lts_err
control_create(const struct control_config *config, struct control **out)
{
	char *path = xasprintf("%s/" CONTROL_SOCKET, config->state_dir);
	int fd = listen_in(config->state_dir, path);
	if (fd < 0) {
		free(path);
		return LTS_SYS;
	}
	struct control *c = xcalloc(1, sizeof(*c));
	c->config = *config;
	c->path = path;
	c->fd = fd;
	LIST_INIT(&c->peers);
	ev_io_init(&c->ready, on_peer, fd, EV_READ);
	ev_init(&c->rest, on_rested);
	c->ready.data = c->rest.data = c;
	ev_io_start(config->loop, &c->ready);
	*out = c;
	return LTS_OK;
}

void
control_destroy(struct control **control)
{
	struct control *c = *control;
	if (!c)
		return;
	while (!LIST_EMPTY(&c->peers))
		drop(LIST_FIRST(&c->peers));
	ev_io_stop(c->config.loop, &c->ready);
	ev_timer_stop(c->config.loop, &c->rest);
	unlink(c->path);
	close(c->fd);
	free(c->path);
	free(c);
	*control = NULL;
}
