/*
 * child_log.c - what a child says on stderr, line by line into our log.
 *
 * In a worker's delivery thread. Owns nothing: the log is the caller's and escapes what it is
 * given. Must never let a child fill the log, nor drop a line without counting it. Held by
 * tests/worker/test_child.c.
 */
#include "worker/child_log.h"

#include <stdbool.h>
#include <string.h>

#include "common/log.h"

enum { MS_PER_LINE = 1000 / CHILD_LOG_PER_SECOND };

void
child_log_init(struct child_log *out, struct log *log, const char *shard, int64_t pid,
	       int64_t now_ms)
{
	*out = (struct child_log){
		.log = log,
		.shard = shard,
		.pid = pid,
		.room = CHILD_LOG_BURST,
		.filled_ms = now_ms,
	};
}

static void
refill(struct child_log *out, int64_t now_ms)
{
	int64_t lines = (now_ms - out->filled_ms) / MS_PER_LINE;
	if (lines <= 0)
		return;
	out->filled_ms += lines * MS_PER_LINE;
	out->room = lines < CHILD_LOG_BURST - (int64_t)out->room ? out->room + (unsigned)lines
								 : CHILD_LOG_BURST;
}

static void
tell_held_back(struct child_log *out)
{
	log_warn(out->log, "the processor said more than is logged", LOG_INT("child", out->pid),
		 LOG_TEXT("shard", out->shard), LOG_UINT("lines_held_back", out->held_back));
	out->held_back = 0;
}

static void
end_line(struct child_log *out, int64_t now_ms)
{
	refill(out, now_ms);
	child_log_turn(out, now_ms);
	out->line[out->len] = '\0';
	for (size_t i = 0; i < out->len; i++) {
		if (out->line[i] == '\0')
			out->line[i] = '?';
	}
	if (out->room && !out->held_back) {
		out->room--;
		log_info(out->log, "the processor says", LOG_INT("child", out->pid),
			 LOG_TEXT("shard", out->shard), LOG_TEXT("text", out->line));
	} else {
		out->held_back++;
	}
	out->len = 0;
}

void
child_log_put(struct child_log *out, const char *data, size_t len, int64_t now_ms)
{
	for (const char *end = data + len; data < end;) {
		const char *newline = memchr(data, '\n', (size_t)(end - data));
		size_t n = (size_t)((newline ? newline : end) - data);
		if (n > CHILD_LOG_LINE - out->len)
			n = CHILD_LOG_LINE - out->len;
		memcpy(out->line + out->len, data, n);
		out->len += n;
		data += n;
		bool whole = data == newline;
		if (whole)
			data++;
		if (whole || (out->len == CHILD_LOG_LINE && (data < end || !newline)))
			end_line(out, now_ms);
	}
}

/* Half a burst of room first, or a flood would be told of with every line that fits. */
void
child_log_turn(struct child_log *out, int64_t now_ms)
{
	refill(out, now_ms);
	if (out->held_back && out->room >= CHILD_LOG_BURST / 2)
		tell_held_back(out);
}

int64_t
child_log_due_ms(const struct child_log *out)
{
	if (!out->held_back)
		return INT64_MAX;
	int64_t missing = CHILD_LOG_BURST / 2 - (int64_t)out->room;
	return out->filled_ms + (missing > 0 ? missing : 0) * MS_PER_LINE;
}

void
child_log_end(struct child_log *out, int64_t now_ms)
{
	if (out->len)
		end_line(out, now_ms);
	if (out->held_back)
		tell_held_back(out);
}
