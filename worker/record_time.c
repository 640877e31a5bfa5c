/*
 * record_time.c - when a record says that it was made.
 *
 * In a worker, on its loop. Pure. For people only: nothing is decided by it, so a label of that
 * name in an inner object may be taken for it. Held by tests/worker/test_record_time.c.
 */
#include "worker/record_time.h"

#include <ctype.h>
#include <string.h>

#include "common/options_value.h"

enum { DIGITS_MAX = 19 };

/* What stands behind the label's name and its colon; NULL: there is no such label. */
static const char *
value_of(const struct record *record, const char *name)
{
	const char *end = record->text + record->len;
	const char *at = memmem(record->text, record->len, name, strlen(name));
	if (!at)
		return NULL;
	at += strlen(name);
	while (at < end && (*at == ':' || *at == ' ' || *at == '"'))
		at++;
	return at < end ? at : NULL;
}

static int64_t
parse(const struct record *record, const char *at)
{
	char digits[DIGITS_MAX + 1] = "";
	struct time_spec time;
	size_t n = 0, left = (size_t)(record->text + record->len - at);
	while (n < DIGITS_MAX && n < left && isdigit((unsigned char)at[n])) {
		digits[n] = at[n];
		n++;
	}
	if (n == left || isdigit((unsigned char)at[n]) || !n)
		return 0;
	return value_parse_time(digits, &time) || time.kind != TIME_AT ? 0 : time.ns;
}

int64_t
record_time_ns(const struct record *record)
{
	static const char *const names[] = { "\"__time__\"", "\"collectTime\"" };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *at = value_of(record, names[i]);
		int64_t ns = at ? parse(record, at) : 0;
		if (ns)
			return ns;
	}
	return 0;
}
