/*
 * clock.h - the three clocks, so that nobody picks one by accident.
 *
 * Policy takes the time as an argument; only glue calls these.
 */
#ifndef COMMON_CLOCK_H
#define COMMON_CLOCK_H

#include <stdint.h>

/* CLOCK_MONOTONIC, milliseconds: timers, backoff. Stands still while the machine sleeps.
 */
int64_t clock_mono_ms(void);
int64_t clock_mono_ns(void);
/* CLOCK_BOOTTIME, milliseconds: lease deadlines and beats. Counts sleep, comparable
 * between processes. */
int64_t clock_boot_ms(void);
/* CLOCK_REALTIME, nanoseconds since 1970: signatures and what people read. May jump. */
int64_t clock_wall_ns(void);
/* How far CLOCK_REALTIME is ahead of CLOCK_BOOTTIME, which shows boot_ms. */
static inline int64_t
clock_host_ahead_ns(int64_t boot_ms)
{
	return clock_wall_ns() - boot_ms * 1000000;
}

#endif
