/*
 * worker.c - one worker: the loop and what hangs on it.
 *
 * The process's main thread. Owns the loop, the channel, the service's client, the
 * delivery thread and the holdings. Must never wait: not for LMDB, a disk or user code,
 * which are the delivery thread's. Held by the scenarios.
 */
#include "worker/worker.h"

#include <errno.h>
#include <ev.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/memory_limit.h"
#include "common/options.h"
#include "common/xalloc.h"
#include "state/worker_record.h"
#include "worker/child.h"
#include "worker/fault.h"
#include "worker/handed.h"
#include "worker/holdings.h"
#include "worker/parent.h"
#include "worker/processor.h"
#include "worker/sandbox.h"

enum {
	WORKER_BEAT_MS = 250,    /* at the most; see set_beat */
	WORKER_ORPHAN_MS = 1000, /* what a worker without a supervisor may still take */
	WORKER_LET_GO_MS = 5000,
};

struct worker {
	struct ev_loop *loop;
	struct log *log;
	struct parent *parent;
	struct board *board;
	struct options options;
	uint32_t slot;
	char instance[16];
	struct consumer_name name;
	char *deadletter_dir;
	struct sandbox sandbox;
	struct lts_api *api;
	struct trust trust; /* as it was handed over */
	struct delivery *delivery;
	struct holdings *holdings;
	struct ev_async wake;
	struct ev_timer beat, last;
	struct ev_signal term;
	bool configured, draining, keys_locked;
	enum exit_code exit;
};

static void
end(struct worker *w, enum exit_code code)
{
	w->exit = code;
	ev_break(w->loop, EVBREAK_ALL);
}

static void
drain(struct worker *w)
{
	if (w->draining)
		return;
	w->draining = true;
	if (w->configured)
		holdings_drain(w->holdings);
	else
		end(w, w->exit);
}

static void
on_holdings_empty(void *arg)
{
	struct worker *w = arg;
	struct delivery_order *order = xcalloc(1, sizeof(*order));
	order->kind = DELIVERY_STOP;
	delivery_put(w->delivery, order);
}

static void
on_holdings_send(void *arg, const struct message *message)
{
	struct worker *w = arg;
	parent_send(w->parent, message);
}

static void
on_delivery_wake(void *arg)
{
	struct worker *w = arg;
	ev_async_send(w->loop, &w->wake);
}

static void
on_wake(struct ev_loop *loop, struct ev_async *watcher, int events)
{
	struct worker *w = watcher->data;
	struct delivery_done done;
	while (delivery_next(w->delivery, &done)) {
		if (done.kind == DELIVERY_CLOSE && done.err == LTS_NOSPACE && w->draining)
			w->exit = EXIT_FAILED; /* not committed: left for the next run */
		if (done.kind == DELIVERY_STOP)
			end(w, w->exit);
		else if (done.kind == DELIVERY_OPENED)
			sandbox_enter(&w->sandbox, done.err, w->log);
		else if (done.kind == DELIVERY_FLUSH)
			parent_send(w->parent, &(struct message){ .type = MSG_FLUSHED });
		else
			holdings_on_done(w->holdings, &done);
	}
}

static void
on_beat(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	struct worker *w = timer->data;
	int64_t now_ms = clock_boot_ms();
	atomic_store(&w->board->beat_ms, now_ms);
	if (!w->configured)
		return;
	if (processor_is_named(w->options.sink))
		child_reap_orphans();
	holdings_watch(w->holdings, now_ms);
	if (holdings_check_deadlines(w->holdings, now_ms))
		return;
	log_error(w->log, "ending this worker",
		  LOG_TEXT("reason", "a lease ended while its records were inside the sink"));
	_exit(EXIT_FAILED);
}

/* Often enough for worker_beat_timeout, and to see a deadline pass well inside the margin
 * that it leaves before heartbeat_timeout. */
static void
set_beat(struct worker *w)
{
	int64_t beat_ms = WORKER_BEAT_MS;
	if (beat_ms > w->options.worker_beat_timeout_ms / 8)
		beat_ms = w->options.worker_beat_timeout_ms / 8;
	if (beat_ms > w->options.heartbeat_timeout_ms / 24)
		beat_ms = w->options.heartbeat_timeout_ms / 24;
	w->beat.repeat = (double)beat_ms / 1e3;
	ev_timer_again(w->loop, &w->beat);
}

static void
on_last(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	struct worker *w = timer->data;
	_exit(w->exit);
}

/* Lets go of what it can until then. */
static void
end_within(struct worker *w, int64_t ms)
{
	ev_timer_stop(w->loop, &w->last);
	ev_timer_set(&w->last, (double)ms / 1e3, 0);
	ev_timer_start(w->loop, &w->last);
	drain(w);
}

/* A shard does not go on here, whatever we do: what is committed is safe, so the next life
 * of this worker may try. */
static void
on_holdings_restart(void *arg)
{
	struct worker *w = arg;
	if (w->draining)
		return;
	log_error(w->log, "ending this worker", LOG_TEXT("reason", "a shard does not go on"));
	w->exit = EXIT_FAILED;
	end_within(w, w->options.shutdown_timeout_ms);
}

static void
on_parent_gone(void *arg, enum lts_err why)
{
	struct worker *w = arg;
	if (why == LTS_BADDATA)
		log_error(w->log, "lts-supervisor is of another version: restart the agent");
	else
		log_warn(w->log, "the supervisor is gone; draining",
			 LOG_TEXT("reason", lts_err_name(why)));
	w->exit = EXIT_ORPHANED;
	end_within(w, WORKER_ORPHAN_MS);
}

static void
on_signal_term(struct ev_loop *loop, struct ev_signal *watcher, int events)
{
	drain(watcher->data);
}

/* ---- configuration ---- */

static void
refuse(struct worker *w, const char *what, const char *text)
{
	log_error(w->log, "configuration not usable", LOG_TEXT("what", what),
		  LOG_TEXT("text", text));
	end(w, EXIT_USAGE);
}

/* A command for each batch is a process for each: they are worth it only when they are large. */
static bool
joins(const struct worker *w)
{
	return strncmp(w->options.sink, "batch:", 6) == 0;
}

/* Long enough for most commands, and over before anybody else may have the shard. */
static int64_t
let_go_ms(const struct options *options)
{
	int64_t ms = WORKER_LET_GO_MS;
	if (ms > options->shutdown_timeout_ms / 3)
		ms = options->shutdown_timeout_ms / 3;
	if (ms > options->heartbeat_timeout_ms / 12)
		ms = options->heartbeat_timeout_ms / 12;
	return ms;
}

static void
start_delivery(struct worker *w)
{
	const char *dir = w->options.deadletter_dir;
	w->deadletter_dir = dir ? xstrdup(dir) : xasprintf("%s/deadletter", w->options.state_dir);
	w->sandbox = sandbox_of(&w->options);
	struct committer_config config = {
		.state_dir = w->options.state_dir,
		.sink = { .spec = w->options.sink,
			  .instance = w->instance,
			  .format = options_record_format(&w->options),
			  .rotate_bytes = w->options.rotate_bytes,
			  .rotate_interval_ms = w->options.rotate_interval_ms,
			  .lock_fd = HANDOFF_STDOUT },
		.board = w->board,
		.log = w->log,
		.self = { .slot = w->slot,
			  .name = w->name,
			  .pid = (uint32_t)getpid(),
			  .pid_start = worker_pid_start((uint32_t)getpid()),
			  .started_ns = clock_wall_ns() },
		.interval_ms = w->options.checkpoint_interval_ms,
		.sandbox = w->sandbox,
		.process = { .timeout_ms = w->options.process_timeout_ms,
			     .max_body_bytes = (size_t)w->options.max_body_bytes,
			     .let_go_ms = let_go_ms(&w->options),
			     .max_attempts = (unsigned)w->options.max_attempts,
			     .most_records = joins(w) ? (size_t)w->options.batch_max_records : 0,
			     .batch_parallel = w->options.batch_parallel,
			     .manual = w->options.checkpoint_mode == CHECKPOINT_MANUAL,
			     .on_poison = (enum poison_policy)w->options.on_poison,
			     .deadletter_dir = w->deadletter_dir },
	};
	w->delivery = delivery_create(&config, on_delivery_wake, w);
}

static void
start_holdings(struct worker *w)
{
	struct holdings_config config = {
		.loop = w->loop,
		.log = w->log,
		.api = w->api,
		.board = w->board,
		.delivery = w->delivery,
		.shard = { .batch_size = (unsigned)w->options.consume_batch_size,
			   .fetch_interval_ms = w->options.fetch_interval_ms,
			   .on_expired = (enum expired_policy)w->options.on_expired,
			   .max_bytes = (size_t)w->options.max_body_bytes,
			   .isolates = processor_is_named(w->options.sink),
			   .join_records = joins(w) ? (unsigned)w->options.batch_max_records : 0,
			   .linger_ms = w->options.batch_linger_ms,
			   .first_bytes = 1 << 20 },
		.budget_bytes = (size_t)w->options.memory_budget_bytes,
		.slot = w->slot,
		.send = on_holdings_send,
		.empty = on_holdings_empty,
		.restart = on_holdings_restart,
		.limits = { .process_ms = w->options.process_timeout_ms,
			    .heartbeat_ms = w->options.heartbeat_timeout_ms,
			    .request_ms = 3 * LTS_API_BATCH_TIMEOUT_MS },
		.arg = w,
	};
	w->holdings = holdings_create(&config);
}

static enum lts_err
take_credentials(struct worker *w, const struct message_config *m)
{
	struct credentials credentials = { 0 };
	int fits = snprintf(credentials.ak, sizeof(credentials.ak), "%s", m->ak) <
			   (int)sizeof(credentials.ak) &&
		   snprintf(credentials.sk, sizeof(credentials.sk), "%s", m->sk) <
			   (int)sizeof(credentials.sk) &&
		   snprintf(credentials.token, sizeof(credentials.token), "%s", m->token) <
			   (int)sizeof(credentials.token);
	enum lts_err err = fits ? lts_api_set_credentials(w->api, &credentials) : LTS_INVALID;
	credentials_wipe(&credentials);
	return err;
}

static void
configure(struct worker *w, const struct message_config *m)
{
	struct buf why;
	buf_init(&why, 0);
	char *text = xstrndup(m->options, m->options_len);
	enum lts_err err = options_import(&w->options, text, &why);
	free(text);
	if (err) {
		refuse(w, "options", why.data);
		goto out;
	}
	w->slot = m->slot;
	w->name = m->name;
	memcpy(w->instance, m->instance, sizeof(w->instance));
	log_destroy(&w->log);
	w->log = handed_logs(&w->options, w->name.text, m->log_fd);
	w->api = lts_api_from_options(w->loop, &w->options);
	handed_trust(&w->trust, m->trust_fd, w->api);
	if (take_credentials(w, m)) {
		refuse(w, "credentials", "not printable, empty or too long");
		goto out;
	}
	start_delivery(w);
	start_holdings(w);
	holdings_set_thrift(w->holdings, m->thrift);
	set_beat(w);
	w->configured = true;
	log_debug(w->log, "worker ready", LOG_INT("pid", getpid()),
		  LOG_TEXT("keys", w->keys_locked ? "locked" : "not locked"));
	parent_send(w->parent, &(struct message){ .type = MSG_READY });
out:
	buf_fini(&why);
}

/* What changes in a worker that runs; for the rest it is started anew. */
static void
configure_again(struct worker *w, const struct message_config *m)
{
	struct options fresh;
	struct buf why;
	handed_logs_again(w->log, m->log_fd);
	handed_trust(&w->trust, m->trust_fd, w->api);
	buf_init(&why, 0);
	options_init(&fresh);
	char *text = xstrndup(m->options, m->options_len);
	if (!options_import(&fresh, text, &why))
		log_set_level(w->log, (enum log_level)fresh.log_level);
	free(text);
	options_fini(&fresh);
	buf_fini(&why);
	holdings_set_thrift(w->holdings, m->thrift);
	if (take_credentials(w, m))
		log_error(w->log, "new credentials refused; the old ones stay in use");
	else
		holdings_try_again(w->holdings);
}

static void
on_config(struct worker *w, const struct message_config *m)
{
	if (w->configured)
		configure_again(w, m);
	else
		configure(w, m);
}

static void
flush(struct worker *w)
{
	struct delivery_order *order = xcalloc(1, sizeof(*order));
	order->kind = DELIVERY_FLUSH;
	delivery_put(w->delivery, order);
}

static void
on_parent_message(void *arg, const struct message *m)
{
	struct worker *w = arg;
	if (m->type != MSG_CONFIG && !w->configured)
		return; /* on its way out */
	switch (m->type) {
	case MSG_CONFIG:
		on_config(w, &m->config);
		break;
	case MSG_ASSIGN:
		holdings_assign(w->holdings, &m->assign);
		break;
	case MSG_REVOKE:
		holdings_revoke(w->holdings, m->lease.epoch);
		break;
	case MSG_RENEW:
		holdings_renew(w->holdings, &m->renew);
		break;
	case MSG_PUBLISHED:
		holdings_published(w->holdings, &m->lease);
		break;
	case MSG_FLUSH:
		flush(w);
		break;
	case MSG_DRAIN:
		drain(w);
		break;
	default:
		on_parent_gone(w, LTS_BADDATA); /* a message that only we may send */
	}
}

static void
start_watchers(struct worker *w)
{
	static const struct parent_events events = { .message = on_parent_message,
						     .gone = on_parent_gone };
	ev_async_init(&w->wake, on_wake);
	ev_timer_init(&w->beat, on_beat, 0, WORKER_BEAT_MS / 1e3);
	ev_init(&w->last, on_last);
	ev_signal_init(&w->term, on_signal_term, SIGTERM);
	w->wake.data = w->beat.data = w->last.data = w->term.data = w;
	ev_async_start(w->loop, &w->wake);
	ev_timer_start(w->loop, &w->beat);
	ev_signal_start(w->loop, &w->term);
	w->parent = parent_create(w->loop, HANDOFF_CHANNEL, &events, w);
}

static void
log_counters(const struct worker *w, int64_t start_ms)
{
	const struct board_counters *counters = &w->board->counters;
	log_info(w->log, "worker done", LOG_UINT("records", counters->delivered_records),
		 LOG_UINT("bytes", counters->delivered_bytes),
		 LOG_UINT("dead_letters", counters->dead_letters),
		 LOG_UINT("batches", counters->batches), LOG_UINT("commits", counters->commits),
		 LOG_UINT("commit_ms", counters->commit_ms),
		 LOG_INT("ms", clock_mono_ms() - start_ms));
}

enum exit_code
worker_run(bool keys_locked)
{
	struct worker w = { .exit = EXIT_DONE, .keys_locked = keys_locked };
	memory_bound_heap();
	w.loop = ev_loop_new(0); /* not the default one: that reaps children of its own accord */
	w.log = log_create("worker");
	log_add_fd(w.log, STDERR_FILENO, LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT);
	if (!w.loop || board_map(HANDOFF_BOARD, &w.board)) {
		log_error(w.log, "no loop or no board", LOG_TEXT("text", strerror(errno)));
		log_destroy(&w.log);
		return EXIT_FAILED;
	}
	fault_watch(w.board);
	options_init(&w.options);
	start_watchers(&w);
	int64_t start_ms = clock_mono_ms();
	ev_run(w.loop, 0);
	if (w.configured)
		log_counters(&w, start_ms);
	holdings_destroy(&w.holdings);
	if (w.configured)
		delivery_destroy(&w.delivery);
	free(w.deadletter_dir);
	lts_api_destroy(&w.api);
	trust_fini(&w.trust);
	parent_destroy(&w.parent);
	options_fini(&w.options);
	fault_watch(NULL);
	board_unmap(&w.board);
	log_destroy(&w.log);
	ev_loop_destroy(w.loop);
	return w.exit;
}
