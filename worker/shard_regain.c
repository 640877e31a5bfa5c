/*
 * shard_regain.c - a place that came with records, and is then refused, is asked for anew.
 *
 * Runs on the worker's loop, part of the shard machine. Pure. One answer may have right records and
 * a wrong `next`: those are delivered, and nothing follows for ever. So they are fetched once
 * more, for the sake of their `next`. Must never give what was delivered once more, nor pass what
 * is not the very same records. Known until the worker ends. Held by
 * tests/worker/test_shard_regain.c.
 */
#include "worker/shard_inside.h"

#include <string.h>

enum {
	REGAIN_REFUSALS = 3,
	REGAIN_MS = 1000,
};

/* Of their lengths and ends: enough to know again what came from the same place before. */
static uint64_t
sum_of(const struct record *records, size_t n)
{
	uint64_t sum = 0xcbf29ce484222325u;
	for (size_t i = 0; i < n; i++) {
		size_t len = records[i].len;
		uint64_t ends[2] = { 0, 0 };
		size_t part = len < sizeof(ends[0]) ? len : sizeof(ends[0]);
		memcpy(&ends[0], records[i].text, part);
		memcpy(&ends[1], records[i].text + len - part, part);
		sum = (sum ^ len) * 0x100000001b3u;
		sum = (sum ^ ends[0]) * 0x100000001b3u;
		sum = (sum ^ ends[1]) * 0x100000001b3u;
		sum ^= sum >> 29;
	}
	return sum;
}

void
shard_regain_note(struct shard *s, const struct batch *batch)
{
	s->regain = (struct shard_regain){
		.from = batch->from,
		.to = batch->to,
		.n = batch->n_bad ? 0 : batch->n_records,
		.sum = sum_of(batch->records, batch->n_records),
	};
}

bool
shard_regains(const struct shard *s)
{
	return s->regain.on && cursor_equal(&s->regain.to, &s->next);
}

unsigned
shard_regain_limit(const struct shard *s)
{
	return s->regain.n < SHARD_LIMIT_MIN ? SHARD_LIMIT_MIN : (unsigned)s->regain.n;
}

static bool
is_final(enum lts_err err)
{
	return err == LTS_INVALID || err == LTS_TOOBIG || err == LTS_EXPIRED || err == LTS_BADDATA;
}

bool
shard_regain_on_error(struct shard *s, enum lts_err err, const char *text, int64_t now_ms)
{
	struct shard_regain *r = &s->regain;
	if (shard_regains(s) && is_final(err)) {
		r->on = false;
		shard_retry(s, err, text, -1);
		return true;
	}
	if (err != LTS_INVALID || !r->n || !cursor_equal(&r->to, &s->next))
		return false;
	if (!r->refused++)
		r->since_ms = now_ms;
	r->on = r->refused >= REGAIN_REFUSALS && now_ms - r->since_ms >= REGAIN_MS;
	if (r->on)
		s->ops->trouble(s->arg, s, err,
				"the place that came with the last records is refused: "
				"they are asked for again, for another",
				0);
	return false;
}

static bool
is_the_same(const struct shard_regain *r, const struct batch *batch)
{
	return batch->n_records >= r->n && !batch->n_bad && sum_of(batch->records, r->n) == r->sum;
}

struct batch *
shard_regain_take(struct shard *s, struct batch *batch, int64_t now_ms)
{
	struct shard_regain *r = &s->regain;
	bool moves = !cursor_is_none(&batch->to) && !cursor_equal(&batch->to, &s->next) &&
		     !cursor_equal(&batch->to, &r->from);
	if (!moves || batch->doubtful || !is_the_same(r, batch)) {
		r->on = false;
		s->ops->drop(s->arg, s, batch);
		shard_retry(s, LTS_BADDATA, "the last place is refused, and no other is given", -1);
		return NULL;
	}
	/* What is empty then is said twice as any that is. */
	if (batch->n_records > r->n && !shard_twice(s, FETCH_BATCH, &batch->to, now_ms)) {
		s->ops->drop(s->arg, s, batch);
		return NULL;
	}
	batch->n_records -= r->n;
	memmove(batch->records, batch->records + r->n,
		batch->n_records * sizeof(*batch->records));
	batch->from = s->next;
	return batch;
}
