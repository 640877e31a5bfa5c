/*
 * json_skip.h - goes over JSON text without building anything, and refuses what RFC 8259
 * refuses.
 *
 * Every function takes a position and returns the one behind what it skipped, or NULL
 * once the text is not what was expected; then `fault` and `expected` say where and what.
 * Nothing behind `end` is read, so the text needs no NUL. Lone surrogates as \u escapes
 * pass (they are grammar); a byte order mark does not.
 */
#ifndef WORKER_JSON_SKIP_H
#define WORKER_JSON_SKIP_H

#include <stddef.h>

/* Containers open at once, the outermost included. The service's answers are 4 deep, with
 * whatever a label's value holds below that; 128 is far above any log record, costs 10
 * KiB of stack at worst, and stays below what the usual readers of our output allow
 * (cJSON 1,000, jq 256). */
enum { JSON_SKIP_DEPTH = 128 };

/* How wide the steps are. What this machine lacks is replaced by the next narrower; the
 * answers are the same. */
enum json_skip_way { JSON_SKIP_BEST, JSON_SKIP_SSE2, JSON_SKIP_PORTABLE };

struct json_skip;

/* Over the rest of a string; p is behind its opening quote. */
typedef const char *json_string_fn(struct json_skip *skip, const char *p);
/* Over a whole object of the simplest kind; NULL: it is another, or wrong, or near the end. */
typedef const char *json_flat_fn(const struct json_skip *skip, const char *p);

struct json_skip {
	const char *begin, *end;
	json_string_fn *string;
	json_flat_fn *flat;   /* NULL: this way has none */
	unsigned flat_wait;   /* so many objects are not worth a try */
	size_t line_breaks;   /* raw CR and LF passed between tokens so far */
	const char *fault;    /* NULL: all well so far */
	const char *expected; /* static text */
};

/* Borrows the text. */
void json_skip_init(struct json_skip *skip, enum json_skip_way way, const char *text, size_t len);
/* Notes the fault and returns NULL, for the caller to return in turn. */
const char *json_skip_fail(struct json_skip *skip, const char *at, const char *expected);

const char *json_skip_space(struct json_skip *skip, const char *p);
/* Any value. `depth`: how many containers are open around it. */
const char *json_skip_value(struct json_skip *skip, const char *p, unsigned depth);

/* Called for each member of an object, each element of an array, with the position of its
 * value, in order. Returns the position behind the value, or NULL after json_skip_fail.
 * The key is what stands between the quotes, escapes and all: compare with
 * json_text_is(). */
typedef const char *json_member_fn(void *arg, const char *key, size_t key_len, const char *value);
typedef const char *json_element_fn(void *arg, const char *value);

/* An object, an array; anything else at `p` is a fault. fn NULL: everything in it is
 * skipped. */
const char *json_skip_object(struct json_skip *skip, const char *p, unsigned depth,
			     json_member_fn *fn, void *arg);
const char *json_skip_array(struct json_skip *skip, const char *p, unsigned depth,
			    json_element_fn *fn, void *arg);

#endif
