/*
 * batch_head.c - reads the head of a batch answer while its body is on the way.
 *
 * In the worker, on its loop. Pure. Must never read beyond the bytes that it is given, nor tell
 * of a head another thing than worker/batch_scan.c will tell of the whole body. Held by
 * tests/worker/test_batch_head.c.
 */
#include "worker/batch_head.h"

#include <stdbool.h>
#include <string.h>

struct reader {
	const char *at, *end;
	enum batch_head_found why; /* of the last thing that was not there */
};

static bool
fail(struct reader *r)
{
	r->why = r->at == r->end ? BATCH_HEAD_MORE : BATCH_HEAD_NONE;
	return false;
}

static void
skip_space(struct reader *r)
{
	while (r->at < r->end && memchr(" \t\r\n", *r->at, 4))
		r->at++;
}

static bool
read_mark(struct reader *r, char mark)
{
	skip_space(r);
	if (r->at == r->end || *r->at != mark)
		return fail(r);
	r->at++;
	return true;
}

static bool
is_plain(char c, bool quoted)
{
	return quoted ? c > ' ' && c <= '~' && c != '"' && c != '\\' : c >= '0' && c <= '9';
}

/* A text without escapes, or digits; what follows them must be here as well. */
static bool
read_plain(struct reader *r, bool quoted, char *text, size_t room)
{
	size_t len = 0;
	if (quoted && !read_mark(r, '"'))
		return false;
	for (; r->at < r->end && is_plain(*r->at, quoted); r->at++) {
		if (len == room - 1) {
			r->why = BATCH_HEAD_NONE;
			return false;
		}
		text[len++] = *r->at;
	}
	text[len] = '\0';
	if (r->at == r->end || len == 0)
		return fail(r);
	r->why = BATCH_HEAD_NONE;
	return !quoted || *r->at++ == '"';
}

static bool
read_count(struct reader *r, struct batch_head *head)
{
	char text[8]; /* far above any limit that may be asked for, far below an overflow */
	if (!read_plain(r, false, text, sizeof(text)))
		return false;
	for (const char *c = text; *c; c++)
		head->count = head->count * 10 + (unsigned)(*c - '0');
	return true;
}

static bool
read_next(struct reader *r, struct batch_head *head)
{
	struct cursor *next = &head->next;
	skip_space(r);
	bool quoted = r->at < r->end && *r->at == '"';
	if (!read_plain(r, quoted, next->text, sizeof(next->text)))
		return false;
	r->why = BATCH_HEAD_NONE; /* "0" is none, and the service's numbers begin with no 0 */
	return next->text[0] != '0';
}

static bool
read_head(struct reader *r, struct batch_head *head)
{
	char key[8];
	bool counted = false, moved = false;
	if (!read_mark(r, '{'))
		return false;
	for (;;) {
		if (!read_plain(r, true, key, sizeof(key)) || !read_mark(r, ':'))
			return false;
		skip_space(r);
		r->why = BATCH_HEAD_NONE;
		if (strcmp(key, "logs") == 0)
			return counted && moved && read_mark(r, '[');
		bool *seen = strcmp(key, "count") == 0  ? &counted
			     : strcmp(key, "next") == 0 ? &moved
							: NULL;
		if (!seen || *seen)
			return false;
		*seen = true;
		if (!(seen == &counted ? read_count(r, head) : read_next(r, head)) ||
		    !read_mark(r, ','))
			return false;
	}
}

enum batch_head_found
batch_head_read(const char *body, size_t len, struct batch_head *head_out)
{
	bool cut = len > BATCH_HEAD_MAX;
	struct reader r = { body, body + (cut ? BATCH_HEAD_MAX : len), BATCH_HEAD_NONE };
	struct batch_head head = { 0 };
	if (!read_head(&r, &head))
		return cut ? BATCH_HEAD_NONE : r.why;
	*head_out = head;
	return BATCH_HEAD_WHOLE;
}
