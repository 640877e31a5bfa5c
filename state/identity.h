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
 * consumer group and owner, and counts the start. `named`: mine->host is the option `identity`;
 * else it is the host's name, and the machine must be the same, too. mine->plain_names: names of
 * before may still be known at the service, and are kept. A copy of what another machine
 * may still use goes on as a new instance. LTS_INVALID: it belongs elsewhere, or to a newer
 * version; `why_out` says to what, and the ways out. */
enum lts_err identity_claim(struct store *store, const struct identity_record *mine, bool named,
			    struct identity_record *out, struct buf *why_out) LTS_MUST_USE;

enum lts_err identity_put(struct store_txn *txn,
			  const struct identity_record *record) LTS_MUST_USE;
/* The same stream and consumer group. */
bool identity_same_group(const struct identity_record *a, const struct identity_record *b);

/* What `end` as start_time meant when this instance first started; LTS_NOTFOUND: not yet
 * decided. */
enum lts_err identity_read_start(struct store_txn *txn, int64_t *start_ns_out) LTS_MUST_USE;
/* The first one stays. */
enum lts_err identity_put_start(struct store_txn *txn, int64_t start_ns) LTS_MUST_USE;

#endif
