/*
 * process_calls.c - the calls into a processor, from the one that makes it to its last.
 *
 * In a worker's delivery thread, part of worker/process.h. Owns nothing. Must never be inside
 * user code without the board saying so, nor take for saved what user code that ended in its
 * last call did not save. Held by tests/worker/test_process.c and test_process_back.c.
 */
#include "worker/process_inside.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/xalloc.h"
#include "worker/letters.h"

enum lts_err
process_create(struct committer *c, struct buf *why_out)
{
	struct processor_config config = { .spec = c->config.sink.spec,
					   .log = c->config.log,
					   .format = c->config.sink.format,
					   .timeout_ms = c->config.process.timeout_ms,
					   .turns_dir = c->config.process.batch_parallel
								? NULL
								: c->config.state_dir,
					   .max_body_bytes = c->config.process.max_body_bytes };
	enum lts_err err = processor_create(&config, &c->processor, why_out);
	return err ? err : letters_create(c, why_out);
}

static void
enter(struct committer *c, const struct track *t, const struct cursor *cursor, size_t first,
      size_t n)
{
	struct board *board = c->config.board;
	atomic_store(&board->records, (uint32_t)n);
	atomic_store(&board->first, (uint32_t)first);
	board_enter(board, BOARD_SUBMIT, &t->lease->shard, cursor, clock_boot_ms());
}

static void
leave(struct committer *c)
{
	board_enter(c->config.board, BOARD_IDLE, NULL, NULL, clock_boot_ms());
}

/* Over its opening workers have died, again and again. */
static bool
cannot_open(const struct committer *c, const struct suspect *suspect)
{
	return suspect->attempts >= c->config.process.max_attempts && !suspect->count;
}

static enum lts_err
open_processor(struct committer *c, struct track *t, struct buf *why_out)
{
	enter(c, t, &t->committed, 0, 0);
	enum lts_err err = c->processor->ops->open(c->processor, &t->lease->shard, &t->committed,
						   &t->process->shard, why_out);
	leave(c);
	return err;
}

enum lts_err
process_open(struct committer *c, struct track *t, const struct checkpoint_record *taken,
	     struct buf *why_out)
{
	const struct suspect *suspect = &t->lease->suspect;
	if (cannot_open(c, suspect)) {
		enum lts_err ignored =
			buf_printf(why_out, "%u workers died or hung as its processor was made",
				   suspect->attempts);
		(void)ignored;
		return LTS_BADDATA;
	}
	struct process *p = xcalloc(1, sizeof(*p));
	t->process = p;
	p->at = t->committed;
	p->done = t->committed_done;
	t->asides = taken->asides;
	attempt_init(&p->attempt, c->config.process.max_attempts, t->lease->epoch.value);
	if (c->config.process.most_records)
		p->attempt.most = c->config.process.most_records;
	p->next = c->processed;
	c->processed = t;
	return open_processor(c, t, why_out);
}

static struct piece
piece_of(const struct process *p, const struct batch *batch)
{
	const struct attempt *a = &p->attempt;
	return (struct piece){ .records = batch->records + a->done,
			       .n = a->to - a->done,
			       .cursor = batch->from,
			       .next = batch->to,
			       .first = a->done,
			       .last = attempt_is_last(a),
			       .attempts = a->failed };
}

struct verdict
process_call(struct committer *c, struct track *t, const struct batch *batch)
{
	struct process *p = t->process;
	struct piece piece = piece_of(p, batch);
	struct verdict verdict = { .kind = VERDICT_REFUSED };
	enter(c, t, &batch->from, piece.first, piece.n);
	if (p->pending)
		c->processor->ops->look(p->shard, &verdict);
	else
		c->processor->ops->process(p->shard, &piece, &verdict);
	leave(c);
	p->pending = verdict.kind == VERDICT_PENDING;
	return verdict;
}

/* ---- the last ---- */

/* True: the user's code ended instead. */
static bool
end_processor(struct committer *c, struct track *t, enum processor_reason reason)
{
	struct process *p = t->process;
	struct verdict verdict = { .kind = VERDICT_ACK };
	if (!p || !p->shard)
		return false;
	if (process_has_forgotten(c, t) && reason != PROCESSOR_LEASE_LOST)
		process_go_back(c, t, NULL); /* it saves nothing of that */
	enter(c, t, &p->at, 0, 0);
	c->processor->ops->close(&p->shard, reason, &verdict);
	leave(c);
	p->pending = false;
	bool ended = verdict.kind == VERDICT_REFUSED;
	bool saves = verdict.saved && !ended && verdict.kind != VERDICT_ROLLBACK;
	if (saves && reason != PROCESSOR_LEASE_LOST)
		process_save(c, t, true);
	return ended;
}

void
process_close(struct committer *c, struct track *t, enum processor_reason reason)
{
	(void)end_processor(c, t, reason);
}

/* It ended instead of saving: again from the last save, unless it always does. */
static bool
tries_again(struct committer *c, struct track *t, struct buf *why_out)
{
	struct process *p = t->process;
	if (++p->ends >= c->config.process.max_attempts || open_processor(c, t, why_out))
		return false;
	p->forgotten = true;
	return true;
}

enum lts_err
process_end(struct committer *c, struct track *t, enum processor_reason reason,
	    struct cursor *back_out, struct buf *why_out)
{
	struct process *p = t->process;
	bool back = p && p->shard && process_has_forgotten(c, t);
	bool ended = !(back && reason == PROCESSOR_FINISHED) && end_processor(c, t, reason);
	if (!p || reason != PROCESSOR_FINISHED || process_is_saved(t))
		return LTS_OK;
	if (back || (ended && tries_again(c, t, why_out))) {
		process_go_back(c, t, NULL);
		*back_out = p->at;
		return LTS_AGAIN;
	}
	enum lts_err ignored =
		buf_printf(why_out,
			   "%" PRIu64 " acknowledged records are behind the last save: they "
			   "come again at the next start",
			   p->records);
	(void)ignored;
	return LTS_AGAIN;
}

void
process_committed(struct committer *c, struct track *t)
{
	struct process *p = t->process;
	if (!p)
		return;
	p->unwritten = p->is_ahead = false;
	if (p->shard && c->processor->ops->committed)
		c->processor->ops->committed(p->shard, &t->committed);
}

void
process_free(struct committer *c, struct track *t)
{
	struct track **at = &c->processed;
	if (!t->process)
		return;
	while (*at != t)
		at = &(*at)->process->next;
	*at = t->process->next;
	process_goes_on(c, t);
	free(t->process->given);
	free(t->process);
	t->process = NULL;
}
