/*
 * lts_processor.h - the interface of a plugin: sink=plugin:FILE.so[?args].
 *
 * A plugin is a shared object that exports lts_processor(). The worker makes one processor
 * per shard that it holds, and calls it from one thread, one call at a time over all
 * shards: create, initialize, process for each batch in order, shutdown, destroy. A call
 * may wait as long as process_timeout; the heartbeats go on. A crash, or a call that lasts
 * longer, ends the worker, is counted against the batch, and nothing else.
 *
 * Delivery is at least once: a batch that was not yet in a committed checkpoint when a
 * worker died comes again, whole or in parts.
 */
#ifndef LTS_PROCESSOR_H
#define LTS_PROCESSOR_H

#include <stddef.h>
#include <stdint.h>

#define LTS_PROCESSOR_VERSION 1

struct lts_record {
	const char *text; /* one JSON object on one line, UTF-8; no NUL behind it */
	size_t len;
};

/* Borrowed until process returns. */
struct lts_batch {
	const char *shard;
	const char *cursor;      /* where it starts; it may be a part of what starts there */
	const char *next_cursor; /* where the shard goes on behind it */
	const struct lts_record *records;
	size_t n_records;
	unsigned attempts; /* that failed before with these records */
};

/* What the processor may ask for; good only during the call that it was given to. */
struct lts_tracker {
	/* checkpoint_mode=manual: the checkpoint may move behind this batch, once it is
	 * acknowledged, and, persistent, does so at once instead of within checkpoint_interval.
	 * In auto mode every acknowledged batch is saved anyway. */
	void (*save)(struct lts_tracker *tracker, int persistent);
	/* The cursor of the last save; "" when there was none. */
	const char *(*get_checkpoint)(struct lts_tracker *tracker);
	/* Where the batch in hand starts. */
	const char *(*get_current_cursor)(struct lts_tracker *tracker);
	/* The shard goes on from this cursor after the call: get_checkpoint's, or where one of its
	 * last 256 batches started. A save in the same call is void, and so is one behind the
	 * cursor. Any other cursor is a failure of the batch: in manual mode the shard goes on
	 * from the last save then. */
	void (*rollback)(struct lts_tracker *tracker, const char *cursor);
	/* With LTS_PROCESSOR_FAILED: why, and which record of the batch (SIZE_MAX: not known). */
	void (*refuse)(struct lts_tracker *tracker, size_t index, const char *error);
};

enum lts_processor_result {
	LTS_PROCESSOR_OK = 0,      /* done with; it will not come again once committed */
	LTS_PROCESSOR_FAILED = -1, /* again with backoff, max_attempts times, then in halves */
	LTS_PROCESSOR_LATER = 75,  /* not now; does not count as an attempt */
};

enum lts_processor_reason {
	LTS_PROCESSOR_STOPPING = 1,
	LTS_PROCESSOR_LEASE_LOST, /* the shard is somebody else's by now: nothing can be saved */
	/* end_time is reached, or the shard is at its end. checkpoint_mode=manual: the last chance
	 * to save; what is not saved then comes again at the next start. */
	LTS_PROCESSOR_FINISHED,
};

struct lts_processor_ops {
	uint32_t version; /* LTS_PROCESSOR_VERSION */
	uint32_t size;    /* sizeof(struct lts_processor_ops) */
	/* args: behind the `?`, "" without. NULL: it cannot be made; the shard stops. */
	void *(*create)(const char *args);
	/* 0, or the shard stops. May be NULL, as shutdown and destroy may. */
	int (*initialize)(void *self, const char *shard);
	int (*process)(void *self, const struct lts_batch *batch, struct lts_tracker *tracker);
	void (*shutdown)(void *self, enum lts_processor_reason reason,
			 struct lts_tracker *tracker);
	void (*destroy)(void *self);
};

/* What the plugin exports. */
const struct lts_processor_ops *lts_processor(void);

#endif
