/*
 * agency.c - temporary keys from the metadata service of a Huawei ECS host.
 *
 * On the supervisor's loop. Owns its HTTP client and the request under way. Must never keep a
 * key longer than its callback runs, nor print one. Held by
 * tests/supervisor/test_agency.c.
 */
#include "supervisor/agency.h"

#include <cjson/cJSON.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/http.h"
#include "common/json.h"
#include "common/options_value.h"
#include "common/xalloc.h"

enum { ANSWER_MAX = 64 * 1024, ASK_MS = 5000 };

#define TOKEN_PATH "/meta-data/latest/api/token"
#define KEYS_PATH "/openstack/latest/securitykey"

struct agency {
	struct http *http;
	struct http_call *call;
	char *url;
	char token[1024]; /* of the metadata service, for one question; "": it has none */
	agency_done *done;
	void *arg;
};

/* ---- what it answers ---- */

static bool
take_text(const struct cJSON *object, const char *key, char *out, size_t room)
{
	const char *text = json_text(object, key);
	if (!text || !text[0] || strlen(text) >= room)
		return false;
	for (const char *c = text; *c; c++)
		if (*c <= ' ' || *c >= 0x7f)
			return false;
	memcpy(out, text, strlen(text) + 1);
	return true;
}

enum lts_err
agency_parse(const char *text, size_t len, struct credentials *keys_out, int64_t *expires_ns_out)
{
	struct cJSON *tree = json_parse_exact(text, len);
	const struct cJSON *found = json_member(tree, "credential");
	struct credentials keys = { .ak = "" };
	struct time_spec expires = { .kind = TIME_NONE };
	const char *when = json_text(found, "expires_at");
	bool good = take_text(found, "access", keys.ak, sizeof(keys.ak)) &&
		    take_text(found, "secret", keys.sk, sizeof(keys.sk)) &&
		    take_text(found, "securitytoken", keys.token, sizeof(keys.token)) && when &&
		    !value_parse_time(when, &expires) && expires.kind == TIME_AT;
	if (good) {
		*keys_out = keys;
		*expires_ns_out = expires.ns;
	}
	credentials_wipe(&keys);
	cJSON_Delete(tree);
	return good ? LTS_OK : LTS_BADDATA;
}

/* ---- asking ---- */

static void
fail(struct agency *a, enum lts_err err, const char *what, const struct http_result *result)
{
	char why[400];
	if (result->err)
		snprintf(why, sizeof(why), "%s%s: %.200s", a->url, what, result->error);
	else
		snprintf(why, sizeof(why), "%s%s: HTTP status %d", a->url, what, result->status);
	a->done(a->arg, &(struct agency_answer){ .err = err, .why = why });
}

static void
on_keys(void *arg, struct http_result *result)
{
	struct agency *a = arg;
	struct credentials keys;
	int64_t expires_ns = 0;
	a->call = NULL;
	OPENSSL_cleanse(a->token, sizeof(a->token));
	if (result->err || result->status != 200) {
		fail(a, LTS_AGAIN, KEYS_PATH, result);
		return;
	}
	enum lts_err err =
		agency_parse(result->body->data, result->body->len, &keys, &expires_ns);
	if (result->body->data)
		OPENSSL_cleanse(result->body->data, result->body->len);
	if (err) {
		fail(a, err, KEYS_PATH " is not of the expected shape", result);
		return;
	}
	a->done(a->arg, &(struct agency_answer){ .keys = &keys, .expires_ns = expires_ns });
	credentials_wipe(&keys);
}

static void
start(struct agency *a, const char *method, const char *path, const char *header, http_done *done)
{
	char *url = xasprintf("%s%s", a->url, path);
	const struct http_request request = { .method = method,
					      .url = url,
					      .headers = &header,
					      .n_headers = header != NULL,
					      .max_body_bytes = ANSWER_MAX,
					      .timeout_ms = ASK_MS };
	a->call = http_start(a->http, &request, done, a);
	free(url);
}

static void
on_token(void *arg, struct http_result *result)
{
	struct agency *a = arg;
	char header[sizeof(a->token) + 32];
	bool has_none = result->status == 404 || result->status == 405;
	a->call = NULL;
	if (result->err || (result->status != 200 && !has_none) ||
	    result->body->len >= sizeof(a->token)) {
		fail(a, LTS_AGAIN, TOKEN_PATH, result);
		return;
	}
	size_t len = has_none || !result->body->len ? 0 : strcspn(result->body->data, "\r\n");
	memcpy(a->token, len ? result->body->data : "", len);
	a->token[len] = '\0';
	snprintf(header, sizeof(header), "X-Metadata-Token: %s", a->token);
	start(a, "GET", KEYS_PATH, len ? header : NULL, on_keys);
	OPENSSL_cleanse(header, sizeof(header));
}

void
agency_ask(struct agency *a)
{
	if (!a->call)
		start(a, "PUT", TOKEN_PATH, "X-Metadata-Token-Ttl-Seconds: 21600", on_token);
}

struct agency *
agency_create(struct ev_loop *loop, const char *url, agency_done *done, void *arg)
{
	struct agency *a = xcalloc(1, sizeof(*a));
	a->http = http_create(loop, &(struct http_config){ .max_connections = 1 });
	a->url = xstrdup(url ? url : AGENCY_URL);
	a->done = done;
	a->arg = arg;
	return a;
}

void
agency_destroy(struct agency **agency)
{
	struct agency *a = *agency;
	if (!a)
		return;
	http_destroy(&a->http);
	OPENSSL_cleanse(a->token, sizeof(a->token));
	free(a->url);
	free(a);
	*agency = NULL;
}
