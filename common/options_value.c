/*
 * options_value.c - integers, sizes, durations and truths, from text and to text.
 *
 * In every process. Pure; owns nothing. Must never take a value that overflows, is
 * negative, or has anything behind it. Held by tests/common/test_options_value.c.
 */
#include "common/options_value.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct unit {
	const char *name;
	int64_t factor;
};

/* clang-format off */
/* Largest first; rendering uses those with an i. */
static const struct unit size_units[] = {
	{ "TiB", INT64_C(1) << 40 }, { "GiB", 1 << 30 },
	{ "MiB", 1 << 20 }, { "KiB", 1 << 10 },
	{ "TB", INT64_C(1000000000000) }, { "GB", 1000000000 },
	{ "MB", 1000000 }, { "KB", 1000 }, { "B", 1 }, { "", 1 }, { NULL, 0 },
};

static const struct unit time_units[] = {
	{ "d", 86400000 }, { "h", 3600000 }, { "m", 60000 },
	{ "s", 1000 }, { "ms", 1 }, { NULL, 0 },
};

/* clang-format on */

/* The digits at the front; returns what follows, NULL when there are none or they do not
 * fit. */
static const char *
leading_digits(const char *text, int64_t *out)
{
	int64_t value = 0;

	if (!isdigit((unsigned char)*text))
		return NULL;
	for (; isdigit((unsigned char)*text); text++) {
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, *text - '0', &value))
			return NULL;
	}
	*out = value;
	return text;
}

bool
value_digits(const char *text, int64_t *out)
{
	int64_t value;
	const char *rest = leading_digits(text, &value);

	if (!rest || *rest)
		return false;
	*out = value;
	return true;
}

static bool
parse_unit(const char *text, const struct unit *units, int64_t *out)
{
	int64_t value;
	const char *rest = leading_digits(text, &value);

	if (!rest)
		return false;
	for (; units->name; units++) {
		if (strcasecmp(rest, units->name) == 0)
			return !__builtin_mul_overflow(value, units->factor, out);
	}
	return false;
}

const char *
value_parse_bytes(const char *text, int64_t *out)
{
	int64_t value;

	if (!parse_unit(text, size_units, &value))
		return "must be a size as 1048576, 64MiB, 1GB";
	*out = value;
	return NULL;
}

const char *
value_parse_ms(const char *text, int64_t *out)
{
	int64_t value;

	if (!parse_unit(text, time_units, &value))
		return "must be a time with its unit, as 200ms, 1s, 5m, 1h";
	*out = value;
	return NULL;
}

const char *
value_parse_bool(const char *text, bool *out)
{
	static const char *const words[2][4] = {
		{ "false", "0", "no", "off" },
		{ "true", "1", "yes", "on" },
	};

	for (unsigned truth = 0; truth < 2; truth++) {
		for (unsigned i = 0; i < 4; i++) {
			if (strcasecmp(text, words[truth][i]) == 0) {
				*out = truth;
				return NULL;
			}
		}
	}
	return "must be true or false";
}

/* A hash of 32 bytes in base64 is 43 letters and a sign. */
const char *
value_check_pin(const char *text)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	static const char start[] = "sha256//";
	static const char why[] = "must be sha256// and the base64 of a SHA-256, as "
				  "sha256//AbC...=; several with ; between them";
	enum { START = sizeof(start) - 1, LETTERS = 43 };

	for (;; text++) {
		if (strncmp(text, start, START) != 0 || strspn(text + START, letters) != LETTERS ||
		    text[START + LETTERS] != '=')
			return why;
		text += START + LETTERS + 1;
		if (!*text)
			return NULL;
		if (*text != ';')
			return why;
	}
}

const char *
value_check_proxy(const char *text)
{
	static const char *const schemes[] = { "http://", "https://", "socks5://", "socks5h://" };

	if (strcasecmp(text, "env") == 0)
		return NULL;
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		size_t len = strlen(schemes[i]);
		if (strncasecmp(text, schemes[i], len) == 0 && text[len] && !strchr(text, ' '))
			return NULL;
	}
	return "must be none, env, or a URL: http://, https://, socks5:// or socks5h://";
}

void
value_render_bytes(int64_t bytes, char out[VALUE_TEXT])
{
	unsigned unit = 0;

	while (unit < 4 && (bytes == 0 || bytes % size_units[unit].factor))
		unit++;
	if (unit == 4)
		(void)snprintf(out, VALUE_TEXT, "%" PRId64, bytes);
	else
		(void)snprintf(out, VALUE_TEXT, "%" PRId64 "%s", bytes / size_units[unit].factor,
			       size_units[unit].name);
}

void
value_render_ms(int64_t ms, char out[VALUE_TEXT])
{
	unsigned unit = 0;

	while (time_units[unit].factor > 1 && (ms == 0 || ms % time_units[unit].factor))
		unit++;
	(void)snprintf(out, VALUE_TEXT, "%" PRId64 "%s", ms / time_units[unit].factor,
		       time_units[unit].name);
}
