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
	size_t bytes;   /* of the bodies and the array; what the budget counts */
	bool gap;       /* not records: the service had dropped those behind `from` */
	size_t counted; /* records that the board has counted already as delivered, dead or
			   dropped */
	bool unsaved; /* delivered, and nothing of it is to be committed: manual mode */
	struct cursor rollback; /* the shard goes on here, and not at `to`; none: it does not */
};

struct batch *batch_create(struct lease *lease, const struct cursor *from);
void batch_destroy(struct batch **batch);
/* Takes `next`, which starts where `batch` ends, behind its records. No gaps. */
void batch_join(struct batch *batch, struct batch *next);

#endif
