/*
 * lts_wire.c - builds the five requests.
 *
 * In the supervisor and the workers; answers are read in lts_wire_parse.c. Owns a
 * request's body and its copies of the ids. Pure: must never touch the network or a
 * clock, and never write an id that did not come through ids.h into JSON, for nothing is
 * escaped here. Held by tests/common/test_lts_wire.c.
 */
#include "common/lts_wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
must(enum lts_err err)
{
	if (err)
		abort();
}

static void
add_segment(struct lts_wire_request *request, const char *segment)
{
	if (request->n_segments == sizeof(request->segments) / sizeof(request->segments[0]))
		abort();
	request->segments[request->n_segments++] = segment;
}

/* Keeps a copy, so that the caller's id may go. */
static const char *
keep(struct lts_wire_request *request, const char *text)
{
	size_t len = strlen(text);
	if (request->n_values == sizeof(request->values) / sizeof(request->values[0]) ||
	    len >= LTS_WIRE_VALUE_SIZE)
		abort();
	char *value = request->values[request->n_values++];
	memcpy(value, text, len + 1);
	return value;
}

static void
add_query(struct lts_wire_request *request, const char *key, const char *text)
{
	if (request->n_query == sizeof(request->query) / sizeof(request->query[0]))
		abort();
	request->query[request->n_query++] =
		(struct lts_sign_pair){ .key = key, .value = keep(request, text) };
}

static void
begin(struct lts_wire_request *out, enum lts_op op, const char *method,
      const struct lts_place *place)
{
	*out = (struct lts_wire_request){ .op = op, .method = method };
	buf_init(&out->body, LTS_WIRE_CONTROL_BYTES);
	add_segment(out, "v2");
	add_segment(out, place->project_id);
	add_segment(out, "groups");
	add_segment(out, place->group_id);
	add_segment(out, "streams");
	add_segment(out, place->stream_id);
}

static void
begin_group(struct lts_wire_request *out, enum lts_op op, const char *method,
	    const struct lts_place *place)
{
	begin(out, op, method, place);
	add_segment(out, "consumer-groups");
	add_segment(out, place->consumer_group);
}

static void
begin_shard(struct lts_wire_request *out, enum lts_op op, const struct lts_place *place,
	    const struct shard_id *shard)
{
	begin(out, op, "GET", place);
	add_segment(out, "shards");
	add_segment(out, keep(out, shard->text));
}

void
lts_wire_heartbeat(struct lts_wire_request *out, const struct lts_place *place,
		   const struct consumer_name *consumer, const struct shard_id *held, size_t n)
{
	if (n > LTS_WIRE_SHARDS_MAX)
		abort();
	begin_group(out, LTS_OP_HEARTBEAT, "POST", place);
	add_segment(out, "heartbeat");
	add_query(out, "consumer_name", consumer->text);
	must(buf_put_text(&out->body, "["));
	for (size_t i = 0; i < n; i++)
		must(buf_printf(&out->body, "%s\"%s\"", i ? "," : "", held[i].text));
	must(buf_put_text(&out->body, "]"));
}

void
lts_wire_read_checkpoints(struct lts_wire_request *out, const struct lts_place *place,
			  const struct shard_id *shard)
{
	begin_group(out, LTS_OP_READ_CHECKPOINTS, "GET", place);
	add_query(out, "shard_id", shard ? shard->text : "");
}

void
lts_wire_write_checkpoints(struct lts_wire_request *out, const struct lts_place *place,
			   const struct consumer_name *consumer,
			   const struct lts_checkpoint *list, size_t n)
{
	if (n > LTS_WIRE_CHECKPOINTS_MAX)
		abort();
	begin_group(out, LTS_OP_WRITE_CHECKPOINTS, "POST", place);
	add_query(out, "consumer_name", consumer->text);
	must(buf_put_text(&out->body, "["));
	for (size_t i = 0; i < n; i++)
		must(buf_printf(&out->body, "%s{\"checkpoint\":\"%s\",\"shard_id\":\"%s\"}",
				i ? "," : "", list[i].cursor.text, list[i].shard.text));
	must(buf_put_text(&out->body, "]"));
}

void
lts_wire_cursor(struct lts_wire_request *out, const struct lts_place *place,
		const struct shard_id *shard, const char *from)
{
	begin_shard(out, LTS_OP_CURSOR, place, shard);
	add_segment(out, "cursor");
	add_query(out, "from", from);
}

void
lts_wire_batch(struct lts_wire_request *out, const struct lts_place *place,
	       const struct shard_id *shard, unsigned limit, const struct cursor *start,
	       const struct cursor *end)
{
	char number[16];
	snprintf(number, sizeof(number), "%u", limit);
	begin_shard(out, LTS_OP_BATCH, place, shard);
	add_query(out, "limit", number);
	add_query(out, "start", start->text);
	if (end)
		add_query(out, "end", end->text);
}

void
lts_wire_fini(struct lts_wire_request *request)
{
	buf_fini(&request->body);
}
