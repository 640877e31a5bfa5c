/*
 * end_times.c - the service's Date is off: of one answer, of some, of all, of one plane; or there
 * is none.
 *
 * Real programs against lts-sim. Holds the end of a run to losing nothing by it, to ending with 0,
 * and to saying so where it waits.
 */
#include "tests/suites.h"

#include <stdlib.h>

#include "common/clock.h"
#include "common/xalloc.h"
#include "tests/support/one_host.h"

enum { SECONDS = 8, QUIET_S = 2 };

static const struct {
	const char *rules;
	bool says;
} offs[] = {
	{ "heartbeat count=1 date=3600", true },
	{ "any p=0.3 date=3600", true },
	{ "any p=0.5 date=-3600", true },
	{ "any date=86400", true },
	{ "batch date=3600\ncursor date=3600", false },
	{ "batch p=0.2 date=-315360000\ncursor p=0.2 date=315360000", false },
	{ "any p=0.3 no_date", false },
	{ "any no_date", true },
};

enum { OFFS = sizeof(offs) / sizeof(offs[0]) };

static void
begin(struct one_host *runs, const char *options)
{
	for (unsigned i = 0; i < OFFS; i++) {
		scenario_begin(&runs[i].scenario);
		sim_start(&runs[i].sim, &runs[i].scenario, "--tls off --shards 2 --records 200");
		sim_faults(&runs[i].sim, offs[i].rules);
		agent_init(&runs[i].agent, &runs[i].sim, "host", options);
		agent_start(&runs[i].agent);
	}
}

static void
expect_all_of_it(struct one_host *h, const char *rules)
{
	ck_assert_msg(agent_wait(&h->agent) == 0, "with '%s'", rules);
	sim_faults(&h->sim, "");
	sim_expect_exact(&h->sim, "host.out");
	agent_expect_sound(&h->agent, &h->sim);
}

/* Records come until shortly before it. A run that ends at a wrong time has not all of them. All
 * run at once: what waits waits beside the others. */
START_TEST(nothing_is_lost_before_an_end_time_to_come)
{
	struct one_host runs[OFFS];
	int64_t end_s = clock_wall_ns() / 1000000000 + SECONDS;
	char *options = xasprintf("--consumer_count 2 --end_time %lld", (long long)end_s);
	begin(runs, options);
	free(options);
	for (int64_t at_s = end_s - SECONDS + 1; at_s <= end_s - QUIET_S; at_s++) {
		until("the next second", clock_wall_ns() / 1000000000 >= at_s);
		for (unsigned i = 0; i < OFFS; i++)
			sim_post(&runs[i].sim, "/sim/produce?records=50");
	}
	for (unsigned i = 0; i < OFFS; i++) {
		expect_all_of_it(&runs[i], offs[i].rules);
		ck_assert_msg(!agent_said(&runs[i].agent, "waiting for the clocks") ==
				      !offs[i].says,
			      "with '%s'", offs[i].rules);
		one_host_end(&runs[i]);
	}
}
END_TEST

START_TEST(all_that_is_there_is_delivered_to_an_end_of_now)
{
	struct one_host runs[OFFS];
	begin(runs, "--consumer_count 2 --end_time end");
	for (unsigned i = 0; i < OFFS; i++) {
		expect_all_of_it(&runs[i], offs[i].rules);
		one_host_end(&runs[i]);
	}
}
END_TEST

Suite *
suite_end_times(void)
{
	Suite *suite = suite_create("end_times");
	TCase *tc = scenario_case(suite, "end_times");
	tcase_add_test(tc, nothing_is_lost_before_an_end_time_to_come);
	tcase_add_test(tc, all_that_is_there_is_delivered_to_an_end_of_now);
	return suite;
}
