/*
 * reset.c - a checkpoint is moved by people, not by an agent.
 *
 * In lts-state, with no agent on the state. Owns nothing. Must never touch lease or sink
 * position: what was delivered stays delivered. Held by tests/state/test_reset.c.
 */
#include "state/reset.h"

#include <stdio.h>

#include "state/checkpoint.h"
#include "state/events.h"

struct cursor
reset_cursor(const struct place *place)
{
	struct cursor cursor = place->cursor;
	if (place->from[0])
		snprintf(cursor.text, sizeof(cursor.text), "%c%s", PLACE_MARK, place->from);
	return cursor;
}

enum lts_err
reset_force(struct store_txn *txn, const struct shard_id *shard, const struct place *place,
	    int64_t now_ns, struct cursor *from_out)
{
	struct checkpoint_record record;
	enum lts_err err = checkpoint_read(txn, shard, &record);
	if (err)
		return err;
	struct event_record event = { .time_ns = now_ns,
				      .kind = EVENT_RESET,
				      .shard = *shard,
				      .epoch = record.epoch,
				      .cursor = reset_cursor(place) };
	snprintf(event.text, sizeof(event.text), "from %s, while no agent ran",
		 record.cursor.text);
	*from_out = record.cursor;
	record.cursor = event.cursor;
	record.forced = true;
	record.done = 0; /* all this was behind the former cursor */
	record.asides = (struct asides){ 0 };
	record.attempts = 0;
	record.finished_end_ns = 0;
	err = checkpoint_put(txn, &record);
	return err ? err : events_append(txn, &event);
}
