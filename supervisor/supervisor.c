/*
 * supervisor.c - the agent: what it owns, how it starts and how it ends.
 *
 * The supervisor process's one thread. Owns the loop, the state directory, the pool, the
 * book and the group. Must never write LMDB after the first worker was started, nor wait
 * on the loop. Held by the scenarios.
 */
#include "supervisor/supervisor_inside.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/xalloc.h"
#include "supervisor/cautions.h"
#include "supervisor/tell_behind.h"

enum {
	SUPERVISOR_TICK_MS = 200,
	STATUS_MS = 2000,
	SUPERVISOR_DAMAGED_MS = 1000,
	PUBLISH_AGAIN_MS = 1000,
	LAST_LOOK_MS = 3000, /* at what the service has, at a stop */
};

void
supervisor_leave(struct supervisor *s, enum exit_code code)
{
	s->exit = code;
	ev_break(s->loop, EVBREAK_ALL);
}

void
supervisor_enter(struct supervisor *s, enum phase phase)
{
	s->phase = phase;
	s->phase_ms = clock_boot_ms();
}

enum lts_err
supervisor_use_credentials(struct supervisor *s)
{
	enum lts_err err = lts_api_set_credentials(s->api, s->config.credentials);
	if (!err && s->pool)
		worker_pool_configure(s->pool);
	if (!err && s->group)
		group_try_again(s->group);
	return err;
}

static enum lts_err
on_keys_changed(void *arg)
{
	return supervisor_use_credentials(arg);
}

static enum exit_code
take_first_keys(struct supervisor *s, struct buf *why)
{
	s->keys = keys_create(&(struct keys_config){ .loop = s->loop,
						     .log = s->log,
						     .options = s->options,
						     .credentials = s->config.credentials,
						     .changed = on_keys_changed,
						     .arg = s });
	if (keys_await_first(s->keys, why))
		return EXIT_FAILED;
	if (!lts_api_set_credentials(s->api, s->config.credentials))
		return EXIT_DONE;
	(void)!buf_put_text(why, "credentials: ak or sk is not printable");
	return EXIT_USAGE;
}

void
supervisor_begin_stop(struct supervisor *s, const char *why)
{
	if (s->phase != PHASE_RUNNING)
		return;
	log_info(s->log, "stopping", LOG_TEXT("reason", why));
	notify_say(s->notify, "STOPPING=1\nSTATUS=stopping: letting go of the shards");
	supervisor_enter(s, PHASE_DRAINING);
	book_stop(s->book);
	worker_pool_drain(s->pool);
}

static void
check_flush(struct supervisor *s, int64_t now_ms)
{
	if (!s->flush_wanted)
		return;
	for (uint32_t i = 0; i < (uint32_t)s->options->consumer_count; i++)
		if (s->flushing[i])
			return;
	if (!lease_book_all_published(s->book, now_ms)) {
		book_publish(s->book, now_ms); /* what a write under way has left */
		return;
	}
	s->flush_wanted = false;
	log_info(s->log, "flushed: everything delivered is durable, committed and published",
		 LOG_UINT("shards", lease_book_count(s->book)));
}

static void
end_at_end_time(struct supervisor *s, size_t stuck)
{
	s->reached_end = true;
	s->exit = stuck ? EXIT_FAILED : EXIT_DONE;
	supervisor_begin_stop(s, stuck ? "end_time is reached, but for shards that are stuck"
				       : "end_time is reached");
}

/* Every shard in the group's list is at its end. But what a read-only shard was split or merged
 * into is granted only now: the service is asked once more for every consumer. */
static void
on_finish_reached(void *arg)
{
	struct supervisor *s = arg;
	s->quiet_since_ms = clock_boot_ms();
	s->quiet_changes = lease_book_changes(s->book);
	group_begin_round(s->group);
}

static void
check_finish(struct supervisor *s, int64_t now_ms)
{
	size_t stuck;
	/* Before end_time has come its cursors mean nothing. */
	if (!supervisor_has_passed_end(s, now_ms) || !group_all_answered(s->group) ||
	    !lease_book_all_finished(s->book, &stuck))
		return;
	if (stuck) { /* it has failed already; others may wait for these very shards */
		end_at_end_time(s, stuck);
	} else if (!s->quiet_since_ms || s->quiet_changes != lease_book_changes(s->book)) {
		s->quiet_since_ms = 0;
		finish_check(s->finish, s->end_ns, now_ms);
	} else if (group_all_heard_since(s->group, s->quiet_since_ms)) {
		end_at_end_time(s, 0);
	}
}

/* Two agents on one state might be next; what is committed by now is safe. */
static void
leave_damaged(struct supervisor *s, const char *what)
{
	log_error(s->log, what, LOG_TEXT("state_dir", s->options->state_dir),
		  LOG_TEXT("text", "out at once; start again with what is there, or with the "
				   "directory moved away: then the agent goes on from the "
				   "checkpoints at the service"));
	worker_pool_kill(s->pool);
	supervisor_leave(s, EXIT_DAMAGED);
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
	if (now_ms - s->no_worker_ms > SUPERVISOR_DAMAGED_MS && worker_pool_all_damaged(s->pool))
		leave_damaged(s, "state is damaged: no worker can use it");
}

static void
check_stop(struct supervisor *s, int64_t now_ms)
{
	int64_t since_ms = now_ms - s->phase_ms;
	if (s->phase == PHASE_DRAINING && since_ms > s->options->shutdown_timeout_ms) {
		log_error(s->log, "shutdown_timeout is over: killing what is left");
		worker_pool_kill(s->pool);
		supervisor_leave(s, EXIT_FAILED);
	} else if (s->phase == PHASE_PUBLISHING) {
		/* The service keeps what is ours for a while: what it has is looked at. */
		if (lease_book_all_published(s->book, now_ms) &&
		    (lease_book_all_seen(s->book, now_ms) || since_ms > LAST_LOOK_MS)) {
			supervisor_leave(s, s->exit);
		} else if (since_ms > s->options->shutdown_timeout_ms / 2) {
			log_warn(s->log, "left with checkpoints unpublished; they are "
					 "kept in the state");
			supervisor_leave(s, s->exit);
		} else if (now_ms - s->published_ms >= PUBLISH_AGAIN_MS) {
			s->published_ms = now_ms;
			book_publish(s->book, now_ms);
		}
	}
}

void
supervisor_say_ready(struct supervisor *s)
{
	if (s->ready || !s->joined || !worker_pool_live_count(s->pool))
		return;
	notify_say(s->notify, "READY=1");
	s->ready = true;
}

/* With why all is not well, if so. The manager waits for READY as long as it hears this. */
static void
say_with_reason(struct supervisor *s, const char *text)
{
	struct buf why;
	buf_init(&why, 0);
	bool well = metrics_ready(s->metrics, &why);
	const char *longer = s->ready ? "" : "EXTEND_TIMEOUT_USEC=30000000\n";
	char *status = xasprintf("%sSTATUS=%s%s%s", longer, s->ready || well ? text : "",
				 s->ready && !well ? "; " : "", well ? "" : why.data);
	notify_say(s->notify, status);
	free(status);
	buf_fini(&why);
}

/* Once in a while: how much we hold, and how fast it goes. */
static void
say_status(struct supervisor *s, int64_t now_ms)
{
	char text[200];
	struct board_totals totals;
	unsigned workers = (unsigned)s->options->consumer_count;
	int64_t since_ms = now_ms - s->status_ms;
	if (since_ms < STATUS_MS)
		return;
	worker_pool_totals(s->pool, &totals);
	uint64_t more = totals.delivered_records - s->status_records;
	snprintf(text, sizeof(text),
		 "%zu shards, %u of %u workers, %" PRIu64 " records/s, %" PRId64
		 " s behind",
		 lease_book_count(s->book), worker_pool_live_count(s->pool), workers,
		 s->status_ms ? more * 1000 / (uint64_t)since_ms : 0,
		 metrics_behind_ms(s->metrics) / 1000);
	say_with_reason(s, text);
	s->status_ms = now_ms;
	s->status_records = totals.delivered_records;
}

static void
on_tick(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	struct supervisor *s = timer->data;
	int64_t now_ms = clock_boot_ms();
	if (!start_is_intact(&s->start)) {
		leave_damaged(s, "state_dir was changed under us");
		return;
	}
	notify_alive(s->notify, now_ms);
	book_on_tick(s->book, now_ms);
	supervisor_look_at_trust(s, false);
	supervisor_watch(s, now_ms);
	check_flush(s, now_ms);
	if (s->phase == PHASE_RUNNING) {
		check_workers(s, now_ms);
		supervisor_watch_clock(s, now_ms);
		check_finish(s, now_ms);
		supervisor_renew_workers(s, now_ms);
		say_status(s, now_ms);
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

static enum lts_err
create_pool(struct supervisor *s, struct buf *why)
{
	struct worker_pool_config config = {
		.loop = s->loop,
		.log = s->log,
		.state_dir = &s->start.dir,
		.count = (uint32_t)s->options->consumer_count,
		.beat_timeout_ms = s->options->worker_beat_timeout_ms,
		.process_timeout_ms = s->options->process_timeout_ms,
		.events = &supervisor_pool_events,
		.arg = s,
	};
	return worker_pool_create(&config, &s->pool, why);
}

static void
create_book(struct supervisor *s)
{
	struct book_config config = {
		.workers = (uint32_t)s->options->consumer_count,
		.boot_count = s->start.identity.boot_count,
		.timeout_ms = s->options->heartbeat_timeout_ms,
	};
	s->book = lease_book_create(&config, &supervisor_book_ops, s);
}

static void
create_group(struct supervisor *s)
{
	struct group_config config = {
		.loop = s->loop,
		.log = s->log,
		.api = s->api,
		.book = s->book,
		.identity = &s->start.identity,
		.consumers = (uint32_t)s->options->consumer_count,
		.interval_ms = s->options->heartbeat_interval_ms,
		.timeout_ms = s->options->heartbeat_timeout_ms,
		.asks_the_time = s->options->end_time.kind != TIME_NONE ||
				 s->options->start_time.kind == TIME_END,
		.events = &supervisor_group_events,
		.arg = s,
	};
	s->group = group_create(&config);
	start_remember_leases(&s->start, s->group, s->book, s->options->heartbeat_timeout_ms);
}

static void
on_control_request(void *arg, struct control_peer *peer, const char *line, size_t len)
{
	struct supervisor *s = arg;
	cJSON *tree = json_parse_exact(line, len);
	if (cJSON_IsTrue(json_member(tree, "behind")))
		tell_behind(s->metrics, peer);
	else if (cJSON_IsTrue(json_member(tree, "heard")))
		tell_heard(s->book, clock_boot_ms(), peer);
	else if (cJSON_IsTrue(json_member(tree, "waits")))
		tell_waits(s->metrics, s->pool, clock_boot_ms(), peer);
	else
		reset_on_request(s->reset, peer, tree);
	cJSON_Delete(tree);
}

static void
on_control_gone(void *arg, struct control_peer *peer)
{
	struct supervisor *s = arg;
	reset_on_gone(s->reset, peer);
}

static void
create_control(struct supervisor *s)
{
	struct control_config config = { .loop = s->loop,
					 .state_dir = s->options->state_dir,
					 .ask_ms = CONTROL_ASK_MS,
					 .request = on_control_request,
					 .gone = on_control_gone,
					 .arg = s };
	s->reset =
		reset_create(&(struct reset_config){ .log = s->log,
						     .api = s->api,
						     .book = s->book,
						     .committed = supervisor_book_ops.committed,
						     .arg = s });
	if (control_create(&config, &s->control))
		log_warn(s->log,
			 "no control socket: lts-state reset works on a stopped agent only, and "
			 "watch cannot tell who is behind",
			 LOG_TEXT("state_dir", s->options->state_dir),
			 LOG_TEXT("text", strerror(errno)));
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
	struct buf text;
	buf_init(&text, 0);
	enum exit_code code = start_open(&s->start, s->options, why);
	if (code)
		return code;
	if (options_export(s->options, &text))
		abort(); /* no ceiling */
	s->options_text = text.data;
	s->api = lts_api_from_options(s->loop, s->options);
	supervisor_start_trust(s);
	code = take_first_keys(s, why);
	if (code)
		return code;
	if (create_pool(s, why))
		return EXIT_FAILED;
	create_book(s);
	create_group(s);
	s->finish = finish_create(s->api, s->book, on_finish_reached, s);
	s->tally = tally_create(s->start.store);
	create_control(s);
	s->metrics = metrics_create(s);
	s->signals = signals_create(s->loop, &supervisor_signals_events, s);
	start_timer(s, &s->tick, on_tick, SUPERVISOR_TICK_MS);
	start_timer(s, &s->publish, on_publish, s->options->publish_interval_ms);
	return EXIT_DONE;
}

static void
tear_down(struct supervisor *s)
{
	signals_destroy(&s->signals);
	notify_destroy(&s->notify);
	keys_destroy(&s->keys);
	metrics_destroy(&s->metrics);
	worker_pool_destroy(&s->pool);
	reset_destroy(&s->reset);
	control_destroy(&s->control);
	lts_api_destroy(&s->api);
	trust_fini(&s->trust);
	group_destroy(&s->group);
	finish_destroy(&s->finish);
	lease_book_destroy(&s->book);
	tally_destroy(&s->tally);
	start_close(&s->start);
	free(s->options_text);
	ev_loop_destroy(s->loop);
}

/* Whoever reads its texts has to know. */
static void
say_what_changed(const struct supervisor *s)
{
	bool escapes = options_record_format(s->options) == RECORD_CONTENT;
	if (escapes && s->start.former_schema && s->start.former_schema < SCHEMA_VERSION_ESCAPES)
		log_warn(s->log, "format=content writes other lines than before",
			 LOG_TEXT("text", "a line break inside a record is \\n or \\r, a backslash "
					  "is two; content_newline=keep writes them as before"));
}

static void
on_caution(void *arg, const char *setting, const char *text)
{
	struct supervisor *s = arg;
	log_warn(s->log, "caution", LOG_TEXT("setting", setting), LOG_TEXT("text", text));
}

enum exit_code
supervisor_run(const struct supervisor_config *config)
{
	struct supervisor s = { .config = *config,
				.options = config->options,
				.log = config->log,
				.renewing = ASSIGN_NOBODY };
	struct buf why;
	buf_init(&why, 0);
	s.loop = ev_loop_new(0); /* not the default one: that reaps children of its own accord */
	if (!s.loop) {
		log_error(s.log, "no event loop", LOG_TEXT("text", strerror(errno)));
		return EXIT_FAILED;
	}
	s.notify = notify_create();
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
		if (geteuid() == 0 && !s.options->user)
			log_warn(s.log, "running as root",
				 LOG_TEXT("text", "option 'user' names whom to become"));
		say_what_changed(&s);
		cautions_each(s.options, clock_wall_ns(), on_caution, &s);
		cautions_each_key_file(s.options, on_caution, &s);
		worker_pool_start(s.pool);
		group_start(s.group);
		ev_run(s.loop, 0);
		start_guard(&s.start, true);
		uint64_t dead = tally_log(s.tally, s.start.store, s.log,
					  s.reached_end && !s.exit ? "finished" : "delivered");
		start_guard(&s.start, false);
		log_info(s.log, "ended", LOG_INT("exit", s.exit));
		tally_say_dead(s.log, dead, s.options);
	}
	tear_down(&s);
	buf_fini(&why);
	return s.exit;
}
