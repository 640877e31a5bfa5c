/*
 * dead_letter.h - a record that was put aside, as a line of JSON.
 *
 *   {"shard":"0","cursor":"17..1","index":4,"attempts":5,"error":"..","time":"..","record":{..}}
 *
 * One that is no record, for it cannot be read, has its bytes in "record_base64" instead.
 */
#ifndef WORKER_DEAD_LETTER_H
#define WORKER_DEAD_LETTER_H

#include <stdbool.h>
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
	bool raw;             /* to be printed: it is no record; nothing is assumed of its bytes */
};

/* Its line, without a newline; the time is now. The caller frees. */
char *dead_letter_print(const struct dead_letter *letter);
/* LTS_BADDATA: it is none. LTS_INVALID: it is one of bytes that are no record. */
enum lts_err dead_letter_read(const char *line, size_t len, struct dead_letter *out) LTS_MUST_USE;

#endif
