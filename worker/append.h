/*
 * append.h - a batch into a plain sink: its records, and those that are bad to the dead letters.
 *
 * In the delivery thread, part of the committer.
 */
#ifndef WORKER_APPEND_H
#define WORKER_APPEND_H

#include "worker/commit_inside.h"

/* All of it or nothing, as the next commit sees it: see committer_submit. */
enum lts_err append_batch(struct committer *c, struct track *t, struct batch *batch,
			  int64_t *due_ms_out, struct buf *why_out) LTS_MUST_USE;
/* The dead letter of a record that is bad, as a line; the caller frees. And why it is. */
char *append_letter(const struct batch *batch, const struct bad_record *bad);
void append_why(const struct bad_record *bad, char *text, size_t room);

#endif
