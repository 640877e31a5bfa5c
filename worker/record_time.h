/*
 * record_time.h - when a record says that it was made.
 */
#ifndef WORKER_RECORD_TIME_H
#define WORKER_RECORD_TIME_H

#include <stdint.h>

#include "worker/batch_scan.h"

/* Its __time__, else its collectTime, in nanoseconds since 1970; 0: it has neither, or not as an
 * integer epoch. */
int64_t record_time_ns(const struct record *record);

#endif
