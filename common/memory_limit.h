/*
 * memory_limit.h - how much memory this process may have, and whether the kernel took it back.
 */
#ifndef COMMON_MEMORY_LIMIT_H
#define COMMON_MEMORY_LIMIT_H

#include <stdint.h>

#include "common/buf.h"

/* Names each limit that there is, for people; "" if there is none. */
void memory_limit_explain(struct buf *out);
/* How many processes of our control group the kernel has killed for memory so far. */
uint64_t memory_limit_kills(void);

/* What is counted as held is all that is held: large blocks leave no holes in the heap, as they
 * would once malloc has seen them come and go, and what is free on its top goes back. */
void memory_bound_heap(void);

#endif
