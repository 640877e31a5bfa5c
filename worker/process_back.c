/*
 * process_back.c - a shard that goes back: where its user's code says, or to the last save when
 * that code has ended, or may have forgotten, what it had not saved.
 *
 * In a worker's delivery thread, part of worker/process.h. Owns the list of places that a shard
 * has been given from. Must never take a cursor for a place that the service has not served, nor
 * one that lies ahead; nor let a commit pass what was rolled back, or what ended unsaved. Held by
 * tests/worker/test_process_back.c.
 */
#include "worker/process_inside.h"

#include <stdlib.h>

#include "common/clock.h"
#include "common/xalloc.h"
#include "worker/letters.h"

/* ---- where it has been ---- */

/* SIZE_MAX: not among the last ones. */
static size_t
find_given(const struct process *p, const struct cursor *cursor)
{
	size_t i = p->n_given;
	while (i && !cursor_equal(&p->given[i - 1], cursor))
		i--;
	return i - 1;
}

void
process_note_given(struct process *p, const struct cursor *from)
{
	if (p->n_given && cursor_equal(&p->given[p->n_given - 1], from))
		return;
	if (p->n_given == GIVEN_MAX)
		memmove(p->given, p->given + 1, --p->n_given * sizeof(*p->given));
	if (p->n_given == p->given_cap) {
		p->given_cap = p->given_cap ? 2 * p->given_cap : 4;
		p->given = xreallocarray(p->given, p->given_cap, sizeof(*p->given));
	}
	p->given[p->n_given++] = *from;
}

/* What was given behind it is to be given again. */
static void
forget_behind(struct process *p, const struct cursor *cursor)
{
	p->n_given = find_given(p, cursor) + 1;
}

/* Nobody needs what stands among the dead letters behind the last save: its records come again. */
static void
undo_dead_letters(struct committer *c, struct track *t)
{
	struct buf why;
	if (!t->held)
		return;
	buf_init(&why, 0);
	if (letters_undo(c, t, &why))
		committer_die(c, EXIT_FAILED, "the dead letters could not be opened again");
	buf_fini(&why);
	t->process->dead_letters = 0;
}

/* ---- as told ---- */

/* Of all cursors only those that were given are known to be there, and not to lie ahead. */
static bool
may_go_on_at(const struct track *t, const struct cursor *to)
{
	const struct process *p = t->process;
	return find_given(p, to) != SIZE_MAX || cursor_equal(to, &t->reached) ||
	       (!p->is_ahead && cursor_equal(to, &t->committed));
}

/* Whether something behind it is saved. */
static bool
is_saved_behind(const struct track *t, const struct cursor *to)
{
	size_t at = find_given(t->process, to);
	size_t saved = find_given(t->process, &t->reached);
	if (cursor_equal(to, &t->reached))
		return t->reached_done > 0;
	return at == SIZE_MAX || (saved != SIZE_MAX && at < saved);
}

static enum lts_err
find_fault(const struct track *t, const struct batch *batch, const struct cursor *to,
	   struct buf *why_out)
{
	enum lts_err ignored;
	if (cursor_is_none(to))
		ignored = buf_put_text(why_out, "rolled back to no cursor");
	else if (cursor_equal(&t->process->rolled_back, &batch->from))
		ignored = buf_put_text(why_out, "rolled back from here again");
	else if (!may_go_on_at(t, to))
		ignored = buf_printf(why_out,
				     "rolled back to cursor %s, from which this shard was not "
				     "given anything before",
				     to->text);
	else
		return LTS_OK;
	(void)ignored;
	return LTS_INVALID;
}

enum lts_err
process_roll_back(struct committer *c, struct track *t, struct batch *batch,
		  const struct verdict *v, struct buf *why_out)
{
	struct process *p = t->process;
	bool here = cursor_equal(&v->rollback, &batch->from);
	enum lts_err err = find_fault(t, batch, &v->rollback, why_out);
	if (err)
		return err;
	/* Also when we die before it is there again. */
	bool is_moved = !c->config.process.manual || is_saved_behind(t, &v->rollback);
	undo_dead_letters(c, t);
	p->rolled_back = batch->from;
	t->attempts = 0;
	batch->rollback = v->rollback;
	p->attempt.done = p->attempt.n; /* the rest of it comes again */
	p->lost = here ? p->lost : is_moved || !cursor_equal(&v->rollback, &t->reached);
	p->place = here ? p->place : 0;
	p->at = v->rollback;
	p->done = 0;
	p->records = p->bytes = 0; /* they come again before they are saved */
	p->is_ahead = true;
	forget_behind(p, &p->at);
	if (is_moved)
		process_save(c, t, false);
	return LTS_OK;
}

/* ---- as user code ended ---- */

bool
process_has_forgotten(const struct committer *c, struct track *t)
{
	const struct processor_ops *ops = c->processor->ops;
	struct process *p = t->process;
	if (!p->forgotten && ops->forgot && p->shard && ops->forgot(p->shard))
		p->forgotten = !process_is_saved(t);
	return p->forgotten;
}

/* What was tried is tried again in the same way, where that is known to matter. */
static void
keep_attempt(struct track *t, struct batch *batch)
{
	struct suspect suspect = attempt_suspect(&t->process->attempt);
	suspect.cursor = batch->from;
	if (suspect.attempts)
		t->lease->suspect = suspect;
	suspect.attempts++;
	batch->suspect = suspect;
}

void
process_go_back(struct committer *c, struct track *t, struct batch *batch)
{
	struct process *p = t->process;
	log_warn(c->config.log, "what was not saved comes again",
		 LOG_TEXT("shard", t->lease->shard.text), LOG_TEXT("cursor", t->reached.text),
		 LOG_UINT("records", p->records));
	undo_dead_letters(c, t);
	p->forgotten = p->pending = false;
	p->at = t->reached;
	p->done = t->reached_done;
	p->place = 0;
	p->lost = false;
	p->records = p->bytes = 0;
	forget_behind(p, &p->at);
	if (!batch) {
		p->sent_back = true;
		return;
	}
	keep_attempt(t, batch);
	batch->rollback = p->at;
	p->attempt.done = p->attempt.n;
}

bool
committer_next_back(struct committer *c, struct lease **lease_out, struct cursor *to_out)
{
	for (struct track *t = c->processed; t; t = t->process->next) {
		if (t->process->begun || t->gone || !process_has_forgotten(c, t))
			continue;
		process_go_back(c, t, NULL);
		*lease_out = t->lease;
		*to_out = t->process->at;
		return true;
	}
	return false;
}
