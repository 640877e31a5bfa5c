/*
 * metrics_http.c - /metrics and its kin, served by libmicrohttpd on the supervisor's loop.
 *
 * Runs in the supervisor. Owns the listening socket, the daemon and its connections. Must never
 * wait for a peer, nor let one stay: a connection is one request, and ends after life_ms whatever
 * it does, or sooner when others need its place. Held by tests/supervisor/test_metrics_http.c.
 */
#include "supervisor/metrics_http.h"

#include <errno.h>
#include <ev.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/listen_at.h"
#include "common/used_up.h"
#include "common/xalloc.h"

enum {
	CONNECTION_MEMORY = 16 * 1024, /* a request's head, an answer's head */
	IDLE_S = 5,
	SPARE = 8, /* connections beyond the most, until those they replace are closed */
	REST_MS = 250,
};

struct peer {
	LIST_ENTRY(peer) link;
	int fd; /* libmicrohttpd's */
	int64_t since_ms;
	bool asked; /* its request is whole */
	bool ends;  /* shut down; libmicrohttpd closes it in one of its next turns */
};

struct metrics_http {
	struct metrics_http_config config;
	struct listen_at at;
	struct MHD_Daemon *daemon;
	struct ev_io ready;
	struct ev_timer again; /* when libmicrohttpd wants its turn in any case */
	struct ev_timer sweep;
	LIST_HEAD(, peer) peers;
	bool closed;          /* one of them, in this turn */
	uint64_t arrivals;    /* of peers, so far */
	struct ev_timer rest; /* there was no descriptor for one */
};

/* ---- answers ---- */

static enum MHD_Result
reply(struct MHD_Connection *connection, struct metrics_reply *r)
{
	char empty[] = "";
	enum MHD_Result result = MHD_NO;
	struct MHD_Response *response =
		r->body.data ? MHD_create_response_from_buffer(r->body.len, r->body.data,
							       MHD_RESPMEM_MUST_FREE)
			     : MHD_create_response_from_buffer(0, empty, MHD_RESPMEM_MUST_COPY);
	if (!response) {
		buf_fini(&r->body);
		return MHD_NO;
	}
	if (MHD_add_response_header(response, "Content-Type", r->type) &&
	    MHD_add_response_header(response, "Connection", "close") &&
	    (r->status != 405 || MHD_add_response_header(response, "Allow", "GET, HEAD")))
		result = MHD_queue_response(connection, (unsigned)r->status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result
on_request(void *arg, struct MHD_Connection *connection, const char *url, const char *method,
	   const char *version, const char *data, size_t *data_len, void **state)
{
	struct metrics_http *http = arg;
	struct peer *peer =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)
			->socket_context;
	peer->asked = true;
	struct metrics_reply r = { .status = 200, .type = "text/plain; charset=utf-8" };
	buf_init(&r.body, 0);
	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
		r.status = 405;
		(void)!buf_put_text(&r.body, "GET and HEAD only\n");
	} else if (!http->config.answer(http->config.arg, url, &r)) {
		r.status = 404;
		(void)!buf_put_text(&r.body, "there are /metrics, /healthz and /readyz\n");
	}
	return reply(connection, &r);
}

/* ---- peers ---- */

static void
end_peer(struct peer *peer)
{
	peer->ends = true;
	shutdown(peer->fd, SHUT_RDWR);
}

/* Too many: whoever has been here for longest without asking goes, else the one that has been here
 * for longest. The newest is the first of the list, and stays. */
static void
make_room(struct metrics_http *http)
{
	struct peer *peer, *idle = NULL, *oldest = NULL;
	unsigned n = 0;
	LIST_FOREACH(peer, &http->peers, link)
	{
		if (peer->ends)
			continue;
		n++;
		oldest = peer;
		if (!peer->asked)
			idle = peer;
	}
	if (n <= METRICS_HTTP_CONNECTIONS)
		return;
	end_peer(idle && idle != LIST_FIRST(&http->peers) ? idle : oldest);
}

static void
on_connection(void *arg, struct MHD_Connection *connection, void **state,
	      enum MHD_ConnectionNotificationCode code)
{
	struct metrics_http *http = arg;
	struct peer *peer = *state;
	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		peer = xcalloc(1, sizeof(*peer));
		peer->fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)
				   ->connect_fd;
		peer->since_ms = clock_mono_ms();
		LIST_INSERT_HEAD(&http->peers, peer, link);
		http->arrivals++;
		*state = peer;
		make_room(http);
		if (!ev_is_active(&http->sweep))
			ev_timer_again(http->config.loop, &http->sweep);
	} else if (peer) {
		LIST_REMOVE(peer, link);
		free(peer);
		*state = NULL;
		http->closed = true;
	}
}

/* ---- the loop ---- */

static void
run(struct metrics_http *http)
{
	struct ev_loop *loop = http->config.loop;
	MHD_UNSIGNED_LONG_LONG ms;
	MHD_run(http->daemon);
	ev_timer_stop(loop, &http->again);
	if (http->closed)
		ms = 0; /* where there was no place there is one: it listens again in its next
			   turn */
	else if (MHD_get_timeout(http->daemon, &ms) != MHD_YES)
		return;
	http->closed = false;
	ev_timer_set(&http->again, (double)ms / 1e3, 0);
	ev_timer_start(loop, &http->again);
}

static bool
has_descriptors(void)
{
	int fd = eventfd(0, EFD_CLOEXEC);
	if (fd >= 0)
		close(fd);
	return fd >= 0 || !used_up(errno);
}

static void
on_rested(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	struct metrics_http *http = timer->data;
	ev_io_start(loop, &http->ready);
}

/* Somebody knocks, and libmicrohttpd has no descriptor for them: it does not say so, and would
 * be called for ever. They stay in the queue. */
static void
on_ready(struct ev_loop *loop, struct ev_io *io, int events)
{
	struct metrics_http *http = io->data;
	uint64_t before = http->arrivals;
	run(http);
	if (http->arrivals != before || !LIST_EMPTY(&http->peers) || has_descriptors())
		return;
	ev_io_stop(loop, io);
	ev_timer_set(&http->rest, REST_MS / 1e3, 0);
	ev_timer_start(loop, &http->rest);
}

static void
on_again(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	run(timer->data);
}

/* Who asks or reads a byte at a time is not idle, but not welcome either. */
static void
on_sweep(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	struct metrics_http *http = timer->data;
	int64_t now_ms = clock_mono_ms();
	struct peer *peer;
	LIST_FOREACH(peer, &http->peers, link)
	if (now_ms - peer->since_ms >= http->config.life_ms)
		end_peer(peer);
	run(http);
	if (LIST_EMPTY(&http->peers))
		ev_timer_stop(loop, timer);
}

/* ---- listening ---- */

static const char *
unix_path(const struct metrics_http *http)
{
	const struct sockaddr_un *un = (const struct sockaddr_un *)&http->at.address;
	return un->sun_family == AF_UNIX ? un->sun_path : NULL;
}

/* A socket that nobody listens on was left by a life before; nothing else is removed. */
static void
remove_stale(const struct metrics_http *http)
{
	struct stat st;
	const char *path = unix_path(http);
	if (!path || lstat(path, &st) < 0 || !S_ISSOCK(st.st_mode))
		return;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const struct sockaddr *address = (const struct sockaddr *)&http->at.address;
	if (fd >= 0 && connect(fd, address, http->at.len) < 0 && errno == ECONNREFUSED)
		unlink(path);
	if (fd >= 0)
		close(fd);
}

static int
open_socket(const struct metrics_http *http)
{
	int one = 1;
	int fd =
		socket(http->at.address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	remove_stale(http);
	if (!unix_path(http))
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	mode_t before = umask(0117); /* of a socket: the user's and the group's */
	int failed = bind(fd, (const struct sockaddr *)&http->at.address, http->at.len);
	umask(before);
	if (!failed && !listen(fd, SOMAXCONN))
		return fd;
	int saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

static void
start_watchers(struct metrics_http *http)
{
	int fd = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
	ev_io_init(&http->ready, on_ready, fd, EV_READ);
	ev_init(&http->again, on_again);
	ev_init(&http->rest, on_rested);
	http->rest.data = http;
	ev_timer_init(&http->sweep, on_sweep, 0, (double)http->config.life_ms / 10e3);
	http->ready.data = http->again.data = http->sweep.data = http;
	ev_io_start(http->config.loop, &http->ready);
}

static enum lts_err
start(struct metrics_http *http)
{
	int fd = open_socket(http);
	if (fd < 0)
		return errno == EADDRINUSE ? LTS_BUSY : LTS_SYS;
	http->daemon = MHD_start_daemon(
		MHD_USE_EPOLL, 0, NULL, NULL, on_request, http, MHD_OPTION_LISTEN_SOCKET, fd,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned)METRICS_HTTP_CONNECTIONS + SPARE,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S, MHD_OPTION_NOTIFY_CONNECTION,
		on_connection, http, MHD_OPTION_END);
	if (!http->daemon) {
		close(fd);
		return LTS_SYS;
	}
	start_watchers(http);
	return LTS_OK;
}

enum lts_err
metrics_http_create(const struct metrics_http_config *config, struct metrics_http **out,
		    struct buf *why_out)
{
	struct metrics_http *http = xcalloc(1, sizeof(*http));
	const char *why = NULL;
	enum lts_err err = LTS_INVALID;
	http->config = *config;
	LIST_INIT(&http->peers);
	if (listen_at_parse(config->listen, &http->at, &why))
		err = start(http);
	if (err) {
		(void)!buf_printf(why_out, "%s: %s", config->listen,
				  why && err == LTS_INVALID ? why : strerror(errno));
		free(http);
		return err;
	}
	*out = http;
	return LTS_OK;
}

void
metrics_http_destroy(struct metrics_http **httpp)
{
	struct metrics_http *http = *httpp;
	if (!http)
		return;
	ev_io_stop(http->config.loop, &http->ready);
	ev_timer_stop(http->config.loop, &http->again);
	ev_timer_stop(http->config.loop, &http->rest);
	if (unix_path(http))
		unlink(unix_path(http));
	MHD_stop_daemon(http->daemon); /* and what it closes */
	ev_timer_stop(http->config.loop, &http->sweep);
	free(http);
	*httpp = NULL;
}
