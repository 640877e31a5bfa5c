/*
 * watch_lag.h - how far behind each shard is, as the running agent says.
 */
#ifndef STATE_WATCH_LAG_H
#define STATE_WATCH_LAG_H

#include "state/snapshot.h"

/* For each lease of the snapshot: milliseconds, or -1: not told. The caller frees. Waits for the
 * agent for half a second at the most. */
int64_t *watch_lag_ask(const char *state_dir, const struct snapshot *snapshot);
/* The same of an answer, which it cuts into lines; NULL: there was none. */
int64_t *watch_lag_parse(char *answer, const struct snapshot *snapshot);

#endif
