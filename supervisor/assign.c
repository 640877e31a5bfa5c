/*
 * assign.c - which worker should hold which shard.
 *
 * Runs in the supervisor. Pure: owns nothing, reads no clock. Must never move a shard
 * that need not move: each move costs a drain and a commit. Held by
 * tests/supervisor/test_assign.c.
 */
#include "supervisor/assign.h"

#include <string.h>

static int32_t
least_loaded(const size_t *load, const bool *live, uint32_t workers, uint32_t home)
{
	int32_t best = ASSIGN_NOBODY;
	for (uint32_t w = 0; w < workers; w++)
		if (live[w] && (best == ASSIGN_NOBODY || load[w] < load[best]))
			best = (int32_t)w;
	if (best != ASSIGN_NOBODY && home < workers && live[home] && load[home] == load[best])
		best = (int32_t)home;
	return best;
}

/* The shard to move from `from` to `to`: one that is at home there, else the last. */
static struct assign_shard *
pick(struct assign_shard *shards, size_t n, int32_t from, int32_t to)
{
	struct assign_shard *found = NULL;
	for (size_t i = 0; i < n; i++) {
		struct assign_shard *shard = &shards[i];
		if (shard->fixed || shard->target != from)
			continue;
		if (!found || (int32_t)found->home != to)
			found = shard;
	}
	return found;
}

/* Moves one shard from where there are most to where there are fewest; false when all is
 * even. */
static bool
move_one(struct assign_shard *shards, size_t n, size_t *load, const bool *live, uint32_t workers)
{
	struct assign_shard *moving = NULL;
	int32_t to = least_loaded(load, live, workers, UINT32_MAX);
	size_t most = to == ASSIGN_NOBODY ? 0 : load[to] + 1;
	for (uint32_t w = 0; w < workers; w++) {
		if (!live[w] || load[w] <= most)
			continue;
		struct assign_shard *candidate = pick(shards, n, (int32_t)w, to);
		if (!candidate)
			continue;
		moving = candidate;
		most = load[w];
	}
	if (!moving)
		return false;
	load[moving->target]--;
	load[to]++;
	moving->target = to;
	return true;
}

void
assign_plan(struct assign_shard *shards, size_t n, const bool *live, uint32_t workers)
{
	size_t load[ASSIGN_WORKERS_MAX] = { 0 };
	for (size_t i = 0; i < n; i++) {
		int32_t holder = shards[i].holder;
		bool held = holder != ASSIGN_NOBODY && live[holder];
		shards[i].target = held ? holder : ASSIGN_NOBODY;
		if (held)
			load[holder]++;
	}
	for (size_t i = 0; i < n; i++) {
		if (shards[i].target != ASSIGN_NOBODY)
			continue;
		shards[i].target = least_loaded(load, live, workers, shards[i].home);
		if (shards[i].target != ASSIGN_NOBODY)
			load[shards[i].target]++;
	}
	while (move_one(shards, n, load, live, workers))
		;
}
