/*
 * asides.h - dead letters ahead of the place that a checkpoint names: what is between them comes
 * again, they do not.
 *
 * Only checkpoint_mode=manual has them. Kept and looked up by worker/asides.c.
 */
#ifndef STATE_ASIDES_H
#define STATE_ASIDES_H

#include <stdint.h>

enum { ASIDES_MAX = 32 };

struct aside {
	uint64_t place; /* so many records behind the checkpoint's cursor */
	uint64_t sum;   /* of the record's text */
};

struct asides {
	uint32_t n;
	struct aside list[ASIDES_MAX]; /* by place */
};

#endif
