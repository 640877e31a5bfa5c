/*
 * http_setup.c - the settings of one transfer.
 *
 * In the supervisor and the workers. Owns nothing. Must never let a peer go unverified, a
 * redirect be followed, another protocol than HTTP be spoken, or the resolver be waited
 * for. Options of curl 7.88. Held by tests/common/test_http.c and test_http_tls.c.
 */
#include "common/http_setup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
	CONNECT_TIMEOUT_MS = 10 * 1000, /* lookup, TCP and TLS */
	STALL_S = 30,                   /* without a byte a second: given up */
	BULK_BUFFER_BYTES = 256 * 1024,
	CA_CACHE_S = 24 * 60 * 60,
};

#define SET(easy, option, value) must(curl_easy_setopt((easy), (option), (value)))

/* An option that this curl does not know would be a setting silently missing. */
static void
must(CURLcode code)
{
	if (code != CURLE_OK)
		abort();
}

const char *
http_system_ca_file(void)
{
	return curl_version_info(CURLVERSION_NOW)->cainfo;
}

static void
set_tls(CURL *easy, const char *ca_file)
{
	SET(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	SET(easy, CURLOPT_SSL_VERIFYPEER, 1L);
	SET(easy, CURLOPT_SSL_VERIFYHOST, 2L);
	SET(easy, CURLOPT_SSL_ENABLE_ALPN, 0L);
	SET(easy, CURLOPT_CA_CACHE_TIMEOUT, (long)CA_CACHE_S);
	if (!ca_file)
		return;
	/* With a directory beside it curl would parse the file anew for every connection.
	 */
	SET(easy, CURLOPT_CAINFO, ca_file);
	SET(easy, CURLOPT_CAPATH, NULL);
}

static void
set_connection(CURL *easy, const struct http_request *request)
{
	SET(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	SET(easy, CURLOPT_FOLLOWLOCATION, 0L);
	/* Plain http is for this machine only (endpoint, agency): no proxy has business
	 * there. */
	if (strncasecmp(request->url, "http:", 5) == 0)
		SET(easy, CURLOPT_PROXY, "");
	SET(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	SET(easy, CURLOPT_TCP_NODELAY, 1L);
	SET(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	SET(easy, CURLOPT_NOSIGNAL, 1L);
	/* Else a timeout or a cancel during a lookup would wait for the resolver. */
	SET(easy, CURLOPT_QUICK_EXIT, 1L);
}

static void
set_limits(CURL *easy, const struct http_request *request)
{
	SET(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
	SET(easy, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms);
	SET(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
	SET(easy, CURLOPT_LOW_SPEED_TIME, (long)STALL_S);
	if (request->bulk)
		SET(easy, CURLOPT_BUFFERSIZE, (long)BULK_BUFFER_BYTES);
}

static void
set_message(CURL *easy, const struct http_request *request)
{
	SET(easy, CURLOPT_URL, request->url);
	SET(easy, CURLOPT_PATH_AS_IS, 1L);
	SET(easy, CURLOPT_USERAGENT, "lts-consumer/" LTS_VERSION);
	SET(easy, CURLOPT_ACCEPT_ENCODING, "gzip");
	if (strcmp(request->method, "GET") == 0)
		return;
	SET(easy, CURLOPT_POST, 1L);
	SET(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_len);
	SET(easy, CURLOPT_COPYPOSTFIELDS, request->body_len ? request->body : "");
	if (strcmp(request->method, "POST") != 0)
		SET(easy, CURLOPT_CUSTOMREQUEST, request->method);
}

static struct curl_slist *
append(struct curl_slist *list, const char *header)
{
	struct curl_slist *longer = curl_slist_append(list, header);
	if (!longer)
		abort();
	return longer;
}

struct curl_slist *
http_setup(CURL *easy, const struct http_setup *setup)
{
	const struct http_request *request = setup->request;
	SET(easy, CURLOPT_SHARE, setup->share);
	set_tls(easy, setup->ca_file);
	set_connection(easy, request);
	set_limits(easy, request);
	set_message(easy, request);
	/* curl would wait up to a second for a 100 before a larger body. */
	struct curl_slist *headers = append(NULL, "Expect:");
	for (size_t i = 0; i < request->n_headers; i++)
		headers = append(headers, request->headers[i]);
	SET(easy, CURLOPT_HTTPHEADER, headers);
	return headers;
}

void
http_setup_explain(CURL *easy, CURLcode code, char words[CURL_ERROR_SIZE])
{
	long reason = 0;
	if (!words[0])
		snprintf(words, CURL_ERROR_SIZE, "%s", curl_easy_strerror(code));
	if (code != CURLE_COULDNT_CONNECT)
		return;
	/* curl says that it could not, the system why. */
	curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &reason);
	size_t len = strlen(words);
	if (reason)
		snprintf(words + len, CURL_ERROR_SIZE - len, ": %s", strerror((int)reason));
}
