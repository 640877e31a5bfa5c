/*
 * blame.c - whether a worker's death counts against a batch.
 *
 * Runs in the supervisor, once a worker is reaped. Pure. Must never blame a batch for what
 * others did: a SIGKILL that was not for process_timeout, a stop, a loop that does not
 * beat or that failed. Held by tests/supervisor/test_blame.c.
 */
#include "supervisor/blame.h"

#include <signal.h>

bool
blame_batch(const struct slot_exit *exit, bool hung, enum board_thread fault,
	    const struct board_place *place)
{
	bool in_sink = place->stage == BOARD_SUBMIT || place->stage == BOARD_WRITE ||
		       place->stage == BOARD_FLUSH;
	if (place->torn || !in_sink)
		return false;
	if (exit->signal == SIGKILL)
		return exit->ours && hung;
	return fault == BOARD_DELIVERY; /* also when it said exit(0) */
}
