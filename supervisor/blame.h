/*
 * blame.h - whether a worker's death counts against the batch that was inside its sink.
 */
#ifndef SUPERVISOR_BLAME_H
#define SUPERVISOR_BLAME_H

#include "common/board.h"
#include "supervisor/worker_slot.h"

/* `hung`: we killed it because it was inside the sink for too long. `place` and `fault`
 * are what the dead worker's board says. */
bool blame_batch(const struct slot_exit *exit, bool hung, enum board_thread fault,
		 const struct board_place *place);

#endif
