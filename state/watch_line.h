/*
 * watch_line.h - one line of a screen: texts in so many columns each.
 */
#ifndef STATE_WATCH_LINE_H
#define STATE_WATCH_LINE_H

#include <stdbool.h>
#include <stddef.h>

/* In the caller's storage, zero at first; the text is freed by the caller. */
struct watch_line {
	char *text; /* NULL: nothing was put; in the encoding of LC_CTYPE */
	size_t len, room;
	unsigned columns;
};

/* The columns of a terminal that the text takes. */
unsigned watch_line_columns(const char *text);
/* Fills exactly so many columns more; a text that does not fit ends with '~'. What cannot be
 * printed, or not in this locale, becomes '?'. */
void watch_line_put(struct watch_line *line, unsigned columns, bool right, const char *text);

#endif
