/*
 * board.c - a worker's board: one shared page.
 *
 * Written in the worker, read in the supervisor. Owns the mapping. Must never make the
 * writer wait for a reader: the place is guarded by a version that the reader checks.
 * Held by tests/common/test_board.c.
 */
#include "common/board.h"

#include <assert.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

static_assert(sizeof(struct board) <= 4096, "a board is one page");

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
		[BOARD_IDLE] = "idle",     [BOARD_SUBMIT] = "submit",
		[BOARD_FLUSH] = "flush",   [BOARD_WAIT_LOCK] = "wait_lock",
		[BOARD_IN_TXN] = "in_txn",
	};
	return (unsigned)stage < sizeof(names) / sizeof(names[0]) ? names[stage] : "?";
}
