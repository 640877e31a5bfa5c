/*
 * commit_full.c - commits for which the state has no room.
 *
 * In a worker's delivery thread, part of the committer. Owns nothing. Must never take for committed
 * what is not: it comes again. Held by tests/scenario/exhausted.c.
 */
#include "worker/letters.h"
#include "worker/process.h"

#include "common/clock.h"

enum { COMMIT_STOP_MS = 2000 }; /* for room, while the agent stops */

void
committer_explain_full(struct committer *c, char *out, size_t size)
{
	board_enter(c->config.board, BOARD_WAIT_LOCK, NULL, NULL, clock_boot_ms());
	store_explain_full(c->store, out, size);
	board_enter(c->config.board, BOARD_IDLE, NULL, NULL, clock_boot_ms());
}

/* The agent stops, and there is no room for a shard's last commit: what was delivered since the one
 * before comes again, which is better than to wait until we are killed. */
void
committer_stop_without_room(struct committer *c, committer_report *report, void *arg)
{
	int64_t now_ms = clock_mono_ms();
	struct track *next;
	for (struct track *t = c->dirty; t; t = next) {
		next = t->next_dirty;
		bool stops = t->close == LEASE_PAUSED ||
			     (t->close == LEASE_FINISHED && atomic_load(&t->lease->letting_go));
		if (!stops || now_ms - t->close_ms < COMMIT_STOP_MS)
			continue;
		log_error(c->config.log, "stopped without its last commit: no space in the state",
			  LOG_TEXT("shard", t->lease->shard.text),
			  LOG_UINT("records_to_come_again", t->records));
		committer_undirty(c, t);
		t->gone = true;
		t->close = 0;
		process_close(c, t, PROCESSOR_LEASE_LOST);
		if (t->stream)
			c->sink->ops->close(&t->stream);
		letters_close(c, t);
		report(arg, t->lease, LTS_NOSPACE, true);
	}
}
