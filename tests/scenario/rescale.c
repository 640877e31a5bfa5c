/*
 * rescale.c - hosts that come, go, die and come back, under load.
 *
 * Real programs against lts-sim, each agent with its own state and sink. Holds that planned
 * moves lose and repeat nothing; that a host lost whole loses nothing, repeats only what it had
 * not published, and nothing within any one host's files, also when it comes back.
 */
#include "tests/suites.h"

#include <signal.h>
#include <stdlib.h>

#include "common/xalloc.h"
#include "tests/support/agent.h"

enum { HOSTS = 4 };

struct ground {
	struct scenario scenario;
	struct sim_process sim;
	struct agent hosts[HOSTS];
};

static const char *const names[HOSTS] = { "a", "b", "c", "d" };

static void
begin(struct ground *g, const char *sim_options, const char *agent_options)
{
	scenario_begin(&g->scenario);
	sim_start(&g->sim, &g->scenario, sim_options);
	for (int i = 0; i < HOSTS; i++)
		agent_init(&g->hosts[i], &g->sim, names[i], agent_options);
}

static void
end(struct ground *g)
{
	for (int i = 0; i < HOSTS; i++)
		agent_fini(&g->hosts[i]);
	sim_stop(&g->sim);
	scenario_end(&g->scenario);
}

/* The load is seen to go on. */
static void
await_served(struct ground *g, double more)
{
	double mark = sim_number(&g->sim, "served_records");
	until("the load goes on", sim_number(&g->sim, "served_records") >= mark + more);
}

/* So many hosts share the shards. */
static void
await_shared(struct ground *g, unsigned hosts)
{
	until("they share the shards", sim_is_settled(&g->sim, hosts));
	await_served(g, 2000);
}

/* The host has its shards, and delivers from them: a new shard's first question takes a second. */
static void
await_at_work(struct ground *g, const struct agent *host, unsigned shards)
{
	until("it holds its shards", agent_said(host, "msg=\"shard held\"") >= shards);
	await_served(g, 2000);
}

/* Asked to, the host publishes at once. */
static bool
all_published(struct ground *g, const struct agent *host)
{
	process_signal(&host->process, SIGUSR1);
	return sim_published(&g->sim) == sim_number(&g->sim, "produced");
}

/* Ends the load; the last host takes all that is left, and ends. */
static void
drain(struct ground *g, struct agent *host)
{
	sim_post(&g->sim, "/sim/rate?records=0");
	until("everything is published", all_published(g, host));
	agent_stop(host);
}

START_TEST(rescaling_under_load_loses_and_repeats_nothing)
{
	struct ground g;
	begin(&g, "--tls off --shards 8 --records 500 --rate 6000 --consumer_timeout 3",
	      "--consume_batch_size 200");
	agent_start(&g.hosts[0]);
	await_served(&g, 3000);
	for (int i = 1; i < HOSTS; i++)
		agent_start(&g.hosts[i]);
	await_shared(&g, HOSTS);
	sim_post(&g.sim, "/sim/split?shard=3");
	sim_post(&g.sim, "/sim/merge?shard=4&with=5");
	until("the children are granted",
	      sim_number(&g.sim, "shards/8/checkpoint") > 100 &&
		      sim_number(&g.sim, "shards/10/checkpoint") > 100);
	for (int i = HOSTS - 1; i > 0; i--) {
		agent_stop(&g.hosts[i]);
		await_shared(&g, (unsigned)i);
	}
	drain(&g, &g.hosts[0]);
	sim_expect_exact(&g.sim, "a.out b.out c.out d.out");
	for (int i = 0; i < HOSTS; i++)
		agent_expect_sound(&g.hosts[i], &g.sim);
	end(&g);
}
END_TEST

/* Everything is there; what was repeated may be, and comes from another host. */
static struct verdict
expect_nothing_forbidden(struct ground *g, const char *dirs)
{
	char *options = xasprintf("--status status.json %s", dirs);
	sim_keep_status(&g->sim, "status.json");
	struct verdict v = scenario_verify(&g->scenario, options);
	free(options);
	ck_assert_uint_eq(v.lost + v.duplicated + v.reordered + v.torn, 0);
	ck_assert_int_eq(v.exit, 0);
	ck_assert_double_eq(sim_number(&g->sim, "checkpoint_regressions"), 0);
	ck_assert_double_eq((double)(v.records - v.repeated), sim_number(&g->sim, "produced"));
	return v;
}

#define LOAD_BUT_TIMEOUT "--tls off --shards 8 --records 500 --rate 4000 --consumer_timeout "
#define LOAD LOAD_BUT_TIMEOUT "3"
/* Publishes so seldom that whoever is lost has delivered much behind its checkpoint. */
#define SELDOM "--consumer_count 2 --consume_batch_size 200 --publish_interval 1h "

START_TEST(host_lost_whole_loses_nothing_and_repeats_only_what_was_not_published)
{
	struct ground g;
	begin(&g, LOAD, SELDOM);
	agent_start(&g.hosts[0]);
	agent_start(&g.hosts[1]);
	await_shared(&g, 4);
	await_at_work(&g, &g.hosts[1], 4);
	agent_kill_whole(&g.hosts[1]);
	await_shared(&g, 2);
	drain(&g, &g.hosts[0]);
	struct verdict v = expect_nothing_forbidden(&g, "--parts a.out b.out");
	ck_assert_uint_gt(v.repeated, 0);
	agent_expect_sound(&g.hosts[0], &g.sim);
	end(&g);
}
END_TEST

/* It had delivered more than the host that took over has, when it gets its shards back. */
START_TEST(host_that_comes_back_repeats_nothing_of_its_own)
{
	struct ground g;
	begin(&g, LOAD, SELDOM);
	agent_start(&g.hosts[0]);
	agent_start(&g.hosts[1]);
	await_shared(&g, 4);
	await_served(&g, 8000);
	sim_faults(&g.sim, "batch latency=300");
	if (_i)
		agent_kill_whole(&g.hosts[1]);
	else
		process_signal(&g.hosts[1].process, SIGSTOP);
	until("it is lost", sim_is_settled(&g.sim, 2));
	await_served(&g, 2000);
	if (_i)
		agent_start(&g.hosts[1]);
	else
		process_signal(&g.hosts[1].process, SIGCONT);
	until("they share again", sim_is_settled(&g.sim, 4));
	sim_faults(&g.sim, "");
	await_shared(&g, 4);
	/* That takes two questions, a second apart: a stop before leaves it to the next start. */
	until("what it left behind is closed",
	      agent_said(&g.hosts[1], "msg=\"shard released\"") >=
		      agent_said(&g.hosts[1], "msg=\"left behind"));
	agent_stop(&g.hosts[1]);
	until("the other has all", sim_is_settled(&g.sim, 2));
	drain(&g, &g.hosts[0]);
	struct verdict v = expect_nothing_forbidden(&g, "a.out b.out");
	ck_assert_uint_eq(v.unsealed, 0);
	end(&g);
}
END_TEST

START_TEST(planned_move_survives_the_death_of_the_supervisor_that_makes_it)
{
	struct ground g;
	/* The new supervisor has a sixth of the timeout to start its workers. */
	begin(&g, LOAD_BUT_TIMEOUT "9", SELDOM "--heartbeat_timeout 9s ");
	agent_start(&g.hosts[0]);
	await_served(&g, 6000);
	sim_faults(&g.sim, "checkpoint_write status=503");
	agent_start(&g.hosts[1]);
	until("shards are drained for the other",
	      agent_said(&g.hosts[0], "checkpoints not published") >= 4);
	process_kill(&g.hosts[0].process);
	sim_faults(&g.sim, "");
	agent_start(&g.hosts[0]);
	await_shared(&g, 4);
	agent_stop(&g.hosts[1]);
	until("the first has all again", sim_is_settled(&g.sim, 2));
	drain(&g, &g.hosts[0]);
	sim_expect_exact(&g.sim, "a.out b.out");
	end(&g);
}
END_TEST

/* Most of its shards are others' by then, and do not come back. */
START_TEST(host_lost_whole_seals_its_files_when_it_is_started_again)
{
	struct ground g;
	begin(&g, LOAD, SELDOM);
	agent_start(&g.hosts[0]);
	agent_start(&g.hosts[1]);
	await_shared(&g, 4);
	await_at_work(&g, &g.hosts[1], 4);
	agent_kill_whole(&g.hosts[1]);
	await_shared(&g, 2);
	agent_start(&g.hosts[2]);
	agent_start(&g.hosts[3]);
	await_shared(&g, 6);
	agent_start(&g.hosts[1]);
	await_shared(&g, 8);
	until("what it left behind is closed",
	      agent_said(&g.hosts[1], "msg=\"shard released\"") >=
		      agent_said(&g.hosts[1], "msg=\"left behind"));
	ck_assert_uint_ge(agent_said(&g.hosts[1], "msg=\"left behind"), 2);
	for (int i = HOSTS - 1; i > 0; i--)
		agent_stop(&g.hosts[i]);
	until("the first has all", sim_is_settled(&g.sim, 2));
	drain(&g, &g.hosts[0]);
	struct verdict v = expect_nothing_forbidden(&g, "a.out b.out c.out d.out");
	ck_assert_uint_eq(v.unsealed, 0);
	end(&g);
}
END_TEST

Suite *
suite_rescale(void)
{
	Suite *suite = suite_create("rescale");
	TCase *tc = scenario_case(suite, "rescale");
	tcase_add_test(tc, rescaling_under_load_loses_and_repeats_nothing);
	tcase_add_test(tc, host_lost_whole_loses_nothing_and_repeats_only_what_was_not_published);
	tcase_add_test(tc, host_lost_whole_seals_its_files_when_it_is_started_again);
	tcase_add_test(tc, planned_move_survives_the_death_of_the_supervisor_that_makes_it);
	tcase_add_loop_test(tc, host_that_comes_back_repeats_nothing_of_its_own, 0, 2);
	return suite;
}
