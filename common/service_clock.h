/*
 * service_clock.h - what time it is at the service, at least, as told by its answers'
 * Date.
 *
 * Pure. Date counts whole seconds and is read when the answer was made, so what it gives
 * is a lower bound: the service's clock shows that or later. A value; copied by
 * assignment.
 */
#ifndef COMMON_SERVICE_CLOCK_H
#define COMMON_SERVICE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* How far the service's clock may be ahead of the bound: a whole second of Date, and one
 * for the way. */
#define SERVICE_CLOCK_SLACK_NS 2000000000LL

struct service_clock {
	bool known;
	int64_t ahead_ns; /* of CLOCK_BOOTTIME */
};

/* Date (nanoseconds since 1970; 0: there was none, nothing learned) of an answer received
 * at boot_ms. */
static inline void
service_clock_learn(struct service_clock *clock, int64_t date_ns, int64_t boot_ms)
{
	int64_t ahead_ns = date_ns - boot_ms * 1000000;
	if (date_ns <= 0 || (clock->known && ahead_ns <= clock->ahead_ns))
		return;
	clock->known = true;
	clock->ahead_ns = ahead_ns;
}

/* The service's clock shows this or later; 0 while nothing is known. */
static inline int64_t
service_clock_at_least_ns(const struct service_clock *clock, int64_t boot_ms)
{
	return clock->known ? boot_ms * 1000000 + clock->ahead_ns : 0;
}

#endif
