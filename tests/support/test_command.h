/*
 * test_command.h - one simulator and one agent with a command per batch, which misbehaves as it
 * is told.
 */
#ifndef TESTS_SUPPORT_TEST_COMMAND_H
#define TESTS_SUPPORT_TEST_COMMAND_H

#include "tests/support/test_plugin.h"

/*
 * As test_plugin_begin, and with the same account. Rules, one a line, act on a batch of that
 * shard with that record:
 *   WHAT SHARD SEQ
 *   fail, crash, hang, late    every time, before anything is done with the batch
 *   later, once                the first time: exit 75, exit 3
 *   garbage, child            it is done, and prints what is no text, leaves a process of
 *                              another group with all pipes
 */
void test_command_begin(struct one_host *host, const char *sim_options, const char *agent_options,
			const char *rules);

/* Only the command, as `command` in the scenario's directory. */
void test_command_install(const struct scenario *scenario);

#endif
