/*
 * null_plugin.c - a plugin that takes everything and does nothing: what a plugin costs. Of the
 * shard that its arguments name it refuses everything.
 *
 * In a worker of scripts/bench.
 */
#include <string.h>

#include "worker/lts_processor.h"

static char takes;
static const char *refused = "";

static void *
null_create(const char *args)
{
	refused = args;
	return &takes;
}

static int
null_process(void *self, const struct lts_batch *batch, struct lts_tracker *tracker)
{
	return strcmp(batch->shard, refused) == 0 ? LTS_PROCESSOR_FAILED : LTS_PROCESSOR_OK;
}

const struct lts_processor_ops *
lts_processor(void)
{
	static const struct lts_processor_ops ops = {
		.version = LTS_PROCESSOR_VERSION,
		.size = sizeof(ops),
		.create = null_create,
		.process = null_process,
	};
	return &ops;
}
