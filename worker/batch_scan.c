/*
 * batch_scan.c - cuts the body of one batch answer into its records.
 *
 * In the worker, on its loop. Owns the array of records; the body is the caller's. Must
 * never let a body pass that is not wholly what it should be, since its `next` becomes a
 * checkpoint: a record missed here is a record lost. Must never allocate per record, nor
 * touch the body or the outputs of a refused one. Held by tests/worker/test_batch_scan.c,
 * test_batch_scan_cjson.c and tests/fuzz/fuzz_batch_scan.c.
 */
#include "worker/batch_scan.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"
#include "worker/json_skip.h"
#include "worker/json_text.h"

enum {
	RECORDS_FIRST = 1024, /* one full answer of the service */
	CURSOR_TEXT_MAX = sizeof(((struct cursor *)0)->text) - 1,
	ESCAPE_MAX = 6, /* bytes of the longest spelling of one printable character */
};

/* How many containers are open around a value. */
enum { DEPTH_BODY = 0, DEPTH_MEMBER = 1, DEPTH_LOG = 2, DEPTH_LABELS = 3 };

/* One run over one body. */
struct run {
	struct json_skip skip;
	struct batch_scan *scan;
	enum lts_err err; /* what a fault means */
	size_t n_records;
	size_t breaks_in_records;
	struct cursor next;
	uint64_t count;
	const char *count_at; /* NULL: not seen; so with the others */
	const char *next_at;
	const char *logs_at;
	bool logs_null;
};

void
batch_scan_init(struct batch_scan *scan)
{
	*scan = (struct batch_scan){ 0 };
}

void
batch_scan_fini(struct batch_scan *scan)
{
	free(scan->array);
	batch_scan_init(scan);
}

struct record *
batch_scan_take_records(struct batch_scan *scan)
{
	struct record *array = scan->array;
	batch_scan_init(scan);
	return array;
}

static bool
add_record(struct run *run, const char *text, const char *end)
{
	struct batch_scan *scan = run->scan;
	if (run->n_records == BATCH_SCAN_RECORDS_MAX)
		return false;
	if (run->n_records == scan->cap) {
		size_t cap = scan->cap ? scan->cap * 2 : RECORDS_FIRST;
		scan->array = xreallocarray(scan->array, cap, sizeof(*scan->array));
		scan->cap = cap;
	}
	scan->array[run->n_records++] = (struct record){ text, (size_t)(end - text) };
	return true;
}

/* A member of one log: its labels are a record, the rest is passed over. */
static const char *
on_log_member(void *arg, const char *key, size_t key_len, const char *value)
{
	struct run *run = arg;
	if (!json_text_is(key, key_len, "labels"))
		return json_skip_value(&run->skip, value, DEPTH_LABELS);
	size_t breaks = run->skip.line_breaks;
	const char *end = json_skip_object(&run->skip, value, DEPTH_LABELS, NULL, NULL);
	if (!end)
		return NULL;
	run->breaks_in_records += run->skip.line_breaks - breaks;
	if (!add_record(run, value, end)) {
		run->err = LTS_TOOBIG;
		return json_skip_fail(&run->skip, value, "at most 65536 records");
	}
	return end;
}

static const char *
on_log(void *arg, const char *log)
{
	struct run *run = arg;
	size_t before = run->n_records;
	const char *end = json_skip_object(&run->skip, log, DEPTH_LOG, on_log_member, run);
	if (end && run->n_records != before + 1)
		return json_skip_fail(&run->skip, log, "exactly one labels in a log");
	return end;
}

static const char *
read_logs(struct run *run, const char *p)
{
	run->logs_null = p < run->skip.end && *p == 'n';
	if (run->logs_null)
		return json_skip_value(&run->skip, p, DEPTH_MEMBER);
	return json_skip_array(&run->skip, p, DEPTH_MEMBER, on_log, run);
}

/* Whether the text is digits only: then it is a number without sign, fraction or
 * exponent. */
static bool
is_plain_integer(const char *text, const char *end)
{
	for (; text < end; text++) {
		if (*text < '0' || *text > '9')
			return false;
	}
	return true;
}

static const char *
read_count(struct run *run, const char *p)
{
	const char *end = json_skip_value(&run->skip, p, DEPTH_MEMBER);
	if (!end)
		return NULL;
	if (!is_plain_integer(p, end))
		return json_skip_fail(&run->skip, p, "an integer as count");
	/* Above the ceiling one number is as wrong as another. */
	for (; p < end && run->count <= BATCH_SCAN_RECORDS_MAX; p++)
		run->count = run->count * 10 + (uint64_t)(*p - '0');
	return end;
}

/* The value at [p, end) as a cursor; false if it can be none. */
static bool
parse_next(const char *p, const char *end, struct cursor *cursor_out)
{
	char text[CURSOR_TEXT_MAX * ESCAPE_MAX + 1];
	size_t len = (size_t)(end - p);
	if (*p == 'n')
		return true;
	if (*p == '"' ? len - 2 >= sizeof(text)
		      : len > CURSOR_TEXT_MAX || !is_plain_integer(p, end))
		return false;
	if (*p == '"')
		len = json_text_decode(p + 1, len - 2, text);
	else
		memcpy(text, p, len);
	text[len] = '\0';
	if (len == 0 || (len == 1 && text[0] == '0'))
		return true;
	return memchr(text, '\0', len) == NULL && cursor_set(cursor_out, text);
}

static const char *
read_next(struct run *run, const char *p)
{
	const char *end = json_skip_value(&run->skip, p, DEPTH_MEMBER);
	if (end && !parse_next(p, end, &run->next))
		return json_skip_fail(&run->skip, p, "a cursor of at most 63 characters as next");
	return end;
}

static const char *
on_body_member(void *arg, const char *key, size_t key_len, const char *value)
{
	struct run *run = arg;
	const char **at = json_text_is(key, key_len, "logs")    ? &run->logs_at
			  : json_text_is(key, key_len, "next")  ? &run->next_at
			  : json_text_is(key, key_len, "count") ? &run->count_at
								: NULL;
	if (!at)
		return json_skip_value(&run->skip, value, DEPTH_MEMBER);
	if (*at)
		return json_skip_fail(&run->skip, key, "next, count and logs only once");
	*at = value;
	if (at == &run->logs_at)
		return read_logs(run, value);
	return at == &run->next_at ? read_next(run, value) : read_count(run, value);
}

/* The whole body; false once it is not what it should be. */
static bool
read_body(struct run *run)
{
	struct json_skip *skip = &run->skip;
	const char *p = json_skip_space(skip, skip->begin);
	p = json_skip_object(skip, p, DEPTH_BODY, on_body_member, run);
	if (!p)
		return false;
	p = json_skip_space(skip, p);
	if (p != skip->end)
		json_skip_fail(skip, p, "nothing after the object");
	else if (run->count_at && run->count != run->n_records)
		json_skip_fail(skip, run->count_at, "count to be the number of logs");
	else if ((!run->logs_at || run->logs_null) && !run->count_at)
		json_skip_fail(skip, run->logs_at ? run->logs_at : p, "logs, or a count of 0");
	return skip->fault == NULL;
}

/* A raw line break in valid JSON stands between tokens, so a space means the same. */
static void
put_on_one_line(char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '\n' || text[i] == '\r')
			text[i] = ' ';
	}
}

enum lts_err
batch_scan_run(struct batch_scan *scan, char *body, size_t len, struct batch_fault *fault_out,
	       struct batch_view *view_out)
{
	struct run run = { .scan = scan, .err = LTS_BADDATA };
	if (len == 0) {
		*fault_out = (struct batch_fault){ 0, "a body" };
		return LTS_BADDATA;
	}
	json_skip_init(&run.skip, scan->way, body, len);
	if (!read_body(&run)) {
		*fault_out = (struct batch_fault){ (size_t)(run.skip.fault - body),
						   run.skip.expected };
		return run.err;
	}
	for (size_t i = 0; run.breaks_in_records && i < run.n_records; i++)
		put_on_one_line(body + (scan->array[i].text - body), scan->array[i].len);
	*view_out = (struct batch_view){ scan->array, run.n_records, run.next };
	return LTS_OK;
}
