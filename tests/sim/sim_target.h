/*
 * sim_target.h - a request's target, taken apart and decoded: path segments, query pairs,
 * and which of the service's requests it is.
 */
#ifndef TESTS_SIM_SIM_TARGET_H
#define TESTS_SIM_SIM_TARGET_H

#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"
#include "common/lts_sign.h"

enum { SIM_SEGMENTS_MAX = 12 };

enum sim_route {
	SIM_ROUTE_NONE, /* no such path */
	SIM_ROUTE_HEARTBEAT,
	SIM_ROUTE_CHECKPOINTS,
	SIM_ROUTE_CURSOR,
	SIM_ROUTE_BATCH,
	SIM_ROUTE_INGEST_V3,
	SIM_ROUTE_INGEST_RAW,
	SIM_ROUTE_CONTROL, /* /sim/... */
};

struct sim_target {
	char *text; /* what the others point into */
	const char *segments[SIM_SEGMENTS_MAX];
	size_t n_segments;
	struct lts_sign_pair query[LTS_SIGN_PAIRS_MAX];
	size_t n_query;
	enum sim_route route;
	/* "" where the route has none */
	const char *project, *group, *stream, *consumer_group, *shard;
};

/* LTS_INVALID: not a target, or above a ceiling. Undone by sim_target_fini, which takes a
 * failed one. */
enum lts_err sim_target_parse(struct sim_target *target, const char *raw) LTS_MUST_USE;
void sim_target_fini(struct sim_target *target);
/* NULL: not in the query. */
const char *sim_target_query(const struct sim_target *target, const char *key);

#endif
