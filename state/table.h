/*
 * table.h - rows of cells, printed with aligned columns under a header line.
 */
#ifndef STATE_TABLE_H
#define STATE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum { TABLE_COLUMNS_MAX = 16 };

struct table_column {
	const char *title;
	bool right; /* numbers */
};

/* In the caller's storage. */
struct table {
	const struct table_column *columns; /* borrowed */
	unsigned n_columns;
	char **cells;
	size_t n_cells, room;
};

void table_init(struct table *table, const struct table_column *columns, unsigned n_columns);
void table_fini(struct table *table);
/* The next cell, row by row; "" is shown as "-". What is not printable becomes '?'. */
void table_add(struct table *table, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void table_print(const struct table *table, FILE *out);

#endif
