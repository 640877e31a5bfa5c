/*
 * attempt.c - again with backoff, then in halves, until a bad record stands alone.
 *
 * In a worker's delivery thread, one for each shard. Pure. Must never pass a record that was
 * neither acknowledged nor buried, nor call one poison that did not fail alone often enough.
 * Held by tests/worker/test_attempt.c.
 */
#include "worker/attempt.h"

#include <stdint.h>
#include <stdlib.h>

enum { ATTEMPT_FIRST_MS = 100, ATTEMPT_MOST_MS = 5000 };

void
attempt_init(struct attempt *a, unsigned max, uint64_t seed)
{
	*a = (struct attempt){ .max = max, .most = SIZE_MAX };
	backoff_init(&a->backoff, ATTEMPT_FIRST_MS, ATTEMPT_MOST_MS, seed);
}

/* The piece is the first half of itself, or the `len` records at its front. */
static void
cut(struct attempt *a, size_t len)
{
	a->to = a->done + len;
	a->once = true;
	a->failed = 0;
}

/* Up to where a piece may reach. */
static size_t
front(const struct attempt *a)
{
	size_t end = a->n_aside ? *a->aside : a->n;
	return a->n_bad && a->bad->index < end ? a->bad->index : end;
}

static void
pass_asides(struct attempt *a)
{
	for (; a->n_aside && *a->aside <= a->done; a->aside++, a->n_aside--)
		a->done += *a->aside == a->done;
	for (; a->n_bad && a->bad->index < a->done; a->bad++, a->n_bad--)
		;
}

/* One that nobody needs to try is in front of us. */
static bool
meet_bad(struct attempt *a)
{
	if (!a->n_bad || a->bad->index != a->done)
		return false;
	a->poison = true;
	a->to = a->done + 1;
	return true;
}

/* The piece of which workers have died is in front of us. */
static void
meet_suspect(struct attempt *a)
{
	struct suspect s = a->suspect;
	size_t end = (size_t)s.first + s.count;
	a->suspect.attempts = 0;
	if (end <= a->done)
		return; /* it is done with */
	a->to = end < front(a) ? end : front(a);
	a->failed = s.attempts;
	if (s.attempts < a->max)
		return;
	if (s.count == 1) {
		a->poison = true;
	} else if (a->to - a->done > 1) {
		a->bad_end = a->to;
		cut(a, (a->to - a->done) / 2);
	}
}

static void
next_piece(struct attempt *a)
{
	a->failed = 0;
	a->poison = false;
	a->due_ms = 0;
	backoff_reset(&a->backoff);
	pass_asides(a);
	a->once = a->bad_end > a->done;
	if (!a->once)
		a->bad_end = 0;
	if (meet_bad(a))
		return;
	a->to = a->once && a->bad_end < front(a) ? a->bad_end : front(a);
	if (a->to - a->done > a->most)
		a->to = a->done + a->most;
	if (!a->suspect.attempts || a->once)
		return;
	if (a->suspect.first > a->done)
		a->to = a->suspect.first < a->to ? a->suspect.first : a->to;
	else
		meet_suspect(a);
}

void
attempt_set_bad(struct attempt *a, const struct bad_record *bad, size_t n_bad)
{
	a->bad = bad;
	a->n_bad = n_bad;
}

void
attempt_begin(struct attempt *a, size_t n, size_t done, const struct suspect *suspect,
	      const size_t *aside, size_t n_aside)
{
	a->n = n;
	a->done = done;
	a->bad_end = 0;
	a->aside = aside;
	a->n_aside = n_aside;
	a->suspect = *suspect;
	if (!a->suspect.count)
		a->suspect.attempts = 0; /* it was not in any records */
	next_piece(a);
}

bool
attempt_is_over(const struct attempt *a)
{
	return a->done == a->n;
}

bool
attempt_is_last(const struct attempt *a)
{
	size_t at = a->to, aside = 0, bad = 0;
	for (; at < a->n; at++) {
		for (; aside < a->n_aside && a->aside[aside] < at; aside++)
			;
		for (; bad < a->n_bad && a->bad[bad].index < at; bad++)
			;
		if (!(aside < a->n_aside && a->aside[aside] == at) &&
		    !(bad < a->n_bad && a->bad[bad].index == at))
			return false;
	}
	return true;
}

void
attempt_ack(struct attempt *a, size_t n)
{
	a->done += n;
	if (a->done == a->to)
		next_piece(a);
	else
		a->failed = 0;
}

void
attempt_later(struct attempt *a, int64_t now_ms)
{
	a->due_ms = now_ms + backoff_next_ms(&a->backoff, -1);
}

void
attempt_refused(struct attempt *a, size_t bad, int64_t now_ms)
{
	size_t len = a->to - a->done;
	a->failed++;
	if (len == 1 && a->failed >= a->max) {
		a->poison = true;
	} else if (len > 1 && bad < len) {
		a->bad_end = a->done + bad + 1;
		cut(a, bad ? bad : 1);
	} else if (len > 1 && (a->once || a->failed >= a->max)) {
		a->bad_end = a->to;
		cut(a, len / 2);
	} else {
		a->due_ms = now_ms + backoff_next_ms(&a->backoff, -1);
	}
}

void
attempt_bury(struct attempt *a)
{
	if (!a->poison || a->to != a->done + 1)
		abort();
	a->done = a->to;
	next_piece(a);
}

struct suspect
attempt_suspect(const struct attempt *a)
{
	struct suspect s = { .first = (uint32_t)a->done };
	bool is_cut = !a->failed && a->bad_end > a->to;
	s.count = (uint32_t)((is_cut ? a->bad_end : a->to) - a->done);
	s.attempts = is_cut ? a->max : a->failed;
	return s;
}
