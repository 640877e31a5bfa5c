/*
 * batch.c - the life of a batch's memory.
 *
 * In a worker: made on the loop, handed to the delivery thread and back, freed on the
 * loop. Owns the body and the record array. Must never be in two threads' hands at once.
 * Held by tests/worker/test_shard.c.
 */
#include "worker/batch.h"

#include <stdlib.h>

#include "common/lts_api.h"
#include "common/xalloc.h"

struct batch *
batch_create(struct lease *lease, const struct cursor *from)
{
	struct batch *batch = xcalloc(1, sizeof(*batch));
	batch->lease = lease;
	batch->from = *from;
	batch->to = *from;
	return batch;
}

void
batch_destroy(struct batch **batch)
{
	if (!*batch)
		return;
	if ((*batch)->api)
		lts_api_recycle((*batch)->api, &(*batch)->body);
	else
		buf_fini(&(*batch)->body);
	free((*batch)->records);
	free(*batch);
	*batch = NULL;
}
