/*
 * batch_sift.h - cuts a body that batch_scan refused into its records by their brackets and
 * quotes alone, and says which of them are bad: one bad record spoils only itself.
 *
 * A record's ends are certain when every string in the body is closed and every bracket has its
 * own, from the first to the last byte, with nothing between that has no place there. What a
 * string holds (a raw control character, bytes that are not UTF-8, an escape that JSON has not),
 * how a number is spelled and how deep something is nested makes its record bad, and its ends no
 * less certain. `next` is read as batch_scan reads it.
 *
 * One body may lie: only what a second one says as well is to be acted on.
 */
#ifndef WORKER_BATCH_SIFT_H
#define WORKER_BATCH_SIFT_H

#include <stdbool.h>

#include "worker/batch_scan.h"

struct batch_sift {
	struct record *records; /* allocated; of a bad one: what is there, as it came */
	size_t n_records, cap;
	struct bad_record *bad; /* allocated; by their index */
	size_t n_bad, cap_bad;
	struct cursor next;
	bool whole; /* all that is wrong with the body is in the bad records */
};

/* LTS_BADDATA, LTS_TOOBIG: nothing is in *out, and the body is untouched. LTS_OK: line breaks
 * between the tokens of good records were made spaces; batch_sift_fini frees. */
enum lts_err batch_sift_run(char *body, size_t len, struct batch_sift *out) LTS_MUST_USE;
void batch_sift_fini(struct batch_sift *sift);

#endif
