/*
 * lts_api.c - signs the service's requests, sends them, and hands back answers.
 *
 * On the loop of the supervisor and of the workers. Owns the HTTP client, the signer, a
 * copy of the credentials (wiped), the learned clock skew, and every request in flight.
 * Must never retry on its own, but for the one repetition after learning the skew, and
 * never wait. What an answer means is decided in lts_answer.c. Held by
 * tests/common/test_lts_api.c and test_lts_api_life.c.
 */
#include "common/lts_api.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/clock.h"
#include "common/http.h"
#include "common/lts_answer.h"
#include "common/lts_sign.h"
#include "common/options.h"
#include "common/protect.h"
#include "common/xalloc.h"

enum { MAX_CONNECTIONS = 64 };

static const int64_t NS_PER_S = 1000000000;
/* Date counts whole seconds and answers take their time: less than this is no skew. */
static const int64_t SKEW_NOTICED_NS = 60 * (int64_t)1000000000;

struct lts_request {
	struct lts_api *api;
	struct http *http; /* the one of the two that carries it */
	struct lts_wire_request wire;
	struct http_call *call;
	size_t max_bytes; /* 0: as many as any */
	lts_api_done *done;
	lts_api_part *part; /* NULL: nobody asks */
	void *arg;
	bool repeated;
	LIST_ENTRY(lts_request) entry;
};

struct lts_api {
	struct ev_loop *loop;
	struct http *http;
	struct http *beats; /* heartbeats wait for nothing else; NULL until there is one */
	struct lts_sign *sign;           /* NULL until there are credentials */
	struct credentials *credentials; /* where keys are kept: common/protect.h */
	char *url, *region, *project_id, *group_id, *stream_id, *consumer_group;
	struct lts_place place; /* points to the above */
	size_t max_body_bytes;
	int64_t control_timeout_ms;
	bool sign_full_date;
	int64_t skew_ns; /* the service's clock minus ours */
	LIST_HEAD(, lts_request) requests;
	const struct lts_request *answering; /* the one whose callback is running */
};

static void
must(enum lts_err err)
{
	if (err)
		abort();
}

static char *
render_url(const struct lts_api *api, const struct lts_wire_request *wire)
{
	struct buf url;
	buf_init(&url, 0);
	must(buf_put_text(&url, api->url));
	must(lts_sign_put_path(&url, wire->segments, wire->n_segments));
	must(buf_put_text(&url, "?"));
	must(lts_sign_put_query(&url, wire->query, wire->n_query));
	return url.data;
}

static void
sign(const struct lts_api *api, const struct lts_wire_request *wire,
     char date[LTS_SIGN_DATE_SIZE], struct lts_signature *signature)
{
	lts_sign_date_render((clock_wall_ns() + api->skew_ns) / NS_PER_S, date);
	struct lts_sign_request request = {
		.method = wire->method,
		.segments = wire->segments,
		.n_segments = wire->n_segments,
		.query = wire->query,
		.n_query = wire->n_query,
		.body = wire->body.len ? wire->body.data : "",
		.body_len = wire->body.len,
		.date = date,
	};
	must(lts_sign_request(api->sign, &request, signature));
}

static void on_http_done(void *arg, struct http_result *result);

static bool
on_http_part(void *arg, const char *data, size_t len)
{
	const struct lts_request *request = arg;
	return request->part(request->arg, data, len);
}

static struct http_call *
submit(struct lts_request *request, const char *url, const char *const *headers, size_t n)
{
	const struct lts_api *api = request->api;
	const struct lts_wire_request *wire = &request->wire;
	bool batch = wire->op == LTS_OP_BATCH;
	size_t max_bytes = api->max_body_bytes;
	if (request->max_bytes && request->max_bytes < max_bytes)
		max_bytes = request->max_bytes;
	struct http_request http_request = {
		.method = wire->method,
		.url = url,
		.headers = headers,
		.n_headers = n,
		.body = wire->body.data,
		.body_len = wire->body.len,
		.max_body_bytes = batch ? max_bytes : LTS_WIRE_CONTROL_BYTES,
		.timeout_ms = batch ? LTS_API_BATCH_TIMEOUT_MS : api->control_timeout_ms,
		.bulk = batch,
		.once = wire->op == LTS_OP_WRITE_CHECKPOINTS,
	};
	return http_start(request->http, &http_request, on_http_done, request);
}

static void
send_request(struct lts_request *request)
{
	const struct lts_api *api = request->api;
	struct lts_signature signature;
	char date[LTS_SIGN_DATE_SIZE];
	const char *token = api->credentials->token;

	sign(api, &request->wire, date, &signature);
	char *url = render_url(api, &request->wire);
	char *date_header = xasprintf("X-Sdk-Date: %s", date);
	char *authorization = xasprintf("Authorization: %s", signature.authorization);
	char *token_header = token[0] ? xasprintf("SecurityToken: %s", token) : NULL;
	const char *headers[] = { "content-type: " LTS_SIGN_CONTENT_TYPE, date_header,
				  authorization, token_header };
	request->call = submit(request, url, headers, token_header ? 4 : 3);
	if (request->part)
		http_watch(request->call, on_http_part);
	if (token_header)
		explicit_bzero(token_header, strlen(token_header));
	free(token_header);
	free(authorization);
	free(date_header);
	free(url);
}

static void
forget_request(struct lts_request *request)
{
	lts_wire_fini(&request->wire);
	free(request);
}

/* Takes the skew from an answer's Date when our time, as we sign it, is visibly not the
 * service's. An answer that is no 401 only corrects what was learned. True: signing again
 * will make a difference. */
static bool
learn_skew(struct lts_api *api, const struct lts_answer *answer)
{
	bool told = strcmp(answer->code, "APIGW.0303") == 0;
	if (!answer->service_time_ns || (answer->status != 401 && !api->skew_ns))
		return false;
	int64_t skew_ns = answer->service_time_ns - clock_wall_ns();
	int64_t off_ns = llabs(skew_ns - api->skew_ns);
	if (off_ns <= SKEW_NOTICED_NS && !(told && off_ns > 2 * NS_PER_S))
		return false;
	api->skew_ns = llabs(skew_ns) > SKEW_NOTICED_NS || told ? skew_ns : 0;
	return answer->status == 401;
}

static void
on_http_done(void *arg, struct http_result *result)
{
	struct lts_request *request = arg;
	struct lts_api *api = request->api;
	struct lts_answer answer;
	struct lts_payload payload;

	lts_answer_read(request->wire.op, result, api->credentials, &answer, &payload);
	if (learn_skew(api, &answer) && !request->repeated) {
		request->repeated = true;
		send_request(request);
		goto out;
	}
	LIST_REMOVE(request, entry);
	api->answering = request;
	request->done(request->arg, &answer);
	api->answering = NULL;
	forget_request(request);
out:
	lts_payload_fini(&payload);
}

struct lts_api *
lts_api_create(struct ev_loop *loop, const struct lts_api_config *config)
{
	struct lts_api *api = xcalloc(1, sizeof(*api));
	/* Whatever becomes of an address, it is noticed well before the leases end. */
	struct http_config http_config = {
		.ca_file = config->ca_file,
		.max_connections = MAX_CONNECTIONS,
		.life_ms = config->heartbeat_timeout_ms / 2,
		.dead_ms = config->heartbeat_timeout_ms / 12,
		.proxy = config->proxy,
		.tls_name = config->tls_name,
		.tls_pin = config->tls_pin,
	};
	api->loop = loop;
	api->credentials = protect_alloc(sizeof(*api->credentials));
	api->http = http_create(loop, &http_config);
	api->url = xstrdup(config->url);
	api->region = xstrdup(config->region);
	api->project_id = xstrdup(config->project_id);
	api->group_id = xstrdup(config->group_id);
	api->stream_id = xstrdup(config->stream_id);
	api->consumer_group = xstrdup(config->consumer_group);
	api->place = (struct lts_place){
		.project_id = api->project_id,
		.group_id = api->group_id,
		.stream_id = api->stream_id,
		.consumer_group = api->consumer_group,
	};
	api->max_body_bytes = config->max_body_bytes;
	api->control_timeout_ms = config->heartbeat_timeout_ms / 6;
	api->sign_full_date = config->sign_full_date;
	LIST_INIT(&api->requests);
	return api;
}

void
lts_api_trust(struct lts_api *api, const char *ca_file)
{
	http_trust(api->http, ca_file);
	if (api->beats)
		http_trust(api->beats, ca_file);
}

struct lts_api *
lts_api_from_options(struct ev_loop *loop, const struct options *o)
{
	char *url = options_endpoint_url(o);
	struct lts_api_config config = {
		.url = url,
		.region = o->region,
		.project_id = o->project_id,
		.group_id = o->group_id,
		.stream_id = o->stream_id,
		.consumer_group = o->consumer_group_name,
		.ca_file = o->ca_file,
		.proxy = o->proxy,
		.tls_name = o->tls_name,
		.tls_pin = o->tls_pin,
		.max_body_bytes = (size_t)o->max_body_bytes,
		.heartbeat_timeout_ms = o->heartbeat_timeout_ms,
		.sign_full_date = o->sign_date == SIGN_DATE_FULL,
	};
	struct lts_api *api = lts_api_create(loop, &config);
	free(url);
	return api;
}

void
lts_api_destroy(struct lts_api **api_p)
{
	struct lts_api *api = *api_p;
	if (!api)
		return;
	struct lts_request *request;
	while ((request = LIST_FIRST(&api->requests)) != NULL)
		lts_api_cancel(api, request);
	http_destroy(&api->http);
	http_destroy(&api->beats);
	lts_sign_destroy(&api->sign);
	protect_free(api->credentials, sizeof(*api->credentials));
	free(api->url);
	free(api->region);
	free(api->project_id);
	free(api->group_id);
	free(api->stream_id);
	free(api->consumer_group);
	free(api);
	*api_p = NULL;
}

enum lts_err
lts_api_set_credentials(struct lts_api *api, const struct credentials *credentials)
{
	struct lts_sign *sign_new;
	/* A line break in it would be a header of its own. */
	for (const char *c = credentials->token; *c; c++)
		if (*c <= ' ' || *c > '~')
			return LTS_INVALID;
	enum lts_err err = lts_sign_create(credentials->ak, credentials->sk, api->region,
					   api->sign_full_date, &sign_new);
	if (err)
		return err;
	lts_sign_destroy(&api->sign);
	api->sign = sign_new;
	*api->credentials = *credentials;
	return LTS_OK;
}

static struct lts_request *
new_request(struct lts_api *api, lts_api_done *done, void *arg)
{
	if (!api->sign)
		abort();
	struct lts_request *request = xcalloc(1, sizeof(*request));
	request->api = api;
	request->http = api->http;
	request->done = done;
	request->arg = arg;
	LIST_INSERT_HEAD(&api->requests, request, entry);
	return request;
}

struct lts_request *
lts_api_heartbeat(struct lts_api *api, const struct consumer_name *consumer,
		  const struct shard_id *held, size_t n, lts_api_done *done, void *arg)
{
	struct lts_request *request = new_request(api, done, arg);
	if (!api->beats)
		api->beats = http_create(api->loop, http_config_of(api->http));
	request->http = api->beats;
	lts_wire_heartbeat(&request->wire, &api->place, consumer, held, n);
	send_request(request);
	return request;
}

struct lts_request *
lts_api_read_checkpoints(struct lts_api *api, const struct shard_id *shard, lts_api_done *done,
			 void *arg)
{
	struct lts_request *request = new_request(api, done, arg);
	lts_wire_read_checkpoints(&request->wire, &api->place, shard);
	send_request(request);
	return request;
}

struct lts_request *
lts_api_write_checkpoints(struct lts_api *api, const struct consumer_name *consumer,
			  const struct lts_checkpoint *list, size_t n, lts_api_done *done,
			  void *arg)
{
	struct lts_request *request = new_request(api, done, arg);
	lts_wire_write_checkpoints(&request->wire, &api->place, consumer, list, n);
	send_request(request);
	return request;
}

struct lts_request *
lts_api_cursor(struct lts_api *api, const struct shard_id *shard, const char *from,
	       lts_api_done *done, void *arg)
{
	struct lts_request *request = new_request(api, done, arg);
	lts_wire_cursor(&request->wire, &api->place, shard, from);
	send_request(request);
	return request;
}

struct lts_request *
lts_api_batch(struct lts_api *api, const struct shard_id *shard, unsigned limit, size_t max_bytes,
	      const struct cursor *start, const struct cursor *end, lts_api_done *done, void *arg)
{
	struct lts_request *request = new_request(api, done, arg);
	request->max_bytes = max_bytes;
	lts_wire_batch(&request->wire, &api->place, shard, limit, start, end);
	send_request(request);
	return request;
}

void
lts_api_watch(struct lts_request *request, lts_api_part *part)
{
	request->part = part;
	http_watch(request->call, on_http_part);
}

void
lts_api_recycle(struct lts_api *api, struct buf *body)
{
	http_recycle(api->http, body);
}

void
lts_api_cancel(struct lts_api *api, struct lts_request *request)
{
	if (request == api->answering)
		return;
	LIST_REMOVE(request, entry);
	http_cancel(request->http, request->call);
	forget_request(request);
}
