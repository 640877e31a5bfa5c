/*
 * sim_moves.h - which records may have been delivered by two hosts: for each shard, those
 * served when its holder was lost and behind the checkpoint that stood then.
 */
#ifndef TESTS_SIM_SIM_MOVES_H
#define TESTS_SIM_SIM_MOVES_H

#include <stddef.h>
#include <stdint.h>

struct sim_move {
	unsigned shard;
	uint64_t from, to; /* to: exclusive */
};

struct sim_moves { /* zero is none */
	struct sim_move *list;
	size_t n, cap;
};

/* One that overlaps another of its shard makes that one longer; an empty one is nothing. */
void sim_moves_add(struct sim_moves *moves, unsigned shard, uint64_t from, uint64_t to);
void sim_moves_fini(struct sim_moves *moves);

#endif
