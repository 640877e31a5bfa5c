/*
 * sim_serve.c - one request: faults, signature, address, and then the part that does it.
 *
 * In lts-sim. Owns nothing; changes the world in *sim. Must never do what an unsigned
 * request asks for (except /sim/...), nor know of sockets or clocks. Held by
 * tests/support/test_sim_serve.c.
 */
#include "tests/sim/sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim_answer.h"
#include "tests/sim/sim_record.h"

enum { SKEW_MOST_S = 15 * 60 };

#define NS_PER_S 1000000000

static enum sim_kind
kind_of(const struct sim_target *target, const char *method)
{
	switch (target->route) {
	case SIM_ROUTE_HEARTBEAT:
		return SIM_HEARTBEAT;
	case SIM_ROUTE_CHECKPOINTS:
		return strcmp(method, "GET") == 0 ? SIM_CHECKPOINT_READ : SIM_CHECKPOINT_WRITE;
	case SIM_ROUTE_CURSOR:
		return SIM_CURSOR;
	case SIM_ROUTE_BATCH:
		return SIM_BATCH;
	case SIM_ROUTE_INGEST_V3:
	case SIM_ROUTE_INGEST_RAW:
		return SIM_INGEST;
	default:
		return SIM_OTHER;
	}
}

/* NULL: signed as it must be; else what is wrong. */
static const char *
check_signature(struct sim *sim, const struct sim_request *request,
		const struct sim_target *target)
{
	if (!request->authorization || !request->date)
		return "Authorization or X-Sdk-Date is missing";
	if (!request->content_type || strcmp(request->content_type, LTS_SIGN_CONTENT_TYPE) != 0)
		return "content-type is not " LTS_SIGN_CONTENT_TYPE;
	const char *token = sim->options->security_token;
	if (token[0] && (!request->security_token || strcmp(request->security_token, token) != 0))
		return "SecurityToken is missing or wrong";
	const struct lts_sign_request signed_request = {
		.method = request->method,
		.segments = target->segments,
		.n_segments = target->n_segments,
		.query = target->query,
		.n_query = target->n_query,
		.body = request->body,
		.body_len = request->body_len,
		.date = request->date,
	};
	struct lts_signature expected;
	if (lts_sign_request(sim->sign, &signed_request, &expected))
		return "X-Sdk-Date is not a date";
	if (strcmp(expected.authorization, request->authorization) != 0)
		return "verify aksk signature fail";
	return NULL;
}

static bool
is_authentic(struct sim *sim, const struct sim_request *request, const struct sim_target *target,
	     struct sim_time now, struct sim_answer *answer)
{
	const char *wrong = check_signature(sim, request, target);
	int64_t time_s = 0;
	if (wrong) {
		sim_answer_error(answer, 401, "APIGW.0301", wrong);
		return false;
	}
	if (lts_sign_date_parse(request->date, &time_s) ||
	    llabs(now.wall_ns / NS_PER_S - time_s) > SKEW_MOST_S) {
		sim_answer_error(answer, 401, "APIGW.0303", "The clock skew exceeds 15 minutes");
		return false;
	}
	return true;
}

static bool
exists(const struct sim *sim, const struct sim_target *target, struct sim_answer *answer)
{
	const struct sim_options *options = sim->options;
	const char *code = NULL, *message = NULL;
	if (target->route == SIM_ROUTE_NONE) {
		code = "APIGW.0101";
		message = "The API does not exist";
	} else if (strcmp(target->project, options->project_id) != 0) {
		code = "LTS.0201";
		message = "The project does not exist";
	} else if (strcmp(target->group, options->group_id) != 0) {
		code = "LTS.0201";
		message = "The log group does not exist";
	} else if (strcmp(target->stream, options->stream_id) != 0) {
		code = "LTS.0208";
		message = "The log stream does not exist";
	} else if (target->consumer_group[0] &&
		   strcmp(target->consumer_group, options->consumer_group_name) != 0) {
		code = "LTS.0404";
		message = "The consumer group does not exist";
	}
	if (code)
		sim_answer_error(answer, 404, code, message);
	return !code;
}

static bool
is_method_right(const struct sim_target *target, const char *method, struct sim_answer *answer)
{
	bool get = strcmp(method, "GET") == 0, post = strcmp(method, "POST") == 0;
	bool right = post;
	if (target->route == SIM_ROUTE_CHECKPOINTS)
		right = get || post;
	else if (target->route == SIM_ROUTE_CURSOR || target->route == SIM_ROUTE_BATCH)
		right = get;
	if (!right)
		sim_answer_error(answer, 405, "APIGW.0101", "The method is not allowed");
	return right;
}

void
sim_on_lost(void *arg, unsigned shard, uint64_t from)
{
	struct sim *sim = arg;
	sim_moves_add(&sim->moves, shard, from, sim->served_to[shard]);
}

static void
serve_service(struct sim *sim, const struct sim_request *request, const struct sim_target *target,
	      struct sim_time now, struct sim_answer *answer)
{
	static unsigned among[SIM_LIST_MAX];
	struct sim_effect effect, say = { 0 };
	struct sim_subject subject = { .kind = answer->kind,
				       .shard = -1,
				       .address = request->address,
				       .consumer = sim_target_query(target, "consumer_name") };
	sim_subject_of(sim, request, target, &subject, among);
	sim_faults_apply(sim->faults, &subject, &effect);
	if (effect.hold_ms || effect.part) { /* done all the same, or in part */
		say = effect;
		effect.status = 0;
	}
	if (sim_answer_fault(answer, &effect, now.wall_ns))
		return;
	if (!is_authentic(sim, request, target, now, answer) || !exists(sim, target, answer) ||
	    !is_method_right(target, request->method, answer))
		return;
	if (answer->kind == SIM_INGEST)
		sim_serve_ingest(sim, request, target, now, answer);
	else if (answer->kind == SIM_CURSOR || answer->kind == SIM_BATCH)
		sim_serve_records(sim, target, &effect, now, answer);
	else
		sim_serve_group(sim, request, target, &effect, now, answer);
	const char *asked_for = sim_target_query(target, "shard_id");
	sim_answer_twist(answer, &effect, asked_for && asked_for[0]);
	if (say.status && answer->status == 200)
		sim_answer_fault(answer, &say, now.wall_ns);
	answer->reset = effect.lose_reply;
}

void
sim_serve(struct sim *sim, const struct sim_request *request, struct sim_time now,
	  struct sim_answer *answer)
{
	struct sim_target target;
	uint64_t number = ++sim->request_number;
	uint64_t seed = (uint64_t)sim->options->seed;
	snprintf(answer->request_id, sizeof(answer->request_id), "%016llx%016llx",
		 (unsigned long long)sim_mix(seed), (unsigned long long)sim_mix(seed ^ number));
	sim_stream_settle(sim->stream, now.wall_ns);
	sim_group_expire(sim->group, now.mono_ms);
	enum lts_err err = sim_target_parse(&target, request->target);
	answer->kind = err ? SIM_OTHER : kind_of(&target, request->method);
	if (err)
		sim_answer_error(answer, 400, "LTS.0009", "The target is malformed");
	else if (target.route == SIM_ROUTE_CONTROL)
		sim_serve_control(sim, request, &target, now, answer);
	else
		serve_service(sim, request, &target, now, answer);
	sim_target_fini(&target);
	sim->counts[answer->kind][answer->reset ? SIM_RESET : answer->status]++;
}
