/*
 * append.c - a batch into a plain sink.
 *
 * In a worker's delivery thread, part of the committer. Owns nothing. Must never let the shard
 * pass a bad record whose dead letter is not behind the same commit, nor put one letter in twice
 * when the sink has no space. Held by tests/worker/test_append.c and tests/scenario/bad_records.c.
 */
#include "worker/append.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/xalloc.h"
#include "worker/dead_letter.h"
#include "worker/letters.h"

void
append_why(const struct bad_record *bad, char *text, size_t room)
{
	snprintf(text, room, "cannot be read: at byte %zu of it: expected %s", bad->offset,
		 bad->expected);
}

char *
append_letter(const struct batch *batch, const struct bad_record *bad)
{
	char why[200];
	append_why(bad, why, sizeof(why));
	return dead_letter_print(&(struct dead_letter){ .shard = batch->lease->shard,
							.cursor = batch->from,
							.index = bad->index,
							.error = why,
							.record = batch->records[bad->index],
							.raw = true });
}

static void
say(struct committer *c, const struct batch *batch, const struct bad_record *bad, const char *fate)
{
	char why[200];
	append_why(bad, why, sizeof(why));
	log_error(c->config.log, "bad record", LOG_TEXT("shard", batch->lease->shard.text),
		  LOG_TEXT("cursor", batch->from.text), LOG_UINT("index", bad->index),
		  LOG_TEXT("next", fate), LOG_TEXT("text", why));
}

static enum lts_err
stop(struct committer *c, const struct batch *batch, struct buf *why_out)
{
	char why[200];
	append_why(batch->bad, why, sizeof(why));
	enum lts_err ignored = buf_printf(why_out, "record %zu behind cursor %s %s",
					  batch->bad->index, batch->from.text, why);
	(void)ignored;
	say(c, batch, batch->bad, "the shard stops");
	return LTS_BADDATA;
}

static enum lts_err
put_letters(struct committer *c, struct track *t, const struct batch *batch, struct buf *why_out)
{
	struct record *lines = xcalloc(batch->n_bad, sizeof(*lines));
	for (size_t i = 0; i < batch->n_bad; i++) {
		char *line = append_letter(batch, &batch->bad[i]);
		lines[i] = (struct record){ line, strlen(line) };
	}
	enum lts_err err = letters_put(c, t, lines, batch->n_bad, why_out);
	for (size_t i = 0; i < batch->n_bad; i++)
		free((char *)(uintptr_t)lines[i].text);
	free(lines);
	return err;
}

/* No commit has them before the rest of the batch is in the sink. */
static enum lts_err
bury(struct committer *c, struct track *t, struct batch *batch, struct buf *why_out)
{
	if (!batch->n_bad || batch->buried)
		return LTS_OK;
	if (c->config.process.on_poison == POISON_STOP)
		return stop(c, batch, why_out);
	letters_flush(c, t, false);
	enum lts_err err = put_letters(c, t, batch, why_out);
	if (err)
		return err;
	t->held = true;
	batch->buried = true;
	batch->counted += batch->n_bad;
	board_add(&c->config.board->counters.dead_letters, batch->n_bad);
	for (size_t i = 0; i < batch->n_bad; i++)
		say(c, batch, &batch->bad[i], "put aside");
	return LTS_OK;
}

/* Those that are not bad: made once, as a sink may be asked again with the same. */
static const struct record *
good_of(struct batch *batch)
{
	size_t n = 0, bad = 0;
	if (!batch->n_bad || batch->good)
		return batch->n_bad ? batch->good : batch->records;
	batch->good = xcalloc(batch->n_records, sizeof(*batch->good));
	for (size_t i = 0; i < batch->n_records; i++) {
		if (bad < batch->n_bad && batch->bad[bad].index == i)
			bad++;
		else
			batch->good[n++] = batch->records[i];
	}
	return batch->good;
}

static enum lts_err
submit(struct committer *c, struct track *t, struct batch *batch, struct buf *why_out)
{
	const struct record *records = good_of(batch);
	size_t n = batch->n_records - batch->n_bad;
	if (!n)
		return LTS_OK;
	atomic_store(&c->config.board->records, (uint32_t)n);
	board_enter(c->config.board, committer_inside(c), &t->lease->shard, &batch->from,
		    clock_boot_ms());
	enum lts_err err = c->sink->ops->submit(t->stream, records, n, why_out);
	atomic_store(&c->config.board->records, 0);
	board_enter(c->config.board, BOARD_IDLE, NULL, NULL, clock_boot_ms());
	if (err == LTS_SYNC)
		committer_die(c, EXIT_SYNC_FAILED, "sink could not be synced");
	else if (err == LTS_CLOSED)
		committer_die(c, EXIT_UNREAD, "nobody reads the sink any more");
	if (err)
		return err;
	t->records += n;
	for (size_t i = 0; i < n; i++)
		t->bytes += records[i].len + 1;
	return LTS_OK;
}

enum lts_err
append_batch(struct committer *c, struct track *t, struct batch *batch, int64_t *due_ms_out,
	     struct buf *why_out)
{
	if (!cursor_equal(&batch->from, &t->reached))
		abort(); /* the loop hands them over in order, each where the last one ended */
	enum lts_err err = bury(c, t, batch, why_out);
	err = err ? err : submit(c, t, batch, why_out);
	if (err == LTS_AGAIN)
		*due_ms_out = INT64_MAX;
	if (err)
		return err;
	t->held = false;
	t->dead_letters += batch->n_bad;
	t->reached = batch->to;
	t->reached_done = 0;
	t->gap |= batch->gap;
	committer_mark_dirty(c, t, clock_mono_ms() + c->config.interval_ms);
	return LTS_OK;
}
