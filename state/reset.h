/*
 * reset.h - a shard sent to another place while no agent runs: its next take goes on there.
 */
#ifndef STATE_RESET_H
#define STATE_RESET_H

#include "state/place.h"
#include "state/store.h"

/* What reset_force writes as the cursor: the place's own, or PLACE_MARK and a time. */
struct cursor reset_cursor(const struct place *place);
/* Marks the shard's record, and appends the event. LTS_NOTFOUND: there is none. from_out: where
 * it stood. The caller has both locks of state_dir. */
enum lts_err reset_force(struct store_txn *txn, const struct shard_id *shard,
			 const struct place *place, int64_t now_ns,
			 struct cursor *from_out) LTS_MUST_USE;

#endif
