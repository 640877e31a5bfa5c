/*
 * lease_reset.h - what the lease book tells lease_reset.c, for its own files.
 */
#ifndef SUPERVISOR_LEASE_RESET_H
#define SUPERVISOR_LEASE_RESET_H

#include "supervisor/lease_entry.h"

/* A worker has taken the shard under that epoch. */
void lease_reset_on_held(struct lease_book *book, struct entry *e, struct epoch epoch,
			 int64_t now_ms);
/* The shard leaves the book. */
void lease_reset_on_left(struct lease_book *book, const struct entry *e);

#endif
