/*
 * until.c - the tests' way of waiting: for a condition, never for a time.
 *
 * In the test process. Owns one timer while it runs.
 */
#include "tests/support/until.h"

#include <check.h>
#include <ev.h>

static void
on_deadline(struct ev_loop *loop, ev_timer *timer, int revents)
{
	ck_abort_msg("nothing happened for 20 seconds");
}

void
until_count(struct ev_loop *loop, const size_t *count, size_t n)
{
	ev_timer deadline;
	ev_now_update(loop);
	ev_timer_init(&deadline, on_deadline, 20., 0.);
	ev_timer_start(loop, &deadline);
	while (*count < n)
		ev_run(loop, EVRUN_ONCE);
	ev_timer_stop(loop, &deadline);
}
