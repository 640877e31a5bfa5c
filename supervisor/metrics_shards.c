/*
 * metrics_shards.c - how far every shard of this host is.
 *
 * Runs in the supervisor. Owns the rows. Pure, and only for people: nothing is decided by it.
 * Must never call a shard caught up that nobody has asked after of late. Held by
 * tests/supervisor/test_metrics_shards.c.
 */
#include "supervisor/metrics_shards.h"

#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"

static int
by_shard(const void *a, const void *b)
{
	const struct shard_row *one = a, *other = b;
	return strcmp(one->shard.text, other->shard.text);
}

static struct shard_row *
find(const struct metrics_shards *shards, const struct shard_id *shard)
{
	struct shard_row key = { .shard = *shard };
	if (!shards->n)
		return NULL;
	return bsearch(&key, shards->rows, shards->n, sizeof(key), by_shard);
}

void
metrics_shards_fini(struct metrics_shards *shards)
{
	free(shards->rows);
	*shards = (struct metrics_shards){ NULL, 0 };
}

static void
take_entry(struct shard_row *row, const struct lease_book *book, size_t index)
{
	struct book_shard entry;
	lease_book_get(book, index, &entry);
	row->shard = entry.shard;
	row->state = entry.state;
	row->holder = entry.holder;
	row->epoch = entry.epoch;
	row->finished = entry.finished;
	row->stuck = entry.stuck;
	row->stalled = entry.stalled;
	row->published = entry.published;
	row->published_ms = entry.published_ms;
	memcpy(row->why, entry.why, sizeof(row->why));
}

/* What outlives a holder. */
static void
keep(struct shard_row *row, const struct shard_row *former)
{
	row->since_ms = former->since_ms;
	row->caught_up_ms = former->caught_up_ms;
	row->progress_ms = former->progress_ms;
	row->record_ns = former->record_ns;
}

void
metrics_shards_take_book(struct metrics_shards *shards, const struct lease_book *book,
			 int64_t now_ms)
{
	size_t n = lease_book_count(book);
	struct shard_row *rows = xcalloc(n + 1, sizeof(*rows));
	for (size_t i = 0; i < n; i++) {
		take_entry(&rows[i], book, i);
		const struct shard_row *former = find(shards, &rows[i].shard);
		if (former)
			keep(&rows[i], former);
		else
			rows[i].since_ms = now_ms;
	}
	qsort(rows, n, sizeof(*rows), by_shard);
	free(shards->rows);
	*shards = (struct metrics_shards){ rows, n };
}

static void
take_cell(struct shard_row *row, const struct board_shard *cell)
{
	row->has_cell = true;
	row->in_hand = cell->in_hand;
	row->at_tail = cell->at_tail;
	if (cell->caught_up_ms)
		row->caught_up_ms = cell->caught_up_ms;
	if (cell->progress_ms)
		row->progress_ms = cell->progress_ms;
	if (cell->record_ns)
		row->record_ns = cell->record_ns;
}

void
metrics_shards_take_board(struct metrics_shards *shards, const struct board *board)
{
	struct board_shard cell;
	for (size_t i = 0; i < board_shards_used(board); i++) {
		if (!board_shard_get(board, i, &cell))
			continue;
		struct shard_row *row = find(shards, &cell.shard);
		if (row && row->epoch.value == cell.epoch)
			take_cell(row, &cell);
	}
}

void
metrics_shards_take_checkpoint(struct metrics_shards *shards,
			       const struct checkpoint_record *record)
{
	struct shard_row *row = find(shards, &record->shard);
	if (!row)
		return;
	row->has_checkpoint = true;
	row->committed = record->cursor;
	row->records = record->records;
	row->bytes = record->bytes;
	row->dead_letters = record->dead_letters;
}

int64_t
shard_row_behind_ms(const struct shard_row *row, int64_t look_ms, int64_t now_ms, int64_t wall_ns)
{
	int64_t tail_ms = now_ms - row->caught_up_ms;
	int64_t record_ms = (wall_ns - row->record_ns) / 1000000;
	if (row->finished)
		return 0;
	if (record_ms < 0)
		record_ms = 0; /* their clock is ahead of ours */
	if (row->caught_up_ms && row->at_tail && !row->in_hand && tail_ms <= look_ms)
		return 0;
	if (row->caught_up_ms && row->record_ns)
		return tail_ms < record_ms ? tail_ms : record_ms;
	if (row->caught_up_ms)
		return tail_ms;
	return row->record_ns ? record_ms : now_ms - row->since_ms;
}

int64_t
shard_row_publish_age_ms(const struct shard_row *row, int64_t now_ms)
{
	if (!row->has_checkpoint || !row->published_ms)
		return -1;
	return cursor_equal(&row->committed, &row->published) ? 0 : now_ms - row->published_ms;
}
