/*
 * names.c - names that point elsewhere by now: the service's, the certificates', the log's.
 *
 * Real programs against lts-sim. Holds the agent to looking again when it matters, in its sandbox
 * too, where there is one.
 */
#include "tests/suites.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/xalloc.h"
#include "tests/support/hosts_file.h"
#include "tests/support/one_host.h"
#include "tests/support/tmpdir.h"

static void
make_dir(const struct one_host *h, const char *name)
{
	char *path = tmpdir_path(h->scenario.dir, name);
	ck_assert_int_eq(mkdir(path, 0755), 0);
	free(path);
}

static void
point(const struct one_host *h, const char *name, const char *target)
{
	char *path = tmpdir_path(h->scenario.dir, name), *fresh = xasprintf("%s.new", path);
	ck_assert_int_eq(symlink(target, fresh), 0);
	ck_assert_int_eq(rename(fresh, path), 0);
	free(fresh);
	free(path);
}

static void
put_certificate(const struct one_host *h, const char *name, const char *from)
{
	char *text = scenario_read(&h->scenario, from);
	tmpdir_write(h->scenario.dir, name, text, strlen(text));
	free(text);
}

/* As a mounted secret: the file is a link through a link, which is swapped. */
START_TEST(certificates_behind_links_are_read_again_by_all_processes)
{
	struct one_host h;
	double served = 0;
	scenario_begin(&h.scenario);
	sim_start(&h.sim, &h.scenario, "--shards 4 --rate 2000 --records 0 --consumer_timeout 3");
	make_dir(&h, "conf");
	make_dir(&h, "first");
	make_dir(&h, "second");
	make_dir(&h, "third");
	put_certificate(&h, "first/ca.pem", "tls/ca.pem");
	put_certificate(&h, "third/ca.pem", "tls/ca.pem");
	one_host_command(&h,
			 "/usr/bin/env openssl req -x509 -newkey ec -pkeyopt "
			 "ec_paramgen_curve:P-256 -nodes -subj /CN=other -keyout /dev/null -out %s",
			 "second/ca.pem");
	point(&h, "data", "first");
	point(&h, "conf/ca.pem", "../data/ca.pem");
	agent_init(&h.agent, &h.sim, "host", "--consumer_count 2 --ca_file conf/ca.pem");
	agent_start(&h.agent);
	one_host_await_served(&h, 2000, &served);
	point(&h, "data", "second");
	until("nothing is trusted any more", agent_said(&h.agent, "heartbeat failed") > 0);
	ck_assert_uint_ge(agent_said(&h.agent, "tls_name"), 1); /* the ways out */
	ck_assert_uint_eq(agent_said(&h.agent, "certificates read again"), 1);
	point(&h, "data", "third");
	served = sim_number(&h.sim, "served_records");
	one_host_await_served(&h, 4000, &served);
	sim_post(&h.sim, "/sim/rate?records=0");
	agent_stop(&h.agent);
	agent_start(&h.agent);
	until("all is committed",
	      agent_committed(&h.agent) == sim_number(&h.sim, "produced"));
	agent_stop(&h.agent);
	sim_expect_exact(&h.sim, "host.out");
	one_host_end(&h);
}
END_TEST

START_TEST(log_whose_directory_was_replaced_goes_on_under_its_name)
{
	struct one_host h;
	pid_t pids[AGENT_WORKERS_MAX];
	scenario_begin(&h.scenario);
	sim_start(&h.sim, &h.scenario, "--tls off --shards 2 --records 10 --consumer_timeout 3");
	make_dir(&h, "logs");
	agent_init(&h.agent, &h.sim, "host", "--consumer_count 2 --log_file logs/agent.log");
	agent_start(&h.agent);
	until("all is published", sim_published(&h.sim) == 20);
	char *logs = tmpdir_path(h.scenario.dir, "logs"), *moved = xasprintf("%s.old", logs);
	ck_assert_int_eq(rename(logs, moved), 0);
	make_dir(&h, "logs");
	ck_assert_uint_eq(agent_workers(&h.agent, pids), 2);
	process_signal(&h.agent.process, SIGHUP);
	until("all write to the new one",
	      process_descriptors_of(h.agent.process.pid, "/logs/agent.log") &&
		      process_descriptors_of(pids[0], "/logs/agent.log") &&
		      process_descriptors_of(pids[1], "/logs/agent.log"));
	agent_stop(&h.agent);
	char *log = scenario_read(&h.scenario, "logs/agent.log");
	ck_assert_ptr_nonnull(strstr(log, "worker done"));
	ck_assert_ptr_null(strstr(log, "former file stays"));
	free(log);
	free(moved);
	free(logs);
	one_host_end(&h);
}
END_TEST

/* The old address answers on, stands still, or refuses; nobody loses a lease. */
START_TEST(service_that_has_moved_is_found_before_the_leases_end)
{
	static const char *const old[] = { "any at=127.0.0.1 latency=1",
					   "any at=127.0.0.1 stall", "any at=127.0.0.1 reset" };
	struct one_host h;
	double served = 0;
	char options[200], rules[200];
	scenario_begin(&h.scenario);
	if (!hosts_file_begin(h.scenario.dir)) {
		scenario_end(&h.scenario);
		return;
	}
	sim_start(&h.sim, &h.scenario,
		  "--shards 4 --rate 1000 --records 0 --consumer_timeout 12 --address 127.0.0.0/8");
	snprintf(options, sizeof(options),
		 "--consumer_count 2 --heartbeat_timeout 12s --endpoint https://%s%s",
		 HOSTS_FILE_NAME, strrchr(h.sim.url, ':'));
	agent_init(&h.agent, &h.sim, "host", options);
	agent_start(&h.agent);
	one_host_await_served(&h, 2000, &served);
	snprintf(rules, sizeof(rules), "%s\nheartbeat at=127.0.0.2 latency=1\n"
		 "batch at=127.0.0.2 latency=1\nany at=127.0.0.1 latency=1", old[_i]);
	sim_faults(&h.sim, rules);
	hosts_file_point("127.0.0.2");
	until("heartbeats go to the new address", sim_struck(&h.sim, 1) > 4);
	until("and so do batches", sim_struck(&h.sim, 2) > 4);
	sim_post(&h.sim, "/sim/rate?records=0");
	until("all is committed",
	      agent_committed(&h.agent) == sim_number(&h.sim, "produced"));
	ck_assert_uint_eq(agent_said(&h.agent, "lease ended"), 0);
	unsigned long long to_old = sim_struck(&h.sim, 3);
	until("it goes on", sim_struck(&h.sim, 1) > 20);
	ck_assert_uint_eq(sim_struck(&h.sim, 3), to_old);
	agent_stop(&h.agent);
	sim_expect_exact(&h.sim, "host.out");
	one_host_end(&h);
}
END_TEST

Suite *
suite_names(void)
{
	Suite *suite = suite_create("names");
	TCase *tc = scenario_case(suite, "names");
	tcase_add_test(tc, certificates_behind_links_are_read_again_by_all_processes);
	tcase_add_test(tc, log_whose_directory_was_replaced_goes_on_under_its_name);
	tcase_add_loop_test(tc, service_that_has_moved_is_found_before_the_leases_end, 0, 3);
	return suite;
}
