/*
 * backoff.h - how long to wait before trying again: exponential, with full jitter.
 *
 * Pure: reads no clock and owns no timer. Lives in the caller's storage.
 */
#ifndef COMMON_BACKOFF_H
#define COMMON_BACKOFF_H

#include <stdint.h>

struct backoff {
	int64_t base_ms, max_ms;
	int64_t ceiling_ms; /* of the next wait: base_ms, doubled by each failure up to
			       max_ms */
	uint64_t random;    /* xorshift64 state, never 0 */
};

/* 1 <= base_ms <= max_ms. Give every user another seed: hosts that fail together must not
 * come back together. Any seed will do. */
void backoff_init(struct backoff *backoff, int64_t base_ms, int64_t max_ms, uint64_t seed);
/* After a success: the next failure waits at most base_ms again. */
void backoff_reset(struct backoff *backoff);
/* After a failure: 1 to ceiling_ms, evenly spread. `retry_after_ms` (negative: not said)
 * is added in front, so that the service is never asked earlier than it said, nor by
 * everybody at that instant. */
int64_t backoff_next_ms(struct backoff *backoff, int64_t retry_after_ms);

#endif
