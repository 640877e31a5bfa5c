/*
 * options_time.c - a point in time as people and the seed's sample write it.
 *
 * In every process. Pure; owns nothing. Must never guess: an integer's unit follows from
 * its size alone (below 10^11 seconds, 10^14 milliseconds, 10^17 microseconds, else
 * nanoseconds), and what is neither that nor RFC 3339 is refused. Held by
 * tests/common/test_options_value.c.
 */
#include "common/options_value.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define NS_PER_SECOND INT64_C(1000000000)

/* Between 1970 and what 63 bits of nanoseconds hold. */
static const char allowed[] = "must be begin, end, an RFC 3339 time as "
			      "2026-01-02T03:04:05Z, or an integer epoch in s, ms, us or "
			      "ns, from 1970 to 2262";

static const char *
parse_epoch(const char *text, int64_t *ns_out)
{
	static const struct {
		int64_t below, factor;
	} units[] = {
		{ INT64_C(100000000000), NS_PER_SECOND },
		{ INT64_C(100000000000000), 1000000 },
		{ INT64_C(100000000000000000), 1000 },
		{ INT64_MAX, 1 },
	};
	int64_t value;
	unsigned unit = 0;

	if (!value_digits(text, &value))
		return allowed;
	while (unit < 3 && value >= units[unit].below)
		unit++;
	if (__builtin_mul_overflow(value, units[unit].factor, &value))
		return allowed;
	*ns_out = value;
	return NULL;
}

/* `count` digits, moved over; false when there are fewer. */
static bool
take_digits(const char **at, unsigned count, int *out)
{
	int value = 0;

	for (unsigned i = 0; i < count; i++) {
		if (!isdigit((unsigned char)**at))
			return false;
		value = value * 10 + (*(*at)++ - '0');
	}
	*out = value;
	return true;
}

static bool
take_letter(const char **at, const char *letters)
{
	if (!**at || !strchr(letters, **at))
		return false;
	(*at)++;
	return true;
}

/* ".123" as nanoseconds; at most nine digits. */
static bool
take_fraction(const char **at, int64_t *ns_out)
{
	int64_t ns = 0, unit = NS_PER_SECOND / 10;

	if (take_letter(at, ".,")) {
		if (!isdigit((unsigned char)**at))
			return false;
		for (; isdigit((unsigned char)**at); (*at)++, unit /= 10) {
			if (!unit)
				return false;
			ns += (**at - '0') * unit;
		}
	}
	*ns_out = ns;
	return true;
}

/* "Z" or "+08:00", as seconds to take off, up to the end of the text. */
static bool
take_zone(const char *at, int64_t *seconds_out)
{
	int hours = 0, minutes = 0;
	bool west = *at == '-';

	if (!take_letter(&at, "Zz") && !(take_letter(&at, "+-") && take_digits(&at, 2, &hours) &&
					 take_letter(&at, ":") && take_digits(&at, 2, &minutes)))
		return false;
	if (*at || hours > 23 || minutes > 59)
		return false;
	int64_t seconds = hours * INT64_C(3600) + minutes * INT64_C(60);
	*seconds_out = west ? -seconds : seconds;
	return true;
}

static const char *
parse_rfc3339(const char *text, int64_t *ns_out)
{
	struct tm tm = { 0 }, again;
	int64_t fraction, zone, ns;
	int year, month;
	const char *at = text;

	if (!(take_digits(&at, 4, &year) && take_letter(&at, "-") &&
	      take_digits(&at, 2, &month) && take_letter(&at, "-") &&
	      take_digits(&at, 2, &tm.tm_mday) && take_letter(&at, "Tt ") &&
	      take_digits(&at, 2, &tm.tm_hour) && take_letter(&at, ":") &&
	      take_digits(&at, 2, &tm.tm_min) && take_letter(&at, ":") &&
	      take_digits(&at, 2, &tm.tm_sec) && take_fraction(&at, &fraction)))
		return allowed;
	if (!take_zone(at, &zone))
		return "its time zone must be given: Z, or as +08:00";
	if (month < 1 || month > 12 || tm.tm_mday < 1 || tm.tm_hour > 23 || tm.tm_min > 59 ||
	    tm.tm_sec > 60)
		return "there is no such time";
	if (tm.tm_sec == 60) /* a leap second: there is no room for it in an epoch */
		tm.tm_sec = 59;
	tm.tm_year = year - 1900;
	tm.tm_mon = month - 1;
	time_t seconds = timegm(&tm);
	if (!gmtime_r(&seconds, &again) || again.tm_mday != tm.tm_mday ||
	    again.tm_mon != month - 1)
		return "there is no such day";
	if (__builtin_mul_overflow((int64_t)seconds - zone, NS_PER_SECOND, &ns) ||
	    __builtin_add_overflow(ns, fraction, &ns) || ns < 0)
		return allowed;
	*ns_out = ns;
	return NULL;
}

const char *
value_parse_time(const char *text, struct time_spec *out)
{
	struct time_spec found = { .kind = TIME_AT };
	const char *why = NULL;

	if (strcasecmp(text, "begin") == 0)
		found.kind = TIME_BEGIN;
	else if (strcasecmp(text, "end") == 0)
		found.kind = TIME_END;
	else if (*text == '-')
		why = "must not be negative";
	else if (strlen(text) > 4 && text[4] == '-')
		why = parse_rfc3339(text, &found.ns);
	else
		why = parse_epoch(text, &found.ns);
	if (!why)
		*out = found;
	return why;
}

/* Always with nanoseconds: a small integer would be read back as another unit. */
void
value_render_time(const struct time_spec *spec, char out[VALUE_TEXT])
{
	time_t seconds = (time_t)(spec->ns / NS_PER_SECOND);
	char day[32] = "";
	struct tm tm;

	if (spec->kind != TIME_AT) {
		(void)snprintf(out, VALUE_TEXT, "%s",
			       spec->kind == TIME_BEGIN ? "begin"
			       : spec->kind == TIME_END ? "end"
							: "none");
		return;
	}
	if (gmtime_r(&seconds, &tm))
		(void)strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm);
	(void)snprintf(out, VALUE_TEXT, "%s.%09" PRId64 "Z", day, spec->ns % NS_PER_SECOND);
}
