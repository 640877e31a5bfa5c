/*
 * batch_head.h - what the first bytes of a batch answer say, before the rest is here.
 *
 *   {"count":1000,"next":1767322800000001001,"logs":[
 *
 * A guess until the whole body was scanned: good for asking early, never for moving on.
 */
#ifndef WORKER_BATCH_HEAD_H
#define WORKER_BATCH_HEAD_H

#include <stddef.h>

#include "common/ids.h"

struct batch_head {
	unsigned count;     /* of records */
	struct cursor next; /* where the next batch starts */
};

enum batch_head_found {
	BATCH_HEAD_MORE,  /* it may be one: more bytes are needed */
	BATCH_HEAD_NONE,  /* it is none, or says too little */
	BATCH_HEAD_WHOLE, /* *head_out is set */
};

enum { BATCH_HEAD_MAX = 256 }; /* no head is longer */

/* Strict: count and next, in either order, each once, then logs and its bracket; a plain text
 * or number, no escapes. Anything else is none: then there is no early request. */
enum batch_head_found batch_head_read(const char *body, size_t len, struct batch_head *head_out);

#endif
