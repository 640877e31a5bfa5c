/*
 * patience.c - asks again until it is so, or the patience is over.
 *
 * In the test process. Owns nothing. Must never be used to let time pass: what is waited
 * for is always a condition. Held by every scenario.
 */
#include "tests/support/patience.h"

#include <check.h>
#include <poll.h>

#include "common/clock.h"

enum { LOOK_AGAIN_MS = 5 };

struct patience
patience_begin(const char *what, int64_t allowed_ms)
{
	return (struct patience){ what, clock_mono_ms(), allowed_ms };
}

void
patience_pass(struct patience *patience)
{
	int64_t waited_ms = clock_mono_ms() - patience->start_ms;
	ck_assert_msg(waited_ms < patience->allowed_ms, "waited %lld ms in vain until %s",
		      (long long)waited_ms, patience->what);
	poll(NULL, 0, LOOK_AGAIN_MS);
}
