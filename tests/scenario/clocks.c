/*
 * clocks.c - wall clocks that are wrong, or jump.
 *
 * Real programs against lts-sim, under libfaketime, which leaves the monotonic clocks alone.
 * Holds leases, waits and the order of things to not looking at the wall clock, the
 * signature to learning how wrong it is, and TLS to refusing what it cannot judge.
 */
#include "tests/suites.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/xalloc.h"
#include "tests/support/one_host.h"
#include "tests/support/state_program.h"
#include "tests/support/tmpdir.h"

static const char library[] = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";

static void
set_clock(const struct one_host *h, const char *offset)
{
	tmpdir_write(h->scenario.dir, "clock.new", offset, strlen(offset));
	char *from = tmpdir_path(h->scenario.dir, "clock.new"),
	     *to = tmpdir_path(h->scenario.dir, "clock");
	ck_assert_int_eq(rename(from, to), 0);
	free(from);
	free(to);
}

/* False: there is no libfaketime, or a sanitizer that must come first. */
static bool
can_fake(void)
{
	bool can = PATIENCE_SLOWNESS == 1 && access(library, R_OK) == 0;
	if (!can)
		scenario_skip(PATIENCE_SLOWNESS == 1 ? "no libfaketime"
						     : "libfaketime beside a sanitizer");
	return can;
}

/* The agent's clock is what set_clock says; the simulator's is right. */
static void
start_faked(struct one_host *h)
{
	char *clock = tmpdir_path(h->scenario.dir, "clock");
	setenv("FAKETIME_TIMESTAMP_FILE", clock, 1);
	setenv("FAKETIME_NO_CACHE", "1", 1);
	setenv("FAKETIME_DONT_FAKE_MONOTONIC", "1", 1);
	setenv("LD_PRELOAD", library, 1);
	agent_start(&h->agent);
	unsetenv("LD_PRELOAD");
	free(clock);
}

static void
begin(struct one_host *h, const char *sim_options, const char *clock)
{
	scenario_begin(&h->scenario);
	set_clock(h, clock);
	sim_start(&h->sim, &h->scenario, sim_options);
	sim_faults(&h->sim, "batch latency=10");
	/* In a sandbox the clock's file could not be read again. */
	agent_init(&h->agent, &h->sim, "host",
		   "--consumer_count 2 --end_time end --consume_batch_size 100 "
		   "--publish_interval 200ms --sandbox off");
	start_faked(h);
}

static void
expect_undisturbed(struct one_host *h)
{
	one_host_expect_drained(h, 4, 10000);
	ck_assert_uint_eq(agent_said(&h->agent, "lease ended"), 0);
	ck_assert_uint_eq(agent_said(&h->agent, "worker killed"), 0);
	ck_assert_uint_eq(agent_said(&h->agent, "restarts=1"), 0);
	one_host_end(h);
}

static const struct {
	const char *sim, *first, *then;
} jumps[] = {
	{ "--shards 4 --records 10000 --consumer_timeout 3", "+0", "+1h" },
	{ "--shards 4 --records 10000 --consumer_timeout 3", "+0", "-1h" },
	{ "--shards 4 --records 10000 --consumer_timeout 3", "+1h", "-1h" },
	{ "--tls off --shards 4 --records 10000 --consumer_timeout 3", "+0", "+10y" },
	{ "--tls off --shards 4 --records 10000 --consumer_timeout 3", "+0", "-10y" },
	{ "--tls off --shards 4 --records 10000 --consumer_timeout 3", "-10y", "+10y" },
};

START_TEST(jump_of_the_wall_clock_disturbs_nothing)
{
	struct one_host h;
	double served = 0;
	if (!can_fake())
		return;
	begin(&h, jumps[_i].sim, jumps[_i].first);
	one_host_await_served(&h, 10000, &served);
	set_clock(&h, jumps[_i].then);
	one_host_await_served(&h, 10000, &served);
	set_clock(&h, jumps[_i].first);
	expect_undisturbed(&h);
}
END_TEST

START_TEST(skew_is_learned_by_every_process)
{
	struct one_host h;
	if (!can_fake())
		return;
	begin(&h, "--tls off --shards 4 --records 10000 --consumer_timeout 3", "+1h");
	one_host_expect_drained(&h, 4, 10000);
	double refused = sim_number(&h.sim, "requests/heartbeat/401") +
			 sim_number(&h.sim, "requests/batch/401") +
			 sim_number(&h.sim, "requests/cursor/401");
	ck_assert_double_ge(refused, 1);
	ck_assert_double_le(refused, 8); /* a few are under way at the first time */
	one_host_end(&h);
}
END_TEST

static const char *const decades[][2] = {
	{ "+10y", "expired" },
	{ "-10y", "not yet valid" },
};

START_TEST(clock_ten_years_off_refuses_the_service_s_certificate_and_says_so)
{
	struct one_host h;
	if (!can_fake())
		return;
	begin(&h, "--shards 4 --records 10000 --consumer_timeout 3", decades[_i][0]);
	until("it says so", agent_said(&h.agent, decades[_i][1]) >= 1);
	ck_assert_double_eq(sim_number(&h.sim, "requests/heartbeat/200"), 0);
	ck_assert_double_eq(sim_number(&h.sim, "requests/heartbeat/401"), 0);
	set_clock(&h, "+0");
	expect_undisturbed(&h);
}
END_TEST

START_TEST(restart_in_the_past_goes_on)
{
	struct one_host h;
	double served = 0;
	if (!can_fake())
		return;
	begin(&h, "--tls off --shards 4 --records 10000 --consumer_timeout 3", "+10y");
	one_host_await_served(&h, 10000, &served);
	process_kill(&h.agent.process);
	set_clock(&h, "-10y");
	start_faked(&h);
	one_host_expect_drained(&h, 4, 10000);
	one_host_end(&h);
}
END_TEST

static bool
leases_say(const struct one_host *h, const char *text)
{
	struct state_program state;
	state_program_init(&state, h->scenario.dir);
	ck_assert_int_eq(state_program_run(&state, "--state_dir host.st leases"), 0);
	bool says = strstr(state.output, "not ready: ") && strstr(state.output, text);
	state_program_fini(&state);
	return says;
}

/* Both wait for the other one: this host's clock, and the service's. */
START_TEST(wrong_clock_of_the_host_ends_nothing_early)
{
	struct one_host h;
	if (!can_fake())
		return;
	scenario_begin(&h.scenario);
	set_clock(&h, _i ? "+1h" : "-10m");
	sim_start(&h.sim, &h.scenario, "--tls off --shards 2 --records 100");
	int64_t end_s = clock_wall_ns() / 1000000000 + 5;
	char *options =
		xasprintf("--consumer_count 2 --end_time %lld --sandbox off", (long long)end_s);
	agent_init(&h.agent, &h.sim, "host", options);
	start_faked(&h);
	until("it is a second before end_time", clock_wall_ns() / 1000000000 >= end_s - 1);
	sim_post(&h.sim, "/sim/produce?records=100");
	until("it says so", agent_said(&h.agent, "waiting for the clocks") >= 1);
	if (!_i)
		until("lts-state leases says who is off", leases_say(&h, "the clocks disagree") &&
							  leases_say(&h, "the answers are +"));
	if (!_i)
		set_clock(&h, "+0");
	ck_assert_int_eq(agent_wait(&h.agent), 0);
	sim_expect_exact(&h.sim, "host.out");
	one_host_end(&h);
	free(options);
}
END_TEST

START_TEST(clock_that_is_not_the_service_s_is_named_until_it_is)
{
	struct one_host h;
	scenario_begin(&h.scenario);
	sim_start(&h.sim, &h.scenario, "--tls off --shards 1 --records 10");
	sim_faults(&h.sim, "any date=-3600");
	agent_init(&h.agent, &h.sim, "host", "");
	agent_start(&h.agent);
	until("it is named", agent_said(&h.agent, "set it right\" ahead_s=36") == 1);
	sim_faults(&h.sim, "");
	until("it is well", agent_said(&h.agent, "clock is the service's again") == 1);
	agent_stop(&h.agent);
	one_host_end(&h);
}
END_TEST

Suite *
suite_clocks(void)
{
	Suite *suite = suite_create("clocks");
	TCase *tc = scenario_case(suite, "clocks");
	tcase_add_loop_test(tc, jump_of_the_wall_clock_disturbs_nothing, 0,
			    sizeof(jumps) / sizeof(jumps[0]));
	tcase_add_test(tc, skew_is_learned_by_every_process);
	tcase_add_loop_test(tc, clock_ten_years_off_refuses_the_service_s_certificate_and_says_so,
			    0, 2);
	tcase_add_test(tc, restart_in_the_past_goes_on);
	tcase_add_test(tc, clock_that_is_not_the_service_s_is_named_until_it_is);
	tcase_add_loop_test(tc, wrong_clock_of_the_host_ends_nothing_early, 0, 2);
	return suite;
}
