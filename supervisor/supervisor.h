/*
 * supervisor.h - the agent: from its options to its exit code.
 */
#ifndef SUPERVISOR_SUPERVISOR_H
#define SUPERVISOR_SUPERVISOR_H

#include "common/credentials.h"
#include "common/handoff.h"
#include "common/log.h"
#include "common/options.h"

struct supervisor_config { /* borrowed while it runs */
	struct options *options;
	struct credentials *credentials;
	struct log *log;
	/* HUP: fills `fresh`, which options_init has seen; LTS_INVALID with a line. */
	enum lts_err (*load_again)(void *arg, struct options *fresh, struct buf *error_out);
	void *arg;
};

/* Runs until it is told to end, or until end_time is reached. */
enum exit_code supervisor_run(const struct supervisor_config *config);

#endif
