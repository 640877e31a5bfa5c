/*
 * assign.h - which worker should hold which shard: a pure function.
 */
#ifndef SUPERVISOR_ASSIGN_H
#define SUPERVISOR_ASSIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ASSIGN_NOBODY = -1, ASSIGN_WORKERS_MAX = 256 };

struct assign_shard {
	uint32_t home;  /* the consumer, and so the worker, that the service granted it to
			 */
	int32_t holder; /* the worker that holds it now, or ASSIGN_NOBODY */
	bool fixed;     /* may not move now; it counts all the same */
	int32_t target; /* out: the worker that should hold it; ASSIGN_NOBODY: none is
			   live */
};

/* Sticky, balanced to within one shard over the live workers, with the fewest moves;
 * where there is a choice, a shard goes to its home. What a dead worker held counts as
 * held by nobody. */
void assign_plan(struct assign_shard *shards, size_t n, const bool *live, uint32_t workers);

#endif
