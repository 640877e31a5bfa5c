/*
 * supervisor.c - the agent: what it owns, how it starts and how it ends.
 *
 * The supervisor process's one thread. Owns the loop, the state directory, the pool, the
 * book and the group, and translates between them. Must never write LMDB after the first
 * worker was started, nor wait on the loop. Held by the scenarios.
 */
#include "supervisor/supervisor.h"

#include <errno.h>
#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/xalloc.h"
#include "state/checkpoint.h"
#include "supervisor/finish.h"
#include "supervisor/group.h"
#include "supervisor/signals.h"
#include "supervisor/start.h"
#include "supervisor/tally.h"
#include "supervisor/worker_pool.h"

enum { SUPERVISOR_TICK_MS = 200, PUBLISH_AGAIN_MS = 1000 };

enum phase {
	PHASE_RUNNING,
	PHASE_DRAINING,	  /* the workers let go of their shards and end */
	PHASE_PUBLISHING, /* what they committed last is published */
};

struct supervisor {
	struct supervisor_config config;
	struct options *options;
	struct log *log;
	struct ev_loop *loop;
	struct start start;
	struct lts_api *api;
	struct worker_pool *pool;
	struct lease_book *book;
	struct group *group;
	struct finish *finish;
	struct tally *tally;
	struct signals *signals;
	struct ev_timer tick, publish;
	char *options_text; /* for CONFIG */
	enum phase phase;
	int64_t phase_ms;     /* when it began */
	int64_t published_ms; /* the last round of the last phase */
	int64_t no_worker_ms; /* since when none is live; 0: one is */
	int64_t end_ns;
	uint32_t flushing; /* workers that have not answered FLUSH */
	bool flush_wanted; /* publish, then say so */
	bool reached_end;
	int64_t denied_ms;
	enum exit_code exit;
};

static void
leave(struct supervisor *s, enum exit_code code)
{
	s->exit = code;
	ev_break(s->loop, EVBREAK_ALL);
}

static void
enter(struct supervisor *s, enum phase phase)
{
	s->phase = phase;
	s->phase_ms = clock_boot_ms();
}

/* ---- the book's operations ---- */

static void
op_assign(void *arg, uint32_t worker, const struct message_assign *assign)
{
	struct supervisor *s = arg;
	struct message message = { .type = MSG_ASSIGN, .assign = *assign };
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
op_renew(void *arg, uint32_t worker, const struct epoch *epochs, uint32_t n,
	 int64_t deadline_ms)
{
	struct supervisor *s = arg;
	struct message message = {
		.type = MSG_RENEW,
		.renew = { .deadline_ms = deadline_ms, .count = n, .epochs = epochs },
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
op_ask_service(void *arg, const struct shard_id *shard)
{
	struct supervisor *s = arg;
	group_ask_service(s->group, shard);
}

static void
op_publish(void *arg, uint32_t home, const struct shard_id *shards,
	   const struct cursor *cursors, size_t n)
{
	struct supervisor *s = arg;
	group_publish(s->group, home, shards, cursors, n);
}

static enum lts_err
op_committed(void *arg, const struct shard_id *shard, struct checkpoint_record *out)
{
	struct supervisor *s = arg;
	struct store_txn txn = { 0 };
	enum lts_err err = store_read_begin(s->start.store, &txn);
	if (!err)
		err = checkpoint_read(&txn, shard, out);
	store_abort(&txn);
	return err;
}

static void
op_note(void *arg, const struct shard_id *shard, const char *what, const char *why)
{
	struct supervisor *s = arg;
	log_at(s->log, why ? LOG_LEVEL_WARN : LOG_LEVEL_INFO, what,
	       LOG_TEXT("shard", shard->text), LOG_TEXT("reason", why));
}

/* ---- the pool's events ---- */

static void
flush_answered(struct supervisor *s)
{
	if (s->flushing && --s->flushing == 0) {
		s->flush_wanted = true;
		book_publish(s->book, clock_boot_ms());
	}
}

static void
on_pool_message(void *arg, uint32_t slot, const struct message *message)
{
	struct supervisor *s = arg;
	const struct message_lease *m = &message->lease;
	if (message->type == MSG_FLUSHED) {
		flush_answered(s);
		return;
	}
	if (message->type < MSG_HELD) {
		log_error(s->log, "a worker sent what only the supervisor may",
			  LOG_UINT("worker", slot),
			  LOG_TEXT("message", message_name(message->type)));
		return;
	}
	log_info(s->log, message_name(message->type), LOG_UINT("worker", slot),
		 LOG_TEXT("shard", m->shard.text), LOG_UINT("epoch", m->epoch.value),
		 LOG_TEXT("reason", m->err ? lts_err_name(m->err) : NULL),
		 LOG_TEXT("text", m->text[0] ? m->text : NULL));
	book_on_message(s->book, slot, message, clock_boot_ms());
}

static void
on_pool_live(void *arg, uint32_t slot)
{
	struct supervisor *s = arg;
	book_on_live(s->book, slot, clock_boot_ms());
}

static void
on_pool_gone(void *arg, uint32_t slot, enum fate fate)
{
	struct supervisor *s = arg;
	book_on_gone(s->book, slot, fate, clock_boot_ms());
}

static void
on_pool_all_ended(void *arg)
{
	struct supervisor *s = arg;
	if (worker_pool_all_refused(s->pool)) {
		log_error(s->log, "no worker can be started; starting again cannot help");
		leave(s, EXIT_USAGE);
	} else if (s->phase == PHASE_DRAINING) {
		enter(s, PHASE_PUBLISHING);
		book_publish(s->book, s->phase_ms);
	}
}

static void
on_pool_fill_config(void *arg, uint32_t slot, struct message_config *out)
{
	struct supervisor *s = arg;
	out->slot = slot;
	memcpy(out->instance, s->start.identity.instance, sizeof(out->instance));
	out->name = identity_consumer_name(&s->start.identity, slot);
	out->options = s->options_text;
	out->ak = s->config.credentials->ak;
	out->sk = s->config.credentials->sk;
	out->token = s->config.credentials->token;
}

/* ---- the group's events ---- */

static void
on_group_joined(void *arg, const struct service_clock *clock)
{
	struct supervisor *s = arg;
	int64_t service_ns = service_clock_at_least_ns(clock, clock_boot_ms());
	struct times times;
	if (!service_ns)
		service_ns = clock_wall_ns(); /* a service without Date: our own clock
						 must do */
	start_resolve_times(&s->start, s->options, service_ns, &times);
	s->end_ns = times.end_ns;
	lease_book_set_times(s->book, times.start, times.start_ns, times.end_ns);
	log_info(s->log, "joined the consumer group",
		 LOG_TEXT("consumer_group", s->options->consumer_group_name),
		 LOG_UINT("consumers", (uint64_t)s->options->consumer_count),
		 LOG_TEXT("start", times.start), LOG_INT("end_ns", times.end_ns));
}

static enum lts_err
use_credentials(struct supervisor *s)
{
	enum lts_err err = lts_api_set_credentials(s->api, s->config.credentials);
	if (!err && s->pool)
		worker_pool_configure(s->pool);
	return err;
}

/* Credentials that were refused may have been replaced in their file; asked once a
 * minute. */
static void
on_group_denied(void *arg)
{
	struct supervisor *s = arg;
	int64_t now_ms = clock_boot_ms();
	struct credentials fresh = { 0 };
	struct buf why;
	if (s->denied_ms && now_ms - s->denied_ms < 60000)
		return;
	s->denied_ms = now_ms;
	buf_init(&why, 0);
	enum lts_err err = credentials_load(s->options, getenv("HOME"), &fresh, &why);
	if (!err && memcmp(&fresh, s->config.credentials, sizeof(fresh)) != 0) {
		*s->config.credentials = fresh;
		err = use_credentials(s);
		log_info(s->log, "credentials read again",
			 LOG_TEXT("result", lts_err_name(err)));
	}
	credentials_wipe(&fresh);
	buf_fini(&why);
}

/* ---- signals ---- */

static void
begin_stop(struct supervisor *s, const char *why)
{
	if (s->phase != PHASE_RUNNING)
		return;
	log_info(s->log, "stopping", LOG_TEXT("reason", why));
	enter(s, PHASE_DRAINING);
	book_stop(s->book);
	worker_pool_drain(s->pool);
}

static void
on_signal_stop(void *arg)
{
	struct supervisor *s = arg;
	if (s->phase == PHASE_RUNNING) {
		begin_stop(s, "signal");
		return;
	}
	log_warn(s->log, "told to stop twice: killing what is left");
	worker_pool_kill(s->pool);
	leave(s, EXIT_FAILED);
}

static void
on_signal_quit(void *arg)
{
	struct supervisor *s = arg;
	log_warn(s->log, "told to quit: out at once");
	worker_pool_kill(s->pool);
	leave(s, EXIT_FAILED);
}

static void
on_signal_reload(void *arg)
{
	struct supervisor *s = arg;
	struct buf why;
	buf_init(&why, 0);
	log_reopen(s->log);
	if (s->config.reload(s->config.arg, s->options, s->config.credentials, &why))
		log_error(s->log, "not reloaded; everything stays as it was",
			  LOG_TEXT("text", why.data));
	else if (use_credentials(s))
		log_error(s->log, "not reloaded: credentials that cannot be used");
	else
		log_info(s->log, "reloaded: credentials and log_level");
	buf_fini(&why);
}

static void
on_signal_flush(void *arg)
{
	struct supervisor *s = arg;
	s->flushing = worker_pool_live_count(s->pool);
	for (uint32_t i = 0; i < (uint32_t)s->options->consumer_count; i++)
		if (worker_pool_is_live(s->pool, i))
			worker_pool_send(s->pool, i,
					 &(struct message){ .type = MSG_FLUSH });
	if (!s->flushing)
		s->flush_wanted = true;
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
			 LOG_INT("worker", shard.holder),
			 LOG_UINT("epoch", shard.epoch.value),
			 LOG_TEXT("published",
				  shard.published.text[0] ? shard.published.text : NULL),
			 LOG_TEXT("text", shard.why[0] ? shard.why : NULL));
	}
}

/* ---- the tick ---- */

static void
check_flush(struct supervisor *s, int64_t now_ms)
{
	if (!s->flush_wanted || !lease_book_all_published(s->book, now_ms))
		return;
	s->flush_wanted = false;
	log_info(s->log,
		 "flushed: everything delivered is durable, committed and published",
		 LOG_UINT("shards", lease_book_count(s->book)));
}

static void
on_finish_reached(void *arg)
{
	struct supervisor *s = arg;
	size_t stuck;
	if (s->phase != PHASE_RUNNING || !lease_book_all_finished(s->book, &stuck))
		return;
	s->reached_end = true;
	s->exit = stuck ? EXIT_FAILED : EXIT_DONE;
	begin_stop(s, stuck ? "end_time is reached, but for shards that are stuck"
			    : "end_time is reached");
}

static void
check_finish(struct supervisor *s)
{
	size_t stuck;
	if (s->end_ns && group_all_answered(s->group) &&
	    lease_book_all_finished(s->book, &stuck))
		finish_check(s->finish, s->end_ns);
}

/* With nobody to serve them, this host must not keep its shards. */
static void
check_workers(struct supervisor *s, int64_t now_ms)
{
	if (worker_pool_live_count(s->pool)) {
		s->no_worker_ms = 0;
		group_pause(s->group, false);
		return;
	}
	if (!s->no_worker_ms)
		s->no_worker_ms = now_ms;
	if (now_ms - s->no_worker_ms > s->options->heartbeat_timeout_ms / 2)
		group_pause(s->group, true);
}

static void
check_stop(struct supervisor *s, int64_t now_ms)
{
	int64_t since_ms = now_ms - s->phase_ms;
	if (s->phase == PHASE_DRAINING && since_ms > s->options->shutdown_timeout_ms) {
		log_error(s->log, "shutdown_timeout is over: killing what is left");
		worker_pool_kill(s->pool);
		leave(s, EXIT_FAILED);
	} else if (s->phase == PHASE_PUBLISHING) {
		if (lease_book_all_published(s->book, now_ms)) {
			leave(s, s->exit);
		} else if (since_ms > s->options->shutdown_timeout_ms / 2) {
			log_warn(s->log, "left with checkpoints unpublished; they are "
					 "kept in the state");
			leave(s, s->exit);
		} else if (now_ms - s->published_ms >= PUBLISH_AGAIN_MS) {
			s->published_ms = now_ms;
			book_publish(s->book, now_ms);
		}
	}
}

static void
on_tick(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	struct supervisor *s = timer->data;
	int64_t now_ms = clock_boot_ms();
	book_on_tick(s->book, now_ms);
	check_flush(s, now_ms);
	if (s->phase == PHASE_RUNNING) {
		check_workers(s, now_ms);
		check_finish(s);
	} else {
		check_stop(s, now_ms);
	}
}

static void
on_publish(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	struct supervisor *s = timer->data;
	book_publish(s->book, clock_boot_ms());
}

/* ---- start and end ---- */

static enum lts_err
create_pool(struct supervisor *s, struct buf *why)
{
	static const struct worker_pool_events events = {
		.message = on_pool_message,
		.live = on_pool_live,
		.gone = on_pool_gone,
		.all_ended = on_pool_all_ended,
		.fill_config = on_pool_fill_config,
	};
	struct worker_pool_config config = {
		.loop = s->loop,
		.log = s->log,
		.state_dir = &s->start.dir,
		.count = (uint32_t)s->options->consumer_count,
		.beat_timeout_ms = s->options->worker_beat_timeout_ms,
		.process_timeout_ms = s->options->process_timeout_ms,
		.events = &events,
		.arg = s,
	};
	return worker_pool_create(&config, &s->pool, why);
}

static void
create_book(struct supervisor *s)
{
	static const struct book_ops ops = {
		.assign = op_assign,
		.revoke = op_revoke,
		.renew = op_renew,
		.published = op_published,
		.ask_service = op_ask_service,
		.publish = op_publish,
		.committed = op_committed,
		.note = op_note,
	};
	struct book_config config = {
		.workers = (uint32_t)s->options->consumer_count,
		.boot_count = s->start.identity.boot_count,
		.timeout_ms = s->options->heartbeat_timeout_ms,
	};
	s->book = lease_book_create(&config, &ops, s);
}

static void
create_group(struct supervisor *s)
{
	static const struct group_events events = {
		.joined = on_group_joined,
		.denied = on_group_denied,
	};
	struct group_config config = {
		.loop = s->loop,
		.log = s->log,
		.api = s->api,
		.book = s->book,
		.identity = &s->start.identity,
		.consumers = (uint32_t)s->options->consumer_count,
		.interval_ms = s->options->heartbeat_interval_ms,
		.timeout_ms = s->options->heartbeat_timeout_ms,
		.events = &events,
		.arg = s,
	};
	s->group = group_create(&config);
	start_remember_leases(&s->start, s->group);
}

static void
start_timer(struct supervisor *s, struct ev_timer *timer,
	    void (*call)(struct ev_loop *, struct ev_timer *, int), int64_t every_ms)
{
	ev_timer_init(timer, call, (double)every_ms / 1e3, (double)every_ms / 1e3);
	timer->data = s;
	ev_timer_start(s->loop, timer);
}

static enum exit_code
set_up(struct supervisor *s, struct buf *why)
{
	static const struct signals_events signals = {
		.stop = on_signal_stop,
		.quit = on_signal_quit,
		.reload = on_signal_reload,
		.flush = on_signal_flush,
		.summary = on_signal_summary,
	};
	struct buf text;
	buf_init(&text, 0);
	enum exit_code code = start_open(&s->start, s->options, why);
	if (code)
		return code;
	if (options_export(s->options, &text))
		abort(); /* no ceiling */
	s->options_text = text.data;
	s->api = start_api(s->loop, s->options);
	if (lts_api_set_credentials(s->api, s->config.credentials)) {
		enum lts_err ignored =
			buf_put_text(why, "credentials: ak or sk is not printable");
		(void)ignored;
		return EXIT_USAGE;
	}
	if (create_pool(s, why))
		return EXIT_FAILED;
	create_book(s);
	create_group(s);
	s->finish = finish_create(s->api, s->book, on_finish_reached, s);
	s->tally = tally_create(s->start.store);
	s->signals = signals_create(s->loop, &signals, s);
	start_timer(s, &s->tick, on_tick, SUPERVISOR_TICK_MS);
	start_timer(s, &s->publish, on_publish, s->options->publish_interval_ms);
	return EXIT_DONE;
}

static void
tear_down(struct supervisor *s)
{
	signals_destroy(&s->signals);
	worker_pool_destroy(&s->pool);
	lts_api_destroy(&s->api);
	group_destroy(&s->group);
	finish_destroy(&s->finish);
	lease_book_destroy(&s->book);
	tally_destroy(&s->tally);
	start_close(&s->start);
	free(s->options_text);
	ev_loop_destroy(s->loop);
}

enum exit_code
supervisor_run(const struct supervisor_config *config)
{
	struct supervisor s = { .config = *config,
				.options = config->options,
				.log = config->log };
	struct buf why;
	buf_init(&why, 0);
	s.loop = ev_loop_new(
		0); /* not the default one: that reaps children of its own accord */
	if (!s.loop) {
		log_error(s.log, "no event loop", LOG_TEXT("text", strerror(errno)));
		return EXIT_FAILED;
	}
	s.exit = set_up(&s, &why);
	if (s.exit) {
		log_error(s.log, "cannot start", LOG_TEXT("text", why.data));
	} else {
		log_info(s.log, "started", LOG_INT("pid", getpid()),
			 LOG_TEXT("version", LTS_VERSION),
			 LOG_TEXT("instance", s.start.identity.instance),
			 LOG_UINT("boot", s.start.identity.boot_count),
			 LOG_TEXT("state_dir", s.options->state_dir),
			 LOG_TEXT("sink", s.options->sink));
		worker_pool_start(s.pool);
		group_start(s.group);
		ev_run(s.loop, 0);
		tally_log(s.tally, s.start.store, s.log,
			  s.reached_end ? "finished" : "delivered");
		log_info(s.log, "ended", LOG_INT("exit", s.exit));
	}
	tear_down(&s);
	buf_fini(&why);
	return s.exit;
}
