/*
 * waits.h - what workers wait for, for /readyz, the metrics, the log, and who asks on the control
 * socket.
 */
#ifndef SUPERVISOR_WAITS_H
#define SUPERVISOR_WAITS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"

struct control_peer;
struct worker_pool;

/* Calls for each wait that has lasted for a second or more. */
typedef void waits_call(void *arg, uint32_t worker, const char *text, int64_t for_ms);
void waits_each(const struct worker_pool *pool, int64_t now_ms, waits_call *call, void *arg);
/* True: none. Else why_out has a line of the one that has lasted longest. */
bool waits_are_none(const struct worker_pool *pool, int64_t now_ms, struct buf *why_out);
/* All of the answer: common/handoff.h. `unready`: why the agent is not ready; NULL: it is. */
void waits_tell(const struct worker_pool *pool, int64_t now_ms, const char *unready,
		struct control_peer *peer);

#endif
