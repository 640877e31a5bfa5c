/*
 * verdict.h - a piece of a batch, and what the user's code says about it.
 *
 * What follows a verdict (again, later, in halves, the dead letters) is worker/attempt.h's.
 */
#ifndef WORKER_VERDICT_H
#define WORKER_VERDICT_H

#include <stdbool.h>

#include "common/ids.h"
#include "worker/batch_scan.h"

struct piece { /* borrowed until its verdict is another than PENDING, or its shard is closed */
	const struct record *records;
	size_t n;
	struct cursor cursor; /* where its batch starts */
	struct cursor next;   /* where its batch ends */
	size_t first;         /* of its records in the batch */
	bool last;            /* it ends its batch */
	unsigned attempts;    /* that failed, before this one */
};

enum verdict_kind {
	VERDICT_PENDING,  /* under way: `look` tells, after a `turn` */
	VERDICT_ACK,      /* done with, and safe as far as the user's code is concerned */
	VERDICT_LATER,    /* not now: again after a while; no attempt is counted */
	VERDICT_REFUSED,  /* an attempt failed */
	VERDICT_ROLLBACK, /* done with; the shard goes on at `rollback` */
};

struct verdict {
	enum verdict_kind kind;
	/* Not ACK: so many of the piece were acknowledged before this was said. */
	size_t done;
	bool saved;             /* checkpoint_mode=manual: the checkpoint may be behind what... */
	bool persistent;        /* ...was acknowledged, and at once... */
	size_t unsaved;         /* ...but for the last so many records of it */
	bool has_bad;           /* REFUSED: it is known which */
	size_t bad;             /* record of the piece */
	struct cursor rollback; /* ROLLBACK */
	char error[200];        /* REFUSED, LATER: for people; printable */
};

#endif
