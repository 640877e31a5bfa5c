/*
 * other.c - a plugin made for another version of the interface: never to be called.
 *
 * In a worker, if anything were wrong.
 */
#include <stdlib.h>

#include "worker/lts_processor.h"

static void *
other_create(const char *args)
{
	abort();
}

static int
other_process(void *self, const struct lts_batch *batch, struct lts_tracker *tracker)
{
	abort();
}

const struct lts_processor_ops *
lts_processor(void)
{
	static const struct lts_processor_ops ops = {
		.version = LTS_PROCESSOR_VERSION + 1,
		.size = sizeof(ops),
		.create = other_create,
		.process = other_process,
	};
	return &ops;
}
