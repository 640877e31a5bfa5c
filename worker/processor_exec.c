/*
 * processor_exec.c - sink=exec:COMMAND: one long-lived child per worker gets the batches and
 * answers for each.
 *
 * In a worker's delivery thread. Owns the child, and of each shard what it was asked. Must
 * never take for done what the child did not acknowledge, nor blame a piece for a death while
 * others were under way as well: those go again, one at a time, until the guilty one is known.
 * Held by tests/worker/test_processor_exec.c and the exec scenarios.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/used_up.h"
#include "common/xalloc.h"
#include "worker/exec_inside.h"

enum {
	RESTART_MS = 100, /* the shortest and */
	RESTART_MAX_MS = 5000,
	LET_GO_MS = 500,    /* of a piece under way, when its shard ends */
	SHUTDOWN_MS = 5000, /* for its answer, and */
	END_MS = 1000,      /* for its end, when the last shard is closed */
};

/* ---- deaths ---- */

/* One that was alone is to blame; of several nobody knows which, so they go again, singly. */
static void
settle(struct processor_exec *exec, unsigned asked, unsigned batches, const char *error)
{
	for (struct processor_shard *s = exec->shards; s; s = s->next) {
		bool is_batch = s->asked == ASKED_BATCH;
		exec_forget(s);
		if (is_batch)
			s->danger = s->piece.cursor;
		if (is_batch && asked == 1)
			exec_judge(s, VERDICT_REFUSED, error);
		else if (s->verdict.kind == VERDICT_PENDING && batches == 0 && !exec->proved)
			exec_judge(s, VERDICT_LATER, error);
	}
}

/* Nobody who could not start needs to be told of each attempt. */
static void
log_death(struct processor_exec *exec, const char *why, unsigned batches, int64_t wait_ms,
	  bool is_news)
{
	if (batches || exec->proved)
		log_warn(exec->log, "the processor's child ended: it is started again",
			 LOG_TEXT("why", why), LOG_UINT("batches_under_way", batches));
	else if (is_news)
		log_error(exec->log, "the processor does not work: it is started again and again",
			  LOG_TEXT("why", why), LOG_TEXT("command", exec->command),
			  LOG_INT("next_in_ms", wait_ms));
}

static void
on_death(struct processor_exec *exec, const char *why, int64_t now_ms)
{
	char error[sizeof(((struct verdict *)0)->error)];
	unsigned batches = exec_count_asked(exec, ASKED_BATCH);
	unsigned asked = exec_count_asked(exec, ASKED_NOTHING);
	int64_t level_ms = exec->backoff.ceiling_ms, wait_ms = 0;
	snprintf(error, sizeof(error), "the child %.180s", why);
	if (exec->proved)
		backoff_reset(&exec->backoff);
	if (batches == 0 && !exec->proved)
		wait_ms = backoff_next_ms(&exec->backoff, -1);
	log_death(exec, why, batches, wait_ms,
		  !exec->failing || exec->backoff.ceiling_ms != level_ms);
	exec->failing = batches == 0 && !exec->proved;
	exec->start_ms = now_ms + wait_ms;
	settle(exec, asked, batches, error);
	exec->writing = NULL;
	exec->proved = false;
	exec_child_destroy(&exec->child, 0);
}

static void
start(struct processor_exec *exec, int64_t now_ms)
{
	enum lts_err err = exec_child_start(&exec->child_config, now_ms, &exec->child);
	struct epoll_event event = { .events = EPOLLIN };
	if (!err && epoll_ctl(exec->epoll, EPOLL_CTL_ADD, exec_child_fd(exec->child), &event))
		err = LTS_SYS;
	if (err) {
		struct buf why;
		buf_init(&why, 0);
		(void)!buf_put_text(&why, "could not be started: ");
		used_up_explain(errno, &why);
		on_death(exec, why.data, now_ms);
		buf_fini(&why);
	}
}

/* ---- the processor ---- */

static struct processor_exec *
exec_of(struct processor *processor)
{
	return (struct processor_exec *)processor;
}

static void
go_on(struct processor_exec *exec, int64_t now_ms)
{
	if (!exec->child && exec->shards && now_ms >= exec->start_ms)
		start(exec, now_ms);
	if (!exec->child)
		return;
	exec_child_turn(exec->child, now_ms);
	exec_take_answers(exec, now_ms);
	if (now_ms >= exec_answer_due_ms(exec))
		exec_child_fail(exec->child, "timed out: no answer within %lld ms",
				(long long)exec->child_config.timeout_ms);
	if (exec_child_death(exec->child))
		on_death(exec, exec_child_death(exec->child), now_ms);
	exec_send_all(exec, now_ms);
}

/* The caller looks at all that are PENDING next. */
static void
exec_turn(struct processor *processor, int64_t now_ms)
{
	go_on(exec_of(processor), now_ms);
	exec_of(processor)->news = false;
}

static int
exec_fd(const struct processor *processor)
{
	return ((const struct processor_exec *)processor)->epoll;
}

static int64_t
due_ms(const struct processor_exec *exec)
{
	if (!exec->child)
		return exec->shards ? exec->start_ms : INT64_MAX;
	int64_t child_ms = exec_child_due_ms(exec->child), answer_ms = exec_answer_due_ms(exec);
	return answer_ms < child_ms ? answer_ms : child_ms;
}

static int64_t
exec_due_ms(const struct processor *processor)
{
	const struct processor_exec *exec = (const struct processor_exec *)processor;
	return exec->news ? 0 : due_ms(exec);
}

static enum lts_err
exec_open(struct processor *processor, const struct shard_id *id, const struct cursor *checkpoint,
	  struct processor_shard **out, struct buf *why_out)
{
	struct processor_exec *exec = exec_of(processor);
	struct processor_shard *shard = xcalloc(1, sizeof(*shard));
	shard->exec = exec;
	shard->id = *id;
	shard->checkpoint = *checkpoint;
	shard->verdict.kind = VERDICT_ACK;
	shard->next = exec->shards;
	exec->shards = shard;
	go_on(exec, clock_mono_ms()); /* the child starts meanwhile */
	*out = shard;
	return LTS_OK;
}

static void
exec_process(struct processor_shard *shard, const struct piece *piece, struct verdict *out)
{
	shard->piece = *piece;
	shard->at = 0;
	shard->verdict = (struct verdict){ .kind = VERDICT_PENDING };
	shard->place = ++shard->exec->places;
	go_on(shard->exec, clock_mono_ms());
	*out = shard->verdict;
}

static void
exec_look(struct processor_shard *shard, struct verdict *out)
{
	*out = shard->verdict;
}

static bool
exec_forgot(struct processor_shard *shard)
{
	bool forgot = shard->forgot;
	shard->forgot = false;
	if (forgot && shard->verdict.kind == VERDICT_PENDING)
		shard->exec->news = true; /* now it can be sent */
	return forgot;
}

static bool
exec_has_begun(const struct processor_shard *shard)
{
	return shard->asked == ASKED_BATCH || shard->at || shard->verdict.kind != VERDICT_PENDING;
}

/* A child that does not read hears nothing of it, as of everything else. */
static void
exec_flush(struct processor *processor)
{
	struct processor_exec *exec = exec_of(processor);
	for (struct processor_shard *s = exec->shards; s && exec->child; s = s->next)
		if (s->ready && exec_child_waiting(exec->child) <= EXEC_OUT_MAX)
			exec_frame_flush(exec_child_out(exec->child), &s->id);
	if (exec->child)
		exec_send_all(exec, clock_mono_ms());
}

static void
exec_committed(struct processor_shard *shard, const struct cursor *checkpoint)
{
	shard->checkpoint = *checkpoint;
	shard->tell_checkpoint = shard->ready;
	exec_send_all(shard->exec, clock_mono_ms());
}

/* ---- the end of a shard ---- */

/* Until it was answered, or the child died; false: neither in time. */
static bool
wait_for_answer(struct processor_shard *shard, int64_t wait_ms)
{
	int64_t now_ms = clock_mono_ms(), until_ms = now_ms + wait_ms;
	while (shard->asked && now_ms < until_ms) {
		struct pollfd fd = { .fd = shard->exec->epoll, .events = POLLIN };
		int64_t at_ms = due_ms(shard->exec);
		at_ms = at_ms < until_ms ? at_ms : until_ms;
		(void)poll(&fd, 1, at_ms > now_ms ? (int)(at_ms - now_ms) : 0);
		now_ms = clock_mono_ms();
		go_on(shard->exec, now_ms);
	}
	return !shard->asked;
}

/* The child is killed, through no fault of what else it was asked. */
static void
give_up(struct processor_shard *shard, const char *why)
{
	struct processor_exec *exec = shard->exec;
	log_warn(exec->log, "the processor's child is killed", LOG_TEXT("shard", shard->id.text),
		 LOG_TEXT("why", why));
	for (struct processor_shard *s = exec->shards; s; s = s->next)
		exec_forget(s);
	exec->writing = NULL;
	exec->proved = false;
	exec->start_ms = clock_mono_ms();
	exec_child_destroy(&exec->child, 0);
}

static void
end_shard(struct processor_shard *shard, enum processor_reason reason)
{
	struct processor_exec *exec = shard->exec;
	bool is_lost = reason == PROCESSOR_LEASE_LOST;
	shard->verdict = (struct verdict){ .kind = VERDICT_ACK }; /* nothing more of it is sent */
	if (exec->child && is_lost && (shard->ready || shard->asked))
		exec_frame_lease_lost(exec_child_out(exec->child), &shard->id);
	exec_send_all(exec, clock_mono_ms());
	if (!wait_for_answer(shard, LET_GO_MS))
		give_up(shard, "it does not let go of a batch");
	bool is_behind = shard->verdict.kind == VERDICT_ROLLBACK; /* of what it acknowledged */
	shard->verdict = (struct verdict){ .kind = VERDICT_ACK };
	if (is_lost || !exec->child || !shard->ready)
		return;
	exec_ask_shutdown(shard, reason, clock_mono_ms());
	if (!wait_for_answer(shard, SHUTDOWN_MS))
		give_up(shard, "it does not shut down");
	if (is_behind)
		shard->verdict.saved = false;
}

static void
exec_close(struct processor_shard **shard_in, enum processor_reason reason, struct verdict *out)
{
	struct processor_shard *shard = *shard_in;
	struct processor_shard **at = &shard->exec->shards;
	end_shard(shard, reason);
	*out = shard->verdict;
	if (shard->forgot)
		*out = (struct verdict){ .kind = VERDICT_REFUSED };
	while (*at != shard)
		at = &(*at)->next;
	*at = shard->next;
	free(shard);
	*shard_in = NULL;
}

static void
exec_destroy(struct processor **processor)
{
	struct processor_exec *exec = *processor ? exec_of(*processor) : NULL;
	if (!exec)
		return;
	exec_child_destroy(&exec->child, END_MS);
	(void)close(exec->epoll);
	free(exec->command);
	free(exec);
	*processor = NULL;
}

enum lts_err
processor_exec_create(const char *what, const struct processor_config *config,
		      struct processor **out, struct buf *why_out)
{
	static const struct processor_ops ops = {
		.open = exec_open,
		.process = exec_process,
		.look = exec_look,
		.committed = exec_committed,
		.forgot = exec_forgot,
		.has_begun = exec_has_begun,
		.flush = exec_flush,
		.close = exec_close,
		.fd = exec_fd,
		.due_ms = exec_due_ms,
		.turn = exec_turn,
		.destroy = exec_destroy,
	};
	const char *why = !*what                            ? "exec: without a command"
			  : config->format != RECORD_LABELS ? "exec: takes format=labels alone"
							    : NULL;
	if (why)
		return buf_put_text(why_out, why) ? LTS_TOOBIG : LTS_INVALID;
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	if (epoll < 0) {
		enum lts_err err = used_up_or_sys(errno);
		used_up_explain(errno, why_out);
		return err;
	}
	struct processor_exec *exec = xcalloc(1, sizeof(*exec));
	exec->base.ops = &ops;
	exec->command = xstrdup(what);
	exec->log = config->log;
	exec->epoll = epoll;
	exec->child_config = (struct exec_child_config){
		.command = exec->command,
		.log = config->log,
		.max_bytes = config->max_body_bytes,
		.timeout_ms = config->timeout_ms,
	};
	backoff_init(&exec->backoff, RESTART_MS, RESTART_MAX_MS, (uint64_t)clock_mono_ns());
	*out = &exec->base;
	return LTS_OK;
}
