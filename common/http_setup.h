/*
 * http_setup.h - what a curl handle is allowed to do, in one place.
 *
 * Used by http.c only.
 */
#ifndef COMMON_HTTP_SETUP_H
#define COMMON_HTTP_SETUP_H

#include <curl/curl.h>

#include "common/http.h"

/* With texts of its own, and the system's certificates where none are named. */
struct http_config http_config_copy(const struct http_config *config);
void http_config_drop(struct http_config *config);

struct http_setup { /* borrowed only during the call */
	const struct http_request *request;
	const struct http_config *config; /* outlives the handle */
	CURLSH *share; /* outlives the handle */
	/* CLOCK_MONOTONIC. A connection that was there before condemned_ms may be dead; 0: none. */
	int64_t now_ms, condemned_ms;
};

struct http_lists {
	struct curl_slist *headers, *connect_to;
};

/* Everything but the callbacks. The lists must outlive the transfer. */
struct http_lists http_setup(CURL *easy, const struct http_setup *setup);
void http_lists_free(struct http_lists *lists);
/* What the end of a transfer means to the caller. */
enum lts_err http_setup_err(CURLcode code);
/* Where and why a transfer failed, for people. What curl has written there itself stays. */
void http_setup_explain(CURL *easy, CURLcode code, const char *url, char words[CURL_ERROR_SIZE]);

#endif
