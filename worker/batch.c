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
		free(one->bad);
		free(one->good);
		free(one);
	}
	*batch = NULL;
}

const struct bad_record *
batch_bad(const struct batch *batch, size_t index)
{
	size_t low = 0, high = batch->n_bad;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (batch->bad[middle].index < index)
			low = middle + 1;
		else
			high = middle;
	}
	return low < batch->n_bad && batch->bad[low].index == index ? &batch->bad[low] : NULL;
}

static void
join_bad(struct batch *batch, struct batch *next)
{
	if (next->n_bad)
		batch->bad = xreallocarray(batch->bad, batch->n_bad + next->n_bad,
					   sizeof(*batch->bad));
	for (size_t i = 0; i < next->n_bad; i++) {
		batch->bad[batch->n_bad + i] = next->bad[i];
		batch->bad[batch->n_bad + i].index += batch->n_records;
	}
	batch->n_bad += next->n_bad;
	free(next->bad);
	next->bad = NULL;
	next->n_bad = 0;
}

void
batch_join(struct batch *batch, struct batch *next)
{
	if (!cursor_equal(&batch->to, &next->from) || batch->gap || next->gap || next->joined)
		abort();
	size_t n = batch->n_records + next->n_records;
	join_bad(batch, next);
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
