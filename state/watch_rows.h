/*
 * watch_rows.h - the rows of the screen's three panes: workers, shards, events.
 */
#ifndef STATE_WATCH_ROWS_H
#define STATE_WATCH_ROWS_H

#include "state/human.h"
#include "state/table.h"
#include "state/watch_sample.h"

enum watch_pane { WATCH_WORKERS, WATCH_SHARDS, WATCH_EVENTS, WATCH_PANES };

struct watch_column {
	const char *title;
	unsigned width; /* at least; of the last one, at most, and what is left */
	bool right;     /* numbers */
	bool falling;   /* sorted by it, the largest comes first */
	unsigned rank;  /* where there is no room, the highest goes first; 0 never */
};

/* In the caller's storage. Cells are sorted by their key, then their text, numbers in it as
 * numbers. */
struct watch_rows {
	const char *name;
	const struct watch_column *columns; /* static */
	unsigned n_columns;
	size_t n, room;
	struct table table; /* the texts */
	double *keys;       /* for each text */
	bool *alarms;       /* for each row: something is wrong with it */
};

/* What changed from `before` (NULL: nothing to compare with) to `now` gives the rates. */
void watch_rows_init(struct watch_rows *rows, enum watch_pane pane,
		     const struct watch_sample *now, const struct watch_sample *before);
/* How many columns such rows have. */
unsigned watch_rows_columns(enum watch_pane pane);
void watch_rows_fini(struct watch_rows *rows);
const char *watch_rows_text(const struct watch_rows *rows, size_t row, unsigned column);
/* The order of rows by that column; the caller frees. */
size_t *watch_rows_sort(const struct watch_rows *rows, unsigned column, bool reverse);

/* Of all shards together, per second; negative: not known. */
struct watch_rate {
	double records, bytes;
};
struct watch_rate watch_rows_total(const struct watch_sample *now,
				   const struct watch_sample *before);
/* As people read them. */
struct human_text watch_rate_records(struct watch_rate rate);
struct human_text watch_rate_bytes(struct watch_rate rate);

#endif
