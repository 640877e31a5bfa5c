/*
 * supervisor_events.c - what the pool, the lease book and the group have to say to one
 * another.
 *
 * Runs on the supervisor's loop. Owns nothing. Translates only: each callback finds the
 * supervisor and passes on; policy is in the book. Held by the scenarios.
 */
#include "supervisor/supervisor_inside.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "state/checkpoint.h"
#include "supervisor/lease_watch.h"

static void
op_assign(void *arg, uint32_t worker, const struct message_assign *assign)
{
	struct supervisor *s = arg;
	struct message message = { .type = MSG_ASSIGN, .assign = *assign };
	message.assign.certain_ahead_ns = supervisor_certain_ahead_ns(s, clock_boot_ms());
	worker_pool_send(s->pool, worker, &message);
}

static void
op_revoke(void *arg, uint32_t worker, const struct shard_id *shard, struct epoch epoch)
{
	struct supervisor *s = arg;
	struct message message = { .type = MSG_REVOKE,
				   .lease = { .shard = *shard, .epoch = epoch } };
	worker_pool_send(s->pool, worker, &message);
}

static void
op_renew(void *arg, uint32_t worker, const struct epoch *epochs, uint32_t n, int64_t deadline_ms)
{
	struct supervisor *s = arg;
	struct message message = {
		.type = MSG_RENEW,
		.renew = { .deadline_ms = deadline_ms,
			   .certain_ahead_ns = supervisor_certain_ahead_ns(s, clock_boot_ms()),
			   .count = n,
			   .epochs = epochs },
	};
	worker_pool_send(s->pool, worker, &message);
}

static void
op_published(void *arg, uint32_t worker, const struct shard_id *shard, struct epoch epoch,
	     const struct cursor *cursor)
{
	struct supervisor *s = arg;
	struct message message = {
		.type = MSG_PUBLISHED,
		.lease = { .shard = *shard, .epoch = epoch, .cursor = *cursor },
	};
	worker_pool_send(s->pool, worker, &message);
}

static void
op_ask_service(void *arg, const struct shard_id *shard, uint64_t question, bool again)
{
	struct supervisor *s = arg;
	group_ask_service(s->group, shard, question, again);
}

static void
op_publish(void *arg, uint32_t home, const struct shard_id *shards, const struct cursor *cursors,
	   size_t n)
{
	struct supervisor *s = arg;
	group_publish(s->group, home, shards, cursors, n);
}

static enum lts_err
op_committed(void *arg, const struct shard_id *shard, struct checkpoint_record *out)
{
	struct supervisor *s = arg;
	struct store_txn txn = { 0 };
	start_guard(&s->start, true);
	enum lts_err err = store_read_begin(s->start.store, &txn);
	if (!err)
		err = checkpoint_read(&txn, shard, out);
	store_abort(&txn);
	start_guard(&s->start, false);
	return err;
}

static void
op_left(void *arg, uint32_t home)
{
	struct supervisor *s = arg;
	group_hurry(s->group, home);
}

static void
op_was_reset(void *arg, const struct shard_id *shard, enum lts_err err)
{
	struct supervisor *s = arg;
	reset_on_done(s->reset, shard, err);
}

static void
op_note(void *arg, const struct shard_id *shard, const char *what, const char *why)
{
	struct supervisor *s = arg;
	log_at(s->log, why ? LOG_LEVEL_WARN : LOG_LEVEL_INFO, what,
	       LOG_TEXT("shard", shard->text), LOG_TEXT("reason", why));
}

const struct book_ops supervisor_book_ops = {
	.assign = op_assign,
	.revoke = op_revoke,
	.renew = op_renew,
	.published = op_published,
	.ask_service = op_ask_service,
	.publish = op_publish,
	.committed = op_committed,
	.left = op_left,
	.was_reset = op_was_reset,
	.note = op_note,
};

static void
flush_answered(struct supervisor *s, uint32_t slot)
{
	s->flushing[slot] = false;
	if (s->flush_wanted)
		book_publish(s->book, clock_boot_ms());
}

static const char *
said(enum message_type type)
{
	switch (type) {
	case MSG_HELD:
		return "shard held";
	case MSG_RELEASED:
		return "shard released";
	case MSG_FINISHED:
		return "shard finished";
	default:
		return "shard stuck";
	}
}

static void
on_pool_message(void *arg, uint32_t slot, const struct message *message)
{
	struct supervisor *s = arg;
	const struct message_lease *m = &message->lease;
	if (message->type == MSG_FLUSHED) {
		flush_answered(s, slot);
		return;
	}
	if (message->type < MSG_HELD) {
		log_error(s->log, "a worker sent what only the supervisor may",
			  LOG_UINT("worker", slot),
			  LOG_TEXT("message", message_name(message->type)));
		return;
	}
	log_at(s->log, message->type == MSG_STUCK ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO,
	       said(message->type), LOG_UINT("worker", slot), LOG_TEXT("shard", m->shard.text),
	       LOG_UINT("epoch", m->epoch.value),
	       LOG_TEXT("reason", m->err ? lts_err_name(m->err) : NULL),
	       LOG_TEXT("text", m->text[0] ? m->text : NULL));
	book_on_message(s->book, slot, message, clock_boot_ms());
}

static void
on_pool_live(void *arg, uint32_t slot)
{
	struct supervisor *s = arg;
	supervisor_say_ready(s);
	book_on_live(s->book, slot, clock_boot_ms());
	if (s->renewing == (int32_t)slot)
		s->renewing = ASSIGN_NOBODY;
	if (s->phase == PHASE_RUNNING)
		supervisor_renew_workers(s, clock_boot_ms());
}

static void
on_pool_blamed(void *arg, uint32_t slot, const struct board_place *place)
{
	struct supervisor *s = arg;
	struct suspect now = { place->cursor, place->first, place->records, 1 };
	book_on_suspect(s->book, slot, &place->shard, &now);
}

static void
on_pool_gone(void *arg, uint32_t slot, enum fate fate)
{
	struct supervisor *s = arg;
	/* Asked to drain it died: what it had not committed is left for the next run. */
	if (s->phase == PHASE_DRAINING && fate != FATE_RELEASED && !s->reached_end)
		s->exit = EXIT_FAILED;
	flush_answered(s, slot);
	metrics_on_gone(s->metrics, slot);
	book_on_gone(s->book, slot, fate, clock_boot_ms());
}

static void
on_pool_all_ended(void *arg)
{
	struct supervisor *s = arg;
	if (worker_pool_all_refused(s->pool) && worker_pool_is_unread(s->pool)) {
		log_error(s->log, "nobody reads standard output any more: start the agent again "
				  "with a reader; what was not committed comes again");
		supervisor_leave(s, EXIT_FAILED);
	} else if (worker_pool_all_refused(s->pool)) {
		log_error(s->log, "no worker can be started; starting again cannot help");
		supervisor_leave(s, EXIT_USAGE);
	} else if (s->phase == PHASE_DRAINING) {
		supervisor_enter(s, PHASE_PUBLISHING);
		book_publish(s->book, s->phase_ms);
	}
}

static void
on_pool_fill_config(void *arg, uint32_t slot, struct message_config *out)
{
	struct supervisor *s = arg;
	out->slot = slot;
	memcpy(out->instance, s->start.identity.instance, sizeof(out->instance));
	out->name = names_plain(&s->start.identity, slot);
	out->options = s->options_text;
	out->ak = s->config.credentials->ak;
	out->sk = s->config.credentials->sk;
	out->token = s->config.credentials->token;
	out->log_fd = log_file_fd(s->log);
	out->trust_fd = s->trust.fd;
}

const struct worker_pool_events supervisor_pool_events = {
	.message = on_pool_message,
	.live = on_pool_live,
	.blamed = on_pool_blamed,
	.gone = on_pool_gone,
	.all_ended = on_pool_all_ended,
	.fill_config = on_pool_fill_config,
};

static bool
on_group_joined(void *arg, const struct service_clock *clock)
{
	struct supervisor *s = arg;
	struct service_time first = { 0 };
	struct times times;
	if (start_asks_the_time(&s->start, s->options)) {
		int64_t now_ms = clock_boot_ms();
		if (!service_clock_agreed(clock, clock_host_ahead_ns(now_ms), now_ms, &first))
			return false;
		first.least_ns += clock->since_ms * 1000000;
		first.most_ns += clock->since_ms * 1000000;
	}
	start_resolve_times(&s->start, s->options, &first, &times);
	s->end_ns = times.end_ns;
	lease_book_set_times(s->book, times.start, times.start_ns, times.end_ns);
	log_info(s->log, "joined the consumer group",
		 LOG_TEXT("consumer_group", s->options->consumer_group_name),
		 LOG_UINT("consumers", (uint64_t)s->options->consumer_count),
		 LOG_TEXT("start", times.start), LOG_INT("end_ns", times.end_ns));
	if (tally_checkpoints(s->tally))
		log_info(s->log, "start_time counts only for shards without a checkpoint",
			 LOG_UINT("with_checkpoint", tally_checkpoints(s->tally)),
			 LOG_TEXT("text", "these go on at theirs; lts-state reset moves them"));
	s->joined = true;
	supervisor_say_ready(s);
	return true;
}

static void
on_group_denied(void *arg)
{
	struct supervisor *s = arg;
	keys_on_denied(s->keys, clock_boot_ms());
}

const struct group_events supervisor_group_events = {
	.joined = on_group_joined,
	.denied = on_group_denied,
};

static void
on_book_stalled(void *arg, const struct shard_id *shard, int32_t worker,
		const struct stage_news *news)
{
	struct supervisor *s = arg;
	char slot[12] = "";
	if (worker >= 0)
		snprintf(slot, sizeof(slot), "%d", worker);
	log_at(s->log, news->goes_on ? LOG_LEVEL_INFO : LOG_LEVEL_WARN,
	       news->goes_on ? "shard goes on" : "shard stalled", LOG_TEXT("shard", shard->text),
	       LOG_TEXT("stage", stage_name(news->stage)), LOG_INT("ms", news->for_ms),
	       LOG_TEXT("next", news->goes_on ? NULL : stage_step_name(news->step)),
	       LOG_TEXT("worker", slot[0] ? slot : NULL));
	if (!news->goes_on && news->step == STEP_RESTART && worker >= 0)
		worker_pool_kill_idle(s->pool, (uint32_t)worker);
}

/* Named while there is room: it was forgotten, or is stopped. */
static void
watch_readers(struct supervisor *s)
{
	bool before = s->reader_text[0];
	if (!store_explain_short(s->start.store, s->reader_text, sizeof(s->reader_text)))
		s->reader_text[0] = '\0';
	else if (!before)
		log_warn(s->log, "the room of the state runs short",
			 LOG_TEXT("text", s->reader_text));
}

void
supervisor_watch(struct supervisor *s, int64_t now_ms)
{
	watch_readers(s);
	struct stage_limits limits = { .process_ms = s->options->process_timeout_ms,
				       .heartbeat_ms = s->options->heartbeat_timeout_ms };
	book_watch(s->book, &limits, now_ms, on_book_stalled, s);
}
