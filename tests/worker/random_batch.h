/*
 * random_batch.h - batch answers from a seed, and small damage to them.
 *
 * The same state gives the same bodies for ever: a failure is repeated by its seed.
 */
#ifndef TESTS_WORKER_RANDOM_BATCH_H
#define TESTS_WORKER_RANDOM_BATCH_H

#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"

/* Steps the state; a number below n. */
size_t random_below(uint64_t *state, size_t n);
/* Appends a body that is JSON, and mostly a batch as worker/batch_scan.h has it. */
void random_batch_put(struct buf *out, uint64_t *state);
/* Replaces up to two bytes somewhere by a piece that may hurt, a copy of another place, a
 * NUL, or nothing. */
void random_batch_mutate(struct buf *text, uint64_t *state);

#endif
