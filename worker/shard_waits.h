/*
 * shard_waits.h - what a shard waits for, for whoever watches that it is not for ever.
 */
#ifndef WORKER_SHARD_WAITS_H
#define WORKER_SHARD_WAITS_H

#include "common/stage_clock.h"
#include "worker/shard.h"

struct shard_waits {
	enum stage fetch;    /* CURSOR, BATCH, ROOM */
	enum stage delivery; /* QUEUE: an order is with the delivery thread; CLOSE: the last */
	bool failing;        /* the service's last answers were all errors */
	uint64_t answers, orders; /* how many came back so far */
};
struct shard_waits shard_waits(const struct shard *shard);
/* The request under way is taken for lost: cancelled, and asked again. */
void shard_refetch(struct shard *shard);

#endif
