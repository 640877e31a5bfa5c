/*
 * batch.h - the records of one answer, or of some that follow one another. Owns their
 * memory: everything cut from it dies with it.
 */
#ifndef WORKER_BATCH_H
#define WORKER_BATCH_H

#include "common/buf.h"
#include "worker/batch_scan.h"
#include "worker/lease.h"

struct lts_api;

struct batch {
	struct lease *lease;    /* borrowed; outlives the batch */
	struct cursor from, to; /* to: where the next batch starts */
	struct buf body;
	struct lts_api *api;    /* borrowed: takes the body's memory back; NULL: it is freed */
	struct batch *joined;   /* the one that was joined last, for its body; NULL: none */
	struct record *records; /* point into body, and into those of the joined */
	size_t n_records;
	struct bad_record *bad; /* those that are for the dead letters; by their index */
	size_t n_bad;
	struct record *good; /* the others, for whoever needs them alone; NULL: not made */
	bool doubtful; /* the answer was not all it should be: it is to be said twice... */
	bool whole;    /* ...of which the bad records are all */
	bool buried;   /* its bad records are dead letters, though not committed */
	size_t bytes;   /* of the bodies and the array; what the budget counts */
	bool gap;       /* not records: the service had dropped those behind `from` */
	size_t counted; /* records that the board has counted already as delivered, dead or
			   dropped */
	bool unsaved; /* delivered, and nothing of it is to be committed: manual mode */
	struct cursor rollback; /* the shard goes on here, and not at `to`; none: it does not... */
	struct suspect suspect; /* ...and cuts again as it did: these were under way; attempts 0 */
};

struct batch *batch_create(struct lease *lease, const struct cursor *from);
void batch_destroy(struct batch **batch);
/* Why a record of it is bad; NULL: it is not. */
const struct bad_record *batch_bad(const struct batch *batch, size_t index);
/* Takes `next`, which starts where `batch` ends, behind its records. No gaps. */
void batch_join(struct batch *batch, struct batch *next);

#endif
