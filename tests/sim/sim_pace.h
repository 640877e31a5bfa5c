/*
 * sim_pace.h - when which byte of a body may be sent over a link of so many bytes a second.
 */
#ifndef TESTS_SIM_SIM_PACE_H
#define TESTS_SIM_SIM_PACE_H

#include <stdint.h>

enum { SIM_PACE_BLOCK_BYTES = 64 * 1024, SIM_PACE_FIRST_BYTES = 1460, SIM_PACE_NS = 5 * 1000000 };

/* How much is sent at a time, from byte `at` of `end`: first what a link brings in its first
 * packet, since a link brings it before the second. */
uint64_t sim_pace_block(uint64_t at, uint64_t end);

/* How many bytes may have been sent so long after the first was asked for. bandwidth 0: all. */
uint64_t sim_pace_allowed(int64_t bandwidth, int64_t elapsed_ns);
/* When it is worth sending on from byte `at` of `end`: a block's worth later, or the rest's, and
 * at the latest after SIM_PACE_NS, so that a slow link trickles. Elapsed nanoseconds. */
int64_t sim_pace_due_ns(int64_t bandwidth, int64_t elapsed_ns, uint64_t at, uint64_t end);

#endif
