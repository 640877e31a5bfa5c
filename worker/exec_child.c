/*
 * exec_child.c - one life of the child of sink=exec:COMMAND.
 *
 * In a worker's delivery thread. Owns the child and what waits to be written and parsed; the
 * records that are being written are borrowed. Must never skip a byte that the child said, nor
 * go on after one that was not a frame: who answers what is guessed from there on. Held by
 * tests/worker/test_processor_exec.c.
 */
#include "worker/exec_child.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/xalloc.h"
#include "worker/child.h"
#include "worker/record_text.h"

enum {
	READ_AT_ONCE = 64 << 10,
	IOV = 1024,
	HELLO_LEAST_MS = 5000, /* an interpreter starts slowly on a busy machine, however */
	HELLO_MOST_MS = 30000, /* short its batches take */
	END_MS = 100,          /* between the end of a pipe and the end of its process */
};

struct exec_child {
	struct child *child;
	int64_t timeout_ms;
	struct buf out, behind; /* frames before and after the records being written */
	size_t out_at;
	const struct record *records; /* being written: from the first, `record_at` of it are */
	size_t n, record_at;
	struct buf in;
	size_t in_at;
	bool has_hello;
	struct exec_answer hello;
	int64_t hello_due_ms;
	bool blocked;     /* not all that waits went with the last write */
	int64_t moved_ms; /* last it took or said something, or nothing waited */
	int64_t gone_ms;  /* a pipe's end was met; 0: none */
	const char *gone; /* which */
	bool at_end;      /* of what it says */
	char death[EXEC_ERROR];
};

static int64_t
hello_within_ms(int64_t timeout_ms)
{
	if (timeout_ms < HELLO_LEAST_MS)
		return HELLO_LEAST_MS;
	return timeout_ms < HELLO_MOST_MS ? timeout_ms : HELLO_MOST_MS;
}

enum lts_err
exec_child_start(const struct exec_child_config *config, int64_t now_ms, struct exec_child **out)
{
	struct child_config child = { .command = config->command, .log = config->log };
	struct exec_child *exec = xcalloc(1, sizeof(*exec));
	enum lts_err err = child_start(&child, &exec->child);
	if (err) {
		free(exec);
		return err;
	}
	exec->timeout_ms = config->timeout_ms;
	exec->moved_ms = now_ms;
	exec->hello_due_ms = now_ms + hello_within_ms(config->timeout_ms);
	exec_frame_hello(&exec->out, config->max_bytes, config->timeout_ms);
	*out = exec;
	return LTS_OK;
}

int
exec_child_fd(const struct exec_child *exec)
{
	return child_fd(exec->child);
}

const struct exec_answer *
exec_child_hello(const struct exec_child *exec)
{
	return exec->has_hello ? &exec->hello : NULL;
}

/* ---- death ---- */

void
exec_child_fail(struct exec_child *exec, const char *fmt, ...)
{
	va_list args;
	if (exec->death[0])
		return;
	va_start(args, fmt);
	vsnprintf(exec->death, sizeof(exec->death), fmt, args);
	va_end(args);
	child_kill(exec->child);
}

/* While there are lines it said, they count. */
static bool
has_line(const struct exec_child *exec)
{
	return exec->in.len > exec->in_at &&
	       memchr(exec->in.data + exec->in_at, '\n', exec->in.len - exec->in_at);
}

const char *
exec_child_death(const struct exec_child *exec)
{
	return exec->death[0] ? exec->death : NULL;
}

static void
note_gone(struct exec_child *exec, const char *what, int64_t now_ms)
{
	if (exec->gone_ms)
		return;
	exec->gone_ms = now_ms;
	exec->gone = what;
}

static void
look_for_death(struct exec_child *exec, int64_t now_ms)
{
	int status;
	char end[80];
	const char *half = exec->in.len > exec->in_at ? " in the middle of a frame" : "";
	if (has_line(exec))
		return;
	if (child_has_ended(exec->child, &status)) {
		child_describe(exec->child, end, sizeof(end));
		if (exec->at_end)
			exec_child_fail(exec, "%s%s", end, half);
	} else if (exec->gone_ms && now_ms >= exec->gone_ms + END_MS) {
		exec_child_fail(exec, "closed its %s%s", exec->gone, half);
	} else if (!exec->has_hello && now_ms >= exec->hello_due_ms) {
		exec_child_fail(exec, "timed out: no hello");
	} else if (exec->blocked && now_ms >= exec->moved_ms + exec->timeout_ms) {
		exec_child_fail(exec, "timed out: it does not read its stdin");
	}
}

int64_t
exec_child_due_ms(const struct exec_child *exec)
{
	int status;
	int64_t due_ms = child_due_ms(exec->child), at_ms = INT64_MAX;
	if (exec->death[0] || child_has_ended(exec->child, &status))
		return 0;
	if (exec->blocked)
		at_ms = exec->moved_ms + exec->timeout_ms;
	if (!exec->has_hello && exec->hello_due_ms < at_ms)
		at_ms = exec->hello_due_ms;
	if (exec->gone_ms && exec->gone_ms + END_MS < at_ms)
		at_ms = exec->gone_ms + END_MS;
	return at_ms < due_ms ? at_ms : due_ms;
}

/* ---- out ---- */

struct buf *
exec_child_out(struct exec_child *exec)
{
	return exec->records ? &exec->behind : &exec->out;
}

size_t
exec_child_waiting(const struct exec_child *exec)
{
	return exec->out.len - exec->out_at + exec->behind.len;
}

bool
exec_child_is_writing(const struct exec_child *exec)
{
	return exec->records != NULL;
}

void
exec_child_send(struct exec_child *exec, const struct record *records, size_t n, int64_t now_ms)
{
	exec->records = records;
	exec->n = n;
	exec->record_at = 0;
	exec_child_write(exec, now_ms);
}

/* What waits, in order: frames, the rest of the record at hand, the records after it. */
static size_t
fill_iov(const struct exec_child *exec, struct iovec iov[IOV])
{
	size_t n = 0;
	if (exec->out.len > exec->out_at)
		iov[n++] = (struct iovec){ exec->out.data + exec->out_at,
					   exec->out.len - exec->out_at };
	if (!exec->records)
		return n;
	size_t took = record_text_iov(exec->records, exec->n, iov + n, IOV - n);
	size_t done = exec->record_at;
	struct iovec *first = iov + n;
	n += took * RECORD_TEXT_IOV;
	for (; done >= first->iov_len; first++) {
		done -= first->iov_len;
		first->iov_len = 0;
	}
	first->iov_base = (char *)first->iov_base + done;
	first->iov_len -= done;
	return n;
}

static void
swap_out(struct exec_child *exec)
{
	struct buf emptied = exec->out;
	exec->out = exec->behind;
	exec->behind = emptied;
	buf_clear(&exec->behind);
	exec->out_at = 0;
}

/* `bytes` went. */
static void
advance(struct exec_child *exec, size_t bytes)
{
	size_t frames = exec->out.len - exec->out_at;
	if (bytes < frames) {
		exec->out_at += bytes;
		return;
	}
	buf_clear(&exec->out);
	exec->out_at = 0;
	bytes = bytes - frames + exec->record_at;
	while (exec->n && bytes > exec->records->len) {
		bytes -= exec->records->len + 1;
		exec->records++;
		exec->n--;
	}
	exec->record_at = bytes;
	if (exec->n == 0 && exec->records) {
		exec->records = NULL;
		swap_out(exec);
	}
}

void
exec_child_write(struct exec_child *exec, int64_t now_ms)
{
	struct iovec iov[IOV];
	enum lts_err err = LTS_OK;
	if (!exec->blocked)
		exec->moved_ms = now_ms;
	while (!err && !exec->death[0] && (exec->out.len > exec->out_at || exec->records)) {
		size_t written = 0, n = fill_iov(exec, iov);
		err = child_write(exec->child, iov, n, &written);
		if (written)
			exec->moved_ms = now_ms;
		advance(exec, written);
	}
	exec->blocked = err != LTS_OK;
	if (err == LTS_CLOSED)
		note_gone(exec, "stdin", now_ms);
}

/* ---- in ---- */

static void
read_some(struct exec_child *exec, int64_t now_ms)
{
	if (exec->in_at) {
		exec->in.len -= exec->in_at;
		memmove(exec->in.data, exec->in.data + exec->in_at, exec->in.len);
		exec->in_at = 0;
	}
	enum lts_err err = child_read(exec->child, &exec->in, READ_AT_ONCE);
	if (err == LTS_CLOSED) {
		note_gone(exec, "stdout", now_ms);
		exec->at_end = true;
	} else if (!err) {
		exec->moved_ms = now_ms;
	}
}

/* The next line, without its newline; NULL: none is whole. */
static const char *
next_line(struct exec_child *exec, size_t *len_out)
{
	size_t left = exec->in.len - exec->in_at;
	if (left == 0)
		return NULL;
	const char *line = exec->in.data + exec->in_at, *end = memchr(line, '\n', left);
	size_t len = end ? (size_t)(end - line) : left;
	if (len >= EXEC_LINE_MAX)
		exec_child_fail(exec, "said a line of more than %d bytes", EXEC_LINE_MAX);
	if (!end || exec->death[0])
		return NULL;
	exec->in_at += len + 1;
	*len_out = len;
	return line;
}

bool
exec_child_next(struct exec_child *exec, struct exec_answer *out)
{
	char why[EXEC_ERROR];
	struct exec_answer answer;
	size_t len;
	const char *line;
	while (!exec->death[0] && (line = next_line(exec, &len))) {
		if (exec_frame_parse(line, len, &answer, why)) {
			exec_child_fail(exec, "said what is no frame: %s", why);
		} else if ((answer.kind == EXEC_HELLO) == exec->has_hello) {
			exec_child_fail(exec, "said %s where hello comes first, and once",
					exec_answer_name(answer.kind));
		} else if (answer.kind == EXEC_HELLO) {
			exec->has_hello = true;
			exec->hello = answer;
		} else {
			*out = answer;
			return true;
		}
	}
	return false;
}

void
exec_child_turn(struct exec_child *exec, int64_t now_ms)
{
	child_turn(exec->child, now_ms);
	if (exec->death[0])
		return;
	if (!has_line(exec))
		read_some(exec, now_ms);
	exec_child_write(exec, now_ms);
	look_for_death(exec, now_ms);
}

void
exec_child_destroy(struct exec_child **exec_in, int64_t grace_ms)
{
	struct exec_child *exec = *exec_in;
	int status;
	if (!exec)
		return;
	int64_t now_ms = clock_mono_ms(), until_ms = now_ms + grace_ms;
	child_close_stdin(exec->child);
	for (; now_ms < until_ms && !child_has_ended(exec->child, &status);
	     now_ms = clock_mono_ms()) {
		struct pollfd fd = { .fd = child_fd(exec->child), .events = POLLIN };
		(void)poll(&fd, 1, (int)(until_ms - now_ms));
		child_turn(exec->child, clock_mono_ms());
		buf_clear(&exec->in);
		(void)!child_read(exec->child, &exec->in, READ_AT_ONCE);
	}
	child_destroy(&exec->child);
	buf_fini(&exec->out);
	buf_fini(&exec->behind);
	buf_fini(&exec->in);
	free(exec);
	*exec_in = NULL;
}
