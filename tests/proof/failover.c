/*
 * failover.c - to be written.
 */
#include "tests/proof/proof.h"

void
proof_failover(struct proof *proof)
{
	proof_conclude(proof, false, "{}");
}
