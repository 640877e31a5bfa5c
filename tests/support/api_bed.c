/*
 * api_bed.c - an lts_api with its loop and a scripted far end.
 *
 * In the test process. Owns what it sets up until api_bed_fini.
 */
#include "tests/support/api_bed.h"

#include <check.h>
#include <ev.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/support/until.h"

static const struct consumer_name consumer = { "host-1-0" };
static const struct shard_id shard = { "0" };
static const struct cursor start = { "5" }, end = { "9" };

void
api_bed_init(struct api_bed *bed)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	if (sigaction(SIGPIPE, &ignore, NULL))
		abort();
	*bed = (struct api_bed){ .loop = ev_loop_new(EVFLAG_AUTO) };
}

void
api_bed_fini(struct api_bed *bed)
{
	lts_api_destroy(&bed->api);
	raw_server_stop(&bed->server);
	ev_loop_destroy(bed->loop);
}

void
api_bed_create(struct api_bed *bed, unsigned port, int64_t heartbeat_timeout_ms)
{
	char url[64];
	snprintf(url, sizeof(url), "http://127.0.0.1:%u", port);
	struct lts_api_config config = {
		.url = url,
		.region = "cn-north-4",
		.project_id = "prj",
		.group_id = "grp",
		.stream_id = "str",
		.consumer_group = "my-group",
		.max_body_bytes = API_BED_CAP,
		.heartbeat_timeout_ms = heartbeat_timeout_ms,
	};
	struct credentials credentials = { .ak = "AKIDEXAMPLE",
					   .sk = "a-very-secret-secret-key",
					   .token = API_BED_TOKEN };
	bed->api = lts_api_create(bed->loop, &config);
	ck_assert_int_eq(lts_api_set_credentials(bed->api, &credentials), LTS_OK);
}

void
api_bed_serve(struct api_bed *bed, const struct raw_reply *replies, size_t n)
{
	bed->server = raw_server_start(replies, n);
	api_bed_create(bed, raw_server_port(bed->server), 60000);
}

void
api_bed_done(void *arg, struct lts_answer *answer)
{
	struct api_outcome *out = arg;
	out->done++;
	out->answer = *answer;
	if (answer->n_shards)
		snprintf(out->first_shard, sizeof(out->first_shard), "%s",
			 answer->shards[0].text);
	if (answer->n_checkpoints)
		snprintf(out->first_cursor, sizeof(out->first_cursor), "%s",
			 answer->checkpoints[0].cursor.text);
	if (answer->body) {
		buf_fini(&out->body);
		out->body = *answer->body;
		buf_init(answer->body, 0);
	}
}

struct lts_request *
api_bed_begin(struct api_bed *bed, enum lts_op op, lts_api_done *done, void *arg)
{
	struct lts_checkpoint checkpoint = { .shard = shard, .cursor = start };
	switch (op) {
	case LTS_OP_HEARTBEAT:
		return lts_api_heartbeat(bed->api, &consumer, &shard, 1, done, arg);
	case LTS_OP_READ_CHECKPOINTS:
		return lts_api_read_checkpoints(bed->api, NULL, done, arg);
	case LTS_OP_WRITE_CHECKPOINTS:
		return lts_api_write_checkpoints(bed->api, &consumer, &checkpoint, 1, done, arg);
	case LTS_OP_CURSOR:
		return lts_api_cursor(bed->api, &shard, "begin", done, arg);
	case LTS_OP_BATCH:
		return lts_api_batch(bed->api, &shard, 1000, 0, &start, &end, done, arg);
	}
	abort();
}

void
api_bed_ask(struct api_bed *bed, enum lts_op op, struct api_outcome *out)
{
	size_t before = out->done;
	ck_assert_ptr_nonnull(api_bed_begin(bed, op, api_bed_done, out));
	ck_assert_uint_eq(out->done, before);
	until_count(bed->loop, &out->done, before + 1);
}

enum lts_err
api_bed_err(struct api_bed *bed, enum lts_op op)
{
	struct api_outcome out = { .done = 0 };
	api_bed_ask(bed, op, &out);
	buf_fini(&out.body);
	return out.answer.err;
}

struct api_outcome
api_bed_asked(struct api_bed *bed, enum lts_op op, const struct raw_reply *replies, size_t n)
{
	struct api_outcome out = { .done = 0 };
	api_bed_serve(bed, replies, n);
	api_bed_ask(bed, op, &out);
	return out;
}
