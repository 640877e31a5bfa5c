/*
 * powercut.h - one stream that is drained through cut after cut: what happens, and what
 * must hold after each.
 */
#ifndef TESTS_PROOF_POWERCUT_H
#define TESTS_PROOF_POWERCUT_H

#include <stdint.h>

#include "tests/support/agent.h"
#include "tests/support/cut_disk.h"

enum { CUT_SHARDS = 4, CUT_WORKERS_MOST = 3 };

struct cut_bed {
	struct scenario scenario;
	struct sim_process sim;
	struct agent agent;
	struct cut_disk disk;
	const char *sink; /* its directory, in the scenario's */
	bool rotates;     /* segments come and go */
	uint64_t seed;    /* what is drawn, from here on */
};

/* With no process of the agent left: the service's checkpoint <= the committed one <= what
 * is in the files. `settled`: it ended in order, so of the shards that it held the three
 * are equal, and every segment has its final name. Fails the test otherwise. */
void powercut_expect_order(const struct cut_bed *bed, bool settled);

#endif
