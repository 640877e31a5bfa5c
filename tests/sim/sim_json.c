/*
 * sim_json.c - puts long integers into quotes before cJSON sees them.
 *
 * In lts-sim. Owns nothing. Must never change what stands inside a string.
 * Held by tests/support/test_sim_serve.c.
 */
#include "tests/sim/sim_json.h"

#include <stdbool.h>
#include <stdlib.h>

#include "common/buf.h"

enum { DIGITS_EXACT = 15 }; /* what a double holds for certain */

static void
put(struct buf *out, const char *text, size_t len)
{
	if (buf_put(out, text, len))
		abort(); /* the buffer has no ceiling but the request's */
}

static size_t
count_digits(const char *text, size_t len)
{
	size_t n = 0;
	while (n < len && text[n] >= '0' && text[n] <= '9')
		n++;
	return n;
}

static void
quote_numbers(const char *text, size_t len, struct buf *out)
{
	bool in_string = false;
	for (size_t i = 0; i < len;) {
		size_t digits = in_string ? 0 : count_digits(text + i, len - i);
		size_t take = digits ? digits : 1;
		if (in_string && text[i] == '\\' && i + 1 < len)
			take = 2;
		else if (text[i] == '"')
			in_string = !in_string;
		if (digits > DIGITS_EXACT)
			put(out, "\"", 1);
		put(out, text + i, take);
		if (digits > DIGITS_EXACT)
			put(out, "\"", 1);
		i += take;
	}
}

cJSON *
sim_json_parse(const char *text, size_t len)
{
	struct buf quoted;
	buf_init(&quoted, 0);
	quote_numbers(text, len, &quoted);
	/* The NUL after the text belongs to it, so that nothing may follow the value. */
	cJSON *json = quoted.len
			      ? cJSON_ParseWithLengthOpts(quoted.data, quoted.len + 1, NULL, true)
			      : NULL;
	buf_fini(&quoted);
	return json;
}

const char *
sim_json_text(const cJSON *object, const char *key)
{
	return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
}
