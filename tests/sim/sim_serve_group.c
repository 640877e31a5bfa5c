/*
 * sim_serve_group.c - heartbeat, reading and writing checkpoints.
 *
 * In lts-sim. Owns nothing. Must never write a part of a refused request.
 * Held by tests/support/test_sim_serve.c.
 */
#include "tests/sim/sim.h"

#include "tests/sim/sim_json.h"

/* The body as a JSON array, to be deleted; NULL: the answer says what is wrong. */
static cJSON *
parse_array(const struct sim_request *request, struct sim_answer *answer)
{
	cJSON *list = sim_json_parse(request->body, request->body_len);
	if (!list) {
		sim_answer_error(answer, 400, "LTS.0007", "The body is not JSON");
	} else if (!cJSON_IsArray(list) || cJSON_GetArraySize(list) > SIM_LIST_MAX) {
		sim_answer_error(answer, 400, "LTS.0009",
				 "The body is not an array, or too long");
		cJSON_Delete(list);
		list = NULL;
	}
	return list;
}

static bool
parse_consumer(const struct sim_target *target, struct consumer_name *name,
	       struct sim_answer *answer)
{
	const char *text = sim_target_query(target, "consumer_name");
	if (text && text[0] && consumer_name_set(name, text))
		return true;
	sim_answer_error(answer, 400, "LTS.0009", "consumer_name is missing or malformed");
	return false;
}

static void
put_granted(const struct sim *sim, const bool *granted, struct sim_answer *answer)
{
	const char *comma = "";
	sim_answer_printf(answer, "[");
	for (unsigned i = 0; i < sim_stream_shards(sim->stream); i++) {
		if (granted[i]) {
			sim_answer_printf(answer, "%s\"%u\"", comma, i);
			comma = ",";
		}
	}
	sim_answer_printf(answer, "]");
}

/* A shard that does not exist is left out: a member may still list one that went away. */
static bool
parse_listed(const struct sim *sim, const cJSON *list, unsigned *listed, size_t *n_out,
	     struct sim_answer *answer)
{
	const cJSON *item;
	size_t n = 0;
	cJSON_ArrayForEach(item, list)
	{
		if (!cJSON_IsString(item)) {
			sim_answer_error(answer, 400, "LTS.0009", "A shard is not a string");
			return false;
		}
		n += !sim_stream_find(sim->stream, item->valuestring, &listed[n]);
	}
	*n_out = n;
	return true;
}

static void
serve_heartbeat(struct sim *sim, const struct sim_request *request,
		const struct sim_target *target, const struct sim_effect *effect,
		struct sim_time now, struct sim_answer *answer)
{
	struct consumer_name name;
	unsigned listed[SIM_LIST_MAX + 1];
	bool granted[SIM_SHARDS_MAX];
	size_t n;
	cJSON *list = NULL;
	if (!parse_consumer(target, &name, answer) || !(list = parse_array(request, answer)))
		return;
	if (effect->unknown_member && cJSON_GetArraySize(list) &&
	    !sim_group_knows(sim->group, &name)) {
		sim_answer_error(answer, 400, "LTS.0009", "NotExistConsumerWithBody");
	} else if (parse_listed(sim, list, listed, &n, answer)) {
		if (sim_group_heartbeat(sim->group, &name, listed, n, now.mono_ms, granted))
			sim_answer_error(answer, 400, "LTS.0009",
					 "The group has too many consumers");
		else
			put_granted(sim, granted, answer);
	}
	cJSON_Delete(list);
}

static void
serve_read(struct sim *sim, const struct sim_target *target, const struct sim_effect *effect,
	   struct sim_answer *answer)
{
	const char *wanted = sim_target_query(target, "shard_id");
	unsigned only = 0;
	bool one = wanted && wanted[0];
	bool known = !one || !sim_stream_find(sim->stream, wanted, &only);
	const char *comma = "";
	if (one && effect->placed) {
		sim_answer_printf(answer, "[{\"shard_id\":\"%s\",\"checkpoint\":%lld}]", wanted,
				  (long long)effect->placed);
		return;
	}
	sim_answer_printf(answer, "[");
	for (unsigned i = 0; known && i < sim_stream_shards(sim->stream); i++) {
		struct sim_shard_view view;
		sim_group_shard(sim->group, i, &view);
		if (!view.has_checkpoint || (one && i != only) || effect->empty ||
		    (effect->sparse && i % effect->sparse))
			continue;
		sim_answer_printf(answer,
				  "%s{\"shard_id\":\"%u\",\"checkpoint\":%s,\"update_time\":%lld,"
				  "\"consumer_name\":\"%s\"}",
				  comma, i,
				  sim_stream_cursor(sim->stream, i, view.checkpoint).text,
				  (long long)view.updated_ms, view.writer);
		comma = ",";
	}
	sim_answer_printf(answer, "]");
}

/* False: the answer says what is wrong. */
static bool
parse_checkpoints(const struct sim *sim, const cJSON *list, struct sim_checkpoint *out,
		  size_t *n_out, struct sim_answer *answer)
{
	const cJSON *item;
	size_t n = 0;
	cJSON_ArrayForEach(item, list)
	{
		const char *shard = sim_json_text(item, "shard_id");
		const char *cursor = sim_json_text(item, "checkpoint");
		if (!shard || !cursor || sim_stream_find(sim->stream, shard, &out[n].shard)) {
			sim_answer_error(answer, 400, "LTS.0009",
					 "A shard_id or checkpoint is malformed");
			return false;
		}
		if (sim_stream_index(sim->stream, out[n].shard, cursor, &out[n].index)) {
			sim_answer_error(answer, 400, "LTS.0009",
					 "A checkpoint is not a cursor of its shard");
			return false;
		}
		n++;
	}
	*n_out = n;
	return true;
}

static void
serve_write(struct sim *sim, const struct sim_request *request, const struct sim_target *target,
	    const struct sim_effect *effect, struct sim_time now, struct sim_answer *answer)
{
	struct consumer_name name;
	struct sim_checkpoint points[SIM_LIST_MAX];
	size_t n;
	cJSON *list = NULL;
	if (!parse_consumer(target, &name, answer) || !(list = parse_array(request, answer)))
		return;
	if (parse_checkpoints(sim, list, points, &n, answer)) {
		if (effect->part && (size_t)effect->part < n)
			n = (size_t)effect->part;
		if (effect->hold_ms) {
			sim_group_hold(sim->group, &name, points, n, now.mono_ms + effect->hold_ms,
				       now.wall_ns / 1000000);
			sim_answer_printf(answer, "{}");
		} else if (sim_group_write(sim->group, &name, points, n, now.mono_ms,
				    now.wall_ns / 1000000))
			sim_answer_error(answer, 409, "LTS.0409",
					 "A shard belongs to another consumer");
		else
			sim_answer_printf(answer, "{}");
	}
	cJSON_Delete(list);
}

void
sim_subject_of(const struct sim *sim, const struct sim_request *request,
	       const struct sim_target *target, struct sim_subject *subject, unsigned *among)
{
	unsigned shard;
	const cJSON *item;
	const char *one = subject->kind == SIM_CHECKPOINT_READ
				  ? sim_target_query(target, "shard_id")
				  : target->shard;
	if (one && one[0] && !sim_stream_find(sim->stream, one, &shard))
		subject->shard = (int)shard;
	if (subject->kind != SIM_CHECKPOINT_WRITE)
		return;
	cJSON *list = sim_json_parse(request->body, request->body_len);
	subject->among = among;
	cJSON_ArrayForEach(item, list)
	{
		const char *id = sim_json_text(item, "shard_id");
		if (id && subject->n_among < SIM_LIST_MAX &&
		    !sim_stream_find(sim->stream, id, &shard))
			among[subject->n_among++] = shard;
	}
	cJSON_Delete(list);
}

void
sim_serve_group(struct sim *sim, const struct sim_request *request,
		const struct sim_target *target, const struct sim_effect *effect,
		struct sim_time now, struct sim_answer *answer)
{
	if (answer->kind == SIM_HEARTBEAT)
		serve_heartbeat(sim, request, target, effect, now, answer);
	else if (answer->kind == SIM_CHECKPOINT_READ)
		serve_read(sim, target, effect, answer);
	else
		serve_write(sim, request, target, effect, now, answer);
}
