/*
 * commit_full.c - commits for which the state has no room, and those that end the worker.
 *
 * In a worker's delivery thread, part of the committer. Owns nothing. Must never take for committed
 * what is not: it comes again. Held by tests/scenario/exhausted.c.
 */
#include "worker/letters.h"
#include "worker/process.h"

#include <errno.h>
#include <unistd.h>

#include "common/board_wait.h"
#include "common/clock.h"
#include "common/used_up.h"

enum { COMMIT_STOP_MS = 2000 }; /* for room, while the agent stops */

/* The board outlives us: the supervisor tells it. */
void
committer_die(struct committer *c, enum exit_code code, const char *what)
{
	struct buf why;
	int error = errno;
	buf_init(&why, 0);
	(void)!buf_printf(&why, "%s%s", what, error ? ": " : "");
	if (error)
		used_up_explain(error, &why);
	board_wait(c->config.board, BOARD_WANT_LIFE, why.data, clock_boot_ms());
	log_error(c->config.log, "ending this worker", LOG_TEXT("reason", why.data),
		  LOG_INT("exit", code));
	_exit(code);
}

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
