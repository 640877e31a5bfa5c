/*
 * renew.c - makes a state a new instance's.
 *
 * In the supervisor before the first worker exists, and in lts-state; with both locks of state_dir
 * held. Owns nothing. Must never keep an instance id that may have gone on elsewhere: its files
 * would be cut to where they stood then, and its names may be a living member's. Held by
 * tests/state/test_identity.c and test_backup.c.
 */
#include "state/renew.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "common/xalloc.h"
#include "state/checkpoint.h"
#include "state/lease.h"

static const int64_t DAY_NS = INT64_C(86400) * 1000000000;

void
renew_identity(struct identity_record *identity)
{
	uint32_t random = 0;
	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		abort();
	snprintf(identity->instance, sizeof(identity->instance), "%08x", random);
	identity->plain_names = false;
}

void
renew_unowned(struct identity_record *identity)
{
	renew_identity(identity);
	identity->host[0] = identity->machine_id[0] = '\0';
	identity->data_inode = 0;
}

void
renew_checkpoint(struct checkpoint_record *checkpoint)
{
	checkpoint->position = checkpoint->letters = (struct sink_position){ 0 };
}

void
renew_lease(struct lease_record *lease, int64_t now_ns)
{
	lease->state = LEASE_RELEASED;
	lease->since_ns = now_ns - DAY_NS; /* what is fresh is listed */
}

/* What is visited must not be written meanwhile. */
struct found {
	struct lease_record *leases;
	struct checkpoint_record *checkpoints;
	size_t n_leases, n_checkpoints;
};

static enum lts_err
find_lease(void *arg, struct store_key key, const void *data, size_t len)
{
	struct found *found = arg;
	struct lease_record lease;
	if (lease_decode(data, len, &lease))
		return LTS_OK;
	found->leases = xreallocarray(found->leases, found->n_leases + 1, sizeof(lease));
	found->leases[found->n_leases++] = lease;
	return LTS_OK;
}

static enum lts_err
find_checkpoint(void *arg, struct store_key key, const void *data, size_t len)
{
	struct found *found = arg;
	struct checkpoint_record checkpoint;
	if (checkpoint_decode(data, len, &checkpoint))
		return LTS_OK;
	found->checkpoints = xreallocarray(found->checkpoints, found->n_checkpoints + 1,
					   sizeof(checkpoint));
	found->checkpoints[found->n_checkpoints++] = checkpoint;
	return LTS_OK;
}

static enum lts_err
drop_workers(struct store_txn *txn)
{
	struct store_key key;
	enum lts_err err;
	while (!(err = store_edge(txn, STORE_WORKERS, false, &key)))
		if ((err = store_delete(txn, STORE_WORKERS, key)))
			return err;
	return err == LTS_NOTFOUND ? LTS_OK : err;
}

enum lts_err
renew_stored(struct store_txn *txn, int64_t now_ns)
{
	struct found found = { 0 };
	enum lts_err err = store_each(txn, STORE_LEASES, find_lease, &found);
	if (!err)
		err = store_each(txn, STORE_CHECKPOINTS, find_checkpoint, &found);
	for (size_t i = 0; i < found.n_leases && !err; i++) {
		renew_lease(&found.leases[i], now_ns);
		err = lease_put(txn, &found.leases[i]);
	}
	for (size_t i = 0; i < found.n_checkpoints && !err; i++) {
		renew_checkpoint(&found.checkpoints[i]);
		err = checkpoint_put(txn, &found.checkpoints[i]);
	}
	free(found.leases);
	free(found.checkpoints);
	return err ? err : drop_workers(txn);
}
