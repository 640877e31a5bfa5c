/*
 * human.h - times, sizes and epochs as people read them. Each returns its text by value.
 */
#ifndef STATE_HUMAN_H
#define STATE_HUMAN_H

#include <stdint.h>

#include "common/ids.h"

struct human_text {
	char text[48];
};

/* "0.2s", "3m12s", "2h05m", "4d07h"; with a minus when it lies ahead. */
struct human_text human_age(int64_t ns);
/* "512B", "12.4MiB" */
struct human_text human_bytes(uint64_t bytes);
/* RFC 3339 in UTC, with nanoseconds. */
struct human_text human_time(int64_t ns);
/* "boot.sequence", as in "3.17" */
struct human_text human_epoch(struct epoch epoch);

/* Makes text fit for a terminal and for JSON: what is not printable UTF-8 becomes '?'. */
void human_clean(char *text);

#endif
