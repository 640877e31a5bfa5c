/*
 * network.c - a service that cannot be reached, stands still, dies, is slow, says no in
 * every way there is, or leads in a circle.
 *
 * Real programs against lts-sim. Holds the agent to going on by itself, to disturbing no
 * other shard, and to counting and saying what it refused.
 */
#include "tests/suites.h"

#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/xalloc.h"
#include "tests/support/one_host.h"
#include "tests/support/raw_server.h"
#include "tests/support/tmpdir.h"

#define SIM_OPTIONS "--tls off --shards 4 --records 5000 --consumer_timeout 3"

static void
begin(struct one_host *h, const char *faults, const char *agent_options)
{
	scenario_begin(&h->scenario);
	sim_start(&h->sim, &h->scenario, SIM_OPTIONS);
	sim_faults(&h->sim, faults);
	agent_init(&h->agent, &h->sim, "host", agent_options);
	agent_start(&h->agent);
}

static const char *const illnesses[] = {
	"batch shard=1 stall",      "batch shard=1 bandwidth=700", "batch shard=1 reset",
	"batch shard=1 truncate=9", "batch shard=1 empty",         "batch shard=1 status=503",
	"batch shard=1 same_next",  "batch shard=1 garbage=[]",
};

START_TEST(one_sick_shard_does_not_disturb_the_others)
{
	struct one_host h;
	begin(&h, illnesses[_i], "--consumer_count 2 --consume_batch_size 20");
	until("the others are done", agent_committed(&h.agent) >= 15000);
	ck_assert_double_lt(agent_committed(&h.agent), 16000);
	sim_faults(&h.sim, "");
	until("it recovers", agent_committed(&h.agent) == 20000);
	agent_stop(&h.agent);
	scenario_expect_exact(&h.scenario, 4, 5000, "host.out");
	agent_expect_sound(&h.agent, &h.sim);
	one_host_end(&h);
}
END_TEST

/* Every no there is, a few times, to every kind of request. */
START_TEST(every_refusal_is_got_over)
{
	static const char *const noes[] = {
		"status=401",
		"status=403",
		"status=404",
		"status=408",
		"status=409",
		"status=425",
		"status=429 retry_after=0",
		"status=429 retry_after=-7",
		"status=429 retry_after=soon",
		"status=429 retry_after=date:-99999999",
		"status=500",
		"status=502",
		"status=503 retry_after=1",
		"status=504",
		"redirect",
	};
	static const char *const kinds[] = { "batch", "heartbeat", "checkpoint_read",
					     "checkpoint_write", "cursor" };
	struct one_host h;
	char *rules = xasprintf("batch latency=10");
	for (size_t i = 0; i < sizeof(noes) / sizeof(noes[0]); i++) {
		char *more = xasprintf("%s\n%s after=%zu count=1 %s", rules, kinds[_i],
				       _i == 2 || _i == 4 ? i / 2 : 3 * i, noes[i]);
		free(rules);
		rules = more;
	}
	begin(&h, rules,
	      "--consumer_count 2 --end_time end --consume_batch_size 100 "
	      "--publish_interval 100ms");
	one_host_expect_drained(&h, 4, 5000);
	one_host_end(&h);
	free(rules);
}
END_TEST

START_TEST(absurd_retry_after_does_not_put_heartbeats_off)
{
	struct one_host h;
	begin(&h, "heartbeat after=4 count=6 status=429 retry_after=999999999\nbatch latency=10",
	      "--consumer_count 2 --end_time end --consume_batch_size 100");
	one_host_expect_drained(&h, 4, 5000);
	ck_assert_uint_eq(agent_said(&h.agent, "lease ended"), 0);
	one_host_end(&h);
}
END_TEST

/* 20 batches back, again and again: the records are not delivered again. */
START_TEST(service_that_leads_in_a_circle_is_noticed_counted_and_said)
{
	struct one_host h;
	begin(&h, "batch latency=5\nbatch shard=1 after=30 back=2000",
	      "--consumer_count 1 --consume_batch_size 100"); /* who takes over has passed nothing
							       */
	until("it is said", agent_said(&h.agent, "no new position") >= 2);
	until("the others are done", agent_committed(&h.agent) >= 15000);
	process_signal(&h.agent.process, SIGUSR2);
	until("the summary is there", agent_said(&h.agent, "msg=summary worker=") == 1);
	ck_assert_uint_ge(agent_sum(&h.agent, " refused="), 2);
	sim_faults(&h.sim, "");
	until("it recovers", agent_committed(&h.agent) == 20000);
	agent_stop(&h.agent);
	scenario_expect_exact(&h.scenario, 4, 5000, "host.out");
	one_host_end(&h);
}
END_TEST

START_TEST(service_that_stands_still_for_longer_than_a_lease_is_got_over)
{
	struct one_host h;
	double served = 0;
	begin(&h, "batch latency=10",
	      "--consumer_count 2 --end_time end --consume_batch_size 100");
	one_host_await_served(&h, 5000, &served);
	process_signal(&h.sim.process, SIGSTOP);
	until("the leases end", agent_said(&h.agent, "lease ended") >= 4);
	process_signal(&h.sim.process, SIGCONT);
	one_host_expect_drained(&h, 4, 5000);
	one_host_end(&h);
}
END_TEST

static void
restart_sim(struct one_host *h, const char *options)
{
	char *output = tmpdir_path(h->scenario.dir, "sim.out");
	unlink(output);
	sim_start(&h->sim, &h->scenario, options);
	free(output);
}

START_TEST(service_that_dies_and_comes_back_without_its_memory_is_got_over)
{
	struct one_host h;
	double served = 0;
	char *options = xasprintf(SIM_OPTIONS " --port %u", raw_server_closed_port());
	scenario_begin(&h.scenario);
	sim_start(&h.sim, &h.scenario, options);
	sim_faults(&h.sim, "batch latency=10");
	agent_init(&h.agent, &h.sim, "host", "--consumer_count 2 --consume_batch_size 100");
	agent_start(&h.agent);
	one_host_await_served(&h, 5000, &served);
	process_kill(&h.sim.process);
	until("it says so", agent_said(&h.agent, "heartbeat failed") >= 1);
	restart_sim(&h, options);
	until("all is delivered", agent_committed(&h.agent) == 20000);
	agent_stop(&h.agent);
	scenario_expect_exact(&h.scenario, 4, 5000, "host.out");
	agent_expect_sound(&h.agent, &h.sim);
	one_host_end(&h);
	free(options);
}
END_TEST

START_TEST(refused_connections_are_tried_until_somebody_listens)
{
	struct one_host h;
	unsigned port = raw_server_closed_port();
	char *options = xasprintf(SIM_OPTIONS " --port %u", port);
	scenario_begin(&h.scenario);
	h.sim = (struct sim_process){ .scenario = &h.scenario };
	snprintf(h.sim.url, sizeof(h.sim.url), "http://127.0.0.1:%u", port);
	agent_init(&h.agent, &h.sim, "host", "--consumer_count 2 --end_time end");
	agent_start(&h.agent);
	until("it says so", agent_said(&h.agent, "heartbeat failed") >= 4);
	restart_sim(&h, options);
	one_host_expect_drained(&h, 4, 5000);
	one_host_end(&h);
	free(options);
}
END_TEST

/* A listener whose queue is full: what is sent to it is never answered. */
static unsigned
make_black_hole(int *fds, int n)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(to);
	for (int i = 0; i < n; i++)
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(fds[0], (struct sockaddr *)&to, sizeof(to)), 0);
	ck_assert_int_eq(listen(fds[0], 0), 0);
	ck_assert_int_eq(getsockname(fds[0], (struct sockaddr *)&to, &len), 0);
	for (int i = 1; i < n; i++)
		connect(fds[i], (struct sockaddr *)&to, sizeof(to));
	return ntohs(to.sin_port);
}

START_TEST(black_hole_is_said_and_does_not_keep_the_agent_from_ending)
{
	struct one_host h;
	int fds[4];
	scenario_begin(&h.scenario);
	h.sim = (struct sim_process){ .scenario = &h.scenario };
	snprintf(h.sim.url, sizeof(h.sim.url), "http://127.0.0.1:%u", make_black_hole(fds, 4));
	agent_init(&h.agent, &h.sim, "host", "--consumer_count 2 --end_time end");
	agent_start(&h.agent);
	until("it says so", agent_said(&h.agent, "heartbeat failed") >= 2);
	ck_assert_uint_ge(agent_said(&h.agent, "imed out") + agent_said(&h.agent, "imeout"), 1);
	agent_stop(&h.agent);
	agent_fini(&h.agent);
	for (int i = 0; i < 4; i++)
		close(fds[i]);
	scenario_end(&h.scenario);
}
END_TEST

Suite *
suite_network(void)
{
	Suite *suite = suite_create("network");
	TCase *tc = scenario_case(suite, "network");
	tcase_add_loop_test(tc, one_sick_shard_does_not_disturb_the_others, 0,
			    sizeof(illnesses) / sizeof(illnesses[0]));
	tcase_add_loop_test(tc, every_refusal_is_got_over, 0, 5);
	tcase_add_test(tc, absurd_retry_after_does_not_put_heartbeats_off);
	tcase_add_test(tc, service_that_leads_in_a_circle_is_noticed_counted_and_said);
	tcase_add_test(tc, service_that_stands_still_for_longer_than_a_lease_is_got_over);
	tcase_add_test(tc, service_that_dies_and_comes_back_without_its_memory_is_got_over);
	tcase_add_test(tc, refused_connections_are_tried_until_somebody_listens);
	tcase_add_test(tc, black_hole_is_said_and_does_not_keep_the_agent_from_ending);
	return suite;
}
