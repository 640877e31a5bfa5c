/*
 * until.h - runs an event loop until something has happened, with a generous deadline.
 */
#ifndef TESTS_SUPPORT_UNTIL_H
#define TESTS_SUPPORT_UNTIL_H

#include <stddef.h>

struct ev_loop;

/* Returns once *count >= n; fails the test after 20 seconds. */
void until_count(struct ev_loop *loop, const size_t *count, size_t n);

#endif
