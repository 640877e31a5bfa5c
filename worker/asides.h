/*
 * asides.h - which records ahead of the last save are with the dead letters already.
 *
 * Pure. A place is counted in records behind the checkpoint's cursor: the same records come
 * from the same cursor, however they are cut into batches. A record is known again by its
 * place and by its text.
 */
#ifndef WORKER_ASIDES_H
#define WORKER_ASIDES_H

#include <stdbool.h>
#include <stddef.h>

#include "state/asides.h"
#include "worker/batch_scan.h"

/* False: there are ASIDES_MAX, nothing changed. */
bool asides_put(struct asides *asides, uint64_t place, const struct record *record);
/* The cursor has moved by so many records, and so many behind it are done with as well. */
void asides_move(struct asides *asides, uint64_t records, uint64_t done);
/* Which of these records, the first at that place, are aside: their indexes, in their order.
 * What is at such a place and is another record takes it off the list. */
size_t asides_find(struct asides *asides, uint64_t place, const struct record *records, size_t n,
		   size_t out[ASIDES_MAX]);

#endif
