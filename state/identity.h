/*
 * identity.h - which stream, group, host and instance an environment belongs to.
 */
#ifndef STATE_IDENTITY_H
#define STATE_IDENTITY_H

#include "common/buf.h"
#include "state/store.h"

/* Reads the identity. LTS_NOTFOUND: an environment that was never used. */
enum lts_err identity_read(struct store_txn *txn, struct identity_record *out) LTS_MUST_USE;

/* The schema's version when it is newer than ours: nothing in the environment may be read as ours
 * is, nor written. 0: it is not. */
uint8_t identity_newer(struct store_txn *txn);

/* At the supervisor's start: writes `mine` (with its fresh instance id) into a new
 * environment, or checks that the one there belongs to the same project, group, stream,
 * consumer group, host and machine, and counts the start. LTS_INVALID: it belongs
 * elsewhere, or to a newer version; `why_out` says to what, and the ways out. */
enum lts_err identity_claim(struct store *store, const struct identity_record *mine,
			    struct identity_record *out, struct buf *why_out) LTS_MUST_USE;

/* The name of consumer `index` of this instance: <host>-<instance>-<index>. */
struct consumer_name identity_consumer_name(const struct identity_record *identity,
					    uint32_t index);
/* Whether a consumer's name is one of this instance's. */
bool identity_owns_name(const struct identity_record *identity, const struct consumer_name *name);

enum lts_err identity_put(struct store_txn *txn,
			  const struct identity_record *record) LTS_MUST_USE;
/* An id that no other environment has. */
void identity_new_instance(struct identity_record *out);
/* The same stream and consumer group. */
bool identity_same_group(const struct identity_record *a, const struct identity_record *b);

/* What `end` as start_time meant when this instance first started; LTS_NOTFOUND: not yet
 * decided. */
enum lts_err identity_read_start(struct store_txn *txn, int64_t *start_ns_out) LTS_MUST_USE;
/* The first one stays. */
enum lts_err identity_put_start(struct store_txn *txn, int64_t start_ns) LTS_MUST_USE;

#endif
