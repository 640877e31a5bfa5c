/*
 * ask_agent.h - a question to the running agent, over the control socket in its state_dir.
 */
#ifndef STATE_ASK_AGENT_H
#define STATE_ASK_AGENT_H

#include "common/buf.h"
#include "common/err.h"

/* Sends the line and appends the lines that come back to `out`, up to the end of file.
 * LTS_NOTFOUND: no agent listens there. LTS_AGAIN: the time is over: out has what came before.
 * LTS_SYS: errno. */
enum lts_err ask_agent(const char *state_dir, const char *line, int timeout_ms,
		       struct buf *out) LTS_MUST_USE;

#endif
