/*
 * batch_sift.c - cuts a body that batch_scan refused into its records, good ones and bad.
 *
 * In the worker, on its loop; no body of a healthy service comes here. Owns what it found until
 * it is taken. Must never cut where an end is not certain, nor call a record good that
 * batch_scan would refuse. Held by tests/worker/test_batch_sift.c and
 * tests/fuzz/fuzz_batch_scan.c.
 */
#include "worker/batch_sift.h"

#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"
#include "worker/json_loose.h"
#include "worker/json_text.h"

enum { DEPTH_LABELS = 3, FIRST = 256 };

/* The value of a member; its key, where it is a sound string. */
struct member {
	const char *key;
	size_t key_len;
	const char *value, *end;
};

struct sifting {
	struct json_loose loose;
	struct batch_sift *out;
	enum lts_err err; /* what a fault means */
	const char *count, *next, *logs; /* NULL: not seen */
	bool counted;                    /* by a number that is the count */
	uint64_t said;
	size_t n_labels; /* of the log in hand, so many members `labels`... */
	struct member labels; /* ...and the last of them */
	size_t n_members;
};

typedef bool member_fn(struct sifting *s, const struct member *member);

static bool
is_named(const struct member *member, const char *name)
{
	return member->key && json_text_is(member->key, member->key_len, name);
}

/* Whether batch_scan, too, would take [text, end) as a value. */
static bool
is_sound(const char *text, const char *end, unsigned depth, struct json_skip *skip)
{
	json_skip_init(skip, JSON_SKIP_PORTABLE, text, (size_t)(end - text));
	const char *p = json_skip_value(skip, text, depth);
	if (p && p != end)
		json_skip_fail(skip, p, "nothing behind the value");
	return p == end;
}

static const char *
read_member(struct sifting *s, const char *p, struct member *out)
{
	struct json_skip skip;
	const char *end = json_loose_string(&s->loose, p);
	if (!end)
		return NULL;
	bool sound = is_sound(p, end, 0, &skip);
	*out = (struct member){ .key = sound ? p + 1 : NULL, .key_len = (size_t)(end - p) - 2 };
	p = json_loose_space(&s->loose, end);
	if (p == s->loose.end || *p != ':')
		return NULL;
	out->value = json_loose_space(&s->loose, p + 1);
	out->end = json_loose_value(&s->loose, out->value);
	return out->end;
}

/* What stands behind an element of a container whose ends are to be certain. */
static const char *
next_element(struct sifting *s, const char *p, char close, bool *over)
{
	p = json_loose_space(&s->loose, p);
	if (p == s->loose.end || (*p != ',' && *p != close))
		return NULL;
	*over = *p == close;
	return *over ? p + 1 : json_loose_space(&s->loose, p + 1);
}

/* p is behind the opening brace. */
static const char *
each_member(struct sifting *s, const char *p, member_fn *fn)
{
	struct member member;
	bool over = false;
	p = json_loose_space(&s->loose, p);
	if (p < s->loose.end && *p == '}')
		return p + 1;
	while (p && !over) {
		p = read_member(s, p, &member);
		if (p && !fn(s, &member))
			return NULL;
		p = p ? next_element(s, p, '}', &over) : NULL;
	}
	return p;
}

/* ---- records ---- */

static bool
add_record(struct sifting *s, const char *text, const char *end)
{
	struct batch_sift *out = s->out;
	if (out->n_records == BATCH_SCAN_RECORDS_MAX) {
		s->err = LTS_TOOBIG;
		return false;
	}
	if (out->n_records == out->cap) {
		out->cap = out->cap ? 2 * out->cap : FIRST;
		out->records = xreallocarray(out->records, out->cap, sizeof(*out->records));
	}
	out->records[out->n_records++] = (struct record){ text, (size_t)(end - text) };
	return true;
}

static bool
add_bad(struct sifting *s, const char *text, const char *end, size_t offset, const char *expected)
{
	struct batch_sift *out = s->out;
	if (!add_record(s, text, end))
		return false;
	if (out->n_bad == out->cap_bad) {
		out->cap_bad = out->cap_bad ? 2 * out->cap_bad : FIRST;
		out->bad = xreallocarray(out->bad, out->cap_bad, sizeof(*out->bad));
	}
	out->bad[out->n_bad++] = (struct bad_record){ out->n_records - 1, offset, expected };
	return true;
}

static bool
add_labels(struct sifting *s, const char *text, const char *end)
{
	struct json_skip skip;
	if (is_sound(text, end, DEPTH_LABELS, &skip))
		return add_record(s, text, end);
	return add_bad(s, text, end, (size_t)(skip.fault - text), skip.expected);
}

static bool
on_log_member(struct sifting *s, const struct member *member)
{
	s->n_members++;
	if (!is_named(member, "labels"))
		return true;
	s->n_labels++;
	s->labels = *member;
	return true;
}

static bool
is_null(const char *text, const char *end)
{
	return end - text == 4 && memcmp(text, "null", 4) == 0;
}

/* As batch_scan has it; a log without labels, or with two, is bad as it is. */
static bool
add_log(struct sifting *s, const char *log, const char *end)
{
	const struct member *labels = &s->labels;
	if (!s->n_members)
		return add_record(s, BATCH_SCAN_EMPTY, BATCH_SCAN_EMPTY + 2);
	if (s->n_labels != 1)
		return add_bad(s, log, end, 0, "exactly one labels in a log");
	if (is_null(labels->value, labels->end))
		return add_record(s, BATCH_SCAN_EMPTY, BATCH_SCAN_EMPTY + 2);
	if (*labels->value != '{')
		return add_bad(s, log, end, (size_t)(labels->value - log), "an object as labels");
	return add_labels(s, labels->value, labels->end);
}

static const char *
read_log(struct sifting *s, const char *p)
{
	const char *end = json_loose_value(&s->loose, p);
	if (!end || end == p)
		return NULL;
	s->n_members = s->n_labels = 0;
	if (*p == '{')
		return each_member(s, p + 1, on_log_member) == end && add_log(s, p, end) ? end
											 : NULL;
	bool added = is_null(p, end)
			     ? add_record(s, BATCH_SCAN_EMPTY, BATCH_SCAN_EMPTY + 2)
			     : add_bad(s, p, end, 0, "an object as a log");
	return added ? end : NULL;
}

static bool
read_logs(struct sifting *s, const char *p, const char *end)
{
	bool over = false;
	if (is_null(p, end))
		return true;
	if (*p != '[')
		return false;
	p = json_loose_space(&s->loose, p + 1);
	if (*p == ']')
		return true; /* the end is known to be there */
	while (p && !over) {
		p = read_log(s, p);
		p = p ? next_element(s, p, ']', &over) : NULL;
	}
	return p == end;
}

/* ---- the body ---- */

static bool
on_body_member(struct sifting *s, const struct member *member)
{
	struct json_skip skip;
	const char **at = is_named(member, "logs")    ? &s->logs
			  : is_named(member, "next")  ? &s->next
			  : is_named(member, "count") ? &s->count
						      : NULL;
	if (!at)
		return true;
	if (*at)
		return false;
	*at = member->value;
	if (at == &s->logs)
		return read_logs(s, member->value, member->end);
	if (at == &s->count) {
		s->counted = member->value < member->end &&
			     batch_scan_count(member->value, member->end, &s->said);
		return true;
	}
	return is_sound(member->value, member->end, 1, &skip) &&
	       batch_scan_next(member->value, member->end, &s->out->next);
}

/* Whether what is said beside the records may be; a count that is not theirs is one to ask about
 * again, but without any record it says that some are missing. */
static bool
judge(struct sifting *s)
{
	struct batch_sift *out = s->out;
	bool no_count = !s->count || *s->count == 'n';
	bool right = no_count || (s->counted && s->said == out->n_records);
	out->whole = right && out->n_bad;
	if (!s->logs || *s->logs == 'n')
		return !no_count && right;
	return out->n_records || right;
}

static bool
read_body(struct sifting *s, const char *p)
{
	p = json_loose_space(&s->loose, p);
	if (p == s->loose.end || *p != '{')
		return false;
	p = each_member(s, p + 1, on_body_member);
	return p && json_loose_space(&s->loose, p) == s->loose.end && judge(s);
}

/* The bad ones stay as they came. */
static void
put_on_one_line(const struct batch_sift *sift, char *body)
{
	for (size_t i = 0, bad = 0; i < sift->n_records; i++) {
		if (bad < sift->n_bad && sift->bad[bad].index == i)
			bad++;
		else if (sift->records[i].text != BATCH_SCAN_EMPTY)
			batch_scan_unbreak(body + (sift->records[i].text - body),
					   sift->records[i].len);
	}
}

enum lts_err
batch_sift_run(char *body, size_t len, struct batch_sift *out)
{
	struct batch_sift sift = { 0 };
	struct sifting s = { .out = &sift, .err = LTS_BADDATA };
	json_loose_init(&s.loose, body + len);
	bool read = read_body(&s, body);
	json_loose_fini(&s.loose);
	if (!read) {
		batch_sift_fini(&sift);
		return s.err;
	}
	put_on_one_line(&sift, body);
	*out = sift;
	return LTS_OK;
}

void
batch_sift_fini(struct batch_sift *sift)
{
	free(sift->records);
	free(sift->bad);
	*sift = (struct batch_sift){ 0 };
}
