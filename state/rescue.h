/*
 * rescue.h - what is still legible of an environment that may be damaged.
 */
#ifndef STATE_RESCUE_H
#define STATE_RESCUE_H

#include "state/snapshot.h"

enum { RESCUE_SHARDS_MAX = 4096, RESCUE_WHY_MAX = 300, RESCUE_READ_S = 5 };

#define RESCUE_SLOW                                                                            \
	"not read within 5 s, which says nothing of it: a stopped process may hold its lock, " \
	"or the disk be slow; try again"

struct rescue {
	bool missing;             /* there is none */
	bool slow;                /* not read within RESCUE_READ_S: it may be sound */
	bool newer;               /* of a schema that this program cannot read */
	bool sound;               /* read to its end, each record, and they fit together */
	char why[RESCUE_WHY_MAX]; /* it is not: in a few words */
	bool has_identity, has_start;
	struct identity_record identity;
	struct start_record start;
	/* Whole, but maybe not the latest: damage may bring back a former page. Fit to be shown,
	 * not to go on from. */
	size_t n_checkpoints;
	struct checkpoint_record checkpoints[RESCUE_SHARDS_MAX];
};

/* Reads in a child process: what LMDB does with damage must not be ours. LTS_SYS: there is no
 * child; errno. */
enum lts_err rescue_read(const char *state_dir, struct rescue **out) LTS_MUST_USE;
void rescue_destroy(struct rescue **rescue);
/* Borrowed; NULL: not legible, or there was none. */
const struct checkpoint_record *rescue_checkpoint(const struct rescue *rescue,
						  const struct shard_id *shard);

#endif
