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
	bool logs_null, count_null;
	size_t n_members; /* of the log in hand */
};

const char BATCH_SCAN_EMPTY[] = "{}";

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

/* The record is [text, text_end), and `end` what it stands in. */
static const char *
put_record(struct run *run, const char *text, const char *text_end, const char *end)
{
	if (!end || add_record(run, text, text_end))
		return end;
	run->err = LTS_TOOBIG;
	return json_skip_fail(&run->skip, end, "at most 65536 records");
}

static const char *
put_empty(struct run *run, const char *end)
{
	return put_record(run, BATCH_SCAN_EMPTY, BATCH_SCAN_EMPTY + 2, end);
}

static bool
begins_null(const struct run *run, const char *p)
{
	return p < run->skip.end && *p == 'n';
}

/* A member of one log: its labels are a record, the rest is passed over. */
static const char *
on_log_member(void *arg, const char *key, size_t key_len, const char *value)
{
	struct run *run = arg;
	run->n_members++;
	if (!json_text_is(key, key_len, "labels"))
		return json_skip_value(&run->skip, value, DEPTH_LABELS);
	if (begins_null(run, value))
		return put_empty(run, json_skip_value(&run->skip, value, DEPTH_LABELS));
	size_t breaks = run->skip.line_breaks;
	const char *end = json_skip_object(&run->skip, value, DEPTH_LABELS, NULL, NULL);
	run->breaks_in_records += run->skip.line_breaks - breaks;
	return put_record(run, value, end, end);
}

static const char *
on_log(void *arg, const char *log)
{
	struct run *run = arg;
	size_t before = run->n_records;
	if (begins_null(run, log))
		return put_empty(run, json_skip_value(&run->skip, log, DEPTH_LOG));
	run->n_members = 0;
	const char *end = json_skip_object(&run->skip, log, DEPTH_LOG, on_log_member, run);
	if (end && !run->n_members)
		return put_empty(run, end);
	if (end && run->n_records != before + 1)
		return json_skip_fail(&run->skip, log, "exactly one labels in a log");
	return end;
}

static const char *
read_logs(struct run *run, const char *p)
{
	run->logs_null = begins_null(run, p);
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

bool
batch_scan_count(const char *p, const char *end, uint64_t *count_out)
{
	uint64_t count = 0;
	if (!is_plain_integer(p, end))
		return false;
	/* Above the ceiling one number is as wrong as another. */
	for (; p < end && count <= BATCH_SCAN_RECORDS_MAX; p++)
		count = count * 10 + (uint64_t)(*p - '0');
	*count_out = count;
	return true;
}

static const char *
read_count(struct run *run, const char *p)
{
	const char *end = json_skip_value(&run->skip, p, DEPTH_MEMBER);
	run->count_null = begins_null(run, p);
	if (end && !run->count_null && !batch_scan_count(p, end, &run->count))
		return json_skip_fail(&run->skip, p, "an integer as count");
	return end;
}

bool
batch_scan_next(const char *p, const char *end, struct cursor *cursor_out)
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
	if (end && !batch_scan_next(p, end, &run->next))
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
	bool counted = run->count_at && !run->count_null;
	if (p != skip->end)
		json_skip_fail(skip, p, "nothing after the object");
	else if (counted && run->count != run->n_records)
		json_skip_fail(skip, run->count_at, "count to be the number of logs");
	else if ((!run->logs_at || run->logs_null) && !counted)
		json_skip_fail(skip, run->logs_at ? run->logs_at : p, "logs, or a count of 0");
	return skip->fault == NULL;
}

/* A raw line break in valid JSON stands between tokens, so a space means the same. */
void
batch_scan_unbreak(char *text, size_t len)
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
		if (scan->array[i].text != BATCH_SCAN_EMPTY)
			batch_scan_unbreak(body + (scan->array[i].text - body),
					   scan->array[i].len);
	*view_out = (struct batch_view){ scan->array, run.n_records, run.next };
	return LTS_OK;
}
