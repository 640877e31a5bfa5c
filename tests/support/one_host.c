/*
 * one_host.c - one simulator, one agent.
 *
 * In the test process. Owns both and their scenario.
 */
#include "tests/support/one_host.h"

void
one_host_begin(struct one_host *h, const char *sim_options, const char *agent_options)
{
	scenario_begin(&h->scenario);
	sim_start(&h->sim, &h->scenario, sim_options);
	agent_init(&h->agent, &h->sim, "host", agent_options);
	agent_start(&h->agent);
}

void
one_host_end(struct one_host *h)
{
	agent_fini(&h->agent);
	sim_stop(&h->sim);
	scenario_end(&h->scenario);
}

void
one_host_expect_drained(struct one_host *h, unsigned shards, unsigned records)
{
	ck_assert_int_eq(agent_wait(&h->agent), 0);
	scenario_expect_exact(&h->scenario, shards, records, "host.out");
	agent_expect_sound(&h->agent, &h->sim);
	ck_assert_double_eq(agent_committed(&h->agent), (double)shards * records);
}

void
one_host_await_served(struct one_host *h, double more, double *mark)
{
	until("the simulator has served more",
	      sim_number(&h->sim, "served_records") >= *mark + more);
	*mark = sim_number(&h->sim, "served_records");
}
