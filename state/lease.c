/*
 * lease.c - taking a shard.
 *
 * In the delivery thread of the worker that was assigned the shard. Owns nothing. Must
 * never store an epoch that is not greater than the one there: that comparison is what
 * keeps a stale holder out. Held by tests/state/test_lease.c.
 */
#include "state/lease.h"

#include <stdio.h>

#include "state/checkpoint.h"
#include "state/events.h"
#include "state/identity.h"
#include "state/place.h"

const char *
lease_origin_name(enum lease_origin origin)
{
	static const char *const names[] = {
		[LEASE_FROM_LOCAL] = "local",
		[LEASE_FROM_SERVICE] = "service",
		[LEASE_FROM_START] = "start",
		[LEASE_FROM_RESET] = "reset",
	};
	return names[origin];
}

static struct store_key
shard_key(const struct shard_id *shard)
{
	return (struct store_key){ shard->text, strlen(shard->text) };
}

enum lts_err
lease_read(struct store_txn *txn, const struct shard_id *shard, struct lease_record *out)
{
	const void *data;
	size_t len;
	struct lease_record lease;
	enum lts_err err = store_get(txn, STORE_LEASES, shard_key(shard), &data, &len);
	if (!err)
		err = lease_decode(data, len, &lease);
	if (!err && !shard_id_equal(&lease.shard, shard))
		err = LTS_BADDATA;
	if (!err)
		*out = lease;
	return err;
}

enum lts_err
lease_put(struct store_txn *txn, const struct lease_record *lease)
{
	struct schema_value value;
	lease_encode(lease, &value);
	return store_put(txn, STORE_LEASES, shard_key(&lease->shard), &value);
}

/* A worker that took it there may have died before it could say so, and the supervisor need not
 * see yet what it has committed. */
static bool
is_to_be_reset(const struct lease_take *take, const struct checkpoint_record *local)
{
	return !cursor_is_none(&take->reset) &&
	       !(local && local->epoch.value >= take->reset_first.value);
}

/* A reset that was written while no agent ran, and whose cursor is to be asked for. */
static bool
is_to_be_asked(const struct checkpoint_record *local)
{
	return local && local->forced && local->cursor.text[0] == PLACE_MARK;
}

/*
 * Which position wins. What people asked for, once. Between siblings under one grant, the
 * local one. Otherwise the local one unless another host has moved on: the service's differs from
 * what we last knew to stand there, and was not written by us. Then the one that is ahead: all
 * before either was delivered by somebody, and what we delivered must not come again to this
 * host. 0: which that is, is not known.
 */
static enum lease_origin
choose(const struct lease_take *take, const struct checkpoint_record *local)
{
	bool service = !cursor_is_none(&take->service);
	if (is_to_be_reset(take, local) || is_to_be_asked(local))
		return LEASE_FROM_RESET;
	if (!local)
		return service ? LEASE_FROM_SERVICE : LEASE_FROM_START;
	if (!service || take->unbroken || local->forced || take->service_is_ours ||
	    cursor_equal(&take->service, &local->service))
		return LEASE_FROM_LOCAL;
	return take->ahead;
}

/* Where a take begins that does not go on from our own position. */
static const struct cursor *
place_of(const struct lease_take *take, enum lease_origin origin)
{
	if (origin == LEASE_FROM_SERVICE)
		return &take->service;
	if (origin == LEASE_FROM_RESET && !cursor_is_none(&take->reset))
		return &take->reset;
	return &take->start;
}

static enum lts_err
append_reset(struct store_txn *txn, const struct lease_take *take, const struct cursor *from)
{
	struct event_record event = { .time_ns = take->now_ns,
				      .kind = EVENT_RESET,
				      .shard = take->shard,
				      .epoch = take->epoch,
				      .slot = take->slot,
				      .cursor = take->reset };
	snprintf(event.text, sizeof(event.text), "from %s",
		 cursor_is_none(from) ? "nowhere" : from->text);
	return events_append(txn, &event);
}

static enum lts_err
append_events(struct store_txn *txn, const struct lease_take *take,
	      const struct lease_taken *taken)
{
	enum lts_err err = LTS_OK;
	struct event_record event = {
		.time_ns = take->now_ns,
		.shard = take->shard,
		.epoch = take->epoch,
		.slot = take->slot,
		.cursor = taken->checkpoint.cursor,
	};
	if (take->inherited) {
		event.kind = EVENT_INHERITED;
		snprintf(event.text, sizeof(event.text), "%s", take->inherited);
		err = events_append(txn, &event);
	}
	if (!err) {
		event.kind = EVENT_TAKEN;
		snprintf(event.text, sizeof(event.text), "position: %s",
			 lease_origin_name(taken->origin));
		err = events_append(txn, &event);
	}
	return err;
}

enum lts_err
lease_take(struct store_txn *txn, const struct lease_take *take, struct lease_taken *out)
{
	struct lease_record lease;
	struct lease_taken taken = { 0 };
	enum lts_err err = lease_read(txn, &take->shard, &lease);
	if (err && err != LTS_NOTFOUND)
		return err;
	if (!err && take->epoch.value <= lease.epoch.value)
		return LTS_GONE; /* somebody was given the shard after us */
	if (err && store_is_short(txn))
		return LTS_NOSPACE; /* a new shard waits, so that those that are there go on */
	err = checkpoint_read(txn, &take->shard, &taken.checkpoint);
	if (err && err != LTS_NOTFOUND)
		return err;
	taken.origin = choose(take, err ? NULL : &taken.checkpoint);
	if (!taken.origin) {
		*out = taken;
		return LTS_AGAIN;
	}
	if (taken.origin != LEASE_FROM_LOCAL && cursor_is_none(place_of(take, taken.origin))) {
		if (taken.origin == LEASE_FROM_RESET)
			memcpy(taken.from, taken.checkpoint.cursor.text + 1,
			       sizeof(taken.from) - 1);
		*out = taken;
		return LTS_NOTFOUND;
	}
	struct cursor before = taken.checkpoint.cursor;
	if (taken.origin != LEASE_FROM_LOCAL) {
		taken.checkpoint.shard = take->shard;
		taken.checkpoint.cursor = *place_of(take, taken.origin);
		taken.checkpoint.committed_ns = take->now_ns;
		taken.checkpoint.finished_end_ns = 0;
		taken.checkpoint.done = 0; /* that was behind our own cursor */
		taken.checkpoint.asides.n = 0;
		taken.checkpoint.attempts = 0;
	}
	taken.checkpoint.epoch = take->epoch;
	if (!take->unbroken || taken.origin == LEASE_FROM_SERVICE)
		taken.checkpoint.service = take->service;
	taken.checkpoint.forced = false;
	err = checkpoint_put(txn, &taken.checkpoint);
	if (!err)
		err = lease_put(txn, &(struct lease_record){ .shard = take->shard,
							     .epoch = take->epoch,
							     .state = LEASE_HELD,
							     .slot = take->slot,
							     .home = take->home,
							     .pid = take->pid,
							     .since_ns = take->now_ns });
	if (!err && take->start_ns)
		err = identity_put_start(txn, take->start_ns);
	if (!err && taken.origin == LEASE_FROM_RESET && !cursor_is_none(&take->reset))
		err = append_reset(txn, take, &before);
	if (!err)
		err = append_events(txn, take, &taken);
	if (!err)
		*out = taken;
	return err;
}

enum lts_err
lease_stop(struct store_txn *txn, const struct event_record *event)
{
	struct lease_record lease;
	enum lts_err err = LTS_OK;
	/* One that is damaged may be the very reason: the event is written all the same. */
	if (!lease_read(txn, &event->shard, &lease) && epoch_equal(lease.epoch, event->epoch)) {
		lease.state = LEASE_STUCK;
		lease.since_ns = event->time_ns;
		err = lease_put(txn, &lease);
	}
	return err ? err : events_append(txn, event);
}
