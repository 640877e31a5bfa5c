/*
 * process.c - a shard's batches through the user's code.
 *
 * In a worker's delivery thread. Owns the processor's side of each shard, and what is not
 * saved yet. Must never let a commit name a record that was neither acknowledged nor made a
 * dead letter, nor go on behind a dead letter that is not committed. What is tried next is
 * worker/attempt.c's. Held by tests/worker/test_process.c and tests/scenario/plugins.c.
 */
#include "worker/process_inside.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "worker/asides.h"
#include "worker/letters.h"

enum { PROCESS_COMMIT_MS = 50, PROCESS_LAZY_MS = 500 };

/* ---- how far it is ---- */

bool
process_is_saved(const struct track *t)
{
	return cursor_equal(&t->reached, &t->process->at) && t->reached_done == t->process->done;
}

/* The next commit may name the place where we are. */
void
process_save(struct committer *c, struct track *t, bool at_once)
{
	struct process *p = t->process;
	if (t->held) {
		t->held = false;
		letters_flush(c, t, false);
	}
	if (p->lost)
		t->asides.n = 0;
	asides_move(&t->asides, p->place, p->done);
	p->place = 0;
	p->lost = false;
	p->ends = 0;
	t->reached = p->at;
	t->reached_done = p->done;
	t->records += p->records;
	t->bytes += p->bytes;
	t->dead_letters += p->dead_letters;
	p->records = p->bytes = p->dead_letters = 0;
	committer_mark_dirty(c, t, at_once ? 0 : clock_mono_ms() + c->config.interval_ms);
}

/* Between two places without a record that was acknowledged nobody needs to save. */
bool
process_may_save(const struct committer *c, const struct track *t)
{
	return !c->config.process.manual || (process_is_saved(t) && !t->process->records);
}

/* The records up to `done` of the batch are done with. */
void
process_move_to(struct committer *c, struct track *t, const struct batch *batch, uint64_t done)
{
	struct process *p = t->process;
	bool may = process_may_save(c, t);
	bool over = done >= batch->n_records;
	p->place += over ? batch->n_records : 0;
	p->at = over ? batch->to : batch->from;
	p->done = over ? done - batch->n_records : done;
	if (may)
		process_save(c, t, false);
}

/* ---- verdicts ---- */

/* The next n records were acknowledged. */
static void
pass(struct committer *c, struct track *t, struct batch *batch, size_t n)
{
	struct process *p = t->process;
	if (!n)
		return;
	for (size_t i = p->attempt.done; i < p->attempt.done + n; i++)
		p->bytes += batch->records[i].len + 1;
	p->records += n;
	board_add(&c->config.board->counters.delivered_records, n);
	batch->counted += n;
	t->attempts = 0;
	p->error[0] = '\0';
	attempt_ack(&p->attempt, n);
	process_move_to(c, t, batch, p->attempt.done);
}

/* The next n records of the piece were acknowledged; a save reaches as far as when it was said. */
static void
acknowledge(struct committer *c, struct track *t, struct batch *batch, const struct verdict *v,
	    size_t n)
{
	struct process *p = t->process;
	size_t saved = v->saved ? n - v->unsaved : 0;
	if (v->kind == VERDICT_ACK && attempt_is_last(&p->attempt) &&
	    cursor_equal(&p->rolled_back, &batch->from))
		p->rolled_back = (struct cursor){ 0 }; /* it got past it */
	pass(c, t, batch, saved);
	if (saved)
		process_save(c, t, v->persistent);
	pass(c, t, batch, n - saved);
}

static void
refuse(struct committer *c, struct track *t, const struct batch *batch, size_t bad,
       const char *error)
{
	struct process *p = t->process;
	struct attempt *a = &p->attempt;
	size_t first = a->done, n = a->to - a->done;
	board_add(&c->config.board->counters.attempts, 1);
	snprintf(p->error, sizeof(p->error), "%s", error[0] ? error : "refused");
	attempt_refused(a, bad, clock_mono_ms());
	t->attempts = a->failed;
	committer_mark_dirty(c, t, clock_mono_ms() + PROCESS_LAZY_MS);
	log_warn(c->config.log, "records refused", LOG_TEXT("shard", t->lease->shard.text),
		 LOG_TEXT("cursor", batch->from.text), LOG_UINT("first", first),
		 LOG_UINT("records", n), LOG_UINT("attempts", a->failed),
		 LOG_TEXT("text", p->error));
}

static void
roll_back(struct committer *c, struct track *t, struct batch *batch, const struct verdict *v)
{
	struct process *p = t->process;
	struct buf why;
	buf_init(&why, 0);
	if (process_roll_back(c, t, batch, v, &why)) {
		acknowledge(c, t, batch, v, v->done);
		refuse(c, t, batch, SIZE_MAX, why.data);
		p->forgotten = !process_is_saved(t); /* by its code, maybe, as it said so */
	}
	buf_fini(&why);
}

static void
obey(struct committer *c, struct track *t, struct batch *batch, const struct verdict *v)
{
	struct process *p = t->process;
	if (v->kind != VERDICT_PENDING && (v->kind != VERDICT_LATER || v->done))
		process_goes_on(c, t);
	switch (v->kind) {
	case VERDICT_PENDING:
		break;
	case VERDICT_ACK:
		acknowledge(c, t, batch, v, p->attempt.to - p->attempt.done);
		break;
	case VERDICT_LATER:
		acknowledge(c, t, batch, v, v->done);
		attempt_later(&p->attempt, clock_mono_ms());
		process_put_off(c, t, v->error);
		break;
	case VERDICT_REFUSED:
		acknowledge(c, t, batch, v, v->done);
		refuse(c, t, batch, v->has_bad ? v->bad - v->done : SIZE_MAX, v->error);
		break;
	case VERDICT_ROLLBACK:
		roll_back(c, t, batch, v);
		break;
	}
}

/* ---- a batch ---- */

static void
begin_batch(struct committer *c, struct track *t, struct batch *batch)
{
	struct process *p = t->process;
	struct suspect suspect = { 0 };
	if (!cursor_equal(&batch->from, &p->at))
		abort(); /* the loop hands them over in order, each where the last one ended */
	process_note_given(p, &batch->from);
	p->sent_back = false;
	/* The same records come from the same cursor, if any do. */
	if (batch->gap || !batch->n_records)
		p->done = 0;
	size_t skip = p->done < batch->n_records ? (size_t)p->done : batch->n_records;
	if (batch->gap)
		t->asides.n = 0; /* they are behind it */
	size_t n_aside = p->lost ? 0
				 : asides_find(&t->asides, p->place, batch->records,
					       batch->n_records, p->aside);
	batch->counted = skip + n_aside;
	for (size_t i = 0; i < n_aside; i++)
		batch->counted -= p->aside[i] < skip;
	board_add(&c->config.board->counters.dropped_records, batch->counted);
	if (cursor_equal(&t->lease->suspect.cursor, &batch->from)) {
		suspect = t->lease->suspect;
		t->lease->suspect.attempts = 0;
	}
	attempt_set_bad(&p->attempt, batch->bad, batch->n_bad);
	attempt_begin(&p->attempt, batch->n_records, skip, &suspect, p->aside, n_aside);
	p->careful = suspect.attempts > 0;
	p->error[0] = '\0';
	p->begun = true;
	if (attempt_is_over(&p->attempt))
		process_move_to(c, t, batch, p->done > skip ? p->done : p->attempt.done);
}

/* A command that is cut short has done half of something. So what runs may end, and nothing more
 * is begun. */
static bool
goes_back(const struct committer *c, const struct track *t)
{
	const struct processor_ops *ops = c->processor->ops;
	const struct process *p = t->process;
	return ops->has_begun && atomic_load(&t->lease->letting_go) &&
	       !(p->pending && ops->has_begun(p->shard));
}

static enum lts_err
step(struct committer *c, struct track *t, struct batch *batch, int64_t *due_ms_out,
     struct buf *why_out)
{
	struct process *p = t->process;
	struct attempt *a = &p->attempt;
	int64_t now_ms = clock_mono_ms();
	*due_ms_out = now_ms;
	if (!p->pending)
		(void)process_has_forgotten(c, t);
	if (p->unwritten || (p->careful && t->dirty)) {
		committer_mark_dirty(c, t, 0);
		*due_ms_out = now_ms + PROCESS_COMMIT_MS;
	} else if (a->poison) {
		enum lts_err err = process_put_aside(c, t, batch, why_out);
		if (err)
			return err;
	} else if (p->forgotten) {
		process_go_back(c, t, batch);
	} else if (a->due_ms <= now_ms) {
		struct verdict verdict = process_call(c, t, batch);
		obey(c, t, batch, &verdict);
		if (process_has_forgotten(c, t)) /* of what it had said, this included */
			p->pending = false;
		if (p->pending)
			*due_ms_out = INT64_MAX;
	}
	if (!p->pending && a->due_ms > *due_ms_out)
		*due_ms_out = a->due_ms;
	return attempt_is_over(a) ? LTS_OK : LTS_AGAIN;
}

enum lts_err
process_batch(struct committer *c, struct batch *batch, int64_t *due_ms_out, struct buf *why_out)
{
	struct track *t = batch->lease->delivery_side;
	struct process *p = t->process;
	enum lts_err err = LTS_OK;
	if (p->sent_back && !cursor_equal(&batch->from, &p->at)) {
		batch->rollback = p->at; /* it was on its way before that was known */
		return LTS_OK;
	}
	if (!p->begun)
		begin_batch(c, t, batch);
	if (!attempt_is_over(&p->attempt) && goes_back(c, t)) {
		*due_ms_out = 0;
		return LTS_AGAIN;
	}
	if (!attempt_is_over(&p->attempt))
		err = step(c, t, batch, due_ms_out, why_out);
	if (err == LTS_AGAIN || err == LTS_NOSPACE)
		return err;
	if (p->forgotten && !err)
		process_go_back(c, t, batch);
	p->begun = false;
	t->gap |= batch->gap && !err;
	batch->unsaved = !t->dirty;
	return err;
}

void
process_give_up(struct committer *c, struct track *t)
{
	if (t->process->pending) /* its records go */
		process_close(c, t, PROCESSOR_STOPPING);
	process_goes_on(c, t);
	t->process->begun = false;
}
