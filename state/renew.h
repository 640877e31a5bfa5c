/*
 * renew.h - what of a state stays when it goes on as a new instance.
 *
 * Positions in the stream do; files and names are the former instance's, which may have gone on.
 */
#ifndef STATE_RENEW_H
#define STATE_RENEW_H

#include "state/store.h"

/* An id that no other environment has, names that nobody has had. */
void renew_identity(struct identity_record *identity);
/* The same, of nobody: whoever starts next takes it. */
void renew_unowned(struct identity_record *identity);
/* No file is its own yet. */
void renew_checkpoint(struct checkpoint_record *checkpoint);
/* It holds no shard, nor has it let go of one lately. */
void renew_lease(struct lease_record *lease, int64_t now_ns);

/* All that is stored; the caller stores the identity. Records that do not decode stay as they are:
 * whoever takes their shards meets them. */
enum lts_err renew_stored(struct store_txn *txn, int64_t now_ns) LTS_MUST_USE;

#endif
