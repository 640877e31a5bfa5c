/*
 * http.h - HTTP requests on the event loop, each with one callback.
 *
 * HTTP/1.1 over kept connections, none for longer than its life, so that a name is looked up
 * again; TLS 1.2 or newer, peer and host always verified, or the peer's key; redirects not
 * followed; bodies with a ceiling, gzip undone. One try: whoever asks decides about another.
 * The process must ignore SIGPIPE.
 */
#ifndef COMMON_HTTP_H
#define COMMON_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"

struct ev_loop;
struct http;
struct http_call;

struct http_config {              /* borrowed only during http_create */
	const char *ca_file;      /* NULL: the system's */
	unsigned max_connections; /* open at a time; requests above that wait their turn */
	int64_t life_ms;          /* of a connection; 0: half a minute */
	int64_t dead_ms;          /* what was sent may be without a sign of life; 0: 5 s */
	const char *proxy;        /* its URL, for https; HTTP_PROXY_ENV; NULL: none */
	const char *tls_name;     /* what the certificate says; NULL: the URL's host */
	const char *tls_pin;      /* "sha256//...": this key, whoever vouches for it; or NULL */
};

/* As the environment says: https_proxy, no_proxy. */
#define HTTP_PROXY_ENV "env"

/* Where the system's certificates are, as libcurl was built; NULL: it knows none. */
const char *http_system_ca_file(void);

struct http_request {               /* borrowed only during http_start */
	const char *method;         /* "GET" sends no body; "POST", "PUT", ... */
	const char *url;            /* percent-encoded, sent as it is */
	const char *const *headers; /* "name: value" */
	size_t n_headers;
	const char *body;
	size_t body_len;
	size_t max_body_bytes; /* of the answer, decoded */
	int64_t timeout_ms;    /* for the whole, the wait for a connection included */
	bool bulk;             /* a large answer is expected: read in large pieces */
	bool once; /* never sent twice: a kept connection that dies under it is a failure
		      at once */
};

struct http_result {
	/* LTS_OK: a whole answer, whatever its status; AGAIN: the network, a deadline, a
	 * body cut short; TOOBIG: body above max_body_bytes; BADDATA: not HTTP, or an
	 * encoding that cannot be undone. */
	enum lts_err err;
	bool reached;           /* a connection stood, so the request may have arrived */
	int status;             /* 0 when no status line came; may be set beside an err */
	int64_t date_ns;        /* 0: none */
	int64_t retry_after_ms; /* 0..300000; -1: not said */
	const char *request_id; /* "" when none */
	size_t body_size;       /* as its Content-Length says; 0: not said */
	const char *error; /* the network's words, "" when err is LTS_OK; may hold any byte */
	struct buf *body;  /* may be taken: copy the struct, buf_init the original */
};

/* Everything in `result` is borrowed until it returns. May start and cancel calls. */
typedef void http_done(void *arg, struct http_result *result);

/* What has come so far of a body whose status is 200, while more of it is to come. False: it
 * must see more. May start calls; must not cancel its own. */
typedef bool http_part(void *arg, const char *data, size_t len);

struct http *http_create(struct ev_loop *loop, const struct http_config *config);
/* Other certificates to trust, from the next connection on. */
void http_trust(struct http *http, const char *ca_file);
/* What it was made with, as long as it is there. */
const struct http_config *http_config_of(const struct http *http);
/* Cancels what is in flight. Not from a callback. NULL-safe. */
void http_destroy(struct http **http);
/* The handle is good until `done` was called, which never happens inside this call. */
struct http_call *http_start(struct http *http, const struct http_request *request,
			     http_done *done, void *arg);
/* From now on `part` is told, with the call's arg, until it returns true. */
void http_watch(struct http_call *call, http_part *part);
/* No callback comes after. Without effect on the call whose callback is running. */
void http_cancel(struct http *http, struct http_call *call);
/* Takes a body's memory, for the next bodies; `body` is empty then. Its content is lost. */
void http_recycle(struct http *http, struct buf *body);

#endif
