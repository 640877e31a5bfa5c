/*
 * patience.c - asks again until it is so, or the patience is over.
 *
 * In the test process. Owns nothing. Must never be used to let time pass: what is waited
 * for is always a condition. Held by every scenario.
 */
#include "tests/support/patience.h"

#include <check.h>
#include <poll.h>
#include <stdlib.h>

#include "common/clock.h"

enum { LOOK_AGAIN_MS = 5 };

struct patience
patience_begin(const char *what, int64_t allowed_ms)
{
	const char *most = getenv("TEST_PATIENCE_S");
	int64_t most_ms = most ? strtoll(most, NULL, 10) * 1000 : 0;
	if (most_ms > 0 && allowed_ms > most_ms)
		allowed_ms = most_ms;
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
