/*
 * count.c - a plugin that counts: what the SDK's demo processor does.
 *
 *   cc -shared -fPIC -o count.so count.c -I/usr/local/include
 *   lts-supervisor ... --sink plugin:./count.so
 *
 * Its lines go to stderr, with the agent's log. It saves in its last call, as the demo does,
 * which matters with checkpoint_mode=manual only: otherwise what it has returned from is saved
 * anyway.
 */
#include <stdio.h>
#include <stdlib.h>

#include <lts_processor.h>

struct counter { /* one for each shard */
	char shard[64];
	unsigned long long total;
};

static void *
counter_create(const char *args)
{
	return calloc(1, sizeof(struct counter));
}

static int
counter_initialize(void *self, const char *shard)
{
	struct counter *counter = self;
	snprintf(counter->shard, sizeof(counter->shard), "%s", shard);
	return 0;
}

static int
counter_process(void *self, const struct lts_batch *batch, struct lts_tracker *tracker)
{
	struct counter *counter = self;
	counter->total += batch->n_records;
	fprintf(stderr, "shard %s: this time consume log %zu total log num %llu\n",
		counter->shard, batch->n_records, counter->total);
	return LTS_PROCESSOR_OK;
}

static void
counter_shutdown(void *self, enum lts_processor_reason reason, struct lts_tracker *tracker)
{
	if (reason != LTS_PROCESSOR_LEASE_LOST)
		tracker->save(tracker, 1);
}

const struct lts_processor_ops *
lts_processor(void)
{
	static const struct lts_processor_ops ops = {
		.version = LTS_PROCESSOR_VERSION,
		.size = sizeof(ops),
		.create = counter_create,
		.initialize = counter_initialize,
		.process = counter_process,
		.shutdown = counter_shutdown,
		.destroy = free,
	};
	return &ops;
}
