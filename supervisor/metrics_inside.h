/*
 * metrics_inside.h - the metrics' inside, for their own files: metrics.c (who asks, and when),
 * metrics_render.c and metrics_render_shards.c (the families) and metrics_health.c (whether all
 * is well).
 */
#ifndef SUPERVISOR_METRICS_INSIDE_H
#define SUPERVISOR_METRICS_INSIDE_H

#include "supervisor/metrics.h"
#include "supervisor/metrics_shards.h"
#include "supervisor/supervisor_inside.h"

/* All that is looked at, and when that is. */
struct metrics_view {
	struct supervisor *supervisor;
	const struct metrics_shards *shards;
	int64_t now_ms, wall_ns;
	uint64_t gathers;  /* before this one... */
	int64_t gather_ns; /* ...and how long they took */
};

/* The longest that a shard with nothing to fetch is not asked after, and a bit. */
int64_t metrics_look_ms(const struct options *options);

void metrics_render(const struct metrics_view *view, struct buf *out);
void metrics_render_shards(const struct metrics_view *view, struct buf *out);

/* True, or why_out has a line that says why not. */
bool metrics_is_alive(const struct metrics_view *view, struct buf *why_out);
bool metrics_waits_for_nothing(const struct metrics_view *v, struct buf *why_out);
bool metrics_is_ready(const struct metrics_view *view, struct buf *why_out);

#endif
