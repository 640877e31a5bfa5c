/*
 * commit.c - takes, appends and group commits.
 *
 * In a worker's delivery thread. Owns the store, the sink and what is not committed yet. Must
 * never commit a position that is not durable, report one that is not committed, nor try an
 * fsync again. Held by tests/worker/test_commit.c, test_commit_lease.c and the scenarios.
 */
#include "worker/process.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/make_dirs.h"
#include "common/used_up.h"
#include "common/xalloc.h"
#include "worker/append.h"
#include "worker/letters.h"

enum { COMMIT_RETRY_MS = 1000, COMMIT_LAZY_MS = 1000 };

static void
stage(struct committer *c, enum board_stage stage, const struct track *track)
{
	atomic_store(&c->config.board->records, 0);
	atomic_store(&c->config.board->first, 0);
	board_enter(c->config.board, stage, track ? &track->lease->shard : NULL,
		    track ? &track->committed : NULL, clock_boot_ms());
}

/* What no retry can mend ends the process; the rest is the caller's. */
static void
check_state(struct committer *c, enum lts_err err)
{
	if (err == LTS_SYNC)
		committer_die(c, EXIT_SYNC_FAILED, "state environment could not be synced");
	if (err == LTS_BADDATA)
		committer_die(
			c, EXIT_DAMAGED,
			"state environment is damaged or was replaced: see lts-state verify");
	if (err == LTS_SYS)
		committer_die(c, errno == ENOMEM ? EXIT_NO_MEMORY : EXIT_FAILED,
			      "state environment failed");
}

/* What is used up, LTS_NOSPACE, is there again some time; a reader slot, LTS_AGAIN, too. */
static enum lts_err
explain_store(enum lts_err err, const char *state_dir, struct buf *why_out)
{
	int error = errno;
	(void)!buf_printf(why_out, "state environment in '%s': ", state_dir);
	if (err == LTS_SYS)
		used_up_explain(error, why_out);
	else
		(void)!buf_put_text(why_out, lts_err_name(err));
	return err == LTS_SYS ? used_up_or_sys(error) : err;
}

enum lts_err
committer_create(const struct committer_config *config, struct committer **out,
		 struct buf *why_out)
{
	struct committer *c = xcalloc(1, sizeof(*c));
	c->config = *config;
	c->self = config->self;
	c->due_ms = INT64_MAX;
	errno = 0;
	stage(c, BOARD_WAIT_LOCK, NULL);
	enum lts_err err = store_open(config->state_dir, STORE_WRITE, &c->store);
	if (err) {
		err = explain_store(err, config->state_dir, why_out);
	} else {
		store_check_readers(c->store);
		err = processor_is_named(config->sink.spec)
			      ? process_create(c, why_out)
			      : sink_create(&config->sink, &c->sink, why_out);
		if (!err && config->sandbox.letters_dir) /* before the sandbox is closed */
			(void)!make_dirs(config->sandbox.letters_dir, 0750);
	}
	stage(c, BOARD_IDLE, NULL);
	if (err)
		committer_destroy(&c);
	else
		*out = c;
	return err;
}

void
committer_destroy(struct committer **committer)
{
	struct committer *c = *committer;
	if (!c)
		return;
	if (c->processor)
		c->processor->ops->destroy(&c->processor);
	if (c->sink)
		c->sink->ops->destroy(&c->sink);
	if (c->letters)
		c->letters->ops->destroy(&c->letters);
	store_close(&c->store);
	free(c->moves);
	free(c);
	*committer = NULL;
}

void
committer_mark_dirty(struct committer *c, struct track *track, int64_t due_ms)
{
	if (due_ms < c->due_ms)
		c->due_ms = due_ms;
	if (track->dirty)
		return;
	track->dirty = true;
	track->next_dirty = c->dirty;
	c->dirty = track;
	c->n_dirty++;
}

static enum lts_err
begin(struct committer *c, struct store_txn *txn, const struct track *track)
{
	stage(c, BOARD_WAIT_LOCK, track);
	enum lts_err err = store_write_begin(c->store, txn);
	stage(c, BOARD_IN_TXN, NULL);
	return err;
}

/* Commits if all went well so far. */
static enum lts_err
end(struct committer *c, struct store_txn *txn, enum lts_err err)
{
	if (!err)
		err = store_commit(txn);
	store_abort(txn);
	if (err == LTS_NOSPACE)
		store_check_readers(c->store); /* the dead may keep pages from being used again */
	stage(c, BOARD_IDLE, NULL);
	return err;
}

static enum lts_err
put_self(struct committer *c, struct store_txn *txn)
{
	c->self.updated_ns = clock_wall_ns();
	return worker_record_put(txn, &c->self);
}

static enum lts_err
take_lease(struct committer *c, const struct lease_take *take, struct lease_taken *out)
{
	struct store_txn txn = { 0 };
	enum lts_err err = begin(c, &txn, NULL);
	check_state(c, err);
	if (!err)
		err = lease_take(&txn, take, out);
	if (!err)
		err = put_self(c, &txn);
	return end(c, &txn, err);
}

enum lts_err
committer_take(struct committer *c, struct lease *lease, const struct lease_take *take,
	       struct lease_taken *out, struct buf *why_out)
{
	if (atomic_load(&lease->deadline_ms) <= clock_boot_ms())
		return LTS_GONE;
	if (lease->delivery_side)
		return committer_open_sink(c, lease->delivery_side, out, why_out);
	enum lts_err err = take_lease(c, take, out);
	if (err == LTS_BADDATA) {
		/* One damaged record is one stuck shard, not a worker. */
		enum lts_err ignored = buf_put_text(
			why_out, "its record in the state is damaged: see lts-state verify");
		(void)ignored;
		return err;
	}
	check_state(c, err);
	if (err)
		return err;
	struct track *track = xcalloc(1, sizeof(*track));
	track->lease = lease;
	track->committed = track->reached = out->checkpoint.cursor;
	track->committed_done = track->reached_done = out->checkpoint.done;
	track->position = track->safe = out->checkpoint.position;
	lease->delivery_side = track;
	/* Also when that is not well: the lease is ours. */
	return committer_open_sink(c, track, out, why_out);
}

enum lts_err
committer_submit(struct committer *c, struct batch *batch, int64_t *due_ms_out,
		 struct buf *why_out)
{
	struct track *track = batch->lease->delivery_side;
	if (track->gone || atomic_load(&track->lease->deadline_ms) <= clock_boot_ms()) {
		if (!c->processor)
			committer_give_up(c, batch->lease);
		return LTS_GONE;
	}
	if (c->processor)
		return process_batch(c, batch, due_ms_out, why_out);
	return append_batch(c, track, batch, due_ms_out, why_out);
}

void
committer_published(struct committer *c, struct lease *lease, const struct cursor *cursor)
{
	struct track *track = lease->delivery_side;
	if (!track || track->gone)
		return;
	track->published = *cursor;
	committer_mark_dirty(c, track, clock_mono_ms() + COMMIT_LAZY_MS);
}

void
committer_stuck(struct committer *c, struct lease *lease, const char *why)
{
	struct store_txn txn = { 0 };
	struct event_record event = {
		.time_ns = clock_wall_ns(),
		.kind = EVENT_STUCK,
		.shard = lease->shard,
		.epoch = lease->epoch,
		.slot = c->self.slot,
	};
	if (lease->delivery_side)
		event.cursor = lease->delivery_side->committed;
	snprintf(event.text, sizeof(event.text), "%s", why);
	enum lts_err err = begin(c, &txn, NULL);
	if (!err)
		err = lease_stop(&txn, &event);
	err = end(c, &txn, err);
	if (err != LTS_NOSPACE)
		check_state(c, err);
}

enum lts_err
committer_close(struct committer *c, struct lease *lease, enum lease_state state, int64_t end_ns,
		struct cursor *back_out, struct buf *why_out)
{
	struct track *track = lease->delivery_side;
	if (!track || (track->gone && !track->stream && !track->letters))
		return LTS_GONE;
	bool finished = state == LEASE_FINISHED && !track->gone;
	enum lts_err err = process_end(
		c, track, finished ? PROCESSOR_FINISHED : PROCESSOR_STOPPING, back_out, why_out);
	if (err)
		return err;
	track->close = track->gone ? LEASE_RELEASED : state;
	track->end_ns = end_ns;
	track->close_ms = clock_mono_ms();
	committer_mark_dirty(c, track, 0);
	return LTS_OK;
}

void
committer_undirty(struct committer *c, struct track *track)
{
	struct track **at = &c->dirty;
	while (*at && *at != track)
		at = &(*at)->next_dirty;
	if (!*at)
		return;
	*at = track->next_dirty;
	track->dirty = false;
	if (--c->n_dirty == 0)
		c->due_ms = INT64_MAX;
}

static void
close_streams(struct committer *c, struct track *track)
{
	if (track->stream)
		c->sink->ops->close(&track->stream);
	letters_close(c, track);
}

void
committer_forget(struct committer *c, struct lease *lease)
{
	struct track *track = lease->delivery_side;
	if (!track)
		return;
	committer_undirty(c, track);
	process_close(c, track, PROCESSOR_LEASE_LOST);
	process_free(c, track);
	close_streams(c, track);
	free(track);
	lease->delivery_side = NULL;
}

int64_t
committer_due_ms(const struct committer *c)
{
	return c->n_dirty ? c->due_ms : INT64_MAX;
}

/* Step one: everything delivered is made durable, and the moves are drawn up. */
static void
flush_sinks(struct committer *c)
{
	if (c->moves_cap < c->n_dirty) {
		c->moves_cap = 2 * c->n_dirty;
		c->moves = xreallocarray(c->moves, c->moves_cap, sizeof(*c->moves));
	}
	struct checkpoint_move *move = c->moves;
	for (struct track *t = c->dirty; t; t = t->next_dirty, move++) {
		errno = 0;
		stage(c, BOARD_FLUSH, t);
		if (t->stream && c->sink->ops->flush(t->stream, t->close != 0, &t->position))
			committer_die(c, EXIT_SYNC_FAILED, "sink could not be synced");
		letters_flush(c, t, t->close != 0);
		*move = (struct checkpoint_move){ .shard = t->lease->shard,
						  .epoch = t->lease->epoch,
						  .from = t->committed,
						  .to = t->reached,
						  .from_done = t->committed_done,
						  .to_done = t->reached_done,
						  .position = t->position,
						  .letters = t->letters_position,
						  .has_letters = true,
						  .records = t->records,
						  .bytes = t->bytes,
						  .dead_letters = t->dead_letters,
						  .asides = &t->asides,
						  .attempts = t->attempts,
						  .gap = t->gap,
						  .published = t->published,
						  .close = t->close,
						  .end_ns = t->end_ns };
	}
}

/* Step two: one transaction. The deadlines are read inside it, behind any wait for it. */
static enum lts_err
commit_moves(struct committer *c)
{
	struct store_txn txn = { 0 };
	enum lts_err err = begin(c, &txn, NULL);
	struct checkpoint_move *move = c->moves;
	for (struct track *t = c->dirty; t; t = t->next_dirty)
		(move++)->deadline_ms = atomic_load(&t->lease->deadline_ms);
	if (!err)
		err = checkpoint_apply(&txn, c->moves, c->n_dirty, c->self.slot, clock_boot_ms(),
				       clock_wall_ns());
	if (!err)
		err = put_self(c, &txn);
	return end(c, &txn, err);
}

/* Somebody else's by now: nothing of it is touched. */
static void
lose(struct committer *c, struct track *t, committer_report *report, void *arg)
{
	bool closing = t->close != 0;
	t->gone = true;
	t->close = 0;
	process_close(c, t, PROCESSOR_LEASE_LOST);
	close_streams(c, t);
	report(arg, t->lease, LTS_GONE, closing);
}

/*
 * Past its deadline. What was delivered since the last commit is undone: whoever has the
 * shard next fetches it. What is committed is still ours to close and seal.
 */
static void
fall_back(struct committer *c, struct track *t, committer_report *report, void *arg)
{
	struct buf why;
	buf_init(&why, 0);
	t->gone = true;
	process_close(c, t, PROCESSOR_LEASE_LOST);
	t->reached = t->committed;
	t->reached_done = t->committed_done;
	t->position = t->safe;
	t->records = t->bytes = t->dead_letters = 0;
	t->published.text[0] = '\0';
	t->gap = false;
	enum lts_err err = letters_fall_back(c, t, &why), other = LTS_OK;
	if (t->stream) {
		c->sink->ops->close(&t->stream);
		other = c->sink->ops->open(c->sink, &t->lease->shard, t->safe, &t->stream, &why);
	}
	if (err || other)
		log_warn(c->config.log, "not sealed", LOG_TEXT("shard", t->lease->shard.text),
			 LOG_TEXT("text", why.data));
	buf_fini(&why);
	if (t->close) {
		t->close = LEASE_RELEASED;
		committer_mark_dirty(c, t, 0);
	} else {
		report(arg, t->lease, LTS_GONE, false);
	}
}

/* A segment may be due for its final name though no record comes any more. */
static void
remind(struct committer *c, struct track *t)
{
	int64_t due_ms = INT64_MAX;
	if (t->stream && c->sink->ops->due_ms)
		due_ms = c->sink->ops->due_ms(t->stream);
	if (due_ms != INT64_MAX)
		committer_mark_dirty(c, t, due_ms);
}

/* Step three: what is committed may be acted on. */
static void
settle(struct committer *c, struct track *t, const struct checkpoint_move *move,
       committer_report *report, void *arg)
{
	if (move->result) {
		(move->result == LTS_EXPIRED ? fall_back : lose)(c, t, report, arg);
		return;
	}
	c->self.records += t->records;
	c->self.bytes += t->bytes;
	t->committed = move->to;
	t->committed_done = move->to_done;
	t->safe = move->position;
	t->letters_safe = move->letters;
	t->records = t->bytes = t->dead_letters = 0;
	process_committed(c, t);
	t->gap = false;
	t->published = (struct cursor){ 0 };
	enum lts_err err = t->stream ? c->sink->ops->committed(t->stream) : LTS_OK;
	enum lts_err letters = letters_committed(c, t);
	if (err == LTS_SYNC)
		committer_die(c, EXIT_SYNC_FAILED, "sink directory could not be synced");
	err = err ? err : letters;
	if (err) /* BADDATA: it was removed or replaced under us */
		log_error(c->config.log, "segment not sealed",
			  LOG_TEXT("shard", t->lease->shard.text),
			  LOG_TEXT("reason", lts_err_name(err)));
	if (!t->close) {
		remind(c, t);
		return;
	}
	t->close = 0;
	close_streams(c, t);
	report(arg, t->lease, t->gone ? LTS_GONE : err, true); /* BADDATA: no finish */
}

enum lts_err
committer_commit(struct committer *c, committer_report *report, void *arg)
{
	if (!c->n_dirty)
		return LTS_OK;
	flush_sinks(c);
	c->self.commits++;
	enum lts_err err = commit_moves(c);
	check_state(c, err);
	if (err) {
		c->self.commits--;
		c->due_ms = clock_mono_ms() + COMMIT_RETRY_MS;
		if (err == LTS_NOSPACE)
			committer_stop_without_room(c, report, arg);
		return err;
	}
	board_add(&c->config.board->counters.commits, 1);
	struct track *t = c->dirty;
	struct checkpoint_move *move = c->moves;
	c->dirty = NULL;
	c->n_dirty = 0;
	c->due_ms = INT64_MAX;
	while (t) {
		struct track *next = t->next_dirty;
		t->dirty = false;
		settle(c, t, move++, report, arg);
		t = next;
	}
	return LTS_OK;
}

void
committer_sign_off(struct committer *c)
{
	struct store_txn txn = { 0 };
	c->self.exited = true;
	enum lts_err err = begin(c, &txn, NULL);
	if (!err)
		err = put_self(c, &txn);
	err = end(c, &txn, err);
	if (err)
		log_warn(c->config.log, "worker record not closed",
			 LOG_TEXT("reason", lts_err_name(err)));
}
