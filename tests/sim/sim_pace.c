/*
 * sim_pace.c - the arithmetic of a slow link.
 *
 * In lts-sim. Owns nothing, reads no clock. Must never let a whole body take longer than its
 * length over the bandwidth: that time is what a measurement divides by. Held by
 * tests/support/test_sim_pace.c.
 */
#include "tests/sim/sim_pace.h"

#define NS_PER_S 1e9

uint64_t
sim_pace_allowed(int64_t bandwidth, int64_t elapsed_ns)
{
	return bandwidth ? (uint64_t)((double)elapsed_ns / NS_PER_S * (double)bandwidth)
			 : UINT64_MAX;
}

uint64_t
sim_pace_block(uint64_t at, uint64_t end)
{
	uint64_t most = at ? SIM_PACE_BLOCK_BYTES : SIM_PACE_FIRST_BYTES;
	return end - at < most ? end - at : most;
}

int64_t
sim_pace_due_ns(int64_t bandwidth, int64_t elapsed_ns, uint64_t at, uint64_t end)
{
	uint64_t to = at + sim_pace_block(at, end);
	/* one nanosecond more, so that rounding does not leave the last byte behind */
	double due_ns = (double)to / (double)bandwidth * NS_PER_S + 1;
	double latest_ns = (double)elapsed_ns + SIM_PACE_NS;
	return (int64_t)(due_ns < latest_ns ? due_ns : latest_ns);
}
