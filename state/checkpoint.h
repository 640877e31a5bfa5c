/*
 * checkpoint.h - moving a shard's position: the transaction that checks the epoch.
 */
#ifndef STATE_CHECKPOINT_H
#define STATE_CHECKPOINT_H

#include "state/store.h"

/* One shard's share of a group commit. */
struct checkpoint_move {
	struct shard_id shard;
	struct epoch epoch;
	int64_t deadline_ms; /* the lease's, CLOCK_BOOTTIME, read after the write lock was
				taken */
	struct cursor from, to; /* equal: nothing moved, only what follows is stored */
	struct sink_position position;
	uint64_t records, bytes; /* delivered between from and to */
	bool gap; /* some of what lay between had been dropped by the service: an event */
	struct cursor
		published; /* what stands at the service by now; none: nothing new */
	enum lease_state
		close;	/* LEASE_RELEASED, _FINISHED, _PAUSED: also let go; 0: go on */
	int64_t end_ns; /* with LEASE_FINISHED: the end_time reached */
	enum lts_err
		result; /* set: LTS_OK, or LTS_GONE when the shard is not ours any more */
};

/* Applies each move that is still allowed: the stored lease has this epoch and is held,
 * its deadline lies after now_ms, and the stored cursor is `from`. The others get
 * LTS_GONE and change nothing. The return value is about the transaction as a whole. */
enum lts_err checkpoint_apply(struct store_txn *txn, struct checkpoint_move *moves,
			      size_t n, uint32_t slot, int64_t now_ms,
			      int64_t now_ns) LTS_MUST_USE;

enum lts_err checkpoint_read(struct store_txn *txn, const struct shard_id *shard,
			     struct checkpoint_record *out) LTS_MUST_USE;
enum lts_err checkpoint_put(struct store_txn *txn,
			    const struct checkpoint_record *record) LTS_MUST_USE;

#endif
