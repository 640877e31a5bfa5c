/*
 * events.c - a ring of events in LMDB, numbered without gaps.
 *
 * In workers' delivery threads. Owns nothing. Must never grow without bound: the map is
 * of fixed size. Held by tests/state/test_checkpoint.c.
 */
#include "state/events.h"

static uint64_t
number_of(struct store_key key)
{
	uint64_t number = 0;
	for (size_t i = 0; i < key.len; i++)
		number = number << 8 | ((const uint8_t *)key.data)[i];
	return number;
}

static void
key_bytes(uint64_t number, uint8_t bytes[8])
{
	for (int i = 7; i >= 0; i--, number >>= 8)
		bytes[i] = (uint8_t)number;
}

enum lts_err
events_put(struct store_txn *txn, const struct event_record *event)
{
	struct schema_value value;
	uint8_t key[8];
	key_bytes(event->number, key);
	event_encode(event, &value);
	return store_put(txn, STORE_EVENTS, (struct store_key){ key, sizeof(key) }, &value);
}

enum lts_err
events_append(struct store_txn *txn, const struct event_record *event)
{
	struct store_key edge;
	struct event_record numbered = *event;
	uint8_t key[8];
	enum lts_err err = store_edge(txn, STORE_EVENTS, true, &edge);
	if (err && err != LTS_NOTFOUND)
		return err;
	numbered.number = err ? 1 : number_of(edge) + 1;
	err = events_put(txn, &numbered);
	if (err || numbered.number <= EVENTS_KEPT)
		return err;
	key_bytes(numbered.number - EVENTS_KEPT, key);
	err = store_delete(txn, STORE_EVENTS, (struct store_key){ key, sizeof(key) });
	return err == LTS_NOTFOUND ? LTS_OK : err;
}
