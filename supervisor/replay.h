/*
 * replay.h - --replay_deadletter FILE: a worker sends the records of a dead-letter file through
 * the sink again, and is started again as long as that helps.
 */
#ifndef SUPERVISOR_REPLAY_H
#define SUPERVISOR_REPLAY_H

#include "common/handoff.h"
#include "common/options.h"

struct log;

/* Until the file is done with, TERM or INT, or it cannot go on. EXIT_DONE: all were delivered;
 * EXIT_FAILED: some failed again, or it was interrupted; EXIT_USAGE. Prints a summary. */
enum exit_code replay_run(const struct options *options, struct log *log);

#endif
