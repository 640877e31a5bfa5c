/*
 * dead_letter.h - a record that was put aside: its line for the dead letters, and for the log.
 */
#ifndef WORKER_DEAD_LETTER_H
#define WORKER_DEAD_LETTER_H

#include "common/ids.h"
#include "common/log.h"
#include "worker/batch_scan.h"

struct dead_letter { /* borrowed for the call */
	const struct shard_id *shard;
	const struct cursor *cursor; /* where its batch starts */
	size_t index;                /* in the batch */
	unsigned attempts;
	const char *error;
	const struct record *record;
};

/* NDJSON without the newline; the caller frees. */
char *dead_letter_line(const struct dead_letter *letter);
/* next: what becomes of it. */
void dead_letter_log(struct log *log, const struct dead_letter *letter, const char *next);

#endif
