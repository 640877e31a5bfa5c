/*
 * sim_spoil.h - records that are not what they should be: always the same ones, however often
 * they are asked for.
 */
#ifndef TESTS_SIM_SIM_SPOIL_H
#define TESTS_SIM_SIM_SPOIL_H

#include <stdbool.h>

#include "tests/sim/sim_fault.h"

/* Whether there is such a way to spoil a record. */
bool sim_spoil_is_known(const char *how);
/* The record that `body` ends with, from `begin` on, if the effect means it. */
void sim_spoil(struct buf *body, size_t begin, unsigned shard, uint64_t seq,
	       const struct sim_effect *effect);
/* Which records `every` means. */
bool sim_spoil_means(unsigned shard, uint64_t seq, int64_t every);

#endif
