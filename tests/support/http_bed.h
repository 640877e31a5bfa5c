/*
 * http_bed.h - an HTTP client with its loop and a scripted far end, for the tests of it.
 */
#ifndef TESTS_SUPPORT_HTTP_BED_H
#define TESTS_SUPPORT_HTTP_BED_H

#include "common/http.h"
#include "tests/support/raw_server.h"

enum { HTTP_BED_CAP = 1024 * 1024, HTTP_BED_CONNECTIONS = 4 };

struct http_bed {
	struct ev_loop *loop;
	struct http *http;
	struct raw_server *server; /* the test's to start */
	struct raw_reply reply;    /* of http_bed_get_answered */
};

struct http_outcome {
	size_t done;
	enum lts_err err;
	bool reached;
	int status;
	int64_t retry_after_ms, date_ns;
	char request_id[64], error[256], body[64]; /* cut to fit */
	size_t body_len, body_size;
};

void http_bed_init(struct http_bed *bed);
void http_bed_fini(struct http_bed *bed);
/* A GET of that URL, to be changed at will. */
struct http_request http_bed_request(const char *url);
/* Fills an http_outcome. */
void http_bed_done(void *arg, struct http_result *result);
/* Starts a GET of the bed's server. */
struct http_call *http_bed_start(struct http_bed *bed, http_done *done, void *arg);
/* Starts it and waits until it is done. */
void http_bed_wait(struct http_bed *bed, struct http_request request, struct http_outcome *out);
struct http_outcome http_bed_get(struct http_bed *bed, const char *url);
/* One GET from a server that answers so. */
struct http_outcome http_bed_get_answered(struct http_bed *bed, struct raw_reply reply);

#endif
