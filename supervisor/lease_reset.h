/*
 * lease_reset.h - what the lease book tells lease_reset.c, for its own files.
 */
#ifndef SUPERVISOR_LEASE_RESET_H
#define SUPERVISOR_LEASE_RESET_H

#include "supervisor/lease_entry.h"

/* A worker has taken the shard under its present epoch; or it stopped. */
void lease_reset_on_held(struct lease_book *book, struct entry *e, int64_t now_ms);
void lease_reset_on_stuck(struct lease_book *book, struct entry *e);
/* No worker has it any more. A take that nobody heard of counts, if it is to be seen: what a
 * worker committed as it was killed may not be, and is then found by the next take
 * (state/lease.h). */
void lease_reset_on_free(struct lease_book *book, struct entry *e, int64_t now_ms);
/* The shard leaves the book. */
void lease_reset_on_left(struct lease_book *book, struct entry *e);
/* No more assignments: wishes that no worker has will not come true. */
void lease_reset_on_stop(struct lease_book *book);

#endif
