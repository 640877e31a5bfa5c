/*
 * checkpoint.c - a group of shards moves on, in one transaction, those that are still
 * ours.
 *
 * In workers' delivery threads. Owns nothing. Must never move a cursor under another
 * epoch than the stored lease's, nor from another place than the stored one. Held by
 * tests/state/test_checkpoint.c.
 */
#include "state/checkpoint.h"

#include "state/events.h"
#include "state/lease.h"

static struct store_key
shard_key(const struct shard_id *shard)
{
	return (struct store_key){ shard->text, strlen(shard->text) };
}

enum lts_err
checkpoint_read(struct store_txn *txn, const struct shard_id *shard,
		struct checkpoint_record *out)
{
	const void *data;
	size_t len;
	struct checkpoint_record record;
	enum lts_err err = store_get(txn, STORE_CHECKPOINTS, shard_key(shard), &data, &len);
	if (!err)
		err = checkpoint_decode(data, len, &record);
	if (!err && !shard_id_equal(&record.shard, shard))
		err = LTS_BADDATA;
	if (!err)
		*out = record;
	return err;
}

enum lts_err
checkpoint_put(struct store_txn *txn, const struct checkpoint_record *record)
{
	struct schema_value value;
	checkpoint_encode(record, &value);
	return store_put(txn, STORE_CHECKPOINTS, shard_key(&record->shard), &value);
}

static enum lts_err
let_go(struct store_txn *txn, struct lease_record *lease, const struct checkpoint_move *move,
       uint32_t slot, int64_t now_ns)
{
	lease->state = move->close;
	lease->since_ns = now_ns;
	enum lts_err err = lease_put(txn, lease);
	if (err)
		return err;
	return events_append(txn, &(struct event_record){ .time_ns = now_ns,
							  .kind = move->close == LEASE_FINISHED
									  ? EVENT_FINISHED
									  : EVENT_RELEASED,
							  .shard = move->shard,
							  .epoch = move->epoch,
							  .slot = slot,
							  .cursor = move->to });
}

static bool
moves(const struct checkpoint_move *move)
{
	return !cursor_equal(&move->from, &move->to) || move->from_done != move->to_done ||
	       move->dead_letters;
}

static enum lts_err
apply(struct store_txn *txn, struct checkpoint_move *move, uint32_t slot, int64_t now_ms,
      int64_t now_ns)
{
	struct lease_record lease;
	struct checkpoint_record record;
	enum lts_err err = lease_read(txn, &move->shard, &lease);
	if (!err)
		err = checkpoint_read(txn, &move->shard, &record);
	if (err && err != LTS_NOTFOUND)
		return err;
	move->result = LTS_GONE;
	if (err || !epoch_equal(lease.epoch, move->epoch) || lease.state == LEASE_RELEASED ||
	    lease.state == LEASE_PAUSED)
		return LTS_OK;
	if (lease.state == LEASE_FINISHED && moves(move))
		return LTS_OK;
	if (!cursor_equal(&record.cursor, &move->from) || record.done != move->from_done)
		return LTS_OK;
	/* Past its deadline a shard does not move; what was committed may still be
	 * sealed. */
	if (moves(move) && move->deadline_ms <= now_ms) {
		move->result = LTS_EXPIRED;
		return LTS_OK;
	}
	move->result = LTS_OK;
	if (moves(move)) {
		record.committed_ns = now_ns;
		record.asides = move->asides ? *move->asides : (struct asides){ 0 };
	}
	record.cursor = move->to;
	record.done = move->to_done;
	record.dead_letters += move->dead_letters;
	record.attempts = move->attempts;
	record.position = move->position;
	if (move->has_letters) {
		record.has_letters = true;
		record.letters = move->letters;
	}
	record.records += move->records;
	record.bytes += move->bytes;
	if (!cursor_is_none(&move->published))
		record.service = move->published;
	if (move->close == LEASE_FINISHED)
		record.finished_end_ns = move->end_ns;
	err = checkpoint_put(txn, &record);
	if (!err && move->gap)
		err = events_append(txn,
				    &(struct event_record){ .time_ns = now_ns,
							    .kind = EVENT_EXPIRED,
							    .shard = move->shard,
							    .epoch = move->epoch,
							    .slot = slot,
							    .cursor = move->to,
							    .text = "gone on behind a gap" });
	if (!err && move->close)
		err = let_go(txn, &lease, move, slot, now_ns);
	return err;
}

enum lts_err
checkpoint_apply(struct store_txn *txn, struct checkpoint_move *moves, size_t n, uint32_t slot,
		 int64_t now_ms, int64_t now_ns)
{
	for (size_t i = 0; i < n; i++) {
		enum lts_err err = apply(txn, &moves[i], slot, now_ms, now_ns);
		if (err)
			return err;
	}
	return LTS_OK;
}
