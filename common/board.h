/*
 * board.h - one memory file per worker: what it is doing, what it has done, and how far each of
 * its shards is.
 *
 * The worker writes, the supervisor reads, at any time, also after the worker's death.
 * Counters only grow within one life of the worker; common/board_totals.h adds up lives. Times
 * are CLOCK_BOOTTIME milliseconds. What is changed here is a new HANDOFF_VERSION.
 */
#ifndef COMMON_BOARD_H
#define COMMON_BOARD_H

#include <stddef.h>

#include "common/board_parts.h"
#include "common/err.h"

/* What the delivery thread is inside of. Waiting is never a reason to kill: not for work, a
 * reader, a lock or a disk. Being inside the user's code for too long is. */
enum board_stage {
	BOARD_IDLE,
	BOARD_SUBMIT,    /* inside the user's code */
	BOARD_WRITE,     /* inside a plain sink: waits for a disk at the most */
	BOARD_FLUSH,     /* inside the sink's fdatasync */
	BOARD_WAIT_LOCK, /* waiting for LMDB's write lock, or its reader table */
	BOARD_IN_TXN,    /* inside a write transaction */
};

/* Whose fault, or whose exit(), ended the process; written by worker/fault.c. */
enum board_thread { BOARD_NO_THREAD, BOARD_LOOP, BOARD_DELIVERY };

struct board {
	_Atomic int64_t beat_ms;  /* the loop's last turn */
	_Atomic uint32_t version; /* of the place below: odd while being written */
	_Atomic uint32_t stage;
	_Atomic int64_t stage_since_ms;
	_Atomic uint32_t records;      /* that are being submitted; else 0 */
	_Atomic uint32_t first;        /* of them, in the batch that starts at the cursor */
	_Atomic uint32_t fault_thread; /* enum board_thread */
	struct shard_id shard;
	struct cursor cursor;
	struct board_counters counters;
	struct board_histogram latencies[BOARD_LATENCIES];
	struct board_wait waits[BOARD_WANTS]; /* common/board_wait.h */
	_Atomic uint32_t shards_used; /* cells below this may be in use */
	/* Only what is touched takes memory. */
	struct board_shard shards[BOARD_SHARDS];
};

/* Where the delivery thread is, read in one piece unless `torn`: the writer was in the
 * middle of it, or died there. Even then since_ms is never older than the stage; shard
 * and cursor may be mixed. */
struct board_place {
	bool torn;
	enum board_stage stage;
	int64_t since_ms;
	uint32_t records, first;
	struct shard_id shard;
	struct cursor cursor;
};

/* The supervisor's: a new memfd (close-on-exec) and its mapping; LTS_SYS with errno. */
enum lts_err board_create(int *fd_out, struct board **out) LTS_MUST_USE;
/* The worker's: maps what it inherited. */
enum lts_err board_map(int fd, struct board **out) LTS_MUST_USE;
void board_unmap(struct board **board);
/* For the next life: as it was when it was new. */
void board_clear(struct board *board);

/* One writer: the delivery thread. shard, cursor NULL: as they are. */
void board_enter(struct board *board, enum board_stage stage, const struct shard_id *shard,
		 const struct cursor *cursor, int64_t now_ms);
struct board_place board_place(const struct board *board);
const char *board_stage_name(enum board_stage stage);

/* fetched = delivered + dead letters + dropped + this, of one life of the worker. */
static inline uint64_t
board_in_flight(const struct board *board)
{
	/* In this order the counters of a running worker cannot make it less than none. */
	uint64_t done = board->counters.delivered_records + board->counters.dead_letters +
			board->counters.dropped_records;
	return board->counters.fetched_records - done;
}

/* What a bucket goes up to; the last has no bound: INT64_MAX. */
int64_t board_bucket_us(unsigned bucket);
void board_observe(struct board *board, enum board_latency what, int64_t ns);

/* A free cell for the shard, or NULL: there is none. One writer: the loop. */
struct board_shard *board_shard_take(struct board *board, const struct shard_id *shard,
				     struct epoch epoch);
/* NULL-safe. */
void board_shard_free(struct board_shard **cell);
/* The n-th cell, read in one piece; false: it is free, or just being taken. */
bool board_shard_get(const struct board *board, size_t n, struct board_shard *out);
/* How many cells to look at. */
size_t board_shards_used(const struct board *board);

static inline void
board_add(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

#endif
