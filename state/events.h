/*
 * events.h - what happened to shards, the last EVENTS_KEPT of it.
 */
#ifndef STATE_EVENTS_H
#define STATE_EVENTS_H

#include "state/store.h"

enum { EVENTS_KEPT = 10000 };

/* Numbers the record and stores it; the oldest goes when there are EVENTS_KEPT. */
enum lts_err events_append(struct store_txn *txn, const struct event_record *event) LTS_MUST_USE;
/* Stores it under the number it has. */
enum lts_err events_put(struct store_txn *txn, const struct event_record *event) LTS_MUST_USE;

#endif
