/*
 * json_avx2.c - over a JSON string, or a flat object, 64 bytes at a time, UTF-8 and escapes
 * included.
 *
 * In the worker, on its loop. Owns nothing. Must never read behind the end, run on a machine
 * without AVX2, nor judge a fault itself: where anything is wrong the portable way goes over the
 * same again, and what that says counts. Held by tests/worker/test_json_skip.c,
 * test_batch_scan_cjson.c and tests/fuzz/fuzz_batch_scan.c.
 */
#include "worker/json_string.h"

#ifdef __x86_64__
#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>

#define AVX2 __attribute__((target("avx2,bmi,pclmul")))

enum {
	HALF = 32,
	STEP = 64,
	BEHIND = 3,
	ESCAPE_LEN = 6 /* the long kind's, backslash and all */
};

#define ALL 0xffffffffU /* the bytes of one step */

/* What two bytes in a row may do wrong: Keiser and Lemire, "Validating UTF-8 in less than one
 * instruction per byte" (2020). A pair is wrong when the three tables, asked with the first
 * byte's halves and the second byte's upper half, agree on a bit. */
enum {
	TOO_SHORT = 1,       /* a lead, and no continuation behind it */
	TOO_LONG = 2,        /* ASCII, and a continuation behind it */
	OVERLONG_3 = 4,      /* e0, then below a0 */
	TOO_LARGE = 8,       /* f4, then above 8f; f5 and more */
	SURROGATE = 16,      /* ed, then above 9f */
	OVERLONG_2 = 32,     /* c0, c1 */
	OVERLONG_4 = 64,     /* f0, then below 90 */
	TOO_LARGE_1000 = 64, /* f5 and more, then below 90 */
	TWO_CONTS = 128,     /* right only as a third or fourth byte */
	ANY_LOW = TOO_SHORT | TOO_LONG | TWO_CONTS,
	BEYOND = ANY_LOW | TOO_LARGE | TOO_LARGE_1000,
	CONT = TOO_LONG | OVERLONG_2 | TWO_CONTS,
};

#define TWICE(...)                       \
	{                                \
		__VA_ARGS__, __VA_ARGS__ \
	}

static const uint8_t first_high[HALF] = TWICE(
	TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, TWO_CONTS,
	TWO_CONTS, TWO_CONTS, TWO_CONTS, TOO_SHORT | OVERLONG_2, TOO_SHORT,
	TOO_SHORT | OVERLONG_3 | SURROGATE, TOO_SHORT | TOO_LARGE | TOO_LARGE_1000 | OVERLONG_4);

static const uint8_t first_low[HALF] =
	TWICE(ANY_LOW | OVERLONG_3 | OVERLONG_2 | OVERLONG_4, ANY_LOW | OVERLONG_2, ANY_LOW,
	      ANY_LOW, ANY_LOW | TOO_LARGE, BEYOND, BEYOND, BEYOND, BEYOND, BEYOND, BEYOND,
	      BEYOND, BEYOND, BEYOND | SURROGATE, BEYOND, BEYOND);

static const uint8_t second_high[HALF] =
	TWICE(TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT,
	      TOO_SHORT, CONT | OVERLONG_3 | TOO_LARGE_1000 | OVERLONG_4,
	      CONT | OVERLONG_3 | TOO_LARGE, CONT | SURROGATE | TOO_LARGE,
	      CONT | SURROGATE | TOO_LARGE, TOO_SHORT, TOO_SHORT, TOO_SHORT, TOO_SHORT);

AVX2 static inline __m256i
load(const void *p)
{
	return _mm256_loadu_si256(p);
}

/* Bit 7 of each byte. */
AVX2 static inline uint64_t
bits(__m256i x)
{
	return (uint32_t)_mm256_movemask_epi8(x);
}

AVX2 static inline __m256i
look_up(const uint8_t *table, __m256i index)
{
	return _mm256_shuffle_epi8(load(table), index);
}

/* Not zero where a byte cannot follow those before it; `high` are the upper halves of those at
 * p. The three bytes before p must be readable, and ASCII or checked. */
AVX2 static inline __m256i
utf8_faults(const char *p, __m256i high)
{
	const __m256i low_half = _mm256_set1_epi8(0x0f);
	__m256i before = load(p - 1);
	__m256i pair =
		look_up(first_high, _mm256_and_si256(_mm256_srli_epi16(before, 4), low_half));
	pair = _mm256_and_si256(pair, look_up(first_low, _mm256_and_si256(before, low_half)));
	pair = _mm256_and_si256(pair, look_up(second_high, high));
	/* Bit 7 where a third or a fourth byte must stand: there, and only there, TWO_CONTS is
	 * right. */
	__m256i third = _mm256_subs_epu8(load(p - 2), _mm256_set1_epi8((char)(0xe0 - 0x80)));
	__m256i fourth = _mm256_subs_epu8(load(p - 3), _mm256_set1_epi8((char)(0xf0 - 0x80)));
	__m256i wanted =
		_mm256_and_si256(_mm256_or_si256(third, fourth), _mm256_set1_epi8((char)0x80));
	return _mm256_xor_si256(pair, wanted);
}

AVX2 static inline uint64_t
equals(__m256i x, char c)
{
	return bits(_mm256_cmpeq_epi8(x, _mm256_set1_epi8(c)));
}

AVX2 static inline __m256i
control_characters(__m256i x)
{
	__m256i most = _mm256_set1_epi8(0x1f);
	return _mm256_cmpeq_epi8(_mm256_max_epu8(x, most), most);
}

/* What a byte may be behind a backslash. A table for each half; both agree on a bit. */
enum {
	HIGH_2 = 1, /* " / */
	HIGH_5 = 2, /* \ */
	HIGH_6 = 4, /* b f n */
	HIGH_7 = 8, /* r t */
	IS_U = 16,
	ESCAPES = HIGH_2 | HIGH_5 | HIGH_6 | HIGH_7 | IS_U,
	DIGIT = 32,  /* 0 to 9 */
	LETTER = 64, /* a to f, A to F */
	HEX = DIGIT | LETTER,
};

static const uint8_t class_low[HALF] =
	TWICE(DIGIT, HEX, HEX | HIGH_2 | HIGH_6 | HIGH_7, HEX, HEX | HIGH_7, HEX | IS_U,
	      HEX | HIGH_6, DIGIT, DIGIT, DIGIT, 0, 0, HIGH_5, 0, HIGH_6, HIGH_2);

static const uint8_t class_high[HALF] =
	TWICE(0, 0, HIGH_2, DIGIT, LETTER, HIGH_5, HIGH_6 | LETTER, HIGH_7 | IS_U, 0, 0, 0, 0, 0,
	      0, 0, 0);

/* What one step leaves for the next to begin with. */
struct carry {
	uint64_t escaped; /* 1: a backslash at the end escapes the first byte */
	uint64_t hex;     /* the first bytes that must be hex digits */
};

/* The bytes that a backslash escapes. In a run of them every other one does; nearly always there
 * is no run. */
static inline uint64_t
escaped_bytes(uint64_t backslashes, struct carry *carry)
{
	uint64_t escaped = carry->escaped, starts = backslashes & ~escaped;
	if (!(starts & starts << 1)) {
		carry->escaped = starts >> (STEP - 1);
		return starts << 1 | escaped;
	}
	carry->escaped = 0;
	for (uint64_t rest = backslashes; rest; rest &= rest - 1) {
		uint64_t one = rest & -rest;
		if (escaped & one)
			continue;
		escaped |= one << 1;
		carry->escaped = one >> (STEP - 1);
	}
	return escaped;
}

/* What is known of each byte of a step. */
struct marks {
	uint64_t quote, backslash, right /* UTF-8, no control character */, escape, hex, u;
};

AVX2 static inline struct marks
mark(const char *p)
{
	const __m256i low_half = _mm256_set1_epi8(0x0f);
	__m256i x = load(p), low = _mm256_and_si256(x, low_half);
	__m256i high = _mm256_and_si256(_mm256_srli_epi16(x, 4), low_half);
	__m256i class = _mm256_and_si256(look_up(class_low, low), look_up(class_high, high));
	/* The sums have bit 7 where one of the bits was set. */
	__m256i escape = _mm256_add_epi8(_mm256_and_si256(class, _mm256_set1_epi8(ESCAPES)),
					 _mm256_set1_epi8(0x7f));
	__m256i hex = _mm256_add_epi8(class, _mm256_set1_epi8(0x80 - DIGIT));
	__m256i wrong = _mm256_or_si256(control_characters(x), utf8_faults(p, high));
	return (struct marks){
		.quote = equals(x, '"'),
		.backslash = equals(x, '\\'),
		.right = bits(_mm256_cmpeq_epi8(wrong, _mm256_setzero_si256())),
		.escape = bits(escape),
		.hex = bits(hex),
		.u = bits(_mm256_slli_epi16(class, 3)),
	};
}

/* A bit for each byte that an escape may not have there. */
static inline uint64_t
escape_faults(uint64_t escaped, uint64_t escape, uint64_t hex, uint64_t u, struct carry *carry)
{
	uint64_t wanted = u << 1 | u << 2 | u << 3 | u << 4 | carry->hex;
	carry->hex = u >> (STEP - 1) | u >> (STEP - 2) | u >> (STEP - 3) | u >> (STEP - 4);
	return (escaped & ~escape) | (wanted & ~hex);
}

/* Where the portable way may go on: p, or the beginning of what p stands in the middle of. */
static const char *
resume(const char *p, const struct carry *carry)
{
	if (carry->escaped)
		return p - 1;
	if (carry->hex)
		return p - (ESCAPE_LEN - __builtin_popcountll(carry->hex));
	for (int i = 1; i <= BEHIND; i++) {
		unsigned char c = (unsigned char)p[-i];
		if (c >= 0xc0)
			return p - i;
		if (c < 0x80)
			break;
	}
	return p;
}

static inline uint64_t
up_to_first(uint64_t mask)
{
	return mask ^ (mask - 1);
}

#define BOTH(field) (a.field | b.field << HALF)

/* UTF-8 and escapes: a bit for each byte that is wrong as part of a string. */
AVX2 static inline uint64_t
look_closer(const char *p, uint64_t backslashes, struct carry *carry, uint64_t *escaped_out)
{
	struct marks a = mark(p), b = mark(p + HALF);
	uint64_t escaped = escaped_bytes(backslashes, carry);
	*escaped_out = escaped;
	return ~BOTH(right) |
	       escape_faults(escaped, BOTH(escape), BOTH(hex), BOTH(u) & escaped, carry);
}

AVX2 const char *
json_string_avx2(struct json_skip *skip, const char *string)
{
	const char *p = string;
	struct carry carry = { 0 };
	if (p - skip->begin < BEHIND || skip->end - p < STEP)
		return json_string_portable(skip, string);
	for (; skip->end - p >= STEP; p += STEP) {
		struct marks a = mark(p), b = mark(p + HALF);
		uint64_t escaped = escaped_bytes(BOTH(backslash), &carry);
		uint64_t quotes = BOTH(quote) & ~escaped;
		uint64_t faults = ~BOTH(right) | escape_faults(escaped, BOTH(escape), BOTH(hex),
							       BOTH(u) & escaped, &carry);
		if (faults & up_to_first(quotes))
			return json_string_portable(skip, string);
		if (quotes)
			return p + __builtin_ctzll(quotes) + 1;
	}
	return json_string_portable(skip, resume(p, &carry));
}

/* ---- flat objects ---- */

/* What is cheap to know of each byte of a step. */
struct glance {
	uint64_t quote, backslash, high /* not ASCII */, control;
};

AVX2 static inline struct glance
glance(const char *p)
{
	__m256i x = load(p);
	return (struct glance){
		.quote = equals(x, '"'),
		.backslash = equals(x, '\\'),
		.high = bits(x),
		.control = bits(control_characters(x)),
	};
}

/* What may stand outside strings. */
struct tokens {
	uint64_t colon, comma, brace, digit, zero;
};

AVX2 static inline struct tokens
tokens(const char *p)
{
	const __m256i nine = _mm256_set1_epi8(9);
	__m256i x = load(p), value = _mm256_sub_epi8(x, _mm256_set1_epi8('0'));
	return (struct tokens){
		.colon = equals(x, ':'),
		.comma = equals(x, ','),
		.brace = equals(x, '}'),
		.digit = bits(_mm256_cmpeq_epi8(_mm256_max_epu8(value, nine), nine)),
		.zero = equals(x, '0'),
	};
}

/* Each bit becomes the sum of all up to it, without carries. */
AVX2 static inline uint64_t
sums(uint64_t x)
{
	return (uint64_t)_mm_cvtsi128_si64(_mm_clmulepi64_si128(_mm_set_epi64x(0, (long long)x),
								_mm_set1_epi8((char)0xff), 0));
}

/* The bits one further on, and in the first place what the step before had in its last. */
static inline uint64_t
behind(uint64_t x, uint64_t before)
{
	return x << 1 | before >> (STEP - 1);
}

/* Of one step, outside strings but for the two kinds of quotes; and of the step before it. */
struct layout {
	uint64_t open, close, colon, comma, end, number, zero /* that a number begins with */;
	uint64_t in_string, odd; /* inside a string; behind an odd number of colons and commas */
};

/*
 * A bit for each byte that may not stand where it stands in { "a":"b", "c":1, ... } written
 * without spaces. What is not such an object, however right, has a fault as well.
 */
static inline uint64_t
layout_faults(const struct layout *l, const struct layout *before, uint64_t first)
{
	uint64_t tokens = l->colon | l->comma | l->end | l->number | first;
	uint64_t faults = ~(tokens | l->open | l->close | l->in_string);
	faults |= first << 1 & ~l->open;
	faults |= behind(l->close, before->close) & ~(l->colon | l->comma | l->end);
	faults |= behind(l->colon, before->colon) & ~(l->open | l->number);
	faults |= behind(l->comma, before->comma) & ~l->open;
	faults |= behind(l->number, before->number) & ~(l->number | l->comma | l->end);
	faults |= behind(l->zero, before->zero) & l->number;
	return faults | (l->colon & ~l->odd) | (l->comma & l->odd) | (l->end & ~l->odd);
}

/* The step's layout, strings and escapes being known. */
AVX2 static inline struct layout
lay_out(const char *p, uint64_t quotes, const struct layout *before)
{
	struct tokens a = tokens(p), b = tokens(p + HALF);
	struct layout l = { .in_string = sums(quotes) ^ (0 - (before->in_string >> (STEP - 1))) };
	uint64_t outside = ~(l.in_string | quotes);
	l.open = quotes & l.in_string;
	l.close = quotes & ~l.in_string;
	l.colon = BOTH(colon) & outside;
	l.comma = BOTH(comma) & outside;
	l.end = BOTH(brace) & outside;
	l.number = BOTH(digit) & outside;
	l.zero = BOTH(zero) & l.number & behind(l.colon, before->colon);
	l.odd = sums(l.colon | l.comma) ^ (0 - (before->odd >> (STEP - 1)));
	return l;
}

AVX2 const char *
json_flat_avx2(const struct json_skip *skip, const char *p)
{
	struct layout before = { 0 };
	struct carry carry = { 0 };
	uint64_t high_before = 0, first = 1; /* the brace that opens it */
	if (p - skip->begin < BEHIND || skip->end == p || *p != '{')
		return NULL;
	for (; skip->end - p >= STEP; p += STEP, first = 0) {
		struct glance a = glance(p), b = glance(p + HALF);
		uint64_t faults = BOTH(control), escaped = 0, high = BOTH(high);
		if (BOTH(backslash) | high | high_before >> (STEP - BEHIND) | carry.escaped |
		    carry.hex)
			faults |= look_closer(p, BOTH(backslash), &carry, &escaped);
		high_before = high;
		uint64_t quotes = BOTH(quote) & ~escaped;
		if (!quotes && before.in_string >> (STEP - 1)) { /* in the middle of a string */
			if (faults)
				return NULL;
			before = (struct layout){ .in_string = before.in_string,
						  .odd = before.odd };
			continue;
		}
		struct layout l = lay_out(p, quotes, &before);
		faults |= layout_faults(&l, &before, first);
		if (faults & up_to_first(l.end))
			return NULL;
		if (l.end)
			return p + __builtin_ctzll(l.end) + 1;
		before = l;
	}
	return NULL;
}
#endif
