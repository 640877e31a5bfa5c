/*
 * log_line.h - one event as one line of text, logfmt or JSON. Only log.c and its test
 * need it.
 */
#ifndef COMMON_LOG_LINE_H
#define COMMON_LOG_LINE_H

#include <stddef.h>
#include <stdint.h>

#include "common/log.h"

enum { LOG_LINE_MAX = 4096 }; /* newline included; PIPE_BUF, so that a pipe takes it whole */

struct log_line {
	enum log_format format;
	enum log_level level;
	const char *who;
	const char *event;
	int64_t wall_ns;
	uint64_t dropped;   /* 0: the key `dropped` is left out */
	uint64_t held_back; /* 0: likewise */
	const struct log_field *fields;
	unsigned count;
};

/* Writes the line, closed by a newline and without a NUL; returns its length, at most
 * LOG_LINE_MAX. */
size_t log_line_render(const struct log_line *line, char out[LOG_LINE_MAX]);

#endif
