/*
 * supervisor_signals.c - what each signal makes the agent do.
 *
 * Runs on the supervisor's loop. Owns nothing. TERM and INT drain, QUIT goes at once, HUP
 * reloads, USR1 flushes, USR2 tells. Must never wait for the end of what it starts. Held
 * by the scenarios of signals.
 */
#include "supervisor/supervisor_inside.h"

#include "common/clock.h"

/* Shards that stopped loudly are told of once more, and fail the run: nobody has looked. */
static void
say_stuck(struct supervisor *s)
{
	struct book_shard shard;
	for (size_t i = 0; i < lease_book_count(s->book); i++) {
		lease_book_get(s->book, i, &shard);
		if (!shard.stuck)
			continue;
		log_error(s->log, "stopped with a shard that is stuck",
			  LOG_TEXT("shard", shard.shard.text), LOG_TEXT("text", shard.why));
		s->exit = EXIT_FAILED;
	}
}

/* One wish to stop may come as several signals: of a shell's timeout to the process and to its
 * group, of a terminal and of whoever passes on what it got. */
enum { SAME_WISH_MS = 1000 };

static void
on_signal_stop(void *arg)
{
	struct supervisor *s = arg;
	int64_t now_ms = clock_boot_ms();
	if (!s->told_to_stop_ms) { /* it may be about to end of its own accord */
		s->told_to_stop_ms = now_ms;
		say_stuck(s);
		supervisor_begin_stop(s, "signal");
		return;
	}
	if (now_ms - s->told_to_stop_ms <= SAME_WISH_MS)
		return;
	log_warn(s->log, "told to stop twice: killing what is left");
	worker_pool_kill(s->pool);
	supervisor_leave(s, EXIT_FAILED);
}

static void
on_signal_quit(void *arg)
{
	struct supervisor *s = arg;
	log_warn(s->log, "told to quit: out at once");
	worker_pool_kill(s->pool);
	supervisor_leave(s, EXIT_FAILED);
}

static void
on_signal_reload(void *arg)
{
	struct supervisor *s = arg;
	notify_reloading(s->notify, clock_mono_ms());
	log_reopen(s->log);
	supervisor_look_at_trust(s, true);
	worker_pool_configure(s->pool); /* they open theirs again, also if the rest is refused */
	supervisor_reload(s);
	if (s->ready)
		notify_say(s->notify, "READY=1");
}

static void
on_signal_flush(void *arg)
{
	struct supervisor *s = arg;
	s->flush_wanted = true;
	for (uint32_t i = 0; i < (uint32_t)s->options->consumer_count; i++) {
		if (!worker_pool_is_live(s->pool, i) || s->flushing[i])
			continue;
		s->flushing[i] = true;
		worker_pool_send(s->pool, i, &(struct message){ .type = MSG_FLUSH });
	}
}

static void
log_worker(struct supervisor *s, uint32_t i)
{
	const struct worker_slot *slot = worker_pool_slot(s->pool, i);
	const struct board *board = worker_pool_board(s->pool, i);
	struct board_place place = board_place(board);
	log_info(s->log, "summary", LOG_UINT("worker", i),
		 LOG_INT("pid", worker_pool_pid(s->pool, i)),
		 LOG_TEXT("state", slot_state_name(slot->state)),
		 LOG_UINT("restarts", slot->restarts),
		 LOG_UINT("fetched", board->counters.fetched_records),
		 LOG_UINT("delivered", board->counters.delivered_records),
		 LOG_UINT("dropped", board->counters.dropped_records),
		 LOG_UINT("in_flight", board_in_flight(board)),
		 LOG_UINT("commits", board->counters.commits),
		 LOG_UINT("retries", board->counters.retries),
		 LOG_UINT("refused", board->counters.refused),
		 LOG_UINT("throttled", board->counters.throttled),
		 LOG_TEXT("stage", board_stage_name(place.stage)));
}

static void
on_signal_summary(void *arg)
{
	struct supervisor *s = arg;
	struct book_shard shard;
	for (uint32_t i = 0; i < (uint32_t)s->options->consumer_count; i++)
		log_worker(s, i);
	for (size_t i = 0; i < lease_book_count(s->book); i++) {
		lease_book_get(s->book, i, &shard);
		log_info(s->log, "summary", LOG_TEXT("shard", shard.shard.text),
			 LOG_TEXT("state", shard.state), LOG_UINT("home", shard.home),
			 LOG_INT("worker", shard.holder), LOG_UINT("epoch", shard.epoch.value),
			 LOG_TEXT("published",
				  shard.published.text[0] ? shard.published.text : NULL),
			 LOG_TEXT("text", shard.why[0] ? shard.why : NULL));
	}
}

const struct signals_events supervisor_signals_events = {
	.stop = on_signal_stop,
	.quit = on_signal_quit,
	.reload = on_signal_reload,
	.flush = on_signal_flush,
	.summary = on_signal_summary,
};
