/*
 * exhausted.c - what is used up: room and reader slots of the state, and who keeps them.
 *
 * Real programs against lts-sim, with readers of the state that are killed and stopped, and on
 * small tmpfs mounts (root). Holds kind 1 of tests/world.md: what waits for room says so within
 * two seconds, delivers nothing that it cannot commit, and goes on by itself.
 */
#include "tests/suites.h"

#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"
#include "tests/support/one_host.h"
#include "tests/support/raw_server.h"
#include "tests/support/scrape.h"
#include "tests/support/small_disk.h"
#include "tests/support/state_program.h"

enum { SEEN_WITHIN_MS = 2000 * PATIENCE_SLOWNESS };

static char *where;

static void
begin(struct one_host *h, const char *sim_options, const char *agent_options)
{
	where = xasprintf("127.0.0.1:%u", raw_server_closed_port());
	char *options = xasprintf("--metrics_listen %s %s", where, agent_options);
	sim_start(&h->sim, &h->scenario, sim_options);
	agent_init(&h->agent, &h->sim, "host", options);
	agent_start(&h->agent);
	free(options);
}

/* `disk`: was mounted for it; NULL: none was. */
static void
end(struct one_host *h, const char *disk)
{
	agent_fini(&h->agent);
	sim_stop(&h->sim);
	if (disk)
		small_disk_unmount(&h->scenario, disk);
	scenario_end(&h->scenario);
	free(where);
}

/* /readyz and lts-state leases name it, soon after the log did; and the agent is alive. */
static void
expect_named(const struct one_host *h, const char *cause)
{
	struct state_program state;
	until_within(SEEN_WITHIN_MS, "it is not ready", scrape_says(where, "/readyz", 503, cause));
	ck_assert(scrape_says(where, "/healthz", 200, cause));
	state_program_init(&state, h->scenario.dir);
	ck_assert_int_eq(state_program_run(&state, "--state_dir host.st leases"), 0);
	ck_assert_msg(strstr(state.output, "waits for ") && strstr(state.output, cause), "%s",
		      state.output);
	ck_assert_int_eq(state_program_run(&state, "--state_dir host.st --json leases"), 0);
	ck_assert_msg(strstr(state.output, "\"waits\":[{\"text\":\"worker "), "%s", state.output);
	state_program_fini(&state);
}

START_TEST(full_disk_is_named_within_two_seconds)
{
	struct one_host h;
	scenario_begin(&h.scenario);
	if (!small_disk_mount(&h.scenario, "host.out", "size=1m")) {
		scenario_end(&h.scenario);
		return;
	}
	begin(&h, "--tls off --shards 2 --records 8000 --consumer_timeout 3",
	      "--consumer_count 1 --end_time end");
	until("there is no space", agent_said(&h.agent, "deliveries pause") > 0);
	expect_named(&h, "No space left on device");
	small_disk_remount(&h.scenario, "host.out", "size=64m");
	one_host_expect_drained(&h, 2, 8000);
	end(&h, "host.out");
}
END_TEST

Suite *
suite_exhausted(void)
{
	Suite *suite = suite_create("exhausted");
	TCase *tc = scenario_case(suite, "exhausted");
	tcase_add_test(tc, full_disk_is_named_within_two_seconds);
	return suite;
}
