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

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include <curl/curl.h>
#include <ev.h>

#include "common/clock.h"
#include "common/http_head.h"
#include "common/http_setup.h"
#include "common/xalloc.h"

enum {
	IDLE_HANDLES = 8,
	/* Memory of bodies, kept for the next ones: new pages cost more than what is copied
	 * there. Few and small enough not to matter beside a budget. */
	SPARE_BODIES = 16,
	SPARE_BYTES = 8 << 20, /* all of them */
	SPARE_STEP = 64 << 10, /* bodies below it are not worth it; sizes are rounded to it */
};

struct http_socket {
	ev_io io;
	LIST_ENTRY(http_socket) entry;
};

struct http_call {
	struct http *http;
	CURL *easy;
	struct curl_slist *headers;
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
	char *ca_file;
	ev_timer timer;
	LIST_HEAD(, http_socket) sockets;
	LIST_HEAD(, http_call) calls;
	LIST_HEAD(, http_call) parts; /* more of a body came, and nobody was told yet */
	CURL *idle[IDLE_HANDLES];
	unsigned n_idle;
	struct buf spare[SPARE_BODIES];
	unsigned n_spare;
	size_t spare_bytes;
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
	if (code == CURLE_OK)
		return LTS_OK;
	if (call->too_big)
		return LTS_TOOBIG;
	switch (code) {
	case CURLE_UNSUPPORTED_PROTOCOL: /* no status line: taken for HTTP/0.9 */
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_BAD_CONTENT_ENCODING:
	case CURLE_OUT_OF_MEMORY: /* headers above curl's limits: real memory cannot run
				     out */
		return LTS_BADDATA;
	default:
		return LTS_AGAIN;
	}
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
	curl_slist_free_all(call->headers);
}

void
http_recycle(struct http *http, struct buf *body)
{
	if (body->cap < SPARE_STEP || http->n_spare == SPARE_BODIES ||
	    http->spare_bytes + body->cap > SPARE_BYTES) {
		buf_fini(body);
		return;
	}
	http->spare[http->n_spare++] = *body;
	http->spare_bytes += body->cap;
	buf_init(body, body->max);
}

/* Memory for `len` bytes and not many more, since it counts as the body's: the last that came
 * back, which the processor's caches may still hold. */
static enum lts_err
reserve_body(struct http *http, struct buf *body, size_t len)
{
	if (len < SPARE_STEP || (body->max && len > body->max))
		return buf_reserve(body, len);
	size_t least = len - len % SPARE_STEP + SPARE_STEP, max = body->max;
	for (unsigned i = http->n_spare; i-- > 0;) {
		struct buf *spare = &http->spare[i];
		if (spare->cap <= len || spare->cap > least + least / 4 ||
		    (max && spare->cap > max + 1))
			continue;
		*body = *spare;
		body->max = max;
		buf_clear(body);
		http->spare_bytes -= body->cap;
		*spare = http->spare[--http->n_spare];
		return LTS_OK;
	}
	return buf_reserve(body, max && least > max ? max : least);
}

static void
release(struct http_call *call)
{
	http_recycle(call->http, &call->body);
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

static void
finish(struct http_call *call, CURLcode code)
{
	struct http *http = call->http;
	long status = 0;
	size_t body_size = said_size(call);
	curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
	if (code != CURLE_OK)
		http_setup_explain(call->easy, code, call->error);

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

/* The connection stands, TLS included; next the request goes out. */
static int
on_curl_prerequest(void *arg, char *peer, char *local, int peer_port, int local_port)
{
	struct http_call *call = arg;
	if (call->reached && call->once)
		return CURL_PREREQFUNC_ABORT;
	call->reached = true;
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
	return len ? reserve_body(call->http, &call->body, len) : LTS_OK;
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
	buf_init(&call->body, request->max_body_bytes);
	http_head_init(&call->head);
	call->easy = http->n_idle ? http->idle[--http->n_idle] : curl_easy_init();
	if (!call->easy)
		abort();
	struct http_setup setup = { .request = request,
				    .ca_file = http->ca_file,
				    .share = http->share };
	call->headers = http_setup(call->easy, &setup);
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
	const char *ca_file = config->ca_file ? config->ca_file : http_system_ca_file();
	http->loop = loop;
	http->ca_file = ca_file ? xstrdup(ca_file) : NULL;
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
	while (http->n_spare)
		buf_fini(&http->spare[--http->n_spare]);
	must_multi(curl_multi_cleanup(http->multi));
	ev_timer_stop(http->loop, &http->timer);
	while (!LIST_EMPTY(&http->sockets))
		forget_socket(http, LIST_FIRST(&http->sockets)->io.fd);
	curl_share_cleanup(http->share);
	curl_global_cleanup();
	free(http->ca_file);
	free(http);
	*http_p = NULL;
}
