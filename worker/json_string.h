/*
 * json_string.h - the strings of JSON, where nearly all of its bytes are, in the widest steps
 * that the machine has.
 *
 * For json_skip.c alone.
 */
#ifndef WORKER_JSON_STRING_H
#define WORKER_JSON_STRING_H

#include <stdbool.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "worker/json_skip.h"

/* How this machine goes over strings; what is asked for and missing is replaced by what is
 * there. The answers are the same, faults included. */
json_string_fn *json_string_choose(enum json_skip_way way);
json_flat_fn *json_flat_choose(enum json_skip_way way);

/* One byte at a time where it must be, and eight where it can. */
const char *json_string_portable(struct json_skip *skip, const char *p);

#ifdef __SSE2__
/* A bit for each of 16 bytes that is not plain: a quote, a backslash, below 0x20, above 0x7f. */
static inline unsigned
json_string_not_plain(const char *p)
{
	__m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
	/* signed: what is above 0x7f is below 0x20 as well */
	__m128i hit = _mm_cmplt_epi8(x, _mm_set1_epi8(0x20));
	hit = _mm_or_si128(hit, _mm_cmpeq_epi8(x, _mm_set1_epi8('"')));
	hit = _mm_or_si128(hit, _mm_cmpeq_epi8(x, _mm_set1_epi8('\\')));
	return (unsigned)_mm_movemask_epi8(hit);
}
#endif

/* Most strings are short and plain, and not worth a call: behind it, or NULL: not such a one.
 * What the next token waits for is the quote alone; the rest is looked at meanwhile. */
static inline const char *
json_string_short(const struct json_skip *skip, const char *p)
{
#ifdef __SSE2__
	const char *last = skip->end - 16;
	for (int i = 0; i < 2 && p <= last && skip->string != json_string_portable;
	     i++, p += 16) {
		__m128i x = _mm_loadu_si128((const __m128i *)(const void *)p);
		unsigned quotes =
			(unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(x, _mm_set1_epi8('"')));
		unsigned others = json_string_not_plain(p) & ~quotes;
		if (quotes)
			return others & (quotes ^ (quotes - 1)) ? NULL
								: p + __builtin_ctz(quotes) + 1;
		if (others)
			return NULL;
	}
#endif
	return NULL;
}

#ifdef __x86_64__
bool json_has_avx2(void);
const char *json_string_avx2(struct json_skip *skip, const char *p);
/* The simplest kind is strings and plain integers without spaces, as machines write them. */
const char *json_flat_avx2(const struct json_skip *skip, const char *p);
#endif

#endif
