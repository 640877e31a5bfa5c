/*
 * batch_scan.h - cuts the body of one batch answer into its records, in one pass, without
 * a tree.
 *
 *   {"count":2,"next":1767322800000001001,"logs":[{"labels":{...}},{"labels":{...}}]}
 *
 * The whole body is held to RFC 8259 and UTF-8, and to this shape: `next` a string or a
 * plain integer (as text: a cursor of at most 63 characters; absent, null, "", "0" and 0
 * are none); `count`, if there and not null, the number of logs; each log an object with exactly
 * one `labels`, an object; `logs` absent or null only with count 0. Other members may stand
 * anywhere. A second next, count, logs or labels is malformed. As for the official SDK, labels
 * that are null are an empty record, {}, and so is a log that is null or has nothing in it.
 */
#ifndef WORKER_BATCH_SCAN_H
#define WORKER_BATCH_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/ids.h"
#include "worker/json_skip.h"

/* 65 times the largest limit that the service takes (1,000), and an array of 1 MiB. */
enum { BATCH_SCAN_RECORDS_MAX = 65536 };

/* The text of one `labels` object, "{" to "}", somewhere in the body, all on one line. */
struct record {
	const char *text;
	size_t len;
};

/* Of records that are not what they should be: which, and where in it and why. */
struct bad_record {
	size_t index, offset;
	const char *expected; /* static text */
};

/* The record of a log that has none: it is not in the body. */
extern const char BATCH_SCAN_EMPTY[];

/* Lives in the caller's storage; keeps the array's memory from run to run. */
struct batch_scan {
	struct record *array;
	size_t cap;
	enum json_skip_way way; /* the tests' and the bench's; else the best */
};

struct batch_view {
	/* Good until the next run or fini, and while the body lives; maybe NULL for none.
	 */
	const struct record *records;
	size_t n_records;
	struct cursor next; /* none: the answer names no new position */
};

/* Why a body was refused, for the log. */
struct batch_fault {
	size_t offset;        /* bytes into the body */
	const char *expected; /* static text: what should have been there */
};

void batch_scan_init(struct batch_scan *scan);
void batch_scan_fini(struct batch_scan *scan);

/* LTS_BADDATA, LTS_TOOBIG (more records than the ceiling): view_out and the body are
 * untouched and *fault_out is set. LTS_OK: line breaks between the tokens of records were
 * made spaces in the body, and nothing else of it was changed; fault_out is untouched.
 * The body needs no NUL. */
enum lts_err batch_scan_run(struct batch_scan *scan, char *body, size_t len,
			    struct batch_fault *fault_out,
			    struct batch_view *view_out) LTS_MUST_USE;

/* For batch_sift.c: `next` and `count` in [p, end), a sound value and any; false: it is none. And
 * the line breaks between the tokens of a record become spaces. */
bool batch_scan_next(const char *p, const char *end, struct cursor *cursor_out);
bool batch_scan_count(const char *p, const char *end, uint64_t *count_out);
void batch_scan_unbreak(char *text, size_t len);

/* The array of the last run becomes the caller's, to free(); the next makes a new one. */
struct record *batch_scan_take_records(struct batch_scan *scan);

#endif
