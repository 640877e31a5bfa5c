/*
 * json_loose.h - over JSON-like text by its brackets and quotes alone.
 *
 * A string is what stands between two quotes, a backslash taking the next byte with it; a bracket
 * is closed by its own kind; between brackets and commas stands one value, or none. Whatever else
 * JSON asks for is not asked here: what passes json_skip.h passes, to the same end.
 */
#ifndef WORKER_JSON_LOOSE_H
#define WORKER_JSON_LOOSE_H

#include <stddef.h>

struct json_loose {
	const char *end;
	/* The brackets that are open: a bit each, 1 for '['; of an own, growing memory. */
	unsigned char *open;
	size_t cap;
};

void json_loose_init(struct json_loose *loose, const char *end);
void json_loose_fini(struct json_loose *loose);

/* Over spaces, and control characters that have no place there either. */
const char *json_loose_space(const struct json_loose *loose, const char *p);
/* Over a string: p is at its quote. NULL: it is none, or has no end. */
const char *json_loose_string(const struct json_loose *loose, const char *p);
/* Over a value, whatever is in it, in memory of an eighth of its depth. NULL: it has no certain
 * end. */
const char *json_loose_value(struct json_loose *loose, const char *p);

#endif
