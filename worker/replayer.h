/*
 * replayer.h - a worker that sends the records of a dead-letter file through the sink again, and
 * ends: HANDOFF_REPLAY.
 */
#ifndef WORKER_REPLAYER_H
#define WORKER_REPLAYER_H

#include "common/handoff.h"

/* EXIT_DONE: all of the file is done with. EXIT_FAILED: it was told to stop, or cannot go on and
 * has said why; the progress is kept. EXIT_USAGE: starting again cannot help. */
enum exit_code replayer_run(void);

#endif
