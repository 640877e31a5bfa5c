/*
 * lease_watch.h - that no shard of this host waits for ever without a word.
 */
#ifndef SUPERVISOR_LEASE_WATCH_H
#define SUPERVISOR_LEASE_WATCH_H

#include "common/stage_clock.h"
#include "supervisor/lease_book.h"

/* A shard has waited for the same thing for too long, or goes on; worker -1: none has it. */
typedef void book_stalled(void *arg, const struct shard_id *shard, int32_t worker,
			  const struct stage_news *news);
void book_watch(struct lease_book *book, const struct stage_limits *limits, int64_t now_ms,
		book_stalled *stalled, void *arg);

#endif
