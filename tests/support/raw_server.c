/*
 * raw_server.c - the far end of the HTTP tests, as a script of raw replies.
 *
 * In a thread of the test process. Owns its sockets and the requests it recorded, up to
 * 512 of each. Must never listen anywhere but on 127.0.0.0/8, and never outlive
 * raw_server_stop: a send that nobody reads ends after a second. Used by
 * http_bed.c and api_bed.c.
 */
#include "tests/support/raw_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/xalloc.h"

enum { CONNECTIONS_MAX = 512, REQUESTS_MAX = 512, REQUEST_BYTES = 4 * 1024 * 1024 };

struct raw_connection {
	int fd;
	bool silent; /* no more is read or answered */
	struct buf in;
};

struct raw_server {
	const struct raw_reply *replies;
	size_t n_replies;
	unsigned port;
	int listener, wakeup;
	pthread_t thread;
	struct raw_connection connections[CONNECTIONS_MAX];
	size_t n_connections; /* open now */
	pthread_mutex_t lock; /* what follows is read by the test */
	char *requests[REQUESTS_MAX];
	size_t n_requests, n_accepted;
};

static void
must(bool fine)
{
	if (!fine)
		abort();
}

static bool
send_all(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
		if (n <= 0)
			return false;
		data += n;
		len -= (size_t)n;
	}
	return true;
}

static void
send_reply(int fd, const struct raw_reply *reply)
{
	if (reply->bytes &&
	    !send_all(fd, reply->bytes, reply->len ? reply->len : strlen(reply->bytes)))
		return;
	if (!reply->again)
		return;
	size_t len = reply->again_len ? reply->again_len : strlen(reply->again);
	for (size_t i = 0; i < reply->times; i++)
		if (!send_all(fd, reply->again, len))
			return;
}

static void
drop(struct raw_server *server, size_t i, bool reset)
{
	struct raw_connection *conn = &server->connections[i];
	struct linger now = { .l_onoff = 1, .l_linger = 0 };
	if (reset)
		must(setsockopt(conn->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)) == 0);
	close(conn->fd);
	buf_fini(&conn->in);
	*conn = server->connections[--server->n_connections];
}

/* The length of the first whole request, 0 when there is none yet. */
static size_t
whole_request(const struct buf *in)
{
	const char *head_end = in->len ? strstr(in->data, "\r\n\r\n") : NULL;
	if (!head_end)
		return 0;
	size_t len = (size_t)(head_end + 4 - in->data);
	const char *field = strcasestr(in->data, "\r\nContent-Length:");
	if (field && field < head_end)
		len += strtoul(field + strlen("\r\nContent-Length:"), NULL, 10);
	return len <= in->len ? len : 0;
}

static const struct raw_reply *
take_request(struct raw_server *server, struct buf *in, size_t len)
{
	pthread_mutex_lock(&server->lock);
	must(server->n_requests < REQUESTS_MAX);
	size_t n = server->n_requests++;
	server->requests[n] = xstrndup(in->data, len);
	pthread_mutex_unlock(&server->lock);
	memmove(in->data, in->data + len, in->len - len + 1);
	in->len -= len;
	return &server->replies[n < server->n_replies ? n : server->n_replies - 1];
}

/* False: the connection is gone. */
static bool
answer(struct raw_server *server, size_t i)
{
	struct raw_connection *conn = &server->connections[i];
	size_t len;
	while (!conn->silent && (len = whole_request(&conn->in)) != 0) {
		const struct raw_reply *reply = take_request(server, &conn->in, len);
		send_reply(conn->fd, reply);
		conn->silent = reply->then == RAW_HOLD;
		if (reply->then == RAW_CLOSE || reply->then == RAW_RESET) {
			drop(server, i, reply->then == RAW_RESET);
			return false;
		}
	}
	return true;
}

static void
read_more(struct raw_server *server, size_t i)
{
	struct raw_connection *conn = &server->connections[i];
	char chunk[16 * 1024];
	ssize_t n = recv(conn->fd, chunk, sizeof(chunk), 0);
	if (n <= 0) {
		drop(server, i, false);
		return;
	}
	must(buf_put(&conn->in, chunk, (size_t)n) == LTS_OK);
	(void)answer(server, i);
}

static void
accept_one(struct raw_server *server)
{
	struct timeval patience = { .tv_sec = 1 };
	int fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0)
		return;
	must(server->n_connections < CONNECTIONS_MAX);
	must(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) == 0);
	struct raw_connection *conn = &server->connections[server->n_connections++];
	*conn = (struct raw_connection){ .fd = fd };
	buf_init(&conn->in, REQUEST_BYTES);
	pthread_mutex_lock(&server->lock);
	server->n_accepted++;
	pthread_mutex_unlock(&server->lock);
}

static void *
serve(void *arg)
{
	struct raw_server *server = arg;
	struct pollfd fds[2 + CONNECTIONS_MAX];
	for (;;) {
		size_t n = server->n_connections;
		fds[0] = (struct pollfd){ .fd = server->wakeup, .events = POLLIN };
		fds[1] = (struct pollfd){ .fd = server->listener, .events = POLLIN };
		for (size_t i = 0; i < n; i++)
			fds[2 + i] = (struct pollfd){ .fd = server->connections[i].fd,
						      .events = POLLIN };
		if (poll(fds, 2 + n, -1) < 0)
			continue;
		if (fds[0].revents)
			return NULL;
		/* From the end: drop() fills a gap with the last one, already seen. */
		for (size_t i = n; i > 0; i--)
			if (fds[1 + i].revents)
				read_more(server, i - 1);
		if (fds[1].revents)
			accept_one(server);
	}
}

static int
listen_at(const char *address, unsigned *port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)*port),
				  .sin_addr.s_addr = inet_addr(address) };
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	must(fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0);
	must(listen(fd, SOMAXCONN) == 0);
	must(getsockname(fd, (struct sockaddr *)&at, &len) == 0);
	*port = ntohs(at.sin_port);
	return fd;
}

struct raw_server *
raw_server_start(const struct raw_reply *replies, size_t n)
{
	return raw_server_start_at("127.0.0.1", 0, replies, n);
}

struct raw_server *
raw_server_start_at(const char *address, unsigned port, const struct raw_reply *replies, size_t n)
{
	struct raw_server *server = xcalloc(1, sizeof(*server));
	server->replies = replies;
	server->n_replies = n;
	server->port = port;
	server->listener = listen_at(address, &server->port);
	server->wakeup = eventfd(0, EFD_CLOEXEC);
	must(server->wakeup >= 0);
	must(pthread_mutex_init(&server->lock, NULL) == 0);
	must(pthread_create(&server->thread, NULL, serve, server) == 0);
	return server;
}

void
raw_server_stop(struct raw_server **server_p)
{
	struct raw_server *server = *server_p;
	if (!server)
		return;
	must(eventfd_write(server->wakeup, 1) == 0);
	must(pthread_join(server->thread, NULL) == 0);
	while (server->n_connections)
		drop(server, 0, false);
	for (size_t i = 0; i < server->n_requests; i++)
		free(server->requests[i]);
	close(server->listener);
	close(server->wakeup);
	pthread_mutex_destroy(&server->lock);
	free(server);
	*server_p = NULL;
}

unsigned
raw_server_port(const struct raw_server *server)
{
	return server->port;
}

size_t
raw_server_requests(struct raw_server *server)
{
	pthread_mutex_lock(&server->lock);
	size_t n = server->n_requests;
	pthread_mutex_unlock(&server->lock);
	return n;
}

size_t
raw_server_connections(struct raw_server *server)
{
	pthread_mutex_lock(&server->lock);
	size_t n = server->n_accepted;
	pthread_mutex_unlock(&server->lock);
	return n;
}

char *
raw_server_request(struct raw_server *server, size_t n)
{
	pthread_mutex_lock(&server->lock);
	char *request = xstrdup(n < server->n_requests ? server->requests[n] : "");
	pthread_mutex_unlock(&server->lock);
	return request;
}

unsigned
raw_server_closed_port(void)
{
	unsigned port = 0;
	close(listen_at("127.0.0.1", &port));
	return port;
}
