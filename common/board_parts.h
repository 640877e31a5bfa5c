/*
 * board_parts.h - what a board counts, and what it says of each shard. For common/board.h.
 */
#ifndef COMMON_BOARD_PARTS_H
#define COMMON_BOARD_PARTS_H

#include <stdatomic.h>
#include <stdint.h>

#include "common/ids.h"

enum {
	BOARD_REASONS = 16, /* of enum lts_err */
	BOARD_BUCKETS = 16,
	BOARD_SHARDS = 1024, /* a worker with more shards says nothing of those beyond */
};

struct board_counters {
	_Atomic uint64_t fetched_records, fetched_bytes;     /* accepted by the scanner */
	_Atomic uint64_t delivered_records, delivered_bytes; /* taken by the sink */
	_Atomic uint64_t dropped_records; /* fetched, then given back undelivered */
	_Atomic uint64_t dead_letters;    /* fetched, then put aside */
	_Atomic uint64_t attempts;        /* of the user's code that failed */
	_Atomic uint64_t batches, empty_batches, commits;
	_Atomic uint64_t refused;   /* answers that were not what they should be */
	_Atomic uint64_t retries;   /* requests repeated after an error */
	_Atomic uint64_t throttled; /* 429s */
	_Atomic uint64_t
		commit_ms; /* delivery stood still for a commit: flush, lock, transaction */
	_Atomic uint64_t retried[BOARD_REASONS]; /* retries, by enum lts_err */
};

/* How long things took: the first bucket that is long enough, and the sum. */
struct board_histogram {
	_Atomic uint64_t buckets[BOARD_BUCKETS];
	_Atomic uint64_t sum_us;
};

enum board_latency {
	BOARD_LATENCY_FETCH,  /* a batch: from the request to the whole answer */
	BOARD_LATENCY_SINK,   /* a batch: from its first try until the sink has taken it */
	BOARD_LATENCY_COMMIT, /* flush, lock and transaction, of all shards that moved */
	BOARD_LATENCIES,
};

/* What a worker waits for, each written by one thread. For people and /readyz: nothing is killed
 * for it. */
enum board_want {
	BOARD_WANT_STATE, /* room, a reader slot or a commit in LMDB; the delivery thread */
	BOARD_WANT_SINK,  /* room, descriptors or a reader at the sink; the delivery thread */
	BOARD_WANT_LOOP,  /* descriptors or memory for the network; the loop */
	BOARD_WANT_FETCH, /* an answer that is no error; the loop */
	BOARD_WANT_CODE,  /* that code of yours takes what it puts off; the delivery thread */
	BOARD_WANT_LIFE,  /* another life: why this one ends; the delivery thread */
	BOARD_WANTS,
};

struct board_wait {
	_Atomic uint32_t version; /* odd while it is being written */
	_Atomic int64_t since_ms; /* 0: it waits for no such thing */
	char text[200];
};

/* How far a shard is, under the grant of this epoch. Written by the loop alone. */
struct board_shard {
	_Atomic uint64_t epoch; /* 0: free. Set last, cleared first */
	struct shard_id shard;
	/* All that the service had by then is delivered; 0: never yet. */
	_Atomic int64_t caught_up_ms;
	_Atomic int64_t progress_ms; /* the last answer that was good, or delivery */
	_Atomic int64_t record_ns; /* its own time of the last record delivered, since 1970; 0 */
	_Atomic uint32_t in_hand;  /* records fetched and not done with */
	_Atomic uint32_t at_tail;  /* and there were no more, when last asked */
};

#endif
