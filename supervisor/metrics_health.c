/*
 * metrics_health.c - alive? ready? and if not, why.
 *
 * Runs in the supervisor. Pure; reads the supervisor's books. Must never wait, nor call ready
 * what has a shard that nobody serves. Held by tests/scenario/metrics.c.
 */
#include "supervisor/metrics_inside.h"

#include <inttypes.h>

#include "supervisor/waits.h"

enum {
	LOOK_LEAST_MS = 5000, /* as the worker's idle_pace has it at the most */
	LOOK_SLACK_MS = 5000,
	PROGRESS_MS = 30000, /* no answer that was good, and nothing delivered */
};

int64_t
metrics_look_ms(const struct options *options)
{
	int64_t ms = options->fetch_interval_ms;
	return (ms > LOOK_LEAST_MS ? ms : LOOK_LEAST_MS) + LOOK_SLACK_MS;
}

bool
metrics_is_alive(const struct metrics_view *v, struct buf *why_out)
{
	const struct supervisor *s = v->supervisor;
	int64_t none_ms = s->no_worker_ms ? v->now_ms - s->no_worker_ms : 0;
	if (none_ms <= s->options->heartbeat_timeout_ms / 2)
		return true;
	(void)!buf_printf(why_out, "no worker has been live for %" PRId64 " s", none_ms / 1000);
	return false;
}

/* Of the consumer that has been unheard for longest; INT64_MAX: one never was heard. */
static int64_t
unheard_ms(const struct metrics_view *v)
{
	const struct supervisor *s = v->supervisor;
	int64_t oldest_ms = v->now_ms;
	for (uint32_t i = 0; i < (uint32_t)s->options->consumer_count; i++) {
		int64_t heard_ms = group_heard_ms(s->group, i);
		if (!heard_ms)
			return INT64_MAX;
		if (heard_ms < oldest_ms)
			oldest_ms = heard_ms;
	}
	return v->now_ms - oldest_ms;
}

static void
explain_group(const struct metrics_view *v, int64_t ms, struct buf *why_out)
{
	const struct group_stats *stats = group_stats(v->supervisor->group);
	const char *causes = group_refusal(v->supervisor->group);
	if (causes)
		(void)!buf_printf(why_out, "%s: ", causes);
	else if (ms == INT64_MAX)
		(void)!buf_put_text(why_out, "the consumer group is not joined: ");
	else
		(void)!buf_printf(why_out, "no heartbeat was answered for %" PRId64 " ms: ", ms);
	if (stats->err)
		(void)!buf_printf(why_out, "%s, status %d, %s", lts_err_name(stats->err),
				  stats->status, stats->text);
	else
		(void)!buf_put_text(why_out, "no answer yet");
}

static bool
shard_is_well(const struct metrics_view *v, const struct shard_row *row, struct buf *why_out)
{
	int64_t look_ms = 2 * metrics_look_ms(v->supervisor->options);
	int64_t since_ms = v->now_ms - (row->progress_ms ? row->progress_ms : row->since_ms);
	if (row->stuck)
		(void)!buf_printf(why_out, "shard %s is stuck: %s", row->shard.text, row->why);
	else if (row->stalled)
		(void)!buf_printf(why_out, "shard %s is stalled, %s", row->shard.text,
				  row->state);
	else if (row->holder < 0)
		(void)!buf_printf(why_out,
				  "shard %s has no worker: the log says why workers end",
				  row->shard.text);
	else if (!row->finished && since_ms > (look_ms > PROGRESS_MS ? look_ms : PROGRESS_MS))
		(void)!buf_printf(why_out,
				  "shard %s: nothing was fetched or delivered for %" PRId64
				  " s: the log says why",
				  row->shard.text, since_ms / 1000);
	return !why_out->len;
}

bool
metrics_waits_for_nothing(const struct metrics_view *v, struct buf *why_out)
{
	const struct supervisor *s = v->supervisor;
	if (!waits_are_none(s->pool, v->now_ms, why_out))
		return false;
	(void)!buf_put_text(why_out, s->reader_text);
	return !s->reader_text[0];
}

bool
metrics_is_ready(const struct metrics_view *v, struct buf *why_out)
{
	const struct supervisor *s = v->supervisor;
	int64_t ms = unheard_ms(v);
	if (s->phase != PHASE_RUNNING) {
		(void)!buf_put_text(why_out, "the agent is stopping");
		return false;
	}
	if (!metrics_is_alive(v, why_out))
		return false;
	if (ms > s->options->heartbeat_timeout_ms / 2 || group_refusal(s->group)) {
		explain_group(v, ms, why_out);
		return false;
	}
	if (!metrics_waits_for_nothing(v, why_out))
		return false;
	if (s->clock_why) {
		(void)!buf_put_text(why_out, s->clock_why);
		return false;
	}
	for (size_t i = 0; i < v->shards->n; i++)
		if (!shard_is_well(v, &v->shards->rows[i], why_out))
			return false;
	return true;
}
