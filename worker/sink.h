/*
 * sink.h - where records go: one interface, one stream per shard.
 *
 * All calls come from the delivery thread. They may wait for a disk, and for nothing else: not
 * for a reader, nor for another worker. The order that makes delivery safe is the caller's:
 * submit, flush, commit the position that flush gave, committed. A stream is closed at any time.
 */
#ifndef WORKER_SINK_H
#define WORKER_SINK_H

#include <stdbool.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/options.h"
#include "state/schema.h"
#include "worker/batch_scan.h"

struct sink;
struct sink_stream;

struct sink_ops {
	/* Its calls run code that is not ours, and may hang. */
	bool user_code;
	/* Goes on at a committed position: what lies behind it is undone. LTS_BUSY:
	 * somebody else has it open. LTS_BADDATA: what was committed is not there;
	 * `why_out` says what. */
	enum lts_err (*open)(struct sink *sink, const struct shard_id *shard,
			     struct sink_position position, struct sink_stream **out,
			     struct buf *why_out);
	/* After LTS_BADDATA of `open`, for a shard that an operator has sent elsewhere: what is
	 * left there is put out of the way, and *position is where to open instead. NULL: there
	 * is no such way. */
	enum lts_err (*start_over)(struct sink *sink, const struct shard_id *shard,
				   struct sink_position *position);
	/* Takes all of the records or none. LTS_NOSPACE: try again later; `why_out` says what is
	 * used up. LTS_AGAIN: a reader or another worker is waited for; the same records once
	 * more after a turn, or give_up. LTS_BADDATA: what was delivered has been touched by
	 * somebody; `why_out` says what. */
	enum lts_err (*submit)(struct sink_stream *stream, const struct record *records, size_t n,
			       struct buf *why_out);
	/* Makes everything taken durable and says up to where. `seal`: no more will
	 * follow in this piece. LTS_SYNC: end the process. */
	enum lts_err (*flush)(struct sink_stream *stream, bool seal,
			      struct sink_position *position_out);
	/* The position of the last flush is committed. */
	enum lts_err (*committed)(struct sink_stream *stream);
	/* What was submitted is taken away; records that went are whole, or will be. NULL: submit
	 * never says LTS_AGAIN. */
	void (*give_up)(struct sink_stream *stream);
	/* For those that say LTS_AGAIN; NULL for others. fd: a turn is due when it can be written
	 * to; -1: none. turn_ms: or then in any case, CLOCK_MONOTONIC milliseconds. */
	int (*fd)(const struct sink *sink);
	int64_t (*turn_ms)(const struct sink *sink);
	void (*turn)(struct sink *sink);
	int64_t (*moved_ms)(const struct sink *sink); /* when something last went; likewise */
	/* When it wants the next flush though nothing is submitted, CLOCK_MONOTONIC
	 * milliseconds; INT64_MAX, or no function: never. */
	int64_t (*due_ms)(const struct sink_stream *stream);
	/* Lets go without a trace of what was not committed. */
	void (*close)(struct sink_stream **stream);
	void (*destroy)(struct sink **sink);
};

/* Every sink starts with this. */
struct sink {
	const struct sink_ops *ops;
};

struct sink_config {
	const char *spec;     /* `null`, `stdout`, `file:DIR` */
	const char *instance; /* part of every segment's name */
	enum record_format format;
	int64_t rotate_bytes, rotate_interval_ms; /* 0: off */
	int lock_fd;                              /* stdout: whose lock makes a batch whole */
};

/* LTS_INVALID: no such sink; LTS_SYS: errno, e.g. the directory cannot be made. `why_out`
 * has a line. */
enum lts_err sink_create(const struct sink_config *config, struct sink **out,
			 struct buf *why_out) LTS_MUST_USE;

/* The kinds, for sink_create alone. */
struct sink *sink_null_create(void);
enum lts_err sink_stdout_create(const struct sink_config *config, struct sink **out,
				struct buf *why_out) LTS_MUST_USE;
enum lts_err sink_file_create(const char *dir, const struct sink_config *config,
			      struct sink **out, struct buf *why_out) LTS_MUST_USE;

#endif
