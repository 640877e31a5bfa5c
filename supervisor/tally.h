/*
 * tally.h - what this run has delivered, shard by shard, read from the state.
 */
#ifndef SUPERVISOR_TALLY_H
#define SUPERVISOR_TALLY_H

#include "common/log.h"
#include "common/options.h"
#include "state/store.h"

struct tally;

/* Notes where every shard stands now. */
struct tally *tally_create(struct store *store);
/* Shards that had a checkpoint as the agent started. */
size_t tally_checkpoints(const struct tally *tally);
void tally_destroy(struct tally **tally);
/* One line for each shard that moved since, and one for all; the dead letters since. */
uint64_t tally_log(const struct tally *tally, struct store *store, struct log *log,
		   const char *event);
/* At the very end of a run: how many there are, and where; nothing when there are none. */
void tally_say_dead(struct log *log, uint64_t dead_letters, const struct options *options);

#endif
