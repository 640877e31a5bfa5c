/*
 * log_rate.h - so many lines of one message, and the rest is counted.
 *
 * Pure: CLOCK_MONOTONIC milliseconds come in. In the caller's storage, zero to begin with.
 */
#ifndef COMMON_LOG_RATE_H
#define COMMON_LOG_RATE_H

#include <stdbool.h>
#include <stdint.h>

enum {
	LOG_RATE_BURST = 2000, /* lines of one message at once: a line for each of many shards */
	LOG_RATE_PER_SECOND = 50, /* and then */
	LOG_RATE_MESSAGES = 128,  /* told apart; more than the programs have */
};

struct log_rate {
	struct log_rate_of {
		const char *event; /* a literal: by its text, borrowed for good; NULL: free */
		uint32_t spent;    /* of the burst */
		int64_t at_ms;     /* as of then */
		uint64_t held_back;
	} of[LOG_RATE_MESSAGES];
};

/* Whether a line of this message may go out; how many were held back since the last. */
bool log_rate_allows(struct log_rate *rate, const char *event, int64_t now_ms,
		     uint64_t *held_back_out);

#endif
