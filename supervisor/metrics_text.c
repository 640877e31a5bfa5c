/*
 * metrics_text.c - Prometheus's text format, a line at a time.
 *
 * Runs in the supervisor. Pure. Must never let a label's value end its quotes or its line. Held
 * by tests/supervisor/test_metrics_text.c.
 */
#include "supervisor/metrics_text.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { LINE_MAX_BYTES = 1024 };

/* A line as it grows; what does not fit makes it one that is left out. */
struct line {
	char text[LINE_MAX_BYTES];
	size_t len;
	bool full;
};

static void
put(struct line *line, const char *text, size_t len)
{
	if (len > sizeof(line->text) - line->len)
		line->full = true;
	if (line->full)
		return;
	memcpy(line->text + line->len, text, len);
	line->len += len;
}

static void
put_text(struct line *line, const char *text)
{
	put(line, text, strlen(text));
}

/* Backslash, quote and line feed have escapes; other bytes that are no printable text become '?',
 * since the whole must be UTF-8. */
static void
put_escaped(struct line *line, const char *value)
{
	for (; *value; value++) {
		unsigned char c = (unsigned char)*value;
		if (c == '\\')
			put(line, "\\\\", 2);
		else if (c == '"')
			put(line, "\\\"", 2);
		else if (c == '\n')
			put(line, "\\n", 2);
		else
			put(line, c < 0x20 || c >= 0x7f ? "?" : value, 1);
	}
}

static void
put_labels(struct line *line, const struct metrics_label *labels)
{
	if (!labels || !labels->name)
		return;
	for (const struct metrics_label *label = labels; label->name; label++) {
		put_text(line, label == labels ? "{" : ",");
		put_text(line, label->name);
		put_text(line, "=\"");
		put_escaped(line, label->value);
		put_text(line, "\"");
	}
	put_text(line, "}");
}

static void
sample(struct buf *out, const char *name, const struct metrics_label *labels, const char *value)
{
	struct line line = { .len = 0 };
	put_text(&line, name);
	put_labels(&line, labels);
	put_text(&line, " ");
	put_text(&line, value);
	put_text(&line, "\n");
	if (!line.full)
		(void)!buf_put(out, line.text, line.len);
}

void
metrics_family(struct buf *out, const char *name, enum metrics_type type, const char *help)
{
	static const char *const types[] = { "counter", "gauge", "histogram" };
	(void)!buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, types[type]);
}

void
metrics_count(struct buf *out, const char *name, const struct metrics_label *labels,
	      uint64_t value)
{
	char text[24];
	snprintf(text, sizeof(text), "%" PRIu64, value);
	sample(out, name, labels, text);
}

void
metrics_value(struct buf *out, const char *name, const struct metrics_label *labels, double value)
{
	char text[32];
	snprintf(text, sizeof(text), "%.9g", value);
	sample(out, name, labels, text);
}

void
metrics_ms(struct buf *out, const char *name, const struct metrics_label *labels, int64_t ms)
{
	char text[32];
	if (ms < 0)
		ms = 0;
	snprintf(text, sizeof(text), "%" PRId64 ".%03d", ms / 1000, (int)(ms % 1000));
	sample(out, name, labels, text);
}

void
metrics_histogram(struct buf *out, const char *name, const char *help,
		  const struct histogram_totals *totals)
{
	char part[96], bound[32];
	struct metrics_label le[] = { { "le", bound }, { NULL, NULL } };
	uint64_t count = 0;
	metrics_family(out, name, METRICS_HISTOGRAM, help);
	snprintf(part, sizeof(part), "%s_bucket", name);
	for (unsigned i = 0; i < BOARD_BUCKETS; i++) {
		int64_t us = board_bucket_us(i);
		snprintf(bound, sizeof(bound), us == INT64_MAX ? "+Inf" : "%g", (double)us / 1e6);
		count += totals->buckets[i];
		metrics_count(out, part, le, count);
	}
	snprintf(part, sizeof(part), "%s_sum", name);
	metrics_value(out, part, NULL, (double)totals->sum_us / 1e6);
	snprintf(part, sizeof(part), "%s_count", name);
	metrics_count(out, part, NULL, count);
}
