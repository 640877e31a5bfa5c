/*
 * dead_letter.h - a record that was put aside, as a line of JSON.
 *
 *   {"shard":"0","cursor":"17..1","index":4,"attempts":5,"error":"..","time":"..","record":{..}}
 */
#ifndef WORKER_DEAD_LETTER_H
#define WORKER_DEAD_LETTER_H

#include <stdint.h>

#include "common/err.h"
#include "common/ids.h"
#include "worker/batch_scan.h"

struct dead_letter {
	struct shard_id shard;
	struct cursor cursor; /* where its batch starts */
	uint64_t index;       /* in the batch */
	uint64_t attempts;    /* that failed */
	const char *error;    /* of the last one; NULL when read: nobody needs it */
	struct record record; /* when read: in the line, byte for byte */
};

/* Its line, without a newline; the time is now. The caller frees. */
char *dead_letter_print(const struct dead_letter *letter);
/* LTS_BADDATA: it is none. */
enum lts_err dead_letter_read(const char *line, size_t len, struct dead_letter *out) LTS_MUST_USE;

#endif
