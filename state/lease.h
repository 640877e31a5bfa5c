/*
 * lease.h - taking a shard: the transaction that fences off every earlier holder.
 */
#ifndef STATE_LEASE_H
#define STATE_LEASE_H

#include "state/store.h"

/* Whose position a shard goes on from. */
enum lease_origin {
	LEASE_FROM_LOCAL = 1,
	LEASE_FROM_SERVICE,
	LEASE_FROM_START,
	LEASE_FROM_RESET, /* people's wish: wins against all others, once */
};

struct lease_take {
	struct shard_id shard;
	struct epoch epoch;
	uint32_t slot, home, pid;
	struct cursor service; /* the service's checkpoint; none when it has none */
	bool service_is_ours;  /* written under a name of this instance */
	bool unbroken;         /* same grant as the last holder's: the local position wins */
	struct cursor reset;   /* where people want it to go on; none */
	struct epoch
		reset_first;     /* since when: what that or a later one has committed is there */
	enum lease_origin ahead; /* of our position and another host's; 0: not known yet */
	struct cursor start;     /* what LTS_NOTFOUND asked for; none while it is not known */
	int64_t start_ns;        /* kept in meta as what `end` meant; 0: do not */
	const char *inherited;   /* the last holder's fate when it did not release; or NULL */
	int64_t now_ns;
};

struct lease_taken {
	struct checkpoint_record checkpoint;
	enum lease_origin origin;
	char from[24]; /* LTS_NOTFOUND: a reset wants "begin", "end" or nanoseconds; "":
			* start_time
			*/
};

/* Stores lease and checkpoint under the new epoch, and the events. LTS_GONE: the epoch is
 * not greater than the stored one. LTS_AGAIN: another host has moved on, and it must be known
 * who is `ahead`: out->checkpoint is ours; find out and take again. LTS_NOTFOUND: there is no
 * position, or a reset says a time, out->from, and `start` is none; get it and take again. */
enum lts_err lease_take(struct store_txn *txn, const struct lease_take *take,
			struct lease_taken *out) LTS_MUST_USE;

/* The shard stopped under that epoch: the event, and the lease says so while it is still
 * ours. */
enum lts_err lease_stop(struct store_txn *txn, const struct event_record *event) LTS_MUST_USE;

/* At a start, before the first worker exists: up to `most` leases and checkpoints of shards that
 * were let go before then, and of which nothing was ever delivered, nor a segment made. Granted
 * again they begin as new ones do. */
enum lts_err lease_remove_unused(struct store_txn *txn, int64_t before_ns, size_t most,
				 size_t *n_out) LTS_MUST_USE;

enum lts_err lease_read(struct store_txn *txn, const struct shard_id *shard,
			struct lease_record *out) LTS_MUST_USE;
enum lts_err lease_put(struct store_txn *txn, const struct lease_record *lease) LTS_MUST_USE;

const char *lease_origin_name(enum lease_origin origin);

#endif
