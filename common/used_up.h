/*
 * used_up.h - errors that end by themselves: a thing of which there is none left, for now.
 *
 * Descriptors, memory, locks, space and file sizes. Whoever meets one waits and tries again; it
 * is never the end of a shard, a worker or a start.
 */
#ifndef COMMON_USED_UP_H
#define COMMON_USED_UP_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/err.h"

/* Whether this errno says that something is used up. */
bool used_up(int error);
/* LTS_NOSPACE for such an errno, else LTS_SYS. */
enum lts_err used_up_or_sys(int error) LTS_MUST_USE;
/* The error's text and, where something is used up, whose limit that is. */
void used_up_explain(int error, struct buf *out);

#endif
