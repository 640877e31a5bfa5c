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
	/* Equal, the records done with behind them too, and no dead letter: nothing moved, only
	 * what follows is stored. */
	struct cursor from, to;
	uint64_t from_done, to_done;
	struct sink_position position;
	bool has_letters;        /* else the stored one stays */
	struct sink_position letters;
	uint64_t records, bytes; /* delivered between from and to */
	uint64_t dead_letters;   /* put aside between them, or ahead: the place has moved, too */
	const struct asides *asides; /* those ahead of `to`, borrowed; NULL: none */
	uint32_t attempts;           /* that failed behind `to` */
	bool gap; /* some of what lay between had been dropped by the service: an event */
	struct cursor published; /* what stands at the service by now; none: nothing new */
	enum lease_state close;  /* LEASE_RELEASED, _FINISHED, _PAUSED: also let go; 0: go on */
	int64_t end_ns;          /* with LEASE_FINISHED: the end_time reached */
	enum lts_err result;     /* set: LTS_OK, LTS_GONE, LTS_EXPIRED */
};

/* Applies each move that is still allowed. LTS_GONE: the stored lease has another epoch,
 * or is let go, or is finished and the move is one, or the stored place is not `from`:
 * somebody else's by now. LTS_EXPIRED: the cursor is to move and the deadline is not
 * after now_ms: nobody else's on this host yet. Both change nothing. The return value is
 * about the transaction as a whole. */
enum lts_err checkpoint_apply(struct store_txn *txn, struct checkpoint_move *moves, size_t n,
			      uint32_t slot, int64_t now_ms, int64_t now_ns) LTS_MUST_USE;

enum lts_err checkpoint_read(struct store_txn *txn, const struct shard_id *shard,
			     struct checkpoint_record *out) LTS_MUST_USE;
enum lts_err checkpoint_put(struct store_txn *txn,
			    const struct checkpoint_record *record) LTS_MUST_USE;

#endif
