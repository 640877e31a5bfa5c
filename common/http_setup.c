/*
 * http_setup.c - the settings of one transfer.
 *
 * In the supervisor and the workers. Owns nothing. Must never let a peer go unverified (by
 * name and certificate, or by its key), a redirect be followed, another protocol than HTTP be
 * spoken, or the resolver be waited for. Options of curl 7.88. Held by tests/common/test_http.c,
 * test_http_tls.c and test_http_address.c.
 */
#include "common/http_setup.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "common/descriptors.h"
#include "common/used_up.h"
#include "common/xalloc.h"

enum {
	CONNECT_TIMEOUT_MS = 10 * 1000, /* lookup, TCP and TLS */
	STALL_S = 30,                   /* without a byte a second: given up */
	BULK_BUFFER_BYTES = 256 * 1024,
	CA_CACHE_S = 24 * 60 * 60,
	LIFE_MS = 30 * 1000,
	DEAD_MS = 5000,
	/* So many connections that are opened at once share a lookup; a later one, as after a
	 * dead address, makes its own. */
	DNS_CACHE_S = 1,
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

static const char *
copy(const char *text)
{
	return text ? xstrdup(text) : NULL;
}

static void
drop(const char *text)
{
	free((char *)(uintptr_t)text);
}

struct http_config
http_config_copy(const struct http_config *config)
{
	struct http_config own = *config;
	own.ca_file = copy(config->ca_file ? config->ca_file : http_system_ca_file());
	own.proxy = copy(config->proxy);
	own.tls_name = copy(config->tls_name);
	own.tls_pin = copy(config->tls_pin);
	return own;
}

void
http_config_drop(struct http_config *config)
{
	drop(config->ca_file);
	drop(config->proxy);
	drop(config->tls_name);
	drop(config->tls_pin);
}

static void
set_tls(CURL *easy, const struct http_config *config)
{
	SET(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	/* A key that is known needs nobody to vouch for it, and no name. */
	SET(easy, CURLOPT_SSL_VERIFYPEER, config->tls_pin ? 0L : 1L);
	SET(easy, CURLOPT_SSL_VERIFYHOST, config->tls_pin ? 0L : 2L);
	SET(easy, CURLOPT_PINNEDPUBLICKEY, config->tls_pin);
	SET(easy, CURLOPT_SSL_ENABLE_ALPN, 0L);
	SET(easy, CURLOPT_CA_CACHE_TIMEOUT, (long)CA_CACHE_S);
	if (!config->ca_file)
		return;
	/* With a directory beside it curl would parse the file anew for every connection.
	 */
	SET(easy, CURLOPT_CAINFO, config->ca_file);
	SET(easy, CURLOPT_CAPATH, NULL);
}

static bool
is_plain(const char *url)
{
	return strncasecmp(url, "http:", 5) == 0;
}

/* Plain http is for this machine only (endpoint, agency): no proxy has business there. */
static void
set_proxy(CURL *easy, const char *url, const char *proxy)
{
	if (is_plain(url) || !proxy)
		SET(easy, CURLOPT_PROXY, "");
	else if (strcasecmp(proxy, HTTP_PROXY_ENV) != 0)
		SET(easy, CURLOPT_PROXY, proxy);
	SET(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
}

/* curl's measure is whole seconds: in the first two after a connection proved dead all must be
 * new, and after that those that are older than its request. */
static void
set_age(CURL *easy, const struct http_setup *setup)
{
	int64_t life_ms = setup->config->life_ms ? setup->config->life_ms : LIFE_MS;
	int64_t limit_s = life_ms / 1000;
	if (setup->condemned_ms) {
		int64_t age_s = (setup->now_ms - setup->condemned_ms) / 1000;
		SET(easy, CURLOPT_FRESH_CONNECT, age_s < 2 ? 1L : 0L);
		if (age_s - 1 < limit_s)
			limit_s = age_s - 1;
	}
	SET(easy, CURLOPT_MAXLIFETIME_CONN, (long)(limit_s > 1 ? limit_s : 1));
	SET(easy, CURLOPT_DNS_CACHE_TIMEOUT, (long)DNS_CACHE_S);
}

/* So that a machine that is gone is noticed while it has only to acknowledge, however long its
 * answer may take. */
static int
on_curl_sockopt(void *arg, curl_socket_t fd, curlsocktype purpose)
{
	const struct http_config *config = arg;
	unsigned ms = config->dead_ms ? (unsigned)config->dead_ms : DEAD_MS;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms));
	return CURL_SOCKOPT_OK;
}

static void
set_connection(CURL *easy, const struct http_setup *setup)
{
	SET(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	SET(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	SET(easy, CURLOPT_FOLLOWLOCATION, 0L);
	set_proxy(easy, setup->request->url, setup->config->proxy);
	set_age(easy, setup);
	SET(easy, CURLOPT_SOCKOPTFUNCTION, on_curl_sockopt);
	SET(easy, CURLOPT_SOCKOPTDATA, setup->config);
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

/* "host:port" in a URL that has both. */
static const char *
find_authority(const char *url, size_t *len_out)
{
	const char *at = strstr(url, "://");
	at = at ? at + 3 : url;
	*len_out = strcspn(at, "/?");
	return at;
}

/* curl verifies the URL's host, so that the name goes there, and the connection elsewhere. */
static void
set_url(CURL *easy, const struct http_setup *setup, struct http_lists *lists)
{
	const char *url = setup->request->url, *name = setup->config->tls_name;
	size_t len;
	const char *at = find_authority(url, &len);
	if (!name || is_plain(url)) {
		SET(easy, CURLOPT_URL, url);
		return;
	}
	const char *port = memrchr(at, ':', len);
	char *named = xasprintf("https://%s%s", name, port ? port : at + len);
	char *to = xasprintf("::%.*s", (int)len, at), *host = xasprintf("Host:%.*s", (int)len, at);
	SET(easy, CURLOPT_URL, named);
	lists->connect_to = append(NULL, to);
	SET(easy, CURLOPT_CONNECT_TO, lists->connect_to);
	lists->headers = append(lists->headers, host);
	free(host);
	free(to);
	free(named);
}

struct http_lists
http_setup(CURL *easy, const struct http_setup *setup)
{
	const struct http_request *request = setup->request;
	/* curl would wait up to a second for a 100 before a larger body. */
	struct http_lists lists = { .headers = append(NULL, "Expect:") };
	SET(easy, CURLOPT_SHARE, setup->share);
	set_tls(easy, setup->config);
	set_connection(easy, setup);
	set_limits(easy, request);
	set_message(easy, request);
	set_url(easy, setup, &lists);
	for (size_t i = 0; i < request->n_headers; i++)
		lists.headers = append(lists.headers, request->headers[i]);
	SET(easy, CURLOPT_HTTPHEADER, lists.headers);
	return lists;
}

void
http_lists_free(struct http_lists *lists)
{
	curl_slist_free_all(lists->headers);
	curl_slist_free_all(lists->connect_to);
	*lists = (struct http_lists){ NULL, NULL };
}

enum lts_err
http_setup_err(CURLcode code)
{
	switch (code) {
	case CURLE_OK:
		return LTS_OK;
	case CURLE_UNSUPPORTED_PROTOCOL: /* no status line: taken for HTTP/0.9 */
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_BAD_CONTENT_ENCODING:
		return LTS_BADDATA;
	case CURLE_OUT_OF_MEMORY: /* headers above curl's limits: real memory cannot run out */
		return descriptors_lack(1) ? LTS_AGAIN : LTS_BADDATA;
	default:
		return LTS_AGAIN;
	}
}

static bool
is_distrust(CURLcode code)
{
	return code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_PINNEDPUBKEYNOTMATCH;
}

/* For a socket, a lookup, or a file with certificates. */
static bool
wants_descriptors(CURLcode code)
{
	return code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST ||
	       code == CURLE_OUT_OF_MEMORY || code == CURLE_SSL_CACERT_BADFILE;
}

static void
explain_used_up(char own[CURL_ERROR_SIZE], int error)
{
	struct buf why;
	buf_init(&why, 0);
	used_up_explain(error, &why);
	snprintf(own, CURL_ERROR_SIZE, "%s", why.data);
	buf_fini(&why);
}

void
http_setup_explain(CURL *easy, CURLcode code, const char *url, char words[CURL_ERROR_SIZE])
{
	long reason = 0;
	char own[CURL_ERROR_SIZE];
	size_t len;
	const char *at = find_authority(url, &len);
	snprintf(own, sizeof(own), "%s", words[0] ? words : curl_easy_strerror(code));
	/* curl says that it could not, the system why. */
	int error = wants_descriptors(code) ? descriptors_lack(1) : 0;
	if (error)
		explain_used_up(own, error);
	else if (code == CURLE_COULDNT_CONNECT)
		curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &reason);
	snprintf(words, CURL_ERROR_SIZE, "%.*s: %.120s%s%.40s%s", (int)(len < 50 ? len : 50), at,
		 own, reason ? ": " : "", reason ? strerror((int)reason) : "",
		 is_distrust(code) ? " (see ca_file, tls_name, tls_pin)" : "");
}
