/*
 * used_up_starts.c - what a start needs is used up: of the agent, of a worker.
 *
 * Real programs against lts-sim. Holds kind 1 of tests/world.md: a start waits for what is used up,
 * and why a worker does not work is in lts-state leases and /readyz.
 */
#include "tests/suites.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "common/xalloc.h"
#include "tests/support/raw_server.h"
#include "tests/support/scrape.h"
#include "tests/support/test_sink.h"

enum { SHARDS = 2, RECORDS = 500 };

#define SIM "--tls off --shards 2 --records 500 --consumer_timeout 3"
#define AGENT "--consumer_count 1 --end_time end"

static void
end(struct one_host *h)
{
	one_host_expect_drained(h, SHARDS, RECORDS);
	one_host_end(h);
}

START_TEST(start_without_descriptors_says_so_and_waits)
{
	struct one_host h;
	struct rlimit before, few = { 16, 16 };
	scenario_begin(&h.scenario);
	sim_start(&h.sim, &h.scenario, SIM);
	agent_init(&h.agent, &h.sim, "host", AGENT);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0); /* for good, but for the mighty */
	agent_start(&h.agent);
	until("it waits", agent_said(&h.agent, "a start needs 24 descriptors: Too many open"));
	ck_assert_uint_eq(agent_said(&h.agent, "may have 16 descriptors (RLIMIT_NOFILE)"), 1);
	if (prlimit(h.agent.process.pid, RLIMIT_NOFILE, &before, NULL) == 0 &&
	    setrlimit(RLIMIT_NOFILE, &before) == 0) {
		one_host_expect_drained(&h, SHARDS, RECORDS);
	} else {
		process_kill(&h.agent.process);
	}
	one_host_end(&h);
}
END_TEST

/* Its lives end with that code. */
static void
expect_named(const char *rules, const char *cause)
{
	struct one_host h;
	char *where = xasprintf("127.0.0.1:%u", raw_server_closed_port());
	char *options = xasprintf("--metrics_listen %s " AGENT, where);
	test_sink_begin(&h, SIM, options, rules);
	until("it is not ready", scrape_says(where, "/readyz", 503, cause));
	char *leases = one_host_state(&h, "leases");
	ck_assert_msg(strstr(leases, "waits for ") && strstr(leases, cause), "%s", leases);
	free(leases);
	test_sink_rules(&h, "");
	free(options);
	free(where);
	end(&h);
}

START_TEST(worker_that_runs_out_of_memory_is_named_until_it_does_not)
{
	expect_named("start 0 4\n", "it ran out of memory and gets fewer records at a time");
}
END_TEST

START_TEST(worker_that_ends_again_and_again_is_named_with_its_code)
{
	expect_named("start 0 1\n", "it ended with 1: the log says why");
}
END_TEST

Suite *
suite_used_up_starts(void)
{
	Suite *suite = suite_create("used_up_starts");
	TCase *tc = scenario_case(suite, "used_up_starts");
	tcase_add_test(tc, start_without_descriptors_says_so_and_waits);
	tcase_add_test(tc, worker_that_runs_out_of_memory_is_named_until_it_does_not);
	tcase_add_test(tc, worker_that_ends_again_and_again_is_named_with_its_code);
	return suite;
}
