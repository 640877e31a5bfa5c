/*
 * board.c - a worker's board: shared memory.
 *
 * Written in the worker, read in the supervisor. Owns the mapping. Must never make the
 * writer wait for a reader: the place is guarded by a version that the reader checks.
 * Held by tests/common/test_board.c.
 */
#include "common/board.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Upper bounds of the buckets: from what a page cache takes to what a timeout does. */
static const int64_t buckets_us[BOARD_BUCKETS] = {
	500,    1000,   2500,    5000,    10000,   25000,    50000,    100000,
	250000, 500000, 1000000, 2500000, 5000000, 10000000, 30000000, INT64_MAX,
};

static_assert(offsetof(struct board, shards) <= 4096, "all but the shards is one page");
static_assert((int)LTS_SYS < (int)BOARD_REASONS, "each reason has its counter");

enum lts_err
board_map(int fd, struct board **out)
{
	void *page = mmap(NULL, sizeof(struct board), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED)
		return LTS_SYS;
	*out = page;
	return LTS_OK;
}

enum lts_err
board_create(int *fd_out, struct board **out)
{
	int fd = memfd_create("lts-board", MFD_CLOEXEC);
	if (fd < 0)
		return LTS_SYS;
	if (ftruncate(fd, sizeof(struct board)) < 0 || board_map(fd, out) != LTS_OK) {
		close(fd);
		return LTS_SYS;
	}
	*fd_out = fd;
	return LTS_OK;
}

void
board_unmap(struct board **board)
{
	if (*board)
		munmap(*board, sizeof(struct board));
	*board = NULL;
}

size_t
board_shards_used(const struct board *board)
{
	uint32_t used = atomic_load_explicit(&board->shards_used, memory_order_acquire);
	return used < BOARD_SHARDS ? used : BOARD_SHARDS;
}

void
board_clear(struct board *board)
{
	memset(board, 0,
	       offsetof(struct board, shards) +
		       board_shards_used(board) * sizeof(board->shards[0]));
}

int64_t
board_bucket_us(unsigned bucket)
{
	return buckets_us[bucket];
}

void
board_observe(struct board *board, enum board_latency what, int64_t ns)
{
	struct board_histogram *histogram = &board->latencies[what];
	int64_t us = ns > 0 ? ns / 1000 : 0;
	unsigned bucket = 0;
	while (us > buckets_us[bucket])
		bucket++;
	board_add(&histogram->buckets[bucket], 1);
	board_add(&histogram->sum_us, (uint64_t)us);
}

struct board_shard *
board_shard_take(struct board *board, const struct shard_id *shard, struct epoch epoch)
{
	for (uint32_t i = 0; i < BOARD_SHARDS; i++) {
		struct board_shard *cell = &board->shards[i];
		if (cell->epoch)
			continue;
		memset(cell, 0, sizeof(*cell));
		cell->shard = *shard;
		atomic_store_explicit(&cell->epoch, epoch.value, memory_order_release);
		if (board->shards_used <= i)
			atomic_store_explicit(&board->shards_used, i + 1, memory_order_release);
		return cell;
	}
	return NULL;
}

void
board_shard_free(struct board_shard **cell)
{
	if (*cell)
		atomic_store_explicit(&(*cell)->epoch, 0, memory_order_release);
	*cell = NULL;
}

bool
board_shard_get(const struct board *board, size_t n, struct board_shard *out)
{
	const struct board_shard *cell = &board->shards[n];
	uint64_t epoch = atomic_load_explicit(&cell->epoch, memory_order_acquire);
	out->shard = cell->shard;
	out->caught_up_ms = atomic_load_explicit(&cell->caught_up_ms, memory_order_relaxed);
	out->progress_ms = atomic_load_explicit(&cell->progress_ms, memory_order_relaxed);
	out->record_ns = atomic_load_explicit(&cell->record_ns, memory_order_relaxed);
	out->in_hand = atomic_load_explicit(&cell->in_hand, memory_order_relaxed);
	out->at_tail = atomic_load_explicit(&cell->at_tail, memory_order_relaxed);
	out->epoch = epoch;
	out->shard.text[sizeof(out->shard.text) - 1] = '\0';
	atomic_thread_fence(memory_order_acquire);
	return epoch && epoch == atomic_load_explicit(&cell->epoch, memory_order_relaxed);
}

void
board_enter(struct board *board, enum board_stage stage, const struct shard_id *shard,
	    const struct cursor *cursor, int64_t now_ms)
{
	/* Odd from here, also when an earlier writer died in the middle. */
	uint32_t version = atomic_load_explicit(&board->version, memory_order_relaxed) | 1;
	int64_t since_ms = atomic_load_explicit(&board->stage_since_ms, memory_order_relaxed);
	if (atomic_load_explicit(&board->stage, memory_order_relaxed) >= BOARD_FLUSH)
		board_add(&board->counters.commit_ms, (uint64_t)(now_ms - since_ms));
	atomic_store_explicit(&board->version, version, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	/* In this order, so that a new stage is never seen with an old time: that would
	 * look hung. */
	atomic_store_explicit(&board->stage_since_ms, now_ms, memory_order_relaxed);
	atomic_store_explicit(&board->stage, stage, memory_order_release);
	if (shard)
		board->shard = *shard;
	if (cursor)
		board->cursor = *cursor;
	atomic_store_explicit(&board->version, version + 1, memory_order_release);
}

struct board_place
board_place(const struct board *board)
{
	struct board_place place;
	uint32_t version;
	/* A dead writer leaves an odd version for ever, so the number of tries is
	 * bounded. */
	place.torn = true;
	for (int tries = 0; tries < 1000 && place.torn; tries++) {
		version = atomic_load_explicit(&board->version, memory_order_acquire);
		place.stage = atomic_load_explicit(&board->stage, memory_order_acquire);
		place.since_ms =
			atomic_load_explicit(&board->stage_since_ms, memory_order_relaxed);
		place.records = atomic_load_explicit(&board->records, memory_order_relaxed);
		place.first = atomic_load_explicit(&board->first, memory_order_relaxed);
		place.shard = board->shard;
		place.cursor = board->cursor;
		atomic_thread_fence(memory_order_acquire);
		place.torn = version & 1 || version != atomic_load_explicit(&board->version,
									    memory_order_relaxed);
	}
	place.shard.text[sizeof(place.shard.text) - 1] = '\0';
	place.cursor.text[sizeof(place.cursor.text) - 1] = '\0';
	return place;
}

const char *
board_stage_name(enum board_stage stage)
{
	static const char *const names[] = {
		[BOARD_IDLE] = "idle",           [BOARD_SUBMIT] = "submit",
		[BOARD_WRITE] = "write",         [BOARD_FLUSH] = "flush",
		[BOARD_WAIT_LOCK] = "wait_lock", [BOARD_IN_TXN] = "in_txn",
	};
	return (unsigned)stage < sizeof(names) / sizeof(names[0]) ? names[stage] : "?";
}
