/*
 * http_bed.c - an HTTP client with its loop and a scripted far end.
 *
 * In the test process. Owns what it sets up until http_bed_fini.
 */
#include "tests/support/http_bed.h"

#include <check.h>
#include <ev.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/support/until.h"

enum { PATIENCE_MS = 15000 };

void
http_bed_init(struct http_bed *bed)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	struct http_config config = { .max_connections = HTTP_BED_CONNECTIONS };
	if (sigaction(SIGPIPE, &ignore, NULL))
		abort();
	*bed = (struct http_bed){ .loop = ev_loop_new(EVFLAG_AUTO) };
	bed->http = http_create(bed->loop, &config);
}

void
http_bed_fini(struct http_bed *bed)
{
	http_destroy(&bed->http);
	raw_server_stop(&bed->server);
	ev_loop_destroy(bed->loop);
}

void
http_bed_done(void *arg, struct http_result *result)
{
	struct http_outcome *out = arg;
	out->done++;
	out->err = result->err;
	out->reached = result->reached;
	out->status = result->status;
	out->retry_after_ms = result->retry_after_ms;
	out->date_ns = result->date_ns;
	out->body_len = result->body->len;
	out->body_size = result->body_size;
	snprintf(out->request_id, sizeof(out->request_id), "%s", result->request_id);
	snprintf(out->error, sizeof(out->error), "%s", result->error);
	snprintf(out->body, sizeof(out->body), "%s",
		 result->body->data ? result->body->data : "");
}

struct http_request
http_bed_request(const char *url)
{
	return (struct http_request){ .method = "GET",
				      .url = url,
				      .max_body_bytes = HTTP_BED_CAP,
				      .timeout_ms = PATIENCE_MS };
}

struct http_call *
http_bed_start(struct http_bed *bed, http_done *done, void *arg)
{
	char url[64];
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/x", raw_server_port(bed->server));
	struct http_request request = http_bed_request(url);
	return http_start(bed->http, &request, done, arg);
}

void
http_bed_wait(struct http_bed *bed, struct http_request request, struct http_outcome *out)
{
	size_t before = out->done;
	http_start(bed->http, &request, http_bed_done, out);
	ck_assert_uint_eq(out->done, before);
	until_count(bed->loop, &out->done, before + 1);
}

struct http_outcome
http_bed_get(struct http_bed *bed, const char *url)
{
	struct http_outcome out = { .done = 0 };
	http_bed_wait(bed, http_bed_request(url), &out);
	return out;
}

struct http_outcome
http_bed_get_answered(struct http_bed *bed, struct raw_reply reply)
{
	struct http_outcome out = { .done = 0 };
	bed->reply = reply;
	bed->server = raw_server_start(&bed->reply, 1);
	http_bed_start(bed, http_bed_done, &out);
	ck_assert_uint_eq(out.done, 0);
	until_count(bed->loop, &out.done, 1);
	return out;
}
