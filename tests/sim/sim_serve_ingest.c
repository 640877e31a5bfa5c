/*
 * sim_serve_ingest.c - the two requests by which producers bring records.
 *
 * In lts-sim. Owns nothing. A request's records go to one shard, in order; requests go
 * round the shards. Each record gets log_content, shard, seq and sum beside what it
 * brought, so that `lts-sim verify` knows it. Must never take a part of a refused
 * request. Held by tests/support/test_sim_serve.c.
 */
#include "tests/sim/sim.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "common/xalloc.h"
#include "tests/sim/sim_json.h"

enum { INFLATED_MAX = 64 * 1024 * 1024 };

struct record {
	struct buf fields;
	char *content;
};

struct records {
	struct record *list;
	size_t n, cap;
};

static void
must(enum lts_err err)
{
	if (err)
		abort(); /* buffers here have no ceiling but the request's */
}

static void
free_records(struct records *records)
{
	for (size_t i = 0; i < records->n; i++) {
		buf_fini(&records->list[i].fields);
		free(records->list[i].content);
	}
	free(records->list);
}

static bool
is_reserved(const char *key)
{
	static const char *const reserved[] = { "log_content", "__time__", "lineNum", "category",
						"shard",       "seq",      "sum" };
	for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++)
		if (strcmp(key, reserved[i]) == 0)
			return true;
	return false;
}

static char *
print(const cJSON *item)
{
	char *text = cJSON_PrintUnformatted(item);
	if (!text)
		abort(); /* cJSON only fails for want of memory */
	return text;
}

/* As JSON text, quotes left out. */
static char *
escape(const char *text)
{
	cJSON *item = cJSON_CreateString(text);
	char *quoted = print(item);
	char *inside = xstrndup(quoted + 1, strlen(quoted) - 2);
	cJSON_Delete(item);
	cJSON_free(quoted);
	return inside;
}

static void
put_members(struct buf *fields, const cJSON *object)
{
	const cJSON *item;
	cJSON_ArrayForEach(item, object)
	{
		if (!item->string || is_reserved(item->string))
			continue;
		char *key = escape(item->string);
		char *value = print(item);
		must(buf_printf(fields, ",\"%s\":%s", key, value));
		free(key);
		cJSON_free(value);
	}
}

static struct record *
add_record(struct records *records, char *content)
{
	if (records->n == records->cap) {
		records->cap = records->cap ? 2 * records->cap : 64;
		records->list = xreallocarray(records->list, records->cap, sizeof(struct record));
	}
	struct record *record = &records->list[records->n++];
	*record = (struct record){ .content = content };
	must(buf_printf(&record->fields, "\"log_content\":\"%s\"", content));
	return record;
}

/* What of the contents is the line itself: a usual key, else all of them as JSON. */
static char *
content_of(const cJSON *contents)
{
	static const char *const keys[] = { "log_content", "content", "log" };
	const cJSON *item;
	cJSON_ArrayForEach(item, contents)
	{
		for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
			const char *text = sim_json_text(item, keys[i]);
			if (text)
				return escape(text);
		}
	}
	char *all = print(contents);
	char *escaped = escape(all);
	cJSON_free(all);
	return escaped;
}

/* {"logs":[{"time":ms,"lineNum":n,"contents":[{"k":"v"}]}],"labels":{}} */
static bool
take_structured(const cJSON *body, struct records *records)
{
	const cJSON *logs = cJSON_GetObjectItemCaseSensitive(body, "logs");
	const cJSON *labels = cJSON_GetObjectItemCaseSensitive(body, "labels");
	const cJSON *log, *part;
	if (!cJSON_IsArray(logs))
		return false;
	cJSON_ArrayForEach(log, logs)
	{
		const cJSON *contents = cJSON_GetObjectItemCaseSensitive(log, "contents");
		const cJSON *time = cJSON_GetObjectItemCaseSensitive(log, "time");
		const cJSON *line = cJSON_GetObjectItemCaseSensitive(log, "lineNum");
		if (!cJSON_IsArray(contents) || !cJSON_IsNumber(time))
			return false;
		struct record *record = add_record(records, content_of(contents));
		put_members(&record->fields, labels);
		cJSON_ArrayForEach(part, contents) put_members(&record->fields, part);
		must(buf_printf(&record->fields,
				",\"lineNum\":\"%lld\",\"category\":\"LTS\",\"__time__\":%lld",
				cJSON_IsNumber(line) ? (long long)line->valuedouble : 0,
				(long long)time->valuedouble * 1000000));
	}
	return true;
}

static bool
take_raw_item(const cJSON *item, const cJSON *labels, struct records *records)
{
	const cJSON *contents = cJSON_GetObjectItemCaseSensitive(item, "contents");
	const cJSON *part;
	if (!cJSON_IsArray(contents))
		return false;
	cJSON_ArrayForEach(part, contents)
	{
		const char *log = sim_json_text(part, "log");
		const char *time_ns =
			sim_json_text(part, "log_time_ns"); /* 19 digits: quoted by now */
		if (!log || !time_ns || time_ns[strspn(time_ns, "0123456789")] || !time_ns[0])
			return false;
		struct record *record = add_record(records, escape(log));
		put_members(&record->fields, labels);
		must(buf_printf(&record->fields, ",\"category\":\"LTS\",\"__time__\":%s",
				time_ns));
	}
	return true;
}

/* {"log_items":[{"contents":[{"log_time_ns":N,"log":"..."}],"labels":"<JSON text>"}]} */
static bool
take_raw(const cJSON *body, struct records *records)
{
	const cJSON *items = cJSON_GetObjectItemCaseSensitive(body, "log_items");
	const cJSON *item;
	if (!cJSON_IsArray(items))
		return false;
	cJSON_ArrayForEach(item, items)
	{
		const char *text = sim_json_text(item, "labels");
		cJSON *labels = text && text[0] ? sim_json_parse(text, strlen(text)) : NULL;
		bool ok = (!text || !text[0] || cJSON_IsObject(labels)) &&
			  take_raw_item(item, labels, records);
		cJSON_Delete(labels);
		if (!ok)
			return false;
	}
	return true;
}

/* False: not gzip, or too big. */
static bool
inflate_body(const char *data, size_t len, struct buf *out)
{
	z_stream z = { .next_in = (unsigned char *)(uintptr_t)data, .avail_in = (unsigned)len };
	int state = inflateInit2(&z, 15 + 16); /* 16 more window bits: gzip's frame */
	buf_init(out, INFLATED_MAX);
	while (state == Z_OK && !buf_reserve(out, 64 * 1024)) {
		z.next_out = (unsigned char *)out->data + out->len;
		z.avail_out = 64 * 1024;
		state = inflate(&z, Z_NO_FLUSH);
		out->len = z.total_out;
	}
	inflateEnd(&z);
	return state == Z_STREAM_END;
}

/* A read-only shard takes nothing; its children do. */
static unsigned
next_shard(struct sim *sim)
{
	unsigned shard;
	do
		shard = sim->next_ingest_shard++ % sim_stream_shards(sim->stream);
	while (!sim_stream_is_open(sim->stream, shard));
	return shard;
}

static void
take_body(struct sim *sim, const char *text, size_t len, const struct sim_target *target,
	  struct sim_time now, struct sim_answer *answer)
{
	struct records records = { 0 };
	cJSON *body = sim_json_parse(text, len);
	bool ok = body && (target->route == SIM_ROUTE_INGEST_V3 ? take_structured(body, &records)
								: take_raw(body, &records));
	if (!body) {
		sim_answer_error(answer, 400, "LTS.0007", "The body is not JSON");
	} else if (!ok) {
		sim_answer_error(answer, 400, "LTS.0009",
				 "The body has not the documented shape");
	} else {
		unsigned shard = next_shard(sim);
		for (size_t i = 0; i < records.n; i++)
			sim_stream_ingest(sim->stream, shard, records.list[i].fields.data,
					  records.list[i].content, now.wall_ns);
		sim_answer_printf(
			answer, "{\"errorCode\":\"SVCSTG.ALS.200.200\",\"errorMessage\":\"Report "
				"success.\",\"result\":null}");
	}
	free_records(&records);
	cJSON_Delete(body);
}

void
sim_serve_ingest(struct sim *sim, const struct sim_request *request,
		 const struct sim_target *target, struct sim_time now, struct sim_answer *answer)
{
	struct buf plain;
	if (!request->content_encoding || strcmp(request->content_encoding, "gzip") != 0) {
		take_body(sim, request->body, request->body_len, target, now, answer);
		return;
	}
	if (inflate_body(request->body, request->body_len, &plain))
		take_body(sim, plain.data, plain.len, target, now, answer);
	else
		sim_answer_error(answer, 400, "LTS.0009", "The body is not gzip, or too big");
	buf_fini(&plain);
}
