/*
 * batch.c - the life of a batch's memory.
 *
 * In a worker: made on the loop, handed to the delivery thread and back, freed on the
 * loop. Owns the body and the record array. Must never be in two threads' hands at once.
 * Held by tests/worker/test_shard.c and test_shard_join.c.
 */
#include "worker/batch.h"

#include <stdlib.h>
#include <string.h>

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
	for (struct batch *one = *batch, *next; one; one = next) {
		next = one->joined;
		if (one->api)
			lts_api_recycle(one->api, &one->body);
		else
			buf_fini(&one->body);
		free(one->records);
		free(one);
	}
	*batch = NULL;
}

void
batch_join(struct batch *batch, struct batch *next)
{
	if (!cursor_equal(&batch->to, &next->from) || batch->gap || next->gap || next->joined)
		abort();
	size_t n = batch->n_records + next->n_records;
	if (next->n_records) {
		batch->records = xreallocarray(batch->records, n, sizeof(*batch->records));
		memcpy(batch->records + batch->n_records, next->records,
		       next->n_records * sizeof(*next->records));
	}
	free(next->records);
	next->records = NULL;
	batch->n_records = n;
	batch->bytes += next->bytes;
	batch->to = next->to;
	next->joined = batch->joined;
	batch->joined = next;
}
