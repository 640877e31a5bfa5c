/*
 * metrics.h - what can be seen of the agent from outside: /metrics, /healthz and /readyz, and the
 * file for node_exporter.
 */
#ifndef SUPERVISOR_METRICS_H
#define SUPERVISOR_METRICS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"

struct metrics;
struct shard_id;
struct supervisor;

/* Listens, and writes, as the options say; what does not work is logged and tried again. Borrows
 * all of the supervisor. */
struct metrics *metrics_create(struct supervisor *supervisor);
/* NULL-safe. */
void metrics_destroy(struct metrics **metrics);
/* How far behind the shard is that is furthest behind, as lts_shard_lag_seconds has it; 0: none is,
 * or there is none. */
int64_t metrics_behind_ms(struct metrics *metrics);
/* The same of every shard of this host. */
void metrics_each_behind(struct metrics *metrics,
			 void (*call)(void *arg, const struct shard_id *shard, int64_t behind_ms),
			 void *arg);
/* What /readyz says: true, or why_out has a line that says why not. */
bool metrics_ready(struct metrics *metrics, struct buf *why_out);
/* A worker's life is over: what its board says of shards is kept. NULL-safe. */
void metrics_on_gone(struct metrics *metrics, uint32_t worker);

#endif
