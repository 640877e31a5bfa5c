/*
 * metrics.c - the agent as it is seen from outside.
 *
 * Real programs against lts-sim. Holds supervisor/metrics*.c: what is said agrees with what the
 * simulator, the state and the files say; counters never go back; not ready comes with the
 * reason.
 */
#include "tests/suites.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/xalloc.h"
#include "tests/support/one_host.h"
#include "tests/support/raw_server.h"
#include "tests/support/scrape.h"
#include "tests/support/state_program.h"

#define SIM "--tls off --shards 4 --records 3000 --consumer_timeout 3 "

static char *where;

/* `faults`: from the start. */
static void
begin(struct one_host *h, const char *faults, const char *more)
{
	where = xasprintf("127.0.0.1:%u", raw_server_closed_port());
	char *options = xasprintf("--consumer_count 2 --metrics_listen %s %s", where, more);
	scenario_begin(&h->scenario);
	sim_start(&h->sim, &h->scenario, SIM);
	sim_faults(&h->sim, faults);
	agent_init(&h->agent, &h->sim, "host", options);
	agent_start(&h->agent);
	free(options);
}

static void
end(struct one_host *h)
{
	one_host_end(h);
	free(where);
}

static double
number(const char *family)
{
	return scrape_number(where, family, "");
}

/* Every counter of `before` is in `after`, and is not less there. */
static void
expect_no_counter_went_back(const char *before, const char *after)
{
	char family[128], line[512];
	for (const char *at = before, *stop; (stop = strchr(at, '\n')); at = stop + 1) {
		snprintf(line, sizeof(line), "%.*s", (int)(stop - at), at);
		char *value = strrchr(line, ' ');
		*value++ = '\0';
		snprintf(family, sizeof(family), "%.*s", (int)strcspn(line, "{"), line);
		bool counts = strstr(family, "_total") || strstr(family, "_bucket") ||
			      strstr(family, "_count") || strstr(family, "_sum");
		if (line[0] == '#' || !counts)
			continue;
		const char *labels = line + strlen(family);
		double is = scrape_sum(after, family, labels);
		/* A shard between two workers is in the book all the time. */
		ck_assert_msg(is >= strtod(value, NULL), "%s: %s, then %g", line, value, is);
	}
}

START_TEST(numbers_agree_with_the_service_and_the_state)
{
	struct one_host h;
	begin(&h, "batch latency=10", "");
	until("it is ready", scrape_says(where, "/readyz", 200, "ok\n"));
	until("all is committed", agent_committed(&h.agent) == 12000);
	until("that is said", number("lts_shard_committed_records_total") == 12000);
	char *text = scrape(where, "/metrics", NULL);
	double delivered = scrape_sum(text, "lts_delivered_records_total", "");
	ck_assert_double_eq(delivered, 12000);
	ck_assert_double_eq(scrape_sum(text, "lts_fetched_records_total", ""),
			    delivered + scrape_sum(text, "lts_dropped_records_total", ""));
	/* An answer may be cancelled on its way. */
	ck_assert_double_le(scrape_sum(text, "lts_fetched_records_total", ""),
			    sim_number(&h.sim, "served_records"));
	ck_assert_double_eq(scrape_sum(text, "lts_in_flight_records", ""), 0);
	ck_assert_double_eq(scrape_sum(text, "lts_shards", "state=\"held\""), 4);
	ck_assert_double_eq(scrape_sum(text, "lts_workers", "state=\"LIVE\""), 2);
	ck_assert_double_eq(scrape_sum(text, "lts_ready", ""), 1);
	ck_assert_double_eq(scrape_sum(text, "lts_commit_duration_seconds_count", ""),
			    scrape_sum(text, "lts_commits_total", ""));
	ck_assert_double_ge(scrape_sum(text, "lts_fetch_duration_seconds_sum", ""), 12 * 0.010);
	ck_assert_double_gt(scrape_sum(text, "lts_resident_memory_bytes", "supervisor"), 1 << 20);
	ck_assert_double_gt(scrape_sum(text, "lts_lmdb_pages", ""), 5);
	free(text);
	until("nothing is behind", number("lts_shard_lag_seconds") == 0);
	ck_assert_double_eq(number("lts_shard_lag_records"), 0);
	until("all is published", number("lts_shard_publish_age_seconds") == 0);
	ck_assert(scrape_says(where, "/healthz", 200, "ok\n"));
	agent_stop(&h.agent);
	end(&h);
}
END_TEST

START_TEST(counters_do_not_go_back_over_the_death_of_a_worker)
{
	struct one_host h;
	pid_t pids[AGENT_WORKERS_MAX];
	begin(&h, "batch latency=20", "--consume_batch_size 20");
	char *before = scrape(where, "/metrics", NULL);
	for (int kills = 0; kills < 4; kills++) {
		double delivered = number("lts_delivered_records_total");
		delivered = isnan(delivered) ? 0 : delivered;
		until("more is delivered",
		      number("lts_delivered_records_total") >= delivered + 300);
		until("both live", agent_workers(&h.agent, pids) == 2);
		kill(pids[kills % 2], SIGKILL);
		until("that is counted", scrape_number(where, "lts_worker_restarts_total",
						       "reason=\"signal\"") == kills + 1);
		char *after = scrape(where, "/metrics", NULL);
		expect_no_counter_went_back(before, after);
		free(before);
		before = after;
	}
	free(before);
	agent_stop(&h.agent);
	end(&h);
}
END_TEST

START_TEST(catching_up_is_behind_by_what_its_records_say)
{
	struct one_host h;
	begin(&h, "batch latency=50", "--consume_batch_size 10");
	until("it is behind", number("lts_shard_lag_seconds") > 0);
	ck_assert(isnan(number("lts_shard_lag_records"))); /* who knows */
	sim_faults(&h.sim, "");
	until("it has caught up",
	      number("lts_shard_lag_records") == 0 && number("lts_shard_lag_seconds") == 0);
	agent_stop(&h.agent);
	end(&h);
}
END_TEST

static void
expect_leases_say(const struct one_host *h, const char *text, const char *other)
{
	struct state_program state;
	state_program_init(&state, h->scenario.dir);
	ck_assert_int_eq(state_program_run(&state, "--state_dir host.st leases"), 0);
	ck_assert_msg(strstr(state.output, text) && strstr(state.output, other), "%s",
		      state.output);
	state_program_fini(&state);
}

START_TEST(not_ready_while_the_service_is_down)
{
	struct one_host h;
	begin(&h, "any status=503", "");
	until("it says why", scrape_says(where, "/readyz", 503,
					 "the consumer group is not joined: AGAIN, status 503"));
	ck_assert(scrape_says(where, "/healthz", 200, "ok\n"));
	sim_faults(&h.sim, "");
	until("it is ready", scrape_says(where, "/readyz", 200, "ok\n"));
	sim_faults(&h.sim, "any status=503");
	until("it says why",
	      scrape_says(where, "/readyz", 503, "no heartbeat was answered for "));
	ck_assert_double_eq(number("lts_ready"), 0);
	ck_assert_double_ge(scrape_number(where, "lts_request_failures_total",
					  "reason=\"AGAIN\",request=\"heartbeat\""),
			    1);
	sim_faults(&h.sim, "");
	until("it is ready again", scrape_says(where, "/readyz", 200, "ok\n"));
	until("all is committed", agent_committed(&h.agent) == 12000);
	agent_stop(&h.agent);
	end(&h);
}
END_TEST

START_TEST(not_ready_while_the_fetches_of_one_shard_fail)
{
	struct one_host h;
	begin(&h, "batch shard=1 status=400 code=LTS.0101", "");
	until("it says why", scrape_says(where, "/readyz", 503,
					 ": shard 1: fetch failed: INVALID: 400 LTS.0101"));
	expect_leases_say(&h, "\nwaits for ", ": shard 1: fetch failed: INVALID: 400 LTS.0101");
	sim_faults(&h.sim, "");
	until("it is ready", scrape_says(where, "/readyz", 200, "ok\n"));
	until("all is committed", agent_committed(&h.agent) == 12000);
	agent_stop(&h.agent);
	end(&h);
}
END_TEST

START_TEST(not_ready_where_the_group_is_not_known)
{
	struct one_host h;
	begin(&h, "", "--consumer_group_name nobody");
	until("it says why", scrape_says(where, "/readyz", 503,
					 "the service does not know this consumer group: "));
	expect_leases_say(&h, "\nnot ready: the service does not know this consumer group: ", "");
	agent_stop(&h.agent);
	end(&h);
}
END_TEST

START_TEST(not_ready_while_a_shard_is_stuck)
{
	struct one_host h;
	double served = 0;
	begin(&h, "batch latency=30", "--consume_batch_size 50");
	one_host_await_served(&h, 1000, &served);
	sim_post(&h.sim, "/sim/expire?shard=1&before=3000");
	until("it says why", scrape_says(where, "/readyz", 503, "shard 1 is stuck: "));
	expect_leases_say(&h, "\nshard 1 is stuck: ", "\nnot ready: shard 1 is stuck: ");
	expect_leases_say(&h, "started again, or past it by lts-state reset\n", "");
	ck_assert(scrape_says(where, "/healthz", 200, "ok\n"));
	ck_assert_double_eq(scrape_number(where, "lts_shard_stuck", "shard=\"1\""), 1);
	ck_assert_double_eq(number("lts_shard_stuck"), 1);
	process_signal(&h.agent.process, SIGTERM);
	ck_assert_int_eq(agent_wait(&h.agent), 1);
	end(&h);
}
END_TEST

START_TEST(workers_that_do_not_live_are_not_alive)
{
	struct one_host h;
	pid_t pids[AGENT_WORKERS_MAX];
	begin(&h, "", "--consumer_count 1");
	until("it is alive", scrape_says(where, "/healthz", 200, "ok\n"));
	for (bool said = false; !said; said = scrape_says(where, "/healthz", 503, "no worker")) {
		size_t n = agent_workers(&h.agent, pids);
		for (size_t i = 0; i < n; i++)
			kill(pids[i], SIGKILL);
	}
	until("it is alive again", scrape_says(where, "/healthz", 200, "ok\n"));
	agent_stop(&h.agent);
	end(&h);
}
END_TEST

START_TEST(file_and_socket_say_the_same)
{
	struct one_host h;
	one_host_begin(&h, SIM, "--metrics_file host.prom --metrics_listen unix:host.sock");
	char *path = xasprintf("unix:%s/host.sock", h.scenario.dir);
	until("the file is there", ({
		      char *text = scenario_read(&h.scenario, "host.prom");
		      bool there = strstr(text, "lts_lmdb_transactions_total ") != NULL;
		      free(text);
		      there;
	      }));
	until("the socket answers", scrape_number(path, "lts_build_info", "") == 1);
	free(path);
	agent_stop(&h.agent);
	one_host_end(&h);
}
END_TEST

/* It drains all the same, and serves as soon as it can. */
START_TEST(port_that_is_taken_does_not_stop_the_agent)
{
	static const struct raw_reply reply = { .bytes = "HTTP/1.1 200 OK\r\n\r\n",
						.then = RAW_CLOSE };
	struct one_host h;
	struct raw_server *server = raw_server_start(&reply, 1);
	char *options = xasprintf("--end_time end --metrics_listen 127.0.0.1:%u",
				  raw_server_port(server));
	one_host_begin(&h, SIM, options);
	one_host_expect_drained(&h, 4, 3000);
	ck_assert_uint_eq(agent_said(&h.agent, "metrics not served; tried again"), 1);
	free(options);
	one_host_end(&h);
	raw_server_stop(&server);
}
END_TEST

Suite *
suite_metrics(void)
{
	Suite *suite = suite_create("metrics");
	TCase *tc = scenario_case(suite, "metrics");
	tcase_add_test(tc, numbers_agree_with_the_service_and_the_state);
	tcase_add_test(tc, counters_do_not_go_back_over_the_death_of_a_worker);
	tcase_add_test(tc, catching_up_is_behind_by_what_its_records_say);
	tcase_add_test(tc, not_ready_while_the_service_is_down);
	tcase_add_test(tc, not_ready_where_the_group_is_not_known);
	tcase_add_test(tc, not_ready_while_the_fetches_of_one_shard_fail);
	tcase_add_test(tc, not_ready_while_a_shard_is_stuck);
	tcase_add_test(tc, workers_that_do_not_live_are_not_alive);
	tcase_add_test(tc, file_and_socket_say_the_same);
	tcase_add_test(tc, port_that_is_taken_does_not_stop_the_agent);
	suite_add_tcase(suite, tc);
	return suite;
}
