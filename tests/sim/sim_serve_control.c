/*
 * sim_serve_control.c - /sim/...: what tests and people turn in the world.
 *
 * In lts-sim. Owns nothing. Unsigned, and never counted among the service's requests:
 * faults, more records, expiry, splits and merges, other keys. Held by
 * tests/support/test_sim_control.c.
 */
#include "tests/sim/sim.h"

#include <stdlib.h>
#include <string.h>

static void
refuse(struct sim_answer *answer, int status, const char *text)
{
	answer->status = status;
	answer->content_type = "text/plain";
	sim_answer_printf(answer, "%s\n", text);
}

static void
serve_faults(struct sim *sim, const struct sim_request *request, const struct sim_target *target,
	     struct sim_answer *answer)
{
	bool keep = sim_target_query(target, "keep") != NULL;
	answer->content_type = "text/plain";
	if (strcmp(request->method, "GET") == 0) {
		sim_faults_describe(sim->faults, &answer->body);
		return;
	}
	if (sim_faults_set(sim->faults, request->body ? request->body : "", keep, &answer->body)) {
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
	if (name && strcmp(key, "records") == 0 && !sim_stream_is_open(sim->stream, first)) {
		refuse(answer, 400, "the shard is read-only");
		return;
	}
	for (unsigned i = first; i <= last; i++) {
		if (strcmp(key, "before") == 0)
			sim_stream_expire(sim->stream, i, number);
		else if (sim_stream_is_open(sim->stream, i))
			sim_stream_produce(sim->stream, i, number, now.wall_ns);
	}
	refuse(answer, 200, "ok");
}

static void
serve_rate(struct sim *sim, const struct sim_target *target, struct sim_time now,
	   struct sim_answer *answer)
{
	uint64_t rate;
	if (!parse_query_number(target, "records", &rate) || rate > 10000000) {
		refuse(answer, 400, "records is missing or too big (see --help)");
		return;
	}
	sim_stream_set_rate(sim->stream, rate, now.wall_ns);
	refuse(answer, 200, "ok");
}

/* Ends the shards named by `keys`, which are one or two; others go on in their place. Answers
 * with the children's ids. */
static void
serve_replace(struct sim *sim, const struct sim_target *target, const char *const *keys,
	      size_t n_parents, size_t n_children, struct sim_time now, struct sim_answer *answer)
{
	unsigned parents[SIM_PARENTS_MAX] = { 0 }, first;
	struct sim_checkpoint ends[SIM_PARENTS_MAX] = { 0 };
	for (size_t i = 0; i < n_parents; i++) {
		const char *name = sim_target_query(target, keys[i]);
		if (!name || sim_stream_find(sim->stream, name, &parents[i])) {
			refuse(answer, 400, "no such shard");
			return;
		}
	}
	if (sim_stream_replace(sim->stream, parents, n_parents, n_children, now.wall_ns,
			       &first)) {
		refuse(answer, 400,
		       "read-only already, the same shard twice, or too many shards");
		return;
	}
	for (size_t i = 0; i < n_parents; i++)
		ends[i] = (struct sim_checkpoint){ parents[i],
						   sim_stream_produced(sim->stream, parents[i]) };
	sim_group_replace(sim->group, ends, n_parents, n_children);
	for (size_t i = 0; i < n_children; i++)
		sim_answer_printf(answer, "%s\"%u\"", i ? "," : "[", first + (unsigned)i);
	sim_answer_printf(answer, "]\n");
}

/* The consumer group is as new: no member, no checkpoint. */
static void
serve_forget(struct sim *sim, struct sim_answer *answer)
{
	unsigned shards = sim_stream_shards(sim->stream);
	if (shards != sim->options->shards) {
		refuse(answer, 400, "shards were split or merged: their group cannot be new");
		return;
	}
	sim_group_destroy(&sim->group);
	sim->group = sim_group_create(shards, sim->options->consumer_timeout_ms);
	sim_group_on_lost(sim->group, sim_on_lost, sim);
	refuse(answer, 200, "ok");
}

/* From now on these are accepted, and no others. */
static void
serve_keys(struct sim *sim, const struct sim_target *target, struct sim_answer *answer)
{
	const char *ak = sim_target_query(target, "ak"), *sk = sim_target_query(target, "sk");
	struct lts_sign *fresh;
	if (!ak || !sk ||
	    lts_sign_create(ak, sk, sim->options->region, sim->options->sign_date != 0, &fresh)) {
		refuse(answer, 400, "ak or sk is missing, or cannot be signed with");
		return;
	}
	lts_sign_destroy(&sim->sign);
	sim->sign = fresh;
	refuse(answer, 200, "ok");
}

void
sim_serve_control(struct sim *sim, const struct sim_request *request,
		  const struct sim_target *target, struct sim_time now, struct sim_answer *answer)
{
	static const char *const parents[] = { "shard", "with" };
	const char *what = target->n_segments == 2 ? target->segments[1] : "";
	bool post = strcmp(request->method, "POST") == 0;
	if (strcmp(what, "status") == 0 && !post)
		sim_serve_status(sim, now, answer);
	else if (strcmp(what, "faults") == 0)
		serve_faults(sim, request, target, answer);
	else if (strcmp(what, "expire") == 0 && post)
		serve_change(sim, target, "before", now, answer);
	else if (strcmp(what, "produce") == 0 && post)
		serve_change(sim, target, "records", now, answer);
	else if (strcmp(what, "rate") == 0 && post)
		serve_rate(sim, target, now, answer);
	else if (strcmp(what, "split") == 0 && post)
		serve_replace(sim, target, parents, 1, 2, now, answer);
	else if (strcmp(what, "merge") == 0 && post)
		serve_replace(sim, target, parents, 2, 1, now, answer);
	else if (strcmp(what, "forget") == 0 && post)
		serve_forget(sim, answer);
	else if (strcmp(what, "keys") == 0 && post)
		serve_keys(sim, target, answer);
	else
		refuse(answer, 404,
		       "GET /sim/status, GET or POST /sim/faults[?keep], "
		       "POST /sim/expire?[shard=S&]before=INDEX, "
		       "POST /sim/produce?[shard=S&]records=N, POST /sim/rate?records=N, "
		       "POST /sim/split?shard=S, POST /sim/merge?shard=S&with=T, "
		       "POST /sim/forget, POST /sim/keys?ak=A&sk=S");
}
