/*
 * doubts.c - a service whose one answer proves nothing: writes that land late, in part or never,
 * lists that are short, one shard whose checkpoint is refused.
 *
 * Real programs against lts-sim. Holds that a planned move repeats nothing for all that, and that
 * one bad shard costs the others nothing.
 */
#include "tests/suites.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/agent.h"

struct ground {
	struct scenario scenario;
	struct sim_process sim;
	struct agent a, b;
};

static void
begin(struct ground *g, const char *sim_options, const char *agent_options)
{
	scenario_begin(&g->scenario);
	sim_start(&g->sim, &g->scenario, sim_options);
	agent_init(&g->a, &g->sim, "a", agent_options);
	agent_init(&g->b, &g->sim, "b", agent_options);
}

static void
end(struct ground *g)
{
	agent_fini(&g->a);
	agent_fini(&g->b);
	sim_stop(&g->sim);
	scenario_end(&g->scenario);
}

static void
await_served(struct ground *g, double more)
{
	double mark = sim_number(&g->sim, "served_records");
	until("the load goes on", sim_number(&g->sim, "served_records") >= mark + more);
}

/* Published when asked to only, so that the test says which write is which. */
static void
flush(struct ground *g)
{
	size_t before = agent_said(&g->a, "msg=\"flushed");
	process_signal(&g->a.process, SIGUSR1);
	until("it has published", agent_said(&g->a, "msg=\"flushed") > before);
}

/* `b` joins, gets its half, and all that was made is delivered once. */
static void
expect_exact_over_a_move(struct ground *g)
{
	agent_start(&g->b);
	until("they share the shards", sim_is_settled(&g->sim, 2));
	until("the second has its share", agent_said(&g->b, "msg=\"shard held\"") >= 2);
	sim_faults(&g->sim, "");
	until("all is delivered", sim_number(&g->sim, "served_records") >=
					  sim_number(&g->sim, "produced"));
	agent_stop(&g->b);
	agent_stop(&g->a);
	sim_expect_exact(&g->sim, "a.out b.out");
	agent_expect_sound(&g->a, &g->sim);
	agent_expect_sound(&g->b, &g->sim);
}

/* lts-state knows when the agent looked. */
static void
expect_heard(struct ground *g)
{
	char *out, *rest;
	struct words words = { 0 };
	words_add(&words, "lts-state");
	words_add(&words, "diff");
	words_add(&words, "--state_dir=%s/a.st", g->scenario.dir);
	scenario_run(&g->scenario, &words, &out);
	rest = strstr(out, "HEARD");
	ck_assert_msg(rest && !strstr(rest, "-\n"), "%s", out);
	words_fini(&words);
	free(out);
}

#define LATE "checkpoint_write count=1 hold=5000 "

START_TEST(write_that_lands_late_makes_no_planned_move_repeat)
{
	static const char *const answers[] = { LATE, LATE "status=504",
					       LATE "lose_reply" };
	struct ground g;
	begin(&g, "--tls off --shards 4 --records 500 --rate 2000 --consumer_timeout 9",
	      "--heartbeat_timeout 9s --publish_interval 1h ");
	agent_start(&g.a);
	until("it holds its shards", agent_said(&g.a, "msg=\"shard held\"") >= 4);
	await_served(&g, 2000);
	flush(&g); /* where they start is published, too */
	await_served(&g, 1000);
	sim_faults(&g.sim, answers[_i]);
	flush(&g);
	await_served(&g, 500);
	sim_post(&g.sim, "/sim/rate?records=0");
	until("all is committed", agent_committed(&g.a) == sim_number(&g.sim, "produced"));
	flush(&g);
	until("the held write has landed", sim_number(&g.sim, "late_regressions") > 0);
	until("it is found, and written over",
	      sim_published(&g.sim) == sim_number(&g.sim, "produced"));
	expect_heard(&g);
	expect_exact_over_a_move(&g);
	end(&g);
}
END_TEST

static void
run_until_published(struct ground *g, struct agent *host)
{
	agent_start(host);
	until("it has the shards", agent_said(host, "msg=\"shard held\"") >= 12);
	double mark = sim_number(&g->sim, "requests/batch/200");
	until("it goes on", sim_number(&g->sim, "requests/batch/200") >= mark + 24);
	until("everything is published",
	      sim_published(&g->sim) == sim_number(&g->sim, "produced"));
	agent_stop(host);
}

/* The second host knows of no position; the first, when it comes back, of an old one. */
START_TEST(list_that_is_short_is_not_believed)
{
	static const char *const lists[] = {
		"checkpoint_read list empty",
		"checkpoint_read list sparse=3",
		"checkpoint_read list empty\ncheckpoint_read shard=1 count=1 empty\n"
		"checkpoint_read shard=6 count=1 empty",
	};
	struct ground g;
	begin(&g, "--tls off --shards 12 --records 1000 --consumer_timeout 3", "");
	run_until_published(&g, &g.a);
	sim_post(&g.sim, "/sim/rate?records=4000");
	until("there is more", sim_number(&g.sim, "produced") >= 15000);
	sim_post(&g.sim, "/sim/rate?records=0");
	sim_faults(&g.sim, lists[_i]);
	run_until_published(&g, &g.b);
	sim_faults(&g.sim, lists[_i]);
	run_until_published(&g, &g.a);
	sim_faults(&g.sim, "");
	sim_expect_exact(&g.sim, "a.out b.out");
	agent_expect_sound(&g.a, &g.sim);
	agent_expect_sound(&g.b, &g.sim);
	end(&g);
}
END_TEST

START_TEST(write_that_is_done_in_part_leaves_nothing_unpublished)
{
	struct ground g;
	begin(&g, "--tls off --shards 4 --records 3000 --consumer_timeout 6",
	      "--heartbeat_timeout 6s --publish_interval 300ms ");
	sim_faults(&g.sim, "checkpoint_write part=1");
	agent_start(&g.a);
	until("everything is published all the same",
	      sim_published(&g.sim) == sim_number(&g.sim, "produced"));
	expect_exact_over_a_move(&g);
	end(&g);
}
END_TEST

static double
writes(struct ground *g)
{
	return sim_number(&g->sim, "requests/checkpoint_write/200") +
	       (double)sim_struck(&g->sim, 0);
}

START_TEST(one_refused_shard_costs_the_others_nothing)
{
	static const char *const refusals[] = {
		"checkpoint_write shard=77 status=404", /* LTS.0201: as if the group were gone */
		"checkpoint_write shard=77 status=400",
		"checkpoint_write shard=77 status=400 code=LTS.0208",
	};
	enum { SHARDS = 300, ROUNDS = 8 };
	struct ground g;
	begin(&g, "--tls off --shards 300 --records 20 --rate 3000 --consumer_timeout 60",
	      "--heartbeat_timeout 60s --publish_interval 500ms --consumer_count 2 ");
	sim_faults(&g.sim, refusals[_i]);
	agent_start(&g.a);
	until("all but one are published", sim_published(&g.sim) > 20 * (SHARDS - 2));
	until("it is named",
	      agent_said(&g.a, "msg=\"the service refuses its checkpoint\" shard=77") == 1);
	double before = writes(&g);
	double mark = sim_published(&g.sim);
	until("some rounds later", sim_published(&g.sim) > mark + 3000 * ROUNDS / 2);
	/* Two a round, and the one alone; a write a shard would be 300 a round. */
	ck_assert_double_lt(writes(&g) - before, SHARDS);
	sim_faults(&g.sim, "");
	sim_post(&g.sim, "/sim/rate?records=0");
	until("and that one, too",
	      sim_published(&g.sim) == sim_number(&g.sim, "produced"));
	agent_stop(&g.a);
	end(&g);
}
END_TEST

/* The first answer about where to start, or one about where to go on. */
START_TEST(one_answer_that_leads_far_away_skips_nothing)
{
	static const char *const faults[] = {
		"cursor shard=0 count=1 tail\ncursor shard=1 after=1 count=1 tail",
		"batch shard=0 count=1 empty skip=1500\n"
		"batch shard=1 after=3 count=1 empty skip=500",
	};
	struct ground g;
	begin(&g, "--tls off --shards 3 --records 2000",
	      "--consume_batch_size 200 --end_time end");
	sim_faults(&g.sim, faults[_i]);
	agent_start(&g.a);
	ck_assert_int_eq(agent_wait(&g.a), 0);
	scenario_expect_exact(&g.scenario, 3, 2000, "a.out");
	end(&g);
}
END_TEST

Suite *
suite_doubts(void)
{
	Suite *suite = suite_create("doubts");
	TCase *tc = scenario_case(suite, "doubts");
	tcase_add_loop_test(tc, write_that_lands_late_makes_no_planned_move_repeat, 0, 3);
	tcase_add_loop_test(tc, list_that_is_short_is_not_believed, 0, 3);
	tcase_add_test(tc, write_that_is_done_in_part_leaves_nothing_unpublished);
	tcase_add_loop_test(tc, one_refused_shard_costs_the_others_nothing, 0, 3);
	tcase_add_loop_test(tc, one_answer_that_leads_far_away_skips_nothing, 0, 2);
	suite_add_tcase(suite, tc);
	return suite;
}
