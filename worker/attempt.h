/*
 * attempt.h - which records of a batch are tried next, and what a verdict does about that.
 *
 * Pure: time comes in. Records are done with in their order, so what is known is a front
 * (`done`), the piece that is tried, and how far what refuses it can be.
 */
#ifndef WORKER_ATTEMPT_H
#define WORKER_ATTEMPT_H

#include <stdbool.h>
#include <stddef.h>

#include "common/backoff.h"
#include "common/message.h"
#include "worker/batch_scan.h"

struct attempt {
	struct backoff backoff;
	unsigned max;        /* max_attempts */
	size_t most;         /* records in a piece: the caller\'s to lower after attempt_init */
	size_t n;            /* records of the batch */
	size_t done;         /* of which so many are done with */
	size_t to;           /* [done, to) is the piece */
	size_t bad_end;      /* something in [done, bad_end) was refused; 0: not known */
	const size_t *aside; /* records that are passed over, in their order: the caller's... */
	size_t n_aside;      /* ...so many are still ahead */
	const struct bad_record *bad; /* records that are poison untried: as `aside` */
	size_t n_bad;
	bool once;           /* the piece was cut off: it is tried once, then cut again */
	bool poison;         /* the piece is one record, and that is enough */
	unsigned failed;     /* attempts with this piece */
	struct suspect suspect; /* still ahead; attempts 0: none. Its cursor is not looked at */
	int64_t due_ms;         /* not before */
};

void attempt_init(struct attempt *a, unsigned max, uint64_t seed);
/* A new batch, of which so many are done with already (at most n). `suspect`: over whose
 * records workers died; those before them are a piece of their own. `aside`, borrowed: single
 * records that are in no piece, for they are done with. */
void attempt_begin(struct attempt *a, size_t n, size_t done, const struct suspect *suspect,
		   const size_t *aside, size_t n_aside);
/* Of the batch that begins next; borrowed, until it is over. */
void attempt_set_bad(struct attempt *a, const struct bad_record *bad, size_t n_bad);
bool attempt_is_over(const struct attempt *a);
/* Nothing will be tried behind this piece. */
bool attempt_is_last(const struct attempt *a);

/* The first n records of the piece are done with. */
void attempt_ack(struct attempt *a, size_t n);
/* Again after a while; nothing is counted. */
void attempt_later(struct attempt *a, int64_t now_ms);
/* It failed. bad: which record of the piece, or SIZE_MAX. */
void attempt_refused(struct attempt *a, size_t bad, int64_t now_ms);
/* The poison record is where the dead are. */
void attempt_bury(struct attempt *a);
/* What to tell an attempt_begin with the same records, so that it goes on where this one is. */
struct suspect attempt_suspect(const struct attempt *a);

#endif
