/*
 * log_rate.c - so many lines of one message, and the rest is counted.
 *
 * In every process, part of the log. Pure. Must never hold back a line without counting it.
 * Held by tests/common/test_log_rate.c.
 */
#include "common/log_rate.h"

#include <stddef.h>
#include <string.h>

/* FNV-1a. */
static uint32_t
hash(const char *text)
{
	uint32_t sum = 2166136261u;
	for (; *text; text++)
		sum = (sum ^ (unsigned char)*text) * 16777619u;
	return sum;
}

/* NULL: there are too many messages. */
static struct log_rate_of *
find(struct log_rate *rate, const char *event)
{
	uint32_t first = hash(event);
	for (uint32_t i = 0; i < LOG_RATE_MESSAGES; i++) {
		struct log_rate_of *of = &rate->of[(first + i) % LOG_RATE_MESSAGES];
		if (!of->event)
			of->event = event;
		if (strcmp(of->event, event) == 0)
			return of;
	}
	return NULL;
}

static void
refill(struct log_rate_of *of, int64_t now_ms)
{
	int64_t lines = (now_ms - of->at_ms) * LOG_RATE_PER_SECOND / 1000;
	if (lines <= 0)
		return;
	of->spent = lines >= (int64_t)of->spent ? 0 : of->spent - (uint32_t)lines;
	of->at_ms += lines * 1000 / LOG_RATE_PER_SECOND;
}

bool
log_rate_allows(struct log_rate *rate, const char *event, int64_t now_ms, uint64_t *held_back_out)
{
	struct log_rate_of *of = find(rate, event);
	*held_back_out = 0;
	if (!of)
		return true;
	refill(of, now_ms);
	if (of->spent == LOG_RATE_BURST) {
		of->held_back++;
		return false;
	}
	of->spent++;
	*held_back_out = of->held_back;
	of->held_back = 0;
	return true;
}
