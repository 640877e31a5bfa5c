/*
 * http_setup.h - what a curl handle is allowed to do, in one place.
 *
 * Used by http.c only.
 */
#ifndef COMMON_HTTP_SETUP_H
#define COMMON_HTTP_SETUP_H

#include <curl/curl.h>

#include "common/http.h"

struct http_setup { /* borrowed only during the call */
	const struct http_request *request;
	const char *ca_file; /* NULL: curl's own */
	CURLSH *share;       /* outlives the handle */
};

/* Everything but the callbacks. The list returned must outlive the transfer;
 * curl_slist_free_all. */
struct curl_slist *http_setup(CURL *easy, const struct http_setup *setup);
/* Why a transfer failed, for people. What curl has written there itself stays. */
void http_setup_explain(CURL *easy, CURLcode code, char words[CURL_ERROR_SIZE]);

#endif
