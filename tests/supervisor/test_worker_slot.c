/*
 * test_worker_slot.c - holds supervisor/worker_slot.c to its table, cell by cell, and to
 * rule 14 (restarts) of the architecture. Fake operations, fake clock.
 */
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/handoff.h"
#include "supervisor/worker_slot.h"
#include "tests/suites.h"

static struct {
	struct worker_slot slot;
	unsigned spawned, killed, asked, timers, changes;
	int64_t delay_ms;
	bool spawn_fails;
	bool exit_told; /* with the last change */
} fake;

static const struct slot_exit died = { .code = -1, .signal = SIGSEGV };

static bool
op_spawn(void *arg, struct worker_slot *slot)
{
	ck_assert_ptr_eq(arg, &fake);
	fake.spawned++;
	return !fake.spawn_fails;
}

static void
op_kill(void *arg, struct worker_slot *slot)
{
	fake.killed++;
}

static void
op_ask_to_drain(void *arg, struct worker_slot *slot)
{
	fake.asked++;
}

static void
op_set_timer(void *arg, struct worker_slot *slot, int64_t delay_ms)
{
	fake.timers++;
	fake.delay_ms = delay_ms;
}

static void
op_changed(void *arg, struct worker_slot *slot, enum slot_state from,
	   const struct slot_exit *exit)
{
	fake.changes++;
	fake.exit_told = exit != NULL;
	/* That a life ended is told exactly when one did. */
	ck_assert(fake.exit_told ==
		  (slot_state_has_process(from) && !slot_state_has_process(slot->state)));
}

static const struct slot_ops ops = {
	.spawn = op_spawn,
	.kill = op_kill,
	.ask_to_drain = op_ask_to_drain,
	.set_timer = op_set_timer,
	.changed = op_changed,
};

static void
setup(void)
{
	memset(&fake, 0, sizeof(fake));
	worker_slot_init(&fake.slot, &ops, &fake, 3, 42);
}

static void
step(enum slot_event event, int64_t now_ms)
{
	worker_slot_step(&fake.slot, event, now_ms);
}

static void
end_life(struct slot_exit exit, int64_t now_ms)
{
	worker_slot_exited(&fake.slot, exit, now_ms);
}

static void
expect_state(enum slot_state state)
{
	ck_assert_str_eq(slot_state_name(fake.slot.state), slot_state_name(state));
}

/* The shortest way into each state. */
static void
go_to(enum slot_state state)
{
	setup();
	if (state == SLOT_IDLE)
		return;
	step(SLOT_START, 1000);
	if (state == SLOT_LIVE || state == SLOT_DRAINING)
		step(SLOT_READY, 1000);
	if (state == SLOT_DRAINING)
		step(SLOT_STOP, 1000);
	if (state == SLOT_KILLED)
		step(SLOT_OVERDUE, 1000);
	if (state == SLOT_BACKOFF)
		end_life(died, 1000);
	if (state == SLOT_REFUSED)
		end_life((struct slot_exit){ .code = EXIT_USAGE }, 1000);
	if (state == SLOT_ENDED) {
		step(SLOT_STOP, 1000);
		end_life((struct slot_exit){ .code = EXIT_DONE }, 1000);
	}
	expect_state(state);
}

enum action { NOTHING, SPAWN, KILL, ASK, TIMER };

/* The table once more, as the design says it; what is not here is impossible. */
static const struct {
	enum slot_state state;
	enum slot_event event;
	enum slot_state then;
	enum action action;
} legal[] = {
	{ SLOT_IDLE, SLOT_START, SLOT_STARTING, SPAWN },
	{ SLOT_IDLE, SLOT_STOP, SLOT_ENDED, NOTHING },
	{ SLOT_IDLE, SLOT_RENEW, SLOT_IDLE, NOTHING },
	{ SLOT_IDLE, SLOT_TIMER, SLOT_IDLE, NOTHING },
	{ SLOT_STARTING, SLOT_READY, SLOT_LIVE, NOTHING },
	{ SLOT_STARTING, SLOT_OVERDUE, SLOT_KILLED, KILL },
	{ SLOT_STARTING, SLOT_STOP, SLOT_DRAINING, ASK },
	{ SLOT_STARTING, SLOT_RENEW, SLOT_DRAINING, ASK },
	{ SLOT_STARTING, SLOT_EXITED, SLOT_BACKOFF, TIMER },
	{ SLOT_STARTING, SLOT_TIMER, SLOT_STARTING, NOTHING },
	{ SLOT_LIVE, SLOT_OVERDUE, SLOT_KILLED, KILL },
	{ SLOT_LIVE, SLOT_STOP, SLOT_DRAINING, ASK },
	{ SLOT_LIVE, SLOT_RENEW, SLOT_DRAINING, ASK },
	{ SLOT_LIVE, SLOT_EXITED, SLOT_BACKOFF, TIMER },
	{ SLOT_LIVE, SLOT_TIMER, SLOT_LIVE, NOTHING },
	{ SLOT_DRAINING, SLOT_START, SLOT_DRAINING, NOTHING },
	{ SLOT_DRAINING, SLOT_RENEW, SLOT_DRAINING, NOTHING },
	{ SLOT_DRAINING, SLOT_READY, SLOT_DRAINING, NOTHING },
	{ SLOT_DRAINING, SLOT_OVERDUE, SLOT_KILLED, KILL },
	{ SLOT_DRAINING, SLOT_STOP, SLOT_DRAINING, NOTHING },
	{ SLOT_DRAINING, SLOT_EXITED, SLOT_ENDED, NOTHING },
	{ SLOT_DRAINING, SLOT_TIMER, SLOT_DRAINING, NOTHING },
	{ SLOT_KILLED, SLOT_START, SLOT_KILLED, NOTHING },
	{ SLOT_KILLED, SLOT_RENEW, SLOT_KILLED, NOTHING },
	{ SLOT_KILLED, SLOT_READY, SLOT_KILLED, NOTHING },
	{ SLOT_KILLED, SLOT_OVERDUE, SLOT_KILLED, NOTHING },
	{ SLOT_KILLED, SLOT_STOP, SLOT_KILLED, NOTHING },
	{ SLOT_KILLED, SLOT_EXITED, SLOT_BACKOFF, TIMER },
	{ SLOT_KILLED, SLOT_TIMER, SLOT_KILLED, NOTHING },
	{ SLOT_BACKOFF, SLOT_TIMER, SLOT_STARTING, SPAWN },
	{ SLOT_BACKOFF, SLOT_STOP, SLOT_ENDED, NOTHING },
	{ SLOT_BACKOFF, SLOT_RENEW, SLOT_BACKOFF, NOTHING },
	{ SLOT_REFUSED, SLOT_STOP, SLOT_ENDED, NOTHING },
	{ SLOT_REFUSED, SLOT_RENEW, SLOT_STARTING, SPAWN },
	{ SLOT_REFUSED, SLOT_TIMER, SLOT_REFUSED, NOTHING },
	{ SLOT_ENDED, SLOT_STOP, SLOT_ENDED, NOTHING },
	{ SLOT_ENDED, SLOT_RENEW, SLOT_ENDED, NOTHING },
	{ SLOT_ENDED, SLOT_TIMER, SLOT_ENDED, NOTHING },
	{ SLOT_ENDED, SLOT_START, SLOT_STARTING, SPAWN },
};

enum { LEGAL = sizeof(legal) / sizeof(legal[0]) };

START_TEST(legal_event_does_what_the_table_says)
{
	go_to(legal[_i].state);
	fake.spawned = fake.killed = fake.asked = fake.timers = 0;
	fake.slot.exit = died;
	step(legal[_i].event, 5000);
	expect_state(legal[_i].then);
	ck_assert_uint_eq(fake.spawned, legal[_i].action == SPAWN);
	ck_assert_uint_eq(fake.killed, legal[_i].action == KILL);
	ck_assert_uint_eq(fake.asked, legal[_i].action == ASK);
	ck_assert_uint_eq(fake.timers, legal[_i].action == TIMER);
	if (legal[_i].then != legal[_i].state)
		ck_assert_int_eq(fake.slot.since_ms, 5000);
}
END_TEST

static bool
is_legal(enum slot_state state, enum slot_event event)
{
	for (size_t i = 0; i < LEGAL; i++)
		if (legal[i].state == state && legal[i].event == event)
			return true;
	return false;
}

/* What the abort says on stderr, and that it aborts. */
static void
expect_abort(enum slot_state state, enum slot_event event)
{
	char said[256] = "", wanted[256];
	int fd[2], status;
	ck_assert_int_eq(pipe(fd), 0);
	pid_t pid = fork();
	if (pid == 0) {
		dup2(fd[1], STDERR_FILENO);
		go_to(state);
		step(event, 5000);
		_exit(0);
	}
	close(fd[1]);
	ssize_t n = read(fd[0], said, sizeof(said) - 1);
	said[n > 0 ? n : 0] = '\0';
	close(fd[0]);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	snprintf(wanted, sizeof(wanted), "%s in %s is impossible", slot_event_name(event),
		 slot_state_name(state));
	ck_assert_msg(strstr(said, wanted) != NULL, "said '%s', not '%s'", said, wanted);
}

START_TEST(impossible_event_aborts_and_names_both)
{
	unsigned impossible = 0;
	for (int state = 0; state < SLOT_STATES; state++)
		for (int event = 0; event < SLOT_EVENTS; event++) {
			if (is_legal((enum slot_state)state, (enum slot_event)event))
				continue;
			expect_abort((enum slot_state)state, (enum slot_event)event);
			impossible++;
		}
	ck_assert_uint_eq(impossible + LEGAL, SLOT_STATES * SLOT_EVENTS);
}
END_TEST

START_TEST(worker_that_is_renewed_drains_and_starts_at_once)
{
	go_to(SLOT_LIVE);
	step(SLOT_RENEW, 2000);
	expect_state(SLOT_DRAINING);
	end_life((struct slot_exit){ .code = EXIT_DONE }, 2100);
	expect_state(SLOT_STARTING);
	ck_assert_uint_eq(fake.timers, 0);
	ck_assert_uint_eq(fake.slot.restarts, 0);
}
END_TEST

START_TEST(worker_that_dies_while_it_is_renewed_waits_like_any_other)
{
	go_to(SLOT_LIVE);
	step(SLOT_RENEW, 2000);
	end_life(died, 2100);
	expect_state(SLOT_BACKOFF);
	ck_assert_uint_eq(fake.timers, 1);
}
END_TEST

START_TEST(worker_that_is_wanted_again_while_it_drains_is_started)
{
	go_to(SLOT_DRAINING);
	step(SLOT_START, 2000);
	end_life((struct slot_exit){ .code = EXIT_DONE }, 2100);
	expect_state(SLOT_STARTING);
}
END_TEST

START_TEST(worker_that_is_not_wanted_any_more_while_it_is_renewed_ends)
{
	go_to(SLOT_LIVE);
	step(SLOT_RENEW, 2000);
	step(SLOT_STOP, 2050);
	end_life((struct slot_exit){ .code = EXIT_DONE }, 2100);
	expect_state(SLOT_ENDED);
}
END_TEST

START_TEST(ready_of_an_idle_slot_aborts)
{
	step(SLOT_READY, 1000);
}
END_TEST

START_TEST(first_restart_is_at_once)
{
	go_to(SLOT_LIVE);
	end_life(died, 2000);
	expect_state(SLOT_BACKOFF);
	ck_assert_int_eq(fake.delay_ms, 0);
	step(SLOT_TIMER, 2000);
	expect_state(SLOT_STARTING);
	ck_assert_uint_eq(fake.slot.restarts, 1);
}
END_TEST

/* Dies at once after each start, and says how long the n-th wait was. */
static int64_t
wait_of_crash(int64_t *now_ms)
{
	end_life(died, *now_ms);
	int64_t delay_ms = fake.delay_ms;
	*now_ms += delay_ms;
	step(SLOT_TIMER, *now_ms);
	return delay_ms;
}

START_TEST(exit_loop_waits_longer_up_to_thirty_seconds)
{
	int64_t now_ms = 1000, ceiling_ms = 100, longest_ms = 0;
	step(SLOT_START, now_ms);
	ck_assert_int_eq(wait_of_crash(&now_ms), 0);
	for (int i = 0; i < 200; i++) {
		int64_t wait_ms = wait_of_crash(&now_ms);
		ck_assert_int_ge(wait_ms, 1);
		ck_assert_int_le(wait_ms, ceiling_ms);
		longest_ms = wait_ms > longest_ms ? wait_ms : longest_ms;
		ceiling_ms = ceiling_ms > 15000 ? 30000 : 2 * ceiling_ms;
	}
	ck_assert_int_gt(longest_ms, 20000);
	ck_assert_uint_eq(fake.slot.restarts, 201);
}
END_TEST

START_TEST(waits_of_two_slots_differ)
{
	int64_t waits[2] = { 0, 0 };
	for (uint64_t seed = 0; seed < 2; seed++) {
		int64_t now_ms = 1000;
		memset(&fake, 0, sizeof(fake));
		worker_slot_init(&fake.slot, &ops, &fake, 0, seed + 1);
		step(SLOT_START, now_ms);
		for (int i = 0; i < 12; i++)
			waits[seed] += wait_of_crash(&now_ms);
	}
	ck_assert_int_ne(waits[0], waits[1]);
}
END_TEST

START_TEST(healthy_minute_forgives)
{
	int64_t now_ms = 1000;
	step(SLOT_START, now_ms);
	for (int i = 0; i < 12; i++)
		wait_of_crash(&now_ms);
	step(SLOT_READY, now_ms);
	end_life(died, now_ms + 60000);
	ck_assert_int_eq(fake.delay_ms, 0);
	now_ms += 60000;
	step(SLOT_TIMER, now_ms);
	ck_assert_int_le(wait_of_crash(&now_ms), 100);
}
END_TEST

START_TEST(less_than_a_healthy_minute_does_not_forgive)
{
	int64_t now_ms = 1000;
	step(SLOT_START, now_ms);
	ck_assert_int_eq(wait_of_crash(&now_ms), 0);
	step(SLOT_READY, now_ms);
	end_life(died, now_ms + 59999);
	ck_assert_int_gt(fake.delay_ms, 0);
	/* A minute of not being ready is not healthy either. */
	now_ms += 70000;
	step(SLOT_TIMER, now_ms);
	end_life(died, now_ms + 3600000);
	ck_assert_int_gt(fake.delay_ms, 0);
}
END_TEST

START_TEST(exit_code_2_is_not_started_again)
{
	go_to(SLOT_LIVE);
	end_life((struct slot_exit){ .code = EXIT_USAGE }, 2000);
	expect_state(SLOT_REFUSED);
	ck_assert_uint_eq(fake.timers, 0);
	step(SLOT_TIMER, 100000);
	expect_state(SLOT_REFUSED);
	ck_assert_uint_eq(fake.spawned, 1);
}
END_TEST

START_TEST(any_other_end_is_started_again)
{
	static const struct slot_exit ends[] = {
		{ .code = EXIT_DONE },
		{ .code = EXIT_FAILED },
		{ .code = EXIT_NO_MEMORY },
		{ .code = EXIT_SYNC_FAILED },
		{ .code = EXIT_DAMAGED },
		{ .code = EXIT_ORPHANED },
		{ .code = -1, .signal = SIGKILL },
	};
	go_to(SLOT_LIVE);
	end_life(ends[_i], 2000);
	expect_state(SLOT_BACKOFF);
	step(SLOT_TIMER, 2000);
	expect_state(SLOT_STARTING);
}
END_TEST

START_TEST(killed_after_stop_is_not_started_again)
{
	go_to(SLOT_DRAINING);
	step(SLOT_OVERDUE, 2000);
	expect_state(SLOT_KILLED);
	end_life((struct slot_exit){ .code = -1, .signal = SIGKILL, .ours = true }, 2001);
	expect_state(SLOT_ENDED);
	go_to(SLOT_KILLED);
	step(SLOT_STOP, 2000);
	end_life((struct slot_exit){ .code = -1, .signal = SIGKILL, .ours = true }, 2001);
	expect_state(SLOT_ENDED);
	step(SLOT_TIMER, 3000);
	expect_state(SLOT_ENDED);
	ck_assert_uint_eq(fake.spawned, 1);
}
END_TEST

START_TEST(spawn_that_fails_is_tried_again)
{
	int64_t now_ms = 1000;
	fake.spawn_fails = true;
	step(SLOT_START, now_ms);
	expect_state(SLOT_BACKOFF);
	ck_assert_int_eq(fake.delay_ms, 0);
	for (int i = 0; i < 5; i++) {
		step(SLOT_TIMER, now_ms);
		expect_state(SLOT_BACKOFF);
		ck_assert_int_gt(fake.delay_ms, 0);
	}
	fake.spawn_fails = false;
	step(SLOT_TIMER, now_ms);
	expect_state(SLOT_STARTING);
}
END_TEST

START_TEST(timer_of_a_stopped_slot_starts_nothing)
{
	go_to(SLOT_BACKOFF);
	step(SLOT_STOP, 2000);
	step(SLOT_TIMER, 3000);
	expect_state(SLOT_ENDED);
	ck_assert_uint_eq(fake.spawned, 1);
}
END_TEST

Suite *
suite_worker_slot(void)
{
	Suite *suite = suite_create("worker_slot");
	TCase *tc = tcase_create("table");
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_loop_test(tc, legal_event_does_what_the_table_says, 0, LEGAL);
	tcase_add_test(tc, impossible_event_aborts_and_names_both);
	tcase_add_test_raise_signal(tc, ready_of_an_idle_slot_aborts, SIGABRT);
	suite_add_tcase(suite, tc);
	tc = tcase_create("restarts");
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, worker_that_is_renewed_drains_and_starts_at_once);
	tcase_add_test(tc, worker_that_dies_while_it_is_renewed_waits_like_any_other);
	tcase_add_test(tc, worker_that_is_wanted_again_while_it_drains_is_started);
	tcase_add_test(tc, worker_that_is_not_wanted_any_more_while_it_is_renewed_ends);
	tcase_add_test(tc, first_restart_is_at_once);
	tcase_add_test(tc, exit_loop_waits_longer_up_to_thirty_seconds);
	tcase_add_test(tc, waits_of_two_slots_differ);
	tcase_add_test(tc, healthy_minute_forgives);
	tcase_add_test(tc, less_than_a_healthy_minute_does_not_forgive);
	tcase_add_test(tc, exit_code_2_is_not_started_again);
	tcase_add_loop_test(tc, any_other_end_is_started_again, 0, 7);
	tcase_add_test(tc, killed_after_stop_is_not_started_again);
	tcase_add_test(tc, spawn_that_fails_is_tried_again);
	tcase_add_test(tc, timer_of_a_stopped_slot_starts_nothing);
	suite_add_tcase(suite, tc);
	return suite;
}
