/*
 * sim_serve_records.c - cursor by time, and batches.
 *
 * In lts-sim. Owns nothing. Must never return a record at or past `end`, nor render one
 * twice that is still in the cache: these answers are what throughput is measured with.
 * Held by tests/support/test_sim_serve.c.
 */
#include "tests/sim/sim.h"
#include "tests/sim/sim_spoil.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool
parse_number(const char *text, int64_t *out)
{
	char *end;
	errno = 0;
	if (!text || text[0] < '0' || text[0] > '9')
		return false;
	long long value = strtoll(text, &end, 10);
	if (*end || errno)
		return false;
	*out = value;
	return true;
}

static void
serve_cursor(struct sim *sim, const struct sim_target *target, unsigned shard,
	     const struct sim_effect *effect, struct sim_answer *answer)
{
	const char *from = sim_target_query(target, "from");
	uint64_t index;
	int64_t from_ns;
	if (effect->tail)
		index = sim_stream_produced(sim->stream, shard);
	else if (from && strcmp(from, "begin") == 0)
		index = sim_stream_oldest(sim->stream, shard);
	else if (from && strcmp(from, "end") == 0)
		index = sim_stream_produced(sim->stream, shard);
	else if (parse_number(from, &from_ns))
		index = sim_stream_at_time(sim->stream, shard, from_ns);
	else {
		sim_answer_error(answer, 400, "LTS.0009", "from is not a time");
		return;
	}
	sim_answer_printf(answer, "{\"cursor\":\"%s\"}",
			  sim_stream_cursor(sim->stream, shard, index).text);
}

struct batch {
	unsigned shard, limit, count;
	uint64_t start, end, next;
};

/* False: the answer says what is wrong. */
static bool
parse_batch(const struct sim *sim, const struct sim_target *target, unsigned shard,
	    struct batch *batch, struct sim_answer *answer)
{
	const char *start = sim_target_query(target, "start"),
		   *end = sim_target_query(target, "end");
	int64_t limit = 0;
	const char *wrong = NULL;
	*batch = (struct batch){ .shard = shard, .end = UINT64_MAX };
	if (!parse_number(sim_target_query(target, "limit"), &limit) || limit < SIM_LIMIT_LEAST ||
	    limit > SIM_LIMIT_MOST)
		wrong = "limit must be 10 to 1000";
	else if (!start || sim_stream_index(sim->stream, shard, start, &batch->start))
		wrong = "start is not a cursor of this shard";
	else if (end && sim_stream_index(sim->stream, shard, end, &batch->end))
		wrong = "end is not a cursor of this shard";
	if (wrong) {
		sim_answer_error(answer, 400, "LTS.0009", wrong);
		return false;
	}
	batch->limit = (unsigned)limit;
	if (sim_stream_count(sim->stream, shard, batch->start, batch->limit, batch->end,
			     &batch->count)) {
		sim_answer_error(answer, 410, "LTS.0410", "The cursor has expired");
		return false;
	}
	batch->next = batch->start + batch->count;
	return true;
}

static void
put_spoilt(struct sim *sim, const struct batch *batch, const struct sim_effect *effect,
	   struct buf *body)
{
	for (unsigned i = 0; i < batch->count; i++) {
		if (i && buf_put(body, ",", 1))
			abort(); /* the answer's buffer has no ceiling */
		size_t begin = body->len;
		sim_stream_copy(sim->stream, batch->shard, batch->start + i, 1, body);
		sim_spoil(body, begin, batch->shard, batch->start + i, effect);
	}
}

static void
serve_batch(struct sim *sim, const struct sim_target *target, unsigned shard,
	    const struct sim_effect *effect, struct sim_answer *answer)
{
	struct batch batch;
	if (!parse_batch(sim, target, shard, &batch, answer))
		return;
	if (effect->empty) {
		batch.count = 0;
		batch.next = batch.start;
	}
	if (effect->same_next)
		batch.next = batch.start;
	if (effect->back) {
		uint64_t back = (uint64_t)effect->back;
		batch.next = batch.start > back ? batch.start - back : 0;
	}
	batch.next += (uint64_t)effect->skip;
	sim_answer_printf(answer, "{\"count\":%u,\"next\":%s,\"logs\":[",
			  batch.count + (unsigned)effect->miscount,
			  sim_stream_cursor(sim->stream, shard, batch.next).text);
	if (effect->spoil)
		put_spoilt(sim, &batch, effect, &answer->body);
	else
		sim_stream_copy(sim->stream, shard, batch.start, batch.count, &answer->body);
	sim_answer_printf(answer, "]}");
	sim->served_records += batch.count;
	if (batch.start + batch.count > sim->served_to[shard])
		sim->served_to[shard] = batch.start + batch.count;
	sim->served_bytes += answer->body.len;
}

void
sim_serve_records(struct sim *sim, const struct sim_target *target,
		  const struct sim_effect *effect, struct sim_time now, struct sim_answer *answer)
{
	unsigned shard;
	if (sim_stream_find(sim->stream, target->shard, &shard))
		sim_answer_error(answer, 404, "LTS.0404", "The shard does not exist");
	else if (target->route == SIM_ROUTE_CURSOR)
		serve_cursor(sim, target, shard, effect, answer);
	else
		serve_batch(sim, target, shard, effect, answer);
}
