/*
 * process_poison.c - a record that the user's code cannot take goes to the dead letters.
 *
 * In a worker's delivery thread, part of worker/process.h. Owns nothing. Must never let the
 * shard go on behind a dead letter that a death would undo, nor print a record otherwise than
 * it came. Held by tests/worker/test_process.c, test_process_manual.c and the scenarios.
 */
#include "worker/process_inside.h"

#include <stdio.h>
#include <stdlib.h>

#include "worker/append.h"
#include "worker/asides.h"
#include "worker/dead_letter.h"
#include "worker/letters.h"

static char *
dead_letter(const struct track *t, const struct batch *batch)
{
	const struct process *p = t->process;
	const struct bad_record *bad = batch_bad(batch, p->attempt.done);
	if (bad)
		return append_letter(batch, bad);
	return dead_letter_print(
		&(struct dead_letter){ .shard = t->lease->shard,
				       .cursor = batch->from,
				       .index = p->attempt.done,
				       .attempts = p->attempt.failed,
				       .error = p->error,
				       .record = batch->records[p->attempt.done] });
}

static void
say_poison(struct committer *c, const struct track *t, const struct batch *batch,
	   const char *fate)
{
	const struct process *p = t->process;
	log_error(c->config.log, "poison record", LOG_TEXT("shard", t->lease->shard.text),
		  LOG_TEXT("cursor", batch->from.text), LOG_UINT("index", p->attempt.done),
		  LOG_UINT("attempts", p->attempt.failed), LOG_TEXT("next", fate),
		  LOG_TEXT("text", p->error));
}

static enum lts_err
stop_at(struct committer *c, const struct track *t, const struct batch *batch, const char *more,
	struct buf *why_out)
{
	const struct process *p = t->process;
	enum lts_err ignored =
		buf_printf(why_out, "poison record %zu behind cursor %s: %u attempts: %s%s",
			   p->attempt.done, batch->from.text, p->attempt.failed, p->error, more);
	(void)ignored;
	say_poison(c, t, batch, "the shard stops");
	return LTS_BADDATA;
}

/* Its dead letter could not be committed, and the next death would undo it: for ever. */
static bool
is_one_too_many(const struct committer *c, const struct track *t, bool died)
{
	return died && t->asides.n == ASIDES_MAX && !process_may_save(c, t);
}

/* A dead letter ahead of the last save is committed as such, so that a death undoes it not. */
static void
keep_ahead(struct track *t)
{
	t->held = false;
	t->dead_letters += t->process->dead_letters;
	t->process->dead_letters = 0;
}

enum lts_err
process_put_aside(struct committer *c, struct track *t, struct batch *batch, struct buf *why_out)
{
	struct process *p = t->process;
	const struct bad_record *bad = batch_bad(batch, p->attempt.done);
	if (bad)
		append_why(bad, p->error, sizeof(p->error));
	bool died = !p->error[0];
	if (died)
		snprintf(p->error, sizeof(p->error), "%u workers died or hung over it",
			 p->attempt.failed);
	if (c->config.process.on_poison == POISON_STOP)
		return stop_at(c, t, batch, "", why_out);
	if (is_one_too_many(c, t, died))
		return stop_at(c, t, batch, "; too many dead letters are ahead of the last save",
			       why_out);
	char *text = dead_letter(t, batch);
	struct record line = { text, strlen(text) };
	enum lts_err err = letters_put(c, t, &line, 1, why_out);
	free(text);
	if (err)
		return err;
	say_poison(c, t, batch, "put aside");
	board_add(&c->config.board->counters.dead_letters, 1);
	batch->counted++;
	p->dead_letters++;
	p->error[0] = '\0';
	t->attempts = 0;
	bool listed = !t->held && !p->lost &&
		      asides_put(&t->asides, p->place + p->attempt.done,
				 &batch->records[p->attempt.done]);
	t->held = true;
	attempt_bury(&p->attempt);
	process_move_to(c, t, batch, p->attempt.done);
	if (t->held && listed)
		keep_ahead(t);
	if (!t->held) {
		p->unwritten = true;
		committer_mark_dirty(c, t, 0);
	}
	return LTS_OK;
}
