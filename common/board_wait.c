/*
 * board_wait.c - what a worker waits for, on its board.
 *
 * Written in the worker, each want by one thread; read in the supervisor. Owns nothing. Must never
 * make the writer wait, nor call waiting what went on. Held by tests/common/test_board.c.
 */
#include "common/board_wait.h"

#include <stdio.h>
#include <string.h>

static void
write_wait(struct board_wait *wait, const char *text, int64_t since_ms)
{
	uint32_t version = atomic_load_explicit(&wait->version, memory_order_relaxed) | 1;
	atomic_store_explicit(&wait->version, version, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	atomic_store_explicit(&wait->since_ms, since_ms, memory_order_relaxed);
	if (text)
		snprintf(wait->text, sizeof(wait->text), "%s", text);
	atomic_store_explicit(&wait->version, version + 1, memory_order_release);
}

void
board_wait(struct board *board, enum board_want want, const char *text, int64_t now_ms)
{
	struct board_wait *wait = &board->waits[want];
	int64_t since_ms = atomic_load_explicit(&wait->since_ms, memory_order_relaxed);
	if (!since_ms || strncmp(wait->text, text, sizeof(wait->text) - 1) != 0)
		write_wait(wait, text, since_ms ? since_ms : now_ms ? now_ms : 1);
}

void
board_go_on(struct board *board, enum board_want want)
{
	struct board_wait *wait = &board->waits[want];
	if (atomic_load_explicit(&wait->since_ms, memory_order_relaxed))
		write_wait(wait, NULL, 0);
}

/* What was said, or nothing when the writer is in the middle of it, or died there. */
static bool
was_said(const struct board_wait *wait, struct board_waits *out)
{
	for (int tries = 0; tries < 1000; tries++) {
		uint32_t version = atomic_load_explicit(&wait->version, memory_order_acquire);
		out->since_ms = atomic_load_explicit(&wait->since_ms, memory_order_relaxed);
		memcpy(out->text, wait->text, sizeof(out->text));
		out->text[sizeof(out->text) - 1] = '\0';
		atomic_thread_fence(memory_order_acquire);
		if (!(version & 1) &&
		    version == atomic_load_explicit(&wait->version, memory_order_relaxed))
			return out->since_ms != 0;
	}
	return false;
}

bool
board_waits_for(const struct board *board, enum board_want want, struct board_waits *out)
{
	struct board_place place = board_place(board);
	if (was_said(&board->waits[want], out))
		return true;
	if (want != BOARD_WANT_STATE || place.stage != BOARD_WAIT_LOCK)
		return false;
	out->since_ms = place.since_ms;
	snprintf(out->text, sizeof(out->text),
		 "the state's lock: a stopped process may hold it (continue or end that)");
	return true;
}
