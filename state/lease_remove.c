/*
 * lease_remove.c - removes what is kept of shards that never mattered.
 *
 * In the supervisor, at a start, before the first worker exists: every record has one writer. Owns
 * nothing. Must never remove what says where a delivered record, a segment or a dead letter is: it
 * would come again, or its name be given twice. Held by tests/state/test_lease_remove.c.
 */
#include "state/lease.h"

#include <stdlib.h>

#include "common/xalloc.h"
#include "state/checkpoint.h"

static struct store_key
shard_key(const struct shard_id *shard)
{
	return (struct store_key){ shard->text, strlen(shard->text) };
}

/* Nothing was ever delivered, or put aside, of a shard that is not held any more. */
static bool
is_unused(struct store_txn *txn, const struct lease_record *lease)
{
	struct checkpoint_record r;
	if (lease->state != LEASE_RELEASED || checkpoint_read(txn, &lease->shard, &r))
		return false;
	return !r.records && !r.bytes && !r.done && !r.dead_letters && !r.attempts && !r.asides.n &&
	       !r.position.segment && !r.position.offset && !r.forced && !r.finished_end_ns;
}

struct unused {
	struct store_txn *txn;
	int64_t before_ns;
	struct shard_id *shards;
	size_t n, most;
};

static enum lts_err
collect_unused(void *arg, struct store_key key, const void *data, size_t len)
{
	struct unused *unused = arg;
	struct lease_record lease;
	if (unused->n < unused->most && !lease_decode(data, len, &lease) &&
	    lease.since_ns < unused->before_ns && is_unused(unused->txn, &lease))
		unused->shards[unused->n++] = lease.shard;
	return LTS_OK; /* a damaged one is left to the worker that takes the shard */
}

enum lts_err
lease_remove_unused(struct store_txn *txn, int64_t before_ns, size_t most, size_t *n_out)
{
	struct unused unused = { txn, before_ns, xcalloc(most, sizeof(*unused.shards)), 0, most };
	enum lts_err err = store_each(txn, STORE_LEASES, collect_unused, &unused);
	for (size_t i = 0; i < unused.n && !err; i++) {
		err = store_delete(txn, STORE_CHECKPOINTS, shard_key(&unused.shards[i]));
		if (!err)
			err = store_delete(txn, STORE_LEASES, shard_key(&unused.shards[i]));
	}
	free(unused.shards);
	if (!err)
		*n_out = unused.n;
	return err;
}
