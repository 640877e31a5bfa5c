/*
 * backoff.c - doubles a ceiling and draws a wait below it.
 *
 * In the supervisor (heartbeats, publishing, restarts) and the workers (fetching). Owns
 * nothing but the caller's struct. Must never return less than Retry-After, never 0 (a
 * failing request would spin), and never read a clock. Held by
 * tests/common/test_backoff.c.
 */
#include "common/backoff.h"

#include <stdlib.h>

/* An odd constant (2^64 over the golden ratio): spreads small seeds, and stands in for 0.
 */
static const uint64_t SPREAD = 0x9e3779b97f4a7c15;

void
backoff_init(struct backoff *backoff, int64_t base_ms, int64_t max_ms, uint64_t seed)
{
	if (base_ms < 1 || max_ms < base_ms)
		abort();
	uint64_t mixed = seed * SPREAD;
	mixed ^= mixed >> 32;
	*backoff = (struct backoff){
		.base_ms = base_ms,
		.max_ms = max_ms,
		.ceiling_ms = base_ms,
		.random = mixed ? mixed : SPREAD,
	};
}

void
backoff_reset(struct backoff *backoff)
{
	backoff->ceiling_ms = backoff->base_ms;
}

static uint64_t
draw(struct backoff *backoff)
{
	uint64_t x = backoff->random;
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	backoff->random = x;
	return x;
}

int64_t
backoff_next_ms(struct backoff *backoff, int64_t retry_after_ms)
{
	int64_t ceiling = backoff->ceiling_ms;
	int64_t wait = 1 + (int64_t)(draw(backoff) % (uint64_t)ceiling);

	backoff->ceiling_ms = ceiling > backoff->max_ms / 2 ? backoff->max_ms : ceiling * 2;
	return retry_after_ms > 0 ? retry_after_ms + wait : wait;
}
