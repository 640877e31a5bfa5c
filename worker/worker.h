/*
 * worker.h - one worker process, from its first message to its exit code.
 */
#ifndef WORKER_WORKER_H
#define WORKER_WORKER_H

#include <stdbool.h>

#include "common/handoff.h"

/* Serves the supervisor behind the inherited descriptors until it is told to end. keys_locked: as
 * protect_process said. */
enum exit_code worker_run(bool keys_locked);

/* `lts-worker --check_sink SPEC`, for lts-supervisor --check_config: whether code of the user's
 * can be loaded. EXIT_DONE, or EXIT_USAGE and a line on stderr. */
enum exit_code worker_check_sink(const char *spec);

#endif
