/*
 * sim_answer.c - builds answers and the bodies that no service should send.
 *
 * In lts-sim. Owns nothing but what the answer holds. Must never leave an error without a
 * body that one of the documented shapes explains. Held by
 * tests/support/test_sim_serve.c.
 */
#include "tests/sim/sim_answer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

#include "common/xalloc.h"

void
sim_answer_init(struct sim_answer *answer)
{
	*answer = (struct sim_answer){ .kind = SIM_OTHER,
				       .status = 200,
				       .content_type = "application/json" };
	buf_init(&answer->body, 0);
}

void
sim_answer_fini(struct sim_answer *answer)
{
	buf_fini(&answer->body);
	free(answer->location);
	answer->location = NULL;
}

/* An answer's body has no ceiling, so that a failed put is a mistake of ours. */
static void
must(enum lts_err err)
{
	if (err)
		abort();
}

void
sim_answer_printf(struct sim_answer *answer, const char *fmt, ...)
{
	char *text;
	va_list ap;
	va_start(ap, fmt);
	int len = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (len < 0)
		abort();
	must(buf_put(&answer->body, text, (size_t)len));
	free(text);
}

void
sim_answer_error(struct sim_answer *answer, int status, const char *code, const char *message)
{
	answer->status = status;
	buf_clear(&answer->body);
	if (status == 401 || status == 429)
		sim_answer_printf(answer,
				  "{\"error_msg\":\"%s\",\"error_code\":\"%s\",\"request_"
				  "id\":\"%s\"}",
				  message, code, answer->request_id);
	else
		sim_answer_printf(answer, "{\"error_code\":\"%s\",\"error_msg\":\"%s\"}", code,
				  message);
}

static const struct {
	int status;
	const char *code, *message;
} usual_errors[] = {
	{ 400, "LTS.0009", "Failed to validate the request" },
	{ 401, "APIGW.0301", "Incorrect IAM authentication information" },
	{ 403, "LTS.0011", "Invalid projectId" },
	{ 404, "LTS.0201", "The log group does not exist" },
	{ 408, "APIGW.0203", "Backend timeout" },
	{ 409, "LTS.0409", "The shard belongs to another consumer" },
	{ 410, "LTS.0410", "The cursor has expired" },
	{ 429, "APIGW.0308", "The throttling threshold has been reached" },
	{ 500, "LTS.0010", "The system encountered an internal error" },
	{ 503, "APIGW.0202", "Backend unavailable" },
};

static void
put_retry_after(struct sim_answer *answer, const char *text, int64_t wall_ns)
{
	if (strncmp(text, "date:", 5) != 0) {
		snprintf(answer->retry_after, sizeof(answer->retry_after), "%s", text);
		return;
	}
	time_t at = (time_t)(wall_ns / 1000000000 + strtoll(text + 5, NULL, 10));
	struct tm tm;
	gmtime_r(&at, &tm);
	strftime(answer->retry_after, sizeof(answer->retry_after), "%a, %d %b %Y %H:%M:%S GMT",
		 &tm);
}

static void
put_repeated(struct buf *body, char c, size_t count)
{
	must(buf_reserve(body, count));
	memset(body->data + body->len, c, count);
	body->len += count;
	body->data[body->len] = '\0';
}

#define BATCH_OPENING "{\"count\":1,\"next\":1767322800000000002,\"logs\":["

static void
put_huge(struct sim_answer *answer, size_t bytes)
{
	sim_answer_printf(answer, BATCH_OPENING "{\"labels\":{\"log_content\":\"");
	put_repeated(&answer->body, 'x', bytes);
	sim_answer_printf(answer, "\"}}]}");
}

static void
compress_body(struct sim_answer *answer)
{
	struct buf plain = answer->body;
	z_stream z = { 0 };
	buf_init(&answer->body, 0);
	/* 16 more window bits: gzip's frame */
	if (deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY) != Z_OK)
		abort();
	size_t room = deflateBound(&z, plain.len);
	must(buf_reserve(&answer->body, room));
	z.next_in = (unsigned char *)plain.data;
	z.avail_in = (unsigned)plain.len;
	z.next_out = (unsigned char *)answer->body.data;
	z.avail_out = (unsigned)room;
	if (deflate(&z, Z_FINISH) != Z_STREAM_END)
		abort();
	answer->body.len = z.total_out;
	answer->content_encoding = "gzip";
	deflateEnd(&z);
	buf_fini(&plain);
}

/* As a grant, or as checkpoints. */
static void
put_shards(struct sim_answer *answer, uint64_t first, int64_t count)
{
	const char *before = "\"", *after = "\"";
	if (answer->kind == SIM_CHECKPOINT_READ) {
		before = "{\"shard_id\":\"";
		after = "\",\"checkpoint\":1767322800000000001}";
	}
	sim_answer_printf(answer, "[");
	for (int64_t i = 0; i < count; i++)
		must(buf_printf(&answer->body, "%s%s%llu%s", i ? "," : "", before,
				(unsigned long long)first + (unsigned long long)i, after));
	sim_answer_printf(answer, "]");
}

static bool
put_bad_body(struct sim_answer *answer, const struct sim_effect *effect)
{
	if (effect->garbage) {
		must(buf_put_text(&answer->body, effect->garbage));
	} else if (effect->html) {
		answer->content_type = "text/html";
		sim_answer_printf(answer,
				  "<!DOCTYPE html><html><head><title>Welcome</title></head><body>"
				  "<h1>Please sign in to this network</h1></body></html>");
	} else if (effect->nest) {
		sim_answer_printf(answer, BATCH_OPENING "{\"labels\":{\"log_content\":");
		put_repeated(&answer->body, '[', (size_t)effect->nest);
	} else if (effect->huge) {
		put_huge(answer, (size_t)effect->huge);
	} else if (effect->gzip_bomb) {
		put_huge(answer, (size_t)effect->gzip_bomb);
		compress_body(answer);
	} else if (effect->many) {
		put_shards(answer, 0, effect->many);
	} else if (effect->fresh) {
		put_shards(answer, 1000000 + (effect->struck - 1) * (uint64_t)effect->fresh,
			   effect->fresh);
	} else {
		return false;
	}
	return true;
}

static void
put_status(struct sim_answer *answer, int status, const char *wanted)
{
	const char *code = "LTS.0010", *message = "Injected by lts-sim";
	for (size_t i = 0; i < sizeof(usual_errors) / sizeof(usual_errors[0]); i++) {
		if (usual_errors[i].status == status) {
			code = usual_errors[i].code;
			message = usual_errors[i].message;
		}
	}
	sim_answer_error(answer, status, wanted ? wanted : code, message);
}

static void
put_odd(struct buf *list, const char *entry)
{
	struct buf longer;
	buf_init(&longer, 0);
	must(buf_printf(&longer, "[%s%s%s", entry, list->len > 2 ? "," : "", list->data + 1));
	buf_fini(list);
	*list = longer;
}

void
sim_answer_twist(struct sim_answer *answer, const struct sim_effect *effect, bool of_one)
{
	bool is_list = answer->kind == SIM_HEARTBEAT || answer->kind == SIM_CHECKPOINT_READ;
	if (answer->status != 200)
		return;
	if (effect->say) {
		buf_clear(&answer->body);
		must(buf_put_text(&answer->body, effect->say));
	}
	if (is_list && effect->odd && !of_one && answer->body.len)
		put_odd(&answer->body, effect->odd);
	if (is_list && effect->null_list && answer->body.len == 2) {
		buf_clear(&answer->body);
		must(buf_put_text(&answer->body, "null"));
	}
	if (effect->gzip && !answer->content_encoding)
		compress_body(answer);
}

bool
sim_answer_fault(struct sim_answer *answer, const struct sim_effect *effect, int64_t wall_ns)
{
	answer->latency_ms = effect->latency_ms;
	answer->stall = effect->stall;
	answer->no_date = effect->no_date;
	answer->date_s = effect->date_s;
	answer->has_truncate = effect->has_truncate;
	answer->truncate = effect->truncate;
	answer->bandwidth = effect->bandwidth;
	if (effect->retry_after)
		put_retry_after(answer, effect->retry_after, wall_ns);
	if (effect->reset) {
		answer->reset = true;
		return true;
	}
	if (effect->redirect) {
		answer->status = 302;
		answer->location = xstrdup(effect->redirect);
		return true;
	}
	if (effect->status) {
		put_status(answer, (int)effect->status, effect->code);
		return true;
	}
	return put_bad_body(answer, effect);
}
