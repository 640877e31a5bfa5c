/*
 * strace.h - makes system calls of a running program fail, wait, or end in a signal.
 */
#ifndef TESTS_SUPPORT_STRACE_H
#define TESTS_SUPPORT_STRACE_H

#include <stdbool.h>

#include "tests/support/scenario.h"

/* False: strace is not installed or may not attach; the test is to be skipped, and that
 * was said. Before the agent is started: it also asks sanitizers not to look for leaks,
 * which they cannot under strace. */
bool strace_is_possible(const struct scenario *scenario);

/* Every thread of `pid` is traced when this returns. `rules` as strace has them, "-e
 * inject=fdatasync:error=EIO:when=2". What it saw is in NAME.trace. */
void strace_attach(struct process *strace, const struct scenario *scenario, pid_t pid,
		   const char *name, const char *rules);
/* Lets go of the program, which goes on; no-op when it has ended. */
void strace_detach(struct process *strace);
/* How often `text` stands in NAME.trace. */
size_t strace_saw(const struct scenario *scenario, const char *name, const char *text);

#endif
