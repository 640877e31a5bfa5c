/*
 * http.c - libcurl's multi-socket interface on libev.
 *
 * In the supervisor and the workers. Owns the curl handles, their sockets' watchers, the
 * connection pool, the TLS sessions and the parsed CA bundle (one for all connections).
 * Must never wait (the resolver has its own thread, and is left behind when it is late),
 * never hold more of a body than its ceiling, never call back from http_start. What curl
 * may do is set in http_setup.c. Held by tests/common/test_http.c and test_http_calls.c.
 */
#include "common/http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include <curl/curl.h>
#include <ev.h>

#include "common/clock.h"
#include "common/http_head.h"
#include "common/http_setup.h"
#include "common/http_spare.h"
#include "common/xalloc.h"

enum {
	IDLE_HANDLES = 8,
	REPEAT_MS = 1000,
};

struct http_socket {
	ev_io io;
	LIST_ENTRY(http_socket) entry;
};

struct http_call {
	struct http *http;
	CURL *easy;
	struct http_lists lists;
	char *url;
	int64_t started_ms, reached_ms;
	struct buf body;
	struct http_head head;
	http_done *done;
	http_part *part; /* NULL: nobody asks, or enough was seen */
	void *arg;
	bool reached, once, sized, too_big;
	bool parted; /* in the list of parts */
	char error[CURL_ERROR_SIZE];
	LIST_ENTRY(http_call) entry, part_entry;
};

struct http {
	struct ev_loop *loop;
	CURLM *multi;
	CURLSH *share;
	struct http_config config; /* its texts are ours */
	int64_t condemned_ms; /* when the request began whose connection proved dead; 0: none */
	ev_timer timer;
	LIST_HEAD(, http_socket) sockets;
	LIST_HEAD(, http_call) calls;
	LIST_HEAD(, http_call) parts; /* more of a body came, and nobody was told yet */
	CURL *idle[IDLE_HANDLES];
	unsigned n_idle;
	struct http_spare spare;
	const struct http_call *finishing; /* the one whose callback is running */
};

static void
must(CURLcode code)
{
	if (code != CURLE_OK)
		abort();
}

static void
must_multi(CURLMcode code)
{
	if (code != CURLM_OK)
		abort();
}

static void *
curl_realloc(void *old, size_t size)
{
	return xreallocarray(old, size, 1);
}

static struct http_socket *
find_socket(struct http *http, curl_socket_t fd)
{
	struct http_socket *sock;
	LIST_FOREACH(sock, &http->sockets, entry)
	if (sock->io.fd == fd)
		return sock;
	return NULL;
}

static void
forget_socket(struct http *http, curl_socket_t fd)
{
	struct http_socket *sock = find_socket(http, fd);
	if (!sock)
		return;
	ev_io_stop(http->loop, &sock->io);
	LIST_REMOVE(sock, entry);
	free(sock);
}

static enum lts_err
err_of(const struct http_call *call, CURLcode code)
{
	return code != CURLE_OK && call->too_big ? LTS_TOOBIG : http_setup_err(code);
}

static void
put_handle(struct http *http, CURL *easy)
{
	if (http->n_idle == IDLE_HANDLES) {
		curl_easy_cleanup(easy);
		return;
	}
	curl_easy_reset(easy);
	http->idle[http->n_idle++] = easy;
}

static void
leave_parts(struct http_call *call)
{
	if (call->parted)
		LIST_REMOVE(call, part_entry);
	call->parted = false;
}

/* Takes the call away from curl; what its callback needs stays. The handle of one that did not
 * end well is not used again: curl may have left a buffer in it, of a size that can no longer be
 * set. */
static void
detach(struct http_call *call, bool ended_well)
{
	LIST_REMOVE(call, entry);
	leave_parts(call);
	must_multi(curl_multi_remove_handle(call->http->multi, call->easy));
	if (ended_well)
		put_handle(call->http, call->easy);
	else
		curl_easy_cleanup(call->easy);
	http_lists_free(&call->lists);
}

void
http_recycle(struct http *http, struct buf *body)
{
	http_spare_put(&http->spare, body);
}

static void
release(struct http_call *call)
{
	http_recycle(call->http, &call->body);
	free(call->url);
	free(call);
}

/* Of the body, decoded; 0 when it is not said. */
static size_t
said_size(const struct http_call *call)
{
	curl_off_t len = -1;
	if (!call->head.encoded)
		curl_easy_getinfo(call->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &len);
	return len > 0 ? (size_t)len : 0;
}

/* One connection that proves dead condemns its elders, which lead to the same machine: else they
 * would be tried one by one, for as long as each takes to prove it. */
static void
condemn(struct http_call *call, CURLcode code, long status)
{
	struct http *http = call->http;
	bool silent = code == CURLE_OPERATION_TIMEDOUT ? call->reached
						       : code == CURLE_COULDNT_CONNECT ||
								 (call->reached && !status);
	if (silent && err_of(call, code) == LTS_AGAIN && call->started_ms > http->condemned_ms)
		http->condemned_ms = call->started_ms;
}

static void
finish(struct http_call *call, CURLcode code)
{
	struct http *http = call->http;
	long status = 0;
	size_t body_size = said_size(call);
	curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
	if (code != CURLE_OK) {
		condemn(call, code, status);
		http_setup_explain(call->easy, code, call->url, call->error);
	}

	struct http_result result = {
		.err = err_of(call, code),
		.reached = call->reached,
		.status = (int)status,
		.date_ns = call->head.date_ns,
		.retry_after_ms = http_head_retry_after_ms(&call->head, clock_wall_ns()),
		.request_id = call->head.request_id,
		.body_size = body_size,
		.error = code == CURLE_OK ? "" : call->error,
		.body = &call->body,
	};
	detach(call, code == CURLE_OK);
	http->finishing = call;
	call->done(call->arg, &result);
	http->finishing = NULL;
	release(call);
}

/* Not from curl's own callback, in which no call may be started; and by now it is known which
 * bodies are whole. */
static void
tell_parts(struct http *http)
{
	struct http_call *call;
	while ((call = LIST_FIRST(&http->parts)) != NULL) {
		long status = 0;
		leave_parts(call);
		curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
		if (status != 200 || call->part(call->arg, call->body.data, call->body.len))
			call->part = NULL;
	}
}

static void
drive(struct http *http, curl_socket_t fd, int what)
{
	int running;
	must_multi(curl_multi_socket_action(http->multi, fd, what, &running));

	CURLMsg *msg;
	while ((msg = curl_multi_info_read(http->multi, &running)) != NULL) {
		if (msg->msg != CURLMSG_DONE)
			continue;
		char *call = NULL;
		must(curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &call));
		finish((struct http_call *)(void *)call, msg->data.result);
	}
	tell_parts(http);
}

static void
on_timer(struct ev_loop *loop, ev_timer *timer, int revents)
{
	drive(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

static void
on_socket_ready(struct ev_loop *loop, ev_io *io, int revents)
{
	int what = (revents & EV_READ ? CURL_CSELECT_IN : 0) |
		   (revents & EV_WRITE ? CURL_CSELECT_OUT : 0) |
		   (revents & EV_ERROR ? CURL_CSELECT_ERR : 0);
	drive(io->data, io->fd, what);
}

static int
on_curl_timer(CURLM *multi, long timeout_ms, void *arg)
{
	struct http *http = arg;
	ev_timer_stop(http->loop, &http->timer);
	if (timeout_ms >= 0) {
		ev_timer_set(&http->timer, (double)timeout_ms / 1e3, 0.);
		ev_timer_start(http->loop, &http->timer);
	}
	return 0;
}

static int
on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *unused)
{
	struct http *http = arg;
	int events = (what & CURL_POLL_IN ? EV_READ : 0) | (what & CURL_POLL_OUT ? EV_WRITE : 0);
	if (what == CURL_POLL_REMOVE) {
		forget_socket(http, fd);
		return 0;
	}
	struct http_socket *sock = find_socket(http, fd);
	if (sock) {
		ev_io_stop(http->loop, &sock->io);
		ev_io_set(&sock->io, fd, events);
	} else {
		sock = xcalloc(1, sizeof(*sock));
		ev_io_init(&sock->io, on_socket_ready, fd, events);
		sock->io.data = http;
		LIST_INSERT_HEAD(&http->sockets, sock, entry);
	}
	ev_io_start(http->loop, &sock->io);
	return 0;
}

/* curl may close, and the system hand out again, a descriptor that is still being
 * watched. */
static int
on_curl_close(void *arg, curl_socket_t fd)
{
	forget_socket(arg, fd);
	return close(fd);
}

/* The connection stands, TLS included; next the request goes out. A second time only where the
 * first connection was found closed at once: one that was dead for long says enough of the
 * others. */
static int
on_curl_prerequest(void *arg, char *peer, char *local, int peer_port, int local_port)
{
	struct http_call *call = arg;
	int64_t now_ms = clock_mono_ms();
	if (call->reached && (call->once || now_ms - call->reached_ms > REPEAT_MS)) {
		snprintf(call->error, sizeof(call->error), "the connection was lost");
		return CURL_PREREQFUNC_ABORT;
	}
	call->reached = true;
	call->reached_ms = now_ms;
	return CURL_PREREQFUNC_OK;
}

static size_t
on_curl_header(char *line, size_t size, size_t n, void *arg)
{
	struct http_call *call = arg;
	http_head_line(&call->head, line, size * n);
	return size * n;
}

static enum lts_err
size_body(struct http_call *call)
{
	if (call->sized)
		return LTS_OK;
	call->sized = true;
	size_t len = said_size(call);
	return len ? http_spare_reserve(&call->http->spare, &call->body, len) : LTS_OK;
}

static size_t
on_curl_body(char *data, size_t size, size_t n, void *arg)
{
	struct http_call *call = arg;
	if (size_body(call) || buf_put(&call->body, data, size * n)) {
		call->too_big = true;
		return CURL_WRITEFUNC_ERROR;
	}
	if (call->part && !call->parted) {
		LIST_INSERT_HEAD(&call->http->parts, call, part_entry);
		call->parted = true;
	}
	return size * n;
}

static void
set_callbacks(struct http_call *call)
{
	CURL *easy = call->easy;
	must(curl_easy_setopt(easy, CURLOPT_PRIVATE, call));
	must(curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->error));
	must(curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_curl_header));
	must(curl_easy_setopt(easy, CURLOPT_HEADERDATA, call));
	must(curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_curl_body));
	must(curl_easy_setopt(easy, CURLOPT_WRITEDATA, call));
	must(curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_curl_prerequest));
	must(curl_easy_setopt(easy, CURLOPT_PREREQDATA, call));
	/* Outlives the call: it belongs to the connection. */
	must(curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_curl_close));
	must(curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, call->http));
}

struct http_call *
http_start(struct http *http, const struct http_request *request, http_done *done, void *arg)
{
	struct http_call *call = xcalloc(1, sizeof(*call));
	call->http = http;
	call->once = request->once;
	call->done = done;
	call->arg = arg;
	call->url = xstrdup(request->url);
	call->started_ms = clock_mono_ms();
	buf_init(&call->body, request->max_body_bytes);
	http_head_init(&call->head);
	call->easy = http->n_idle ? http->idle[--http->n_idle] : curl_easy_init();
	if (!call->easy)
		abort();
	struct http_setup setup = { .request = request,
				    .config = &http->config,
				    .share = http->share,
				    .now_ms = call->started_ms,
				    .condemned_ms = http->condemned_ms };
	call->lists = http_setup(call->easy, &setup);
	set_callbacks(call);
	LIST_INSERT_HEAD(&http->calls, call, entry);
	must_multi(curl_multi_add_handle(http->multi, call->easy));
	return call;
}

void
http_watch(struct http_call *call, http_part *part)
{
	call->part = part;
}

void
http_cancel(struct http *http, struct http_call *call)
{
	if (call == http->finishing)
		return;
	detach(call, false);
	release(call);
}

static void
set_multi(struct http *http, long max_connections)
{
	must_multi(curl_multi_setopt(http->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket));
	must_multi(curl_multi_setopt(http->multi, CURLMOPT_SOCKETDATA, http));
	must_multi(curl_multi_setopt(http->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer));
	must_multi(curl_multi_setopt(http->multi, CURLMOPT_TIMERDATA, http));
	must_multi(curl_multi_setopt(http->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING));
	must_multi(curl_multi_setopt(http->multi, CURLMOPT_MAXCONNECTS, max_connections));
	must_multi(
		curl_multi_setopt(http->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, max_connections));
}

struct http *
http_create(struct ev_loop *loop, const struct http_config *config)
{
	must(curl_global_init_mem(CURL_GLOBAL_DEFAULT, xmalloc, free, curl_realloc, xstrdup,
				  xcalloc));
	struct http *http = xcalloc(1, sizeof(*http));
	http->loop = loop;
	http->config = http_config_copy(config);
	LIST_INIT(&http->sockets);
	LIST_INIT(&http->calls);
	LIST_INIT(&http->parts);
	ev_timer_init(&http->timer, on_timer, 0., 0.);
	http->timer.data = http;
	http->multi = curl_multi_init();
	http->share = curl_share_init();
	if (!http->multi || !http->share)
		abort();
	if (curl_share_setopt(http->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION))
		abort();
	set_multi(http, (long)config->max_connections);
	return http;
}

void
http_trust(struct http *http, const char *ca_file)
{
	free((char *)(uintptr_t)http->config.ca_file);
	http->config.ca_file = xstrdup(ca_file);
}

const struct http_config *
http_config_of(const struct http *http)
{
	return &http->config;
}

void
http_destroy(struct http **http_p)
{
	struct http *http = *http_p;
	if (!http)
		return;
	struct http_call *call;
	while ((call = LIST_FIRST(&http->calls)) != NULL)
		http_cancel(http, call);
	while (http->n_idle)
		curl_easy_cleanup(http->idle[--http->n_idle]);
	http_spare_fini(&http->spare);
	must_multi(curl_multi_cleanup(http->multi));
	ev_timer_stop(http->loop, &http->timer);
	while (!LIST_EMPTY(&http->sockets))
		forget_socket(http, LIST_FIRST(&http->sockets)->io.fd);
	curl_share_cleanup(http->share);
	curl_global_cleanup();
	http_config_drop(&http->config);
	free(http);
	*http_p = NULL;
}
