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
child_log_rate_init(struct child_log_rate *out, int64_t now_ms)
{
	*out = (struct child_log_rate){ .room = CHILD_LOG_BURST, .filled_ms = now_ms };
}

void
child_log_init(struct child_log *out, struct log *log, const char *shard, int64_t pid,
	       int64_t now_ms)
{
	memset(out, 0, sizeof(*out));
	out->log = log;
	out->shard = shard;
	out->pid = pid;
	out->rate = &out->own;
	child_log_rate_init(&out->own, now_ms);
}

static void
refill(struct child_log_rate *rate, int64_t now_ms)
{
	int64_t lines = (now_ms - rate->filled_ms) / MS_PER_LINE;
	if (lines <= 0)
		return;
	rate->filled_ms += lines * MS_PER_LINE;
	rate->room = lines < CHILD_LOG_BURST - (int64_t)rate->room ? rate->room + (unsigned)lines
								   : CHILD_LOG_BURST;
}

static void
tell_held_back(struct child_log *out)
{
	log_warn(out->log, "the processor said more than is logged", LOG_INT("child", out->pid),
		 LOG_TEXT("shard", out->shard),
		 LOG_UINT("lines_held_back", out->rate->held_back));
	out->rate->held_back = 0;
}

static void
end_line(struct child_log *out, int64_t now_ms)
{
	refill(out->rate, now_ms);
	child_log_turn(out, now_ms);
	out->line[out->len] = '\0';
	for (size_t i = 0; i < out->len; i++) {
		if (out->line[i] == '\0')
			out->line[i] = '?';
	}
	if (out->len)
		memcpy(out->last, out->line, out->len + 1);
	if (out->rate->room && !out->rate->held_back) {
		out->rate->room--;
		log_info(out->log, "the processor says", LOG_INT("child", out->pid),
			 LOG_TEXT("shard", out->shard), LOG_TEXT("text", out->line));
	} else {
		out->rate->held_back++;
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
		out->line[out->len] = '\0';
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
	refill(out->rate, now_ms);
	if (out->rate->held_back && out->rate->room >= CHILD_LOG_BURST / 2)
		tell_held_back(out);
}

int64_t
child_log_due_ms(const struct child_log *out)
{
	if (!out->rate->held_back)
		return INT64_MAX;
	int64_t missing = CHILD_LOG_BURST / 2 - (int64_t)out->rate->room;
	return out->rate->filled_ms + (missing > 0 ? missing : 0) * MS_PER_LINE;
}

void
child_log_end(struct child_log *out, int64_t now_ms)
{
	if (out->len)
		end_line(out, now_ms);
	if (out->rate->held_back && out->rate == &out->own)
		tell_held_back(out);
}
