/*
 * sim_moves.c - keeps the unplanned moves of shards, for `lts-sim verify`.
 *
 * In lts-sim and its verifier. Owns the list. Must never forget a record that it was told.
 * Held by tests/support/test_sim_control.c.
 */
#include "tests/sim/sim_moves.h"

#include <stdlib.h>

#include "common/xalloc.h"

void
sim_moves_add(struct sim_moves *moves, unsigned shard, uint64_t from, uint64_t to)
{
	if (from >= to)
		return;
	for (size_t i = 0; i < moves->n; i++) {
		struct sim_move *move = &moves->list[i];
		if (move->shard != shard || from > move->to || to < move->from)
			continue;
		move->from = from < move->from ? from : move->from;
		move->to = to > move->to ? to : move->to;
		return;
	}
	if (moves->n == moves->cap) {
		moves->cap = moves->cap ? 2 * moves->cap : 16;
		moves->list = xreallocarray(moves->list, moves->cap, sizeof(moves->list[0]));
	}
	moves->list[moves->n++] = (struct sim_move){ shard, from, to };
}

void
sim_moves_fini(struct sim_moves *moves)
{
	free(moves->list);
	*moves = (struct sim_moves){ 0 };
}
