/*
 * privileges.h - whom the agent runs as.
 */
#ifndef SUPERVISOR_PRIVILEGES_H
#define SUPERVISOR_PRIVILEGES_H

#include "common/buf.h"
#include "common/err.h"
#include "common/options.h"

/* As root, with `user`: makes the files and directories that the agent will write to and that are
 * not there yet, for that user, and becomes it for good. Without `user`, and when that is whom we
 * are already: nothing. LTS_INVALID: there is no such user, we are somebody else and not root, or
 * the drop did not hold: `why_out` has a line. Before there are threads. */
enum lts_err privileges_drop(const struct options *options, struct buf *why_out) LTS_MUST_USE;

#endif
