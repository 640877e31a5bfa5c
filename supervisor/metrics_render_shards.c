/*
 * metrics_render_shards.c - the families with a sample for each shard.
 *
 * Runs in the supervisor. Owns nothing. Pure. At most 4,096 shards, each with all of them or
 * fewer: what is not known has no sample. Held by tests/scenario/metrics.c.
 */
#include "supervisor/metrics_inside.h"

#include <string.h>

#include "supervisor/metrics_text.h"

static const struct metrics_label *
shard_labels(struct metrics_label labels[2], const struct shard_row *row)
{
	labels[0] = (struct metrics_label){ "shard", row->shard.text };
	labels[1] = (struct metrics_label){ NULL, NULL };
	return labels;
}

static void
shard_lag(const struct metrics_view *v, const struct shard_row *row, const char *name,
	  struct buf *out)
{
	struct metrics_label labels[2];
	int64_t look_ms = metrics_look_ms(v->supervisor->options);
	metrics_ms(out, name, shard_labels(labels, row),
		   shard_row_behind_ms(row, look_ms, v->now_ms, v->wall_ns));
}

static void
shard_lag_records(const struct metrics_view *v, const struct shard_row *row, const char *name,
		  struct buf *out)
{
	struct metrics_label labels[2];
	if (row->finished || (row->has_cell && row->at_tail))
		metrics_count(out, name, shard_labels(labels, row),
			      row->finished ? 0 : row->in_hand);
}

static void
shard_publish_age(const struct metrics_view *v, const struct shard_row *row, const char *name,
		  struct buf *out)
{
	struct metrics_label labels[2];
	int64_t age_ms = shard_row_publish_age_ms(row, v->now_ms);
	if (age_ms >= 0)
		metrics_ms(out, name, shard_labels(labels, row), age_ms);
}

static void
shard_epoch(const struct metrics_view *v, const struct shard_row *row, const char *name,
	    struct buf *out)
{
	struct metrics_label labels[2];
	metrics_count(out, name, shard_labels(labels, row), row->epoch.value);
}

static void
shard_worker(const struct metrics_view *v, const struct shard_row *row, const char *name,
	     struct buf *out)
{
	struct metrics_label labels[2];
	metrics_value(out, name, shard_labels(labels, row), row->holder);
}

static void
shard_stuck(const struct metrics_view *v, const struct shard_row *row, const char *name,
	    struct buf *out)
{
	struct metrics_label labels[2];
	metrics_count(out, name, shard_labels(labels, row), row->stuck);
}

#define COMMITTED(what)                                                                     \
	static void shard_##what(const struct metrics_view *v, const struct shard_row *row, \
				 const char *name, struct buf *out)                         \
	{                                                                                   \
		struct metrics_label labels[2];                                             \
		if (row->has_checkpoint)                                                    \
			metrics_count(out, name, shard_labels(labels, row), row->what);     \
	}
COMMITTED(records)
COMMITTED(bytes)
COMMITTED(dead_letters)

static void
render_rows(const struct metrics_view *v, struct buf *out)
{
	static const struct {
		const char *name, *help;
		enum metrics_type type;
		void (*sample)(const struct metrics_view *, const struct shard_row *,
			       const char *, struct buf *);
	} families[] = {
		{ "lts_shard_lag_seconds", "How long ago the oldest undelivered record came in.",
		  METRICS_GAUGE, shard_lag },
		{ "lts_shard_lag_records",
		  "Records not delivered; only when all of them are known.", METRICS_GAUGE,
		  shard_lag_records },
		{ "lts_shard_publish_age_seconds",
		  "For how long the service's checkpoint has been behind ours.", METRICS_GAUGE,
		  shard_publish_age },
		{ "lts_shard_epoch", "The epoch of the shard's assignment.", METRICS_GAUGE,
		  shard_epoch },
		{ "lts_shard_worker", "The worker that holds the shard; -1 is none.",
		  METRICS_GAUGE, shard_worker },
		{ "lts_shard_stuck", "1 if the shard has stopped, loudly.", METRICS_GAUGE,
		  shard_stuck },
		{ "lts_shard_committed_records_total",
		  "Records committed by this instance since its state was made.", METRICS_COUNTER,
		  shard_records },
		{ "lts_shard_committed_bytes_total", "Bytes of those.", METRICS_COUNTER,
		  shard_bytes },
		{ "lts_shard_dead_letters_total", "Records of the shard that were put aside.",
		  METRICS_COUNTER, shard_dead_letters },
	};
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]); i++) {
		metrics_family(out, families[i].name, families[i].type, families[i].help);
		for (size_t k = 0; k < v->shards->n; k++)
			families[i].sample(v, &v->shards->rows[k], families[i].name, out);
	}
}

static void
render_states(const struct metrics_view *v, struct buf *out)
{
	const char *state;
	metrics_family(out, "lts_shards", METRICS_GAUGE,
		       "Shards granted to this host, by state.");
	for (size_t i = 0; (state = lease_book_state_name(i)); i++) {
		const struct metrics_label labels[] = { { "state", state }, { NULL, NULL } };
		uint64_t count = 0;
		for (size_t k = 0; k < v->shards->n; k++)
			count += strcmp(v->shards->rows[k].state, state) == 0;
		metrics_count(out, "lts_shards", labels, count);
	}
}

void
metrics_render_shards(const struct metrics_view *v, struct buf *out)
{
	render_states(v, out);
	render_rows(v, out);
}
