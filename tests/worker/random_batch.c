/*
 * random_batch.c - batch answers from a seed, and small damage to them.
 */
#include "tests/worker/random_batch.h"

#include <check.h>
#include <string.h>

static uint64_t
next_random(uint64_t *state)
{
	uint64_t x = (*state += 0x9e3779b97f4a7c15);
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

size_t
random_below(uint64_t *state, size_t n)
{
	return (size_t)(next_random(state) % n);
}

#define PICK(state, list) ((list)[random_below((state), sizeof(list) / sizeof((list)[0]))])

static void
put(struct buf *out, const char *text)
{
	ck_assert(!buf_put_text(out, text));
}

static void
put_space(struct buf *out, uint64_t *state)
{
	static const char *const spaces[] = { " ", "\t", "\n", "\r", "  \r\n" };
	if (random_below(state, 8) == 0)
		put(out, PICK(state, spaces));
}

static void
put_string(struct buf *out, uint64_t *state)
{
	static const char *const pieces[] = { "a",
					      "log_content",
					      "next",
					      "2026-01-02T03:04:05 INFO request took 12 ms",
					      "\xe4\xb8\xad\xe6\x96\x87",
					      "\xc3\xa9",
					      "\xf0\x9f\x98\x80",
					      "\\n",
					      "\\\"",
					      "\\\\",
					      "\\/",
					      "\\u0041",
					      "\\u4e2d",
					      "\\u0000",
					      "\\ud834\\udd1e",
					      "\\ud800",
					      "{",
					      "]",
					      ",",
					      ":",
					      "\x7f",
					      "" };
	put(out, "\"");
	/* now and then one that the widest steps go over */
	for (size_t n = random_below(state, random_below(state, 8) ? 5 : 50); n; n--)
		put(out, PICK(state, pieces));
	put(out, "\"");
}

static void
put_value(struct buf *out, uint64_t *state, unsigned depth)
{
	static const char *const scalars[] = { "0",    "-0",
					       "17",   "-1.5e+3",
					       "0.25", "1E9",
					       "true", "false",
					       "null", "1767322800000001001",
					       "\"\"", "\"plain text\"" };
	size_t kind = random_below(state, depth < 4 ? 8 : 6);
	if (kind < 3) {
		put_string(out, state);
		return;
	}
	if (kind < 6) {
		put(out, PICK(state, scalars));
		return;
	}
	put(out, kind == 6 ? "{" : "[");
	for (size_t n = random_below(state, 4), i = 0; i < n; i++) {
		put(out, i ? "," : "");
		put_space(out, state);
		if (kind == 6) {
			put_string(out, state);
			put_space(out, state);
			put(out, ":");
		}
		put_value(out, state, depth + 1);
		put_space(out, state);
	}
	put(out, kind == 6 ? "}" : "]");
}

static void
put_log(struct buf *out, uint64_t *state)
{
	put(out, random_below(state, 4) ? "{" : "{\"time\":1,");
	put_space(out, state);
	put(out, random_below(state, 6) ? "\"labels\":{" : "\"l\\u0061bels\" : {");
	put_space(out, state);
	if (random_below(state, 3)) {
		put(out, "\"log_content\":");
		put_value(out, state, 3);
		put(out, ",");
	}
	put(out, "\"x\":");
	put_value(out, state, 1);
	put_space(out, state);
	put(out, random_below(state, 4) ? "}}" : "},\"z\":[]}");
}

void
random_batch_put(struct buf *out, uint64_t *state)
{
	static const char *const nexts[] = { "",
					     "",
					     "",
					     "\"next\":0,",
					     "\"next\":17,",
					     "\"next\":\"17\",",
					     "\"next\":null,",
					     "\"n\\u0065xt\":\"a\\u0062\",",
					     "\"next\":-1,",
					     "\"next\":\"a b\"," };
	size_t n = random_below(state, 4);
	put_space(out, state);
	put(out, "{");
	put(out, PICK(state, nexts));
	put_space(out, state);
	put(out, "\"logs\":");
	put(out, n || random_below(state, 4) ? "[" : "null");
	for (size_t i = 0; i < n; i++) {
		put(out, i ? "," : "");
		put_log(out, state);
	}
	put(out, out->data[out->len - 1] == 'l' ? "" : "]");
	if (random_below(state, 8))
		ck_assert(
			!buf_printf(out, ",\"count\":%zu", random_below(state, 20) ? n : n + 1));
	put_space(out, state);
	put(out, "}");
	put_space(out, state);
}

void
random_batch_mutate(struct buf *text, uint64_t *state)
{
	static const char *const pieces[] = { "{",
					      "}",
					      "[",
					      "]",
					      ",",
					      ":",
					      "\"",
					      "\\",
					      "0",
					      "-",
					      ".",
					      "e",
					      "01",
					      "1.",
					      "+",
					      "\x01",
					      "\n",
					      "\x1f",
					      "\x80",
					      "\xed\xa0\x80",
					      "\xc0\x80",
					      "\xff",
					      "\xef\xbb\xbf",
					      "\xf4\x90\x80\x80",
					      "\\ud800",
					      "\\udc00",
					      "\\u00",
					      "\\uZZZZ",
					      "\\x",
					      "\"next\":5,",
					      "\"labels\":{},",
					      "\"count\":1,",
					      "\"logs\":[],",
					      "null",
					      "tru",
					      "/**/",
					      "\f",
					      "{\"labels\":{}},",
					      " x",
					      "\\u0000" };
	struct buf out;
	size_t at = random_below(state, text->len), cut = random_below(state, 3),
	       kind = random_below(state, 8);
	buf_init(&out, 0);
	if (cut > text->len - at)
		cut = text->len - at;
	ck_assert(!buf_put(&out, text->data, at));
	if (kind < 5) {
		put(&out, PICK(state, pieces));
	} else if (kind == 5) {
		size_t from = random_below(state, text->len);
		ck_assert(
			!buf_put(&out, text->data + from, random_below(state, text->len - from)));
	} else if (kind == 6) {
		ck_assert(!buf_put(&out, "", 1)); /* a NUL */
	}
	ck_assert(!buf_put(&out, text->data + at + cut, text->len - at - cut));
	buf_fini(text);
	*text = out;
}
