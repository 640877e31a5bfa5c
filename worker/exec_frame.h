/*
 * exec_frame.h - the frames between a worker and the child of sink=exec:COMMAND.
 *
 * A frame is a JSON object on one line of at most EXEC_LINE_MAX bytes, the newline included;
 * `bytes` of records as NDJSON follow a batch's. Cursors are strings, numbers plain integers.
 *
 * To the child, and what it answers:
 *
 * hello {version, max_line, max_bytes, timeout_ms}: hello {version[, credits, max_bytes]}
 * initialize {id, shard, checkpoint}: ack {id}, or nack
 * batch {id, shard, cursor, next, first, count, bytes, attempts} and the records:
 *   ack {id[, save, persistent]}, nack {id, error[, index, later]}, or rollback {id, cursor}
 * shutdown {id, shard, reason}: ack {id[, save, persistent]}, or nack
 * checkpoint {shard, cursor}, flush {shard} (make durable what you hold back: somebody has asked
 *   for it), lease_lost {shard}: nothing
 *
 * and, as often as it likes before an answer, progress {id}. Pure.
 */
#ifndef WORKER_EXEC_FRAME_H
#define WORKER_EXEC_FRAME_H

#include "worker/processor.h"

enum {
	EXEC_VERSION = 1,
	EXEC_LINE_MAX = 4096, /* either way */
	EXEC_CREDITS_MAX = 64,
	EXEC_ERROR = 200,
};

enum exec_answer_kind { EXEC_HELLO, EXEC_ACK, EXEC_NACK, EXEC_ROLLBACK, EXEC_PROGRESS };

struct exec_answer {
	enum exec_answer_kind kind;
	uint64_t id;        /* all but hello; from 1 */
	unsigned credits;   /* hello: batches that may be unanswered; 1 unless it says so */
	uint64_t max_bytes; /* hello: of records after one batch; UINT64_MAX unless it says so */
	bool save, persistent;  /* ack; persistent has save */
	bool later, has_index;  /* nack */
	uint64_t index;         /* nack: of a record in the batch */
	struct cursor cursor;   /* rollback */
	char error[EXEC_ERROR]; /* nack: printable, cut */
};

/* A line without its newline. LTS_BADDATA: it is no frame of a child, and `why` says what is
 * wrong with it: nothing may be skipped, no member may be there that has no meaning. */
enum lts_err exec_frame_parse(const char *line, size_t len, struct exec_answer *out,
			      char why[EXEC_ERROR]) LTS_MUST_USE;
const char *exec_answer_name(enum exec_answer_kind kind);

/* Append one frame to a buffer without a ceiling. */
void exec_frame_hello(struct buf *to, size_t max_bytes, int64_t timeout_ms);
void exec_frame_initialize(struct buf *to, uint64_t id, const struct shard_id *shard,
			   const struct cursor *checkpoint);
/* Of n records from `at` in the piece, `bytes` of them with their newlines. */
void exec_frame_batch(struct buf *to, uint64_t id, const struct shard_id *shard,
		      const struct piece *piece, size_t at, size_t n, size_t bytes);
void exec_frame_shutdown(struct buf *to, uint64_t id, const struct shard_id *shard,
			 enum processor_reason reason);
void exec_frame_checkpoint(struct buf *to, const struct shard_id *shard,
			   const struct cursor *cursor);
void exec_frame_flush(struct buf *to, const struct shard_id *shard);
void exec_frame_lease_lost(struct buf *to, const struct shard_id *shard);

#endif
