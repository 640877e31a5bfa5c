/*
 * table.c - aligned columns.
 *
 * In lts-state. Owns the cells. Must never cut a cell: a cursor cut short is another
 * cursor. Held by tests/state/test_human.c.
 */
#include "state/table.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"
#include "state/human.h"

void
table_init(struct table *table, const struct table_column *columns, unsigned n_columns)
{
	if (n_columns > TABLE_COLUMNS_MAX)
		abort();
	*table = (struct table){ .columns = columns, .n_columns = n_columns };
}

void
table_fini(struct table *table)
{
	for (size_t i = 0; i < table->n_cells; i++)
		free(table->cells[i]);
	free(table->cells);
	table_init(table, table->columns, table->n_columns);
}

void
table_add(struct table *table, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;
	va_start(ap, fmt);
	int len = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (len < 0)
		return;
	if (len == 0) {
		free(text);
		text = xstrdup("-");
	}
	human_clean(text);
	if (table->n_cells == table->room) {
		table->room = table->room ? table->room * 2 : 64;
		table->cells = xreallocarray(table->cells, table->room, sizeof(*table->cells));
	}
	table->cells[table->n_cells++] = text;
}

/* In characters, not bytes. */
static size_t
width_of(const char *text)
{
	size_t width = 0;
	for (; *text; text++)
		width += (*text & 0xc0) != 0x80;
	return width;
}

static void
print_row(const struct table *table, const size_t *widths, char *const *cells, FILE *out)
{
	for (unsigned c = 0; c < table->n_columns; c++) {
		const char *text = cells ? cells[c] : table->columns[c].title;
		int pad = (int)(widths[c] - width_of(text));
		bool right = table->columns[c].right, last = c + 1 == table->n_columns;
		fprintf(out, "%s%*s%s", c ? "  " : "", right ? pad : 0, "", text);
		if (!right && !last)
			fprintf(out, "%*s", pad, "");
	}
	fputc('\n', out);
}

void
table_print(const struct table *table, FILE *out)
{
	size_t widths[TABLE_COLUMNS_MAX];
	for (unsigned c = 0; c < table->n_columns; c++)
		widths[c] = width_of(table->columns[c].title);
	for (size_t i = 0; i < table->n_cells; i++) {
		size_t width = width_of(table->cells[i]);
		unsigned c = (unsigned)(i % table->n_columns);
		if (width > widths[c])
			widths[c] = width;
	}
	print_row(table, widths, NULL, out);
	for (size_t i = 0; i + table->n_columns <= table->n_cells; i += table->n_columns)
		print_row(table, widths, table->cells + i, out);
}
