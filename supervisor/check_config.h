/*
 * check_config.h - --check_config: what the agent would trip over at its start, or soon after.
 */
#ifndef SUPERVISOR_CHECK_CONFIG_H
#define SUPERVISOR_CHECK_CONFIG_H

#include "common/credentials.h"
#include "common/handoff.h"
#include "common/options.h"

/* Of options that are valid as such. A line on stderr for each finding: the option, its value,
 * what is wrong. EXIT_DONE: none; EXIT_FAILED: files and directories; EXIT_USAGE: code that cannot
 * be used, no such user; with check_config=online what check_online.h says too. Makes and changes
 * nothing; code of the user's is loaded in a process of its own. */
enum exit_code check_config(const struct options *options,
			    const struct credentials *credentials) LTS_MUST_USE;

#endif
