/*
 * metrics_text.h - Prometheus's text format (0.0.4), a line at a time.
 *
 * Pure. A line that no longer fits the buffer's ceiling is left out whole.
 */
#ifndef SUPERVISOR_METRICS_TEXT_H
#define SUPERVISOR_METRICS_TEXT_H

#include <stdint.h>

#include "common/board_totals.h"
#include "common/buf.h"

enum metrics_type { METRICS_COUNTER, METRICS_GAUGE, METRICS_HISTOGRAM };

/* A value may hold any bytes; a list ends with a name of NULL. */
struct metrics_label {
	const char *name, *value;
};

/* HELP and TYPE; all samples of the family follow it. `help` is one line. */
void metrics_family(struct buf *out, const char *name, enum metrics_type type, const char *help);
/* labels NULL: none. */
void metrics_count(struct buf *out, const char *name, const struct metrics_label *labels,
		   uint64_t value);
void metrics_value(struct buf *out, const char *name, const struct metrics_label *labels,
		   double value);
/* Milliseconds as seconds. */
void metrics_ms(struct buf *out, const char *name, const struct metrics_label *labels,
		int64_t ms);
/* A family without labels, with its HELP and TYPE. */
void metrics_histogram(struct buf *out, const char *name, const char *help,
		       const struct histogram_totals *totals);

#endif
