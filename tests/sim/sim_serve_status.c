/*
 * sim_serve_status.c - GET /sim/status: the world as JSON, for tests, people and
 * `lts-sim verify`.
 *
 * In lts-sim. Owns nothing. Must never change anything. Held by tests/support/test_sim_control.c.
 */
#include "tests/sim/sim.h"

#include <string.h>

/* A JSON text or null. */
static void
put_text(struct sim_answer *answer, const char *text)
{
	if (text)
		sim_answer_printf(answer, "\"%s\"", text);
	else
		sim_answer_printf(answer, "null");
}

/* The shards whose parent is i: those that came after it. */
static void
put_family(const struct sim *sim, unsigned number, const struct sim_shard_view *view,
	   struct sim_answer *answer)
{
	const char *comma = "";
	sim_answer_printf(answer, ",\"read_only\":%s,\"on_offer\":%s,\"parents\":[",
			  view->closed ? "true" : "false", view->on_offer ? "true" : "false");
	for (size_t p = 0; p < view->n_parents; p++)
		sim_answer_printf(answer, "%s\"%u\"", p ? "," : "", view->parents[p]);
	sim_answer_printf(answer, "],\"children\":[");
	for (unsigned i = number + 1; i < sim_stream_shards(sim->stream); i++) {
		struct sim_shard_view child;
		sim_group_shard(sim->group, i, &child);
		for (size_t p = 0; p < child.n_parents; p++) {
			if (child.parents[p] != number)
				continue;
			sim_answer_printf(answer, "%s\"%u\"", comma, i);
			comma = ",";
		}
	}
	sim_answer_printf(answer, "]");
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
	put_family(sim, i, &view, answer);
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
put_moves(const struct sim *sim, struct sim_answer *answer)
{
	for (size_t i = 0; i < sim->moves.n; i++) {
		const struct sim_move *move = &sim->moves.list[i];
		sim_answer_printf(answer, "%s{\"shard\":\"%u\",\"from\":%llu,\"to\":%llu}",
				  i ? "," : "", move->shard, (unsigned long long)move->from,
				  (unsigned long long)move->to);
	}
}

void
sim_serve_status(const struct sim *sim, struct sim_time now, struct sim_answer *answer)
{
	uint64_t produced = 0;
	for (unsigned i = 0; i < sim_stream_shards(sim->stream); i++)
		produced += sim_stream_produced(sim->stream, i);
	sim_answer_printf(answer,
			  "{\"produced\":%llu,\"served_records\":%llu,\"served_bytes\":%llu,"
			  "\"checkpoint_regressions\":%llu,\"late_regressions\":%llu,\n"
			  " \"shards\":[",
			  (unsigned long long)produced, (unsigned long long)sim->served_records,
			  (unsigned long long)sim->served_bytes,
			  (unsigned long long)sim_group_regressions(sim->group),
			  (unsigned long long)sim_group_late_regressions(sim->group));
	for (unsigned i = 0; i < sim_stream_shards(sim->stream); i++)
		put_shard(sim, i, answer);
	sim_answer_printf(answer, "],\n \"unplanned_moves\":[");
	put_moves(sim, answer);
	sim_answer_printf(answer, "],\n \"members\":[");
	for (size_t i = 0; i < sim_group_members(sim->group); i++)
		put_member(sim, i, now.mono_ms, answer);
	sim_answer_printf(answer, "],\n \"requests\":{");
	put_counts(sim, answer);
	sim_answer_printf(answer, "}}\n");
}
