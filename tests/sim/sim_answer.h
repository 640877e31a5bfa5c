/*
 * sim_answer.h - what lts-sim answers when told to do wrong.
 */
#ifndef TESTS_SIM_SIM_ANSWER_H
#define TESTS_SIM_SIM_ANSWER_H

#include <stdbool.h>

#include "tests/sim/sim.h"

/* Takes over what the effect says about sending. True: the answer is made, nothing else
 * is to be done for the request. */
bool sim_answer_fault(struct sim_answer *answer, const struct sim_effect *effect,
		      int64_t wall_ns);
/* Of an answer that was made as asked: what else the effect wants of its body. of_one: it is about
 * one shard, and no place for entries of others. */
void sim_answer_twist(struct sim_answer *answer, const struct sim_effect *effect, bool of_one);

#endif
