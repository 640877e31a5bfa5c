/*
 * patience.h - the scenarios' way of waiting: until something is so, never for a time.
 */
#ifndef TESTS_SUPPORT_PATIENCE_H
#define TESTS_SUPPORT_PATIENCE_H

#include <stdint.h>

/* Sanitized programs take so many times longer. */
#ifdef __SANITIZE_ADDRESS__
#define PATIENCE_SLOWNESS 3
#else
#define PATIENCE_SLOWNESS 1
#endif

enum { PATIENCE_MS = 60000 * PATIENCE_SLOWNESS };

struct patience {
	const char *what; /* for people, should it not come */
	int64_t start_ms, allowed_ms;
};

struct patience patience_begin(const char *what, int64_t allowed_ms);
/* A moment's pause; fails the test once the allowed time is over. */
void patience_pass(struct patience *patience);

/* until("the shard is finished", is_finished(...)); asks again and again, for a minute, or for
 * $TEST_PATIENCE_S seconds if that is less. */
#define until(what, condition) until_within(PATIENCE_MS, what, condition)
/* The same where how long it takes is part of what is claimed. */
#define until_within(ms, what, condition)                                            \
	for (struct patience patience_ = patience_begin((what), (ms)); !(condition); \
	     patience_pass(&patience_))

#endif
