/*
 * human.c - numbers as people read them.
 *
 * In lts-state. Owns nothing. Must never let through a byte that could steer a terminal:
 * some texts in the records are the service's words. Held by tests/state/test_human.c.
 */
#include "state/human.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

static const int64_t second_ns = 1000000000;

struct human_text
human_age(int64_t ns)
{
	struct human_text out;
	const char *sign = ns < 0 ? "-" : "";
	uint64_t age_ns = ns < 0 ? -(uint64_t)ns : (uint64_t)ns;
	uint64_t tenths = age_ns / 100000000, s = age_ns / (uint64_t)second_ns;
	if (s < 60)
		snprintf(out.text, sizeof(out.text), "%s%" PRIu64 ".%" PRIu64 "s", sign,
			 tenths / 10, tenths % 10);
	else if (s < 3600)
		snprintf(out.text, sizeof(out.text), "%s%" PRIu64 "m%02" PRIu64 "s", sign, s / 60,
			 s % 60);
	else if (s < 86400)
		snprintf(out.text, sizeof(out.text), "%s%" PRIu64 "h%02" PRIu64 "m", sign,
			 s / 3600, s / 60 % 60);
	else
		snprintf(out.text, sizeof(out.text), "%s%" PRIu64 "d%02" PRIu64 "h", sign,
			 s / 86400, s / 3600 % 24);
	return out;
}

struct human_text
human_bytes(uint64_t bytes)
{
	static const char *const units[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	struct human_text out;
	double value = (double)bytes / 1024;
	size_t unit = 0;
	if (bytes < 1024) {
		snprintf(out.text, sizeof(out.text), "%" PRIu64 "B", bytes);
		return out;
	}
	/* 1023.95 would be printed as 1024.0. */
	while (value >= 1023.95 && unit + 1 < sizeof(units) / sizeof(units[0])) {
		value /= 1024;
		unit++;
	}
	snprintf(out.text, sizeof(out.text), "%.1f%s", value, units[unit]);
	return out;
}

struct human_text
human_time(int64_t ns)
{
	struct human_text out;
	char date[32];
	struct tm tm;
	time_t s = (time_t)(ns / second_ns);
	int64_t rest = ns % second_ns;
	if (rest < 0) {
		rest += second_ns;
		s--;
	}
	gmtime_r(&s, &tm);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(out.text, sizeof(out.text), "%s.%09" PRId64 "Z", date, rest);
	return out;
}

struct human_text
human_epoch(struct epoch epoch)
{
	struct human_text out;
	snprintf(out.text, sizeof(out.text), "%" PRIu64 ".%" PRIu64, epoch.value >> 32,
		 epoch.value & UINT32_MAX);
	return out;
}

/* The length of the printable character at `at`; 0: it is none. */
static size_t
printable(const unsigned char *at)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	if (at[0] >= 0x20 && at[0] < 0x7f)
		return 1;
	size_t len = at[0] >= 0xf0 && at[0] < 0xf8 ? 4 : at[0] >= 0xe0 ? 3 : 2;
	if (at[0] < 0xc2 || at[0] >= 0xf8)
		return 0;
	uint32_t code = at[0] & (0xffu >> (len + 1));
	for (size_t i = 1; i < len; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (at[i] & 0x3f);
	}
	bool surrogate = code >= 0xd800 && code < 0xe000;
	return code < least[len] || code > 0x10ffff || code < 0xa0 || surrogate ? 0 : len;
}

void
human_clean(char *text)
{
	while (*text) {
		size_t len = printable((const unsigned char *)text);
		if (len) {
			text += len;
			continue;
		}
		*text++ = '?';
	}
}
