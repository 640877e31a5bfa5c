/*
 * processor.h - the user's code on the records: plugins, child processes and commands.
 *
 * All calls come from the delivery thread. One processor per worker, one processor_shard per
 * shard held. A piece is a batch or a part of one; at most one of a shard is under way. What
 * follows a verdict (again, later, in halves, the dead letters) is worker/attempt.h's.
 */
#ifndef WORKER_PROCESSOR_H
#define WORKER_PROCESSOR_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/ids.h"
#include "common/options.h"
#include "worker/verdict.h"

struct processor;
struct processor_shard;

/* Why a shard ends. */
enum processor_reason { PROCESSOR_STOPPING, PROCESSOR_LEASE_LOST, PROCESSOR_FINISHED };

struct processor_ops {
	/* checkpoint: where the shard goes on. Any error stops the shard, `why_out` says why. */
	enum lts_err (*open)(struct processor *processor, const struct shard_id *shard,
			     const struct cursor *checkpoint, struct processor_shard **out,
			     struct buf *why_out);
	void (*process)(struct processor_shard *shard, const struct piece *piece,
			struct verdict *out);
	/* What has become of the piece under way. NULL: never PENDING. */
	void (*look)(struct processor_shard *shard, struct verdict *out);
	/* The checkpoint is committed. NULL: need not know. */
	void (*committed)(struct processor_shard *shard, const struct cursor *checkpoint);
	/* True, once: the user's code has ended since, and with it what it acknowledged of this
	 * shard and did not save. Until it was asked nothing more of the shard is given to
	 * whoever came after. NULL: it ends with us. */
	bool (*forgot)(struct processor_shard *shard);
	/* Durable, please, all that is acknowledged and held back. NULL: need not know. */
	void (*flush)(struct processor *processor);
	/* False: the piece under way waits for its turn still. NULL: cannot tell. */
	bool (*has_begun)(const struct processor_shard *shard);
	/* Ends the user's part for this shard; a piece under way is given up. May wait,
	 * boundedly. out->saved as after a piece, STOPPING and FINISHED only; REFUSED: it ended
	 * instead, and what it had not saved ended with it. */
	void (*close)(struct processor_shard **shard, enum processor_reason reason,
		      struct verdict *out);
	/* For those that are PENDING; NULL for others. fd: readable when a turn is wanted; -1:
	 * none now. due_ms: CLOCK_MONOTONIC milliseconds of the next turn in any case. turn:
	 * does what can be done without waiting. */
	int (*fd)(const struct processor *processor);
	int64_t (*due_ms)(const struct processor *processor);
	void (*turn)(struct processor *processor, int64_t now_ms);
	void (*destroy)(struct processor **processor);
};

/* Every processor starts with this. */
struct processor {
	const struct processor_ops *ops;
};

struct processor_config {
	const char *spec; /* `plugin:FILE.so[?args]`, `exec:COMMAND`, `batch:COMMAND` */
	struct log *log;
	enum record_format format;
	int64_t timeout_ms;    /* process_timeout: of a piece, where it can be ended singly */
	size_t max_body_bytes; /* the largest batch */
	const char *turns_dir; /* batch: whose commands run one at a time; NULL: nobody's */
};

/* Whether the specification names a processor, rather than a plain sink. */
bool processor_is_named(const char *spec);
/* LTS_INVALID: no such processor, or it cannot be used: `why_out` has a line. */
enum lts_err processor_create(const struct processor_config *config, struct processor **out,
			      struct buf *why_out) LTS_MUST_USE;

/* The kinds, for processor_create alone; `what` is behind the colon. */
enum lts_err processor_plugin_create(const char *what, const struct processor_config *config,
				     struct processor **out, struct buf *why_out) LTS_MUST_USE;
enum lts_err processor_exec_create(const char *what, const struct processor_config *config,
				   struct processor **out, struct buf *why_out) LTS_MUST_USE;
enum lts_err processor_batch_create(const char *what, const struct processor_config *config,
				    struct processor **out, struct buf *why_out) LTS_MUST_USE;

#endif
