/*
 * json_loose.c - over JSON-like text by its brackets and quotes alone.
 *
 * In the worker, on its loop, for bodies that json_skip.c refused. Owns a stack of bits. Must
 * never read behind the end, recurse (what is nested too deep comes here), nor find an end where
 * another reading of the same brackets and quotes would find another. Held by
 * tests/worker/test_batch_sift.c and tests/fuzz/fuzz_batch_scan.c.
 */
#include "worker/json_loose.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"

void
json_loose_init(struct json_loose *loose, const char *end)
{
	*loose = (struct json_loose){ .end = end };
}

void
json_loose_fini(struct json_loose *loose)
{
	free(loose->open);
	*loose = (struct json_loose){ 0 };
}

/* The byte at p, or a closing bracket that nothing has opened. */
static inline char
peek(const struct json_loose *loose, const char *p)
{
	return p < loose->end ? *p : ')';
}

const char *
json_loose_space(const struct json_loose *loose, const char *p)
{
	while (p < loose->end && ((unsigned char)*p <= ' ' || *p == 0x7f))
		p++;
	return p;
}

const char *
json_loose_string(const struct json_loose *loose, const char *p)
{
	if (peek(loose, p) != '"')
		return NULL;
	for (p++; p < loose->end; p++) {
		if (*p == '"')
			return p + 1;
		if (*p == '\\' && ++p == loose->end)
			break;
	}
	return NULL;
}

/* A number, a word, or what stands in their place. */
static const char *
skip_scalar(const struct json_loose *loose, const char *p)
{
	while (p < loose->end && (unsigned char)*p > ' ' && *p != 0x7f &&
	       !strchr("{}[]:,\"\\", *p))
		p++;
	return p;
}

static void
push(struct json_loose *loose, size_t depth, bool array)
{
	if (depth / 8 >= loose->cap) {
		size_t cap = loose->cap ? loose->cap * 2 : 64;
		loose->open = xreallocarray(loose->open, cap, 1);
		memset(loose->open + loose->cap, 0, cap - loose->cap);
		loose->cap = cap;
	}
	unsigned char bit = (unsigned char)(1 << depth % 8);
	loose->open[depth / 8] = (unsigned char)(array ? loose->open[depth / 8] | bit
						       : loose->open[depth / 8] & ~bit);
}

static bool
is_array(const struct json_loose *loose, size_t depth)
{
	return loose->open[(depth - 1) / 8] >> (depth - 1) % 8 & 1;
}

/* A key and its colon; or p, where neither they nor a value stand. */
static const char *
skip_key(const struct json_loose *loose, const char *p)
{
	const char *end = peek(loose, p) == '"' ? json_loose_string(loose, p)
						: skip_scalar(loose, p);
	if (end == p)
		return peek(loose, p) == '}' || peek(loose, p) == ',' ? p : NULL;
	if (!end)
		return NULL;
	end = json_loose_space(loose, end);
	return peek(loose, end) == ':' ? json_loose_space(loose, end + 1) : NULL;
}

/* Behind a value: what closes, or a comma and the next key. */
static const char *
go_on(struct json_loose *loose, const char *p, size_t *depth)
{
	for (p = json_loose_space(loose, p); *depth; p = json_loose_space(loose, p + 1)) {
		bool array = is_array(loose, *depth);
		if (peek(loose, p) == ',') {
			p = json_loose_space(loose, p + 1);
			return array ? p : skip_key(loose, p);
		}
		if (peek(loose, p) != (array ? ']' : '}'))
			return NULL;
		if (--*depth == 0)
			return p + 1;
	}
	return p;
}

const char *
json_loose_value(struct json_loose *loose, const char *p)
{
	size_t depth = 0;
	do {
		char c = peek(loose, p);
		if (c == '{' || c == '[') {
			push(loose, depth++, c == '[');
			p = json_loose_space(loose, p + 1);
			p = c == '{' ? skip_key(loose, p) : p;
			continue;
		}
		const char *end = c == '"' ? json_loose_string(loose, p) : skip_scalar(loose, p);
		if (!end || (end == p && !depth))
			return NULL;
		p = depth ? go_on(loose, end, &depth) : end;
	} while (p && depth);
	return p;
}
