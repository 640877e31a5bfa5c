/*
 * replay_target.c - the user's code or a plain sink, behind one interface, for dead letters.
 *
 * In a worker that replays, which has nothing else to do: here it waits. Owns the processor or
 * the sink, and the one shard of it that is open. Must never say that a piece was taken which
 * user code has acknowledged but, in manual mode, not saved. Held by
 * tests/scenario/replay.c.
 */
#include "worker/replay_target.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/board.h"
#include "common/clock.h"
#include "common/xalloc.h"
#include "worker/sink.h"
#include "worker/turns.h"

enum { SEGMENTS_MAX = 100000 }; /* of one replay and shard */

struct replay_target {
	struct replay_target_config config;
	bool manual;
	struct shard_id shard;       /* that is open */
	struct processor *processor; /* one of the two */
	struct processor_shard *processor_shard;
	struct sink *sink;
	struct sink_stream *stream;
	bool unsettled; /* the stream has taken what is not durable */
};

static void
enter(struct replay_target *t, const struct piece *piece)
{
	struct board *board = t->config.board;
	atomic_store(&board->records, piece ? (uint32_t)piece->n : 0);
	bool plain = t->sink && !t->sink->ops->user_code;
	board_enter(board, plain ? BOARD_WRITE : BOARD_SUBMIT, &t->shard,
		    piece ? &piece->cursor : NULL, clock_boot_ms());
}

static void
leave(struct replay_target *t)
{
	board_enter(t->config.board, BOARD_IDLE, NULL, NULL, clock_boot_ms());
}

enum lts_err
replay_target_create(const struct replay_target_config *config, struct replay_target **out,
		     struct buf *why_out)
{
	const struct options *o = config->options;
	/* Where no agent has commands, none can be in their way. */
	bool turns = !o->batch_parallel && turns_are_used(o->state_dir);
	struct processor_config processor = { .spec = o->sink,
					      .log = config->log,
					      .format = options_record_format(o),
					      .timeout_ms = o->process_timeout_ms,
					      .turns_dir = turns ? o->state_dir : NULL,
					      .max_body_bytes = (size_t)o->max_body_bytes };
	struct sink_config sink = { .spec = o->sink,
				    .instance = config->instance,
				    .format = options_record_format(o),
				    .rotate_bytes = o->rotate_bytes,
				    .lock_fd = config->stdout_lock_fd };
	struct replay_target *t = xcalloc(1, sizeof(*t));
	t->config = *config;
	t->manual = o->checkpoint_mode == CHECKPOINT_MANUAL;
	enter(t, NULL);
	enum lts_err err = processor_is_named(o->sink)
				   ? processor_create(&processor, &t->processor, why_out)
				   : sink_create(&sink, &t->sink, why_out);
	leave(t);
	if (err)
		free(t);
	else
		*out = t;
	return err;
}

/* ---- a shard ---- */

/* saved_out: the user's code has saved what it had acknowledged. */
static void
close_shard(struct replay_target *t, enum processor_reason reason, bool *saved_out)
{
	struct verdict verdict = { 0 };
	if (t->processor_shard) {
		enter(t, NULL);
		t->processor->ops->close(&t->processor_shard, reason, &verdict);
		leave(t);
	}
	if (t->stream)
		t->sink->ops->close(&t->stream);
	*saved_out = verdict.saved;
}

void
replay_target_destroy(struct replay_target **target)
{
	struct replay_target *t = *target;
	bool ignored;
	if (!t)
		return;
	close_shard(t, PROCESSOR_STOPPING, &ignored);
	enter(t, NULL);
	if (t->processor)
		t->processor->ops->destroy(&t->processor);
	if (t->sink)
		t->sink->ops->destroy(&t->sink);
	leave(t);
	free(t);
	*target = NULL;
}

/* Behind the files that this replay has sealed in former lives. What it has not is removed: that
 * comes again. */
static enum lts_err
open_stream(struct replay_target *t, struct buf *why_out)
{
	enum lts_err err = LTS_BADDATA;
	for (uint64_t n = 0; err == LTS_BADDATA && n < SEGMENTS_MAX; n++) {
		buf_clear(why_out);
		err = t->sink->ops->open(t->sink, &t->shard, (struct sink_position){ n, 0 },
					 &t->stream, why_out);
	}
	return err;
}

enum lts_err
replay_target_open(struct replay_target *t, const struct shard_id *shard,
		   const struct cursor *cursor, struct buf *why_out)
{
	bool ignored, is_open = t->processor_shard || t->stream;
	if (is_open && shard_id_equal(&t->shard, shard))
		return LTS_OK;
	enum lts_err err = replay_target_settle(t, why_out);
	if (err)
		return err;
	close_shard(t, PROCESSOR_FINISHED, &ignored);
	t->shard = *shard;
	if (t->sink)
		return open_stream(t, why_out);
	enter(t, NULL);
	err = t->processor->ops->open(t->processor, shard, cursor, &t->processor_shard, why_out);
	leave(t);
	return err;
}

/* ---- a piece ---- */

static void
wait_for_turn(struct processor *p)
{
	int64_t now_ms = clock_mono_ms();
	int64_t due_ms = p->ops->due_ms ? p->ops->due_ms(p) : INT64_MAX;
	int64_t wait_ms = due_ms < now_ms ? 0 : due_ms - now_ms;
	struct pollfd fd = { .fd = p->ops->fd ? p->ops->fd(p) : -1, .events = POLLIN };
	(void)poll(&fd, 1, wait_ms > 1000 ? 1000 : (int)wait_ms);
}

static void
call_processor(struct replay_target *t, const struct piece *piece, struct verdict *out)
{
	struct processor *p = t->processor;
	enter(t, piece);
	p->ops->process(t->processor_shard, piece, out);
	leave(t);
	while (out->kind == VERDICT_PENDING) {
		wait_for_turn(p);
		enter(t, piece);
		if (p->ops->turn)
			p->ops->turn(p, clock_mono_ms());
		p->ops->look(t->processor_shard, out);
		if (p->ops->forgot)
			(void)p->ops->forgot(t->processor_shard); /* nothing was left unsaved */
		leave(t);
	}
}

static void
refuse(struct verdict *v, const char *why)
{
	*v = (struct verdict){ .kind = VERDICT_REFUSED };
	snprintf(v->error, sizeof(v->error), "%s", why);
}

static enum lts_err
process_piece(struct replay_target *t, const struct piece *piece, struct verdict *out,
	      struct buf *why_out)
{
	bool saved = true;
	call_processor(t, piece, out);
	if (out->kind == VERDICT_ROLLBACK)
		refuse(out, "rolled back: a replay has nothing to go back to");
	if (out->kind != VERDICT_ACK || !t->manual || out->saved)
		return LTS_OK;
	close_shard(t, PROCESSOR_FINISHED, &saved); /* its last chance */
	if (!saved)
		refuse(out, "acknowledged, but not saved (checkpoint_mode=manual)");
	struct shard_id shard = t->shard;
	return replay_target_open(t, &shard, &piece->cursor, why_out);
}

/* A reader may be slow. */
static void
wait_for_sink(struct sink *sink)
{
	int64_t now_ms = clock_mono_ms(), due_ms = sink->ops->turn_ms(sink);
	int64_t wait_ms = due_ms < now_ms ? 0 : due_ms - now_ms;
	struct pollfd fd = { .fd = sink->ops->fd(sink), .events = POLLOUT };
	(void)poll(&fd, 1, wait_ms > 1000 ? 1000 : (int)wait_ms);
	sink->ops->turn(sink);
}

static enum lts_err
sink_piece(struct replay_target *t, const struct piece *piece, struct verdict *out,
	   struct buf *why_out)
{
	enter(t, piece);
	enum lts_err err = t->sink->ops->submit(t->stream, piece->records, piece->n, why_out);
	leave(t);
	while (err == LTS_AGAIN) {
		wait_for_sink(t->sink);
		buf_clear(why_out);
		enter(t, piece);
		err = t->sink->ops->submit(t->stream, piece->records, piece->n, why_out);
		leave(t);
	}
	*out = (struct verdict){ .kind = err ? VERDICT_LATER : VERDICT_ACK };
	t->unsettled |= !err;
	if (err != LTS_NOSPACE)
		return err;
	snprintf(out->error, sizeof(out->error), "%s",
		 why_out->len ? why_out->data : "no space");
	buf_clear(why_out);
	return LTS_OK;
}

enum lts_err
replay_target_take(struct replay_target *t, const struct piece *piece, struct verdict *out,
		   struct buf *why_out)
{
	return t->sink ? sink_piece(t, piece, out, why_out)
		       : process_piece(t, piece, out, why_out);
}

enum lts_err
replay_target_settle(struct replay_target *t, struct buf *why_out)
{
	struct sink_position position;
	if (t->processor && t->processor->ops->flush)
		t->processor->ops->flush(t->processor);
	if (!t->unsettled)
		return LTS_OK;
	board_enter(t->config.board, BOARD_FLUSH, NULL, NULL, clock_boot_ms());
	enum lts_err err = t->sink->ops->flush(t->stream, true, &position);
	err = err ? err : t->sink->ops->committed(t->stream);
	leave(t);
	t->unsettled = err != LTS_OK;
	if (err) {
		enum lts_err ignored =
			buf_printf(why_out, "what was delivered cannot be made durable: %s",
				   lts_err_name(err));
		(void)ignored;
	}
	return err;
}

bool
replay_target_is_risky(const struct replay_target *t)
{
	return t->processor != NULL;
}
