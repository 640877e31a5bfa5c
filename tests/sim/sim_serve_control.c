/*
 * sim_serve_control.c - /sim/...: what tests and people see of the world, and turn in it.
 *
 * In lts-sim. Owns nothing. Unsigned, and never counted among the service's requests:
 * status and faults, more records, expiry. Held by tests/support/test_sim_serve.c.
 */
#include "tests/sim/sim.h"

#include <stdlib.h>
#include <string.h>

#define NS_PER_MS 1000000

/* A JSON text or null. */
static void
put_text(struct sim_answer *answer, const char *text)
{
	if (text)
		sim_answer_printf(answer, "\"%s\"", text);
	else
		sim_answer_printf(answer, "null");
}

static void
put_shard(const struct sim *sim, unsigned i, struct sim_answer *answer)
{
	struct sim_shard_view view;
	sim_group_shard(sim->group, i, &view);
	sim_answer_printf(
		answer, "%s{\"shard\":\"%u\",\"produced\":%llu,\"oldest\":%llu,\"owner\":",
		i ? ",\n  " : "", i, (unsigned long long)sim_stream_produced(sim->stream, i),
		(unsigned long long)sim_stream_oldest(sim->stream, i));
	put_text(answer, view.owner);
	sim_answer_printf(answer,
			  ",\"leaving\":%s,\"listed_by\":", view.leaving ? "true" : "false");
	put_text(answer, view.listed ? view.owner : NULL);
	if (view.has_checkpoint)
		sim_answer_printf(answer,
				  ",\"checkpoint\":%llu,\"cursor\":\"%s\",\"updated_ms\":"
				  "%lld,\"writer\":",
				  (unsigned long long)view.checkpoint,
				  sim_stream_cursor(sim->stream, i, view.checkpoint).text,
				  (long long)view.updated_ms);
	else
		sim_answer_printf(answer, ",\"checkpoint\":null,\"writer\":");
	put_text(answer, view.has_checkpoint ? view.writer : NULL);
	sim_answer_printf(answer, "}");
}

static void
put_member(const struct sim *sim, size_t i, int64_t now_ms, struct sim_answer *answer)
{
	struct sim_member_view member;
	sim_group_member(sim->group, i, &member);
	sim_answer_printf(answer,
			  "%s{\"name\":\"%s\",\"age_ms\":%lld,\"heartbeats\":%llu,\"lists\":[",
			  i ? ",\n  " : "", member.name, (long long)(now_ms - member.heard_ms),
			  (unsigned long long)member.heartbeats);
	const char *comma = "";
	for (unsigned s = 0; s < sim_stream_shards(sim->stream); s++) {
		struct sim_shard_view view;
		sim_group_shard(sim->group, s, &view);
		if (view.listed && strcmp(view.owner, member.name) == 0) {
			sim_answer_printf(answer, "%s\"%u\"", comma, s);
			comma = ",";
		}
	}
	sim_answer_printf(answer, "]}");
}

/* {"heartbeat":{"200":17,"reset":1},...} */
static void
put_counts(const struct sim *sim, struct sim_answer *answer)
{
	const char *kind_comma = "";
	for (int kind = 0; kind < SIM_OTHER; kind++) {
		const char *comma = "";
		sim_answer_printf(answer, "%s\"%s\":{", kind_comma,
				  sim_kind_name((enum sim_kind)kind));
		kind_comma = ",";
		for (int status = 0; status < SIM_STATUS_MAX; status++) {
			unsigned long long count = sim->counts[kind][status];
			if (count && status == SIM_RESET)
				sim_answer_printf(answer, "%s\"reset\":%llu", comma, count);
			else if (count)
				sim_answer_printf(answer, "%s\"%d\":%llu", comma, status, count);
			if (count)
				comma = ",";
		}
		sim_answer_printf(answer, "}");
	}
}

static void
serve_status(const struct sim *sim, struct sim_time now, struct sim_answer *answer)
{
	uint64_t produced = 0;
	for (unsigned i = 0; i < sim_stream_shards(sim->stream); i++)
		produced += sim_stream_produced(sim->stream, i);
	sim_answer_printf(answer,
			  "{\"produced\":%llu,\"served_records\":%llu,\"served_bytes\":%llu,"
			  "\"checkpoint_regressions\":%llu,\n \"shards\":[",
			  (unsigned long long)produced, (unsigned long long)sim->served_records,
			  (unsigned long long)sim->served_bytes,
			  (unsigned long long)sim_group_regressions(sim->group));
	for (unsigned i = 0; i < sim_stream_shards(sim->stream); i++)
		put_shard(sim, i, answer);
	sim_answer_printf(answer, "],\n \"members\":[");
	for (size_t i = 0; i < sim_group_members(sim->group); i++)
		put_member(sim, i, now.mono_ms, answer);
	sim_answer_printf(answer, "],\n \"requests\":{");
	put_counts(sim, answer);
	sim_answer_printf(answer, "}}\n");
}

static void
refuse(struct sim_answer *answer, int status, const char *text)
{
	answer->status = status;
	answer->content_type = "text/plain";
	sim_answer_printf(answer, "%s\n", text);
}

static void
serve_faults(struct sim *sim, const struct sim_request *request, struct sim_answer *answer)
{
	answer->content_type = "text/plain";
	if (strcmp(request->method, "GET") == 0) {
		sim_faults_describe(sim->faults, &answer->body);
		return;
	}
	if (sim_faults_set(sim->faults, request->body ? request->body : "", &answer->body)) {
		answer->status = 400;
		sim_answer_printf(answer, "\n");
	} else {
		sim_answer_printf(answer, "ok\n");
	}
}

static bool
parse_query_number(const struct sim_target *target, const char *key, uint64_t *out)
{
	const char *text = sim_target_query(target, key);
	char *end;
	if (!text || text[0] < '0' || text[0] > '9')
		return false;
	*out = strtoull(text, &end, 10);
	return *end == '\0';
}

/* For one shard, or for all when none is named. */
static void
serve_change(struct sim *sim, const struct sim_target *target, const char *key,
	     struct sim_time now, struct sim_answer *answer)
{
	const char *name = sim_target_query(target, "shard");
	unsigned first = 0, last = sim_stream_shards(sim->stream) - 1;
	uint64_t number;
	if (name && sim_stream_find(sim->stream, name, &first)) {
		refuse(answer, 400, "no such shard");
		return;
	}
	if (name)
		last = first;
	if (!parse_query_number(target, key, &number) || number > 100000000) {
		refuse(answer, 400, "a number is missing or too big (see --help)");
		return;
	}
	for (unsigned i = first; i <= last; i++) {
		if (strcmp(key, "before") == 0)
			sim_stream_expire(sim->stream, i, number);
		else
			sim_stream_produce(sim->stream, i, number, now.wall_ns);
	}
	refuse(answer, 200, "ok");
}

void
sim_serve_control(struct sim *sim, const struct sim_request *request,
		  const struct sim_target *target, struct sim_time now, struct sim_answer *answer)
{
	const char *what = target->n_segments == 2 ? target->segments[1] : "";
	bool post = strcmp(request->method, "POST") == 0;
	if (strcmp(what, "status") == 0 && !post)
		serve_status(sim, now, answer);
	else if (strcmp(what, "faults") == 0)
		serve_faults(sim, request, answer);
	else if (strcmp(what, "expire") == 0 && post)
		serve_change(sim, target, "before", now, answer);
	else if (strcmp(what, "produce") == 0 && post)
		serve_change(sim, target, "records", now, answer);
	else
		refuse(answer, 404,
		       "GET /sim/status, GET or POST /sim/faults, "
		       "POST /sim/expire?[shard=S&]before=INDEX, "
		       "POST /sim/produce?[shard=S&]records=N");
}
