/*
 * refusals.c - what an agent will not do: start with bad options, or talk to whom it does
 * not trust.
 *
 * Real programs against lts-sim. Holds exit code 2 with one line, and TLS that is always
 * verified.
 */
#include "tests/suites.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/xalloc.h"
#include "tests/support/json_path.h"
#include "tests/support/one_host.h"

static const char *const bad_options[][2] = {
	{ "--no_such_option 1", "no_such_option" },
	{ "--consumer_count 0", "consumer_count" },
	{ "--consumer_count many", "consumer_count" },
	{ "--start_time yesterday", "start_time" },
	{ "--end_time begin", "end_time" },
	{ "--consume_batch_size 5", "consume_batch_size" },
	{ "--sink nowhere", "sink" },
	{ "--sink file:", "sink" },
	{ "--endpoint http://example.com", "endpoint" },
	{ "--heartbeat_interval 10m", "heartbeat_interval" },
	{ "--config no/such/file", "no/such/file" },
	{ "--log_level loud", "log_level" },
	{ "--state_dir", "state_dir" },
	{ "stray", "stray" },
};

START_TEST(bad_option_is_one_line_and_exit_code_2)
{
	struct one_host h;
	h.sim = (struct sim_process){ .url = "http://127.0.0.1:9" };
	scenario_begin(&h.scenario);
	h.sim.scenario = &h.scenario;
	agent_init(&h.agent, &h.sim, "host", bad_options[_i][0]);
	agent_start(&h.agent);
	ck_assert_int_eq(agent_wait(&h.agent), 2);
	ck_assert_uint_eq(agent_said(&h.agent, "\n"), 1);
	ck_assert_uint_ge(agent_said(&h.agent, bad_options[_i][1]), 1);
	ck_assert_uint_eq(agent_said(&h.agent, "wJalrXUtnFEMI"), 0);
	agent_fini(&h.agent);
	scenario_end(&h.scenario);
}
END_TEST

static const struct {
	const char *options, *says;
	int code;
} checks[] = {
	{ "--sink plugin:/no/where.so", "cannot open shared object file", 2 },
	{ "--sink plugin:BIN/test-plugin/other.so", "another version of lts_processor.h", 2 },
	{ "--sink plugin:BIN/../examples/count.so", NULL, 0 },
	{ "--sink exec:/no/where", "option 'sink': 'exec:/no/where': no command '/no/where'", 2 },
	{ "--sink batch:no_such_command", "no command 'no_such_command'", 2 },
	{ "--sink batch:gzip>>all.gz", NULL, 0 },
	{ "--sink file:/dev/null/x", "option 'sink': '/dev/null/x': Not a directory", 1 },
	{ "--sink file:new/directory", NULL, 0 },
	{ "--state_dir /dev/null", "option 'state_dir': '/dev/null': it is, or lies under, no",
	  1 },
	{ "--ca_file /no/where.pem", "option 'ca_file': '/no/where.pem': No such file", 1 },
	{ "--log_file /dev/null/x", "option 'log_file'", 1 },
	{ "--log_file no/where", "option 'log_file': 'no/where': No such file", 1 },
	{ "--log_file .", "option 'log_file': '.': it is a directory", 1 },
	{ "--metrics_file no/where.prom", "option 'metrics_file': 'no/where.prom': No such", 1 },
	{ "--metrics_listen unix:no/where", "option 'metrics_listen': 'no/where': No such", 1 },
	{ "--sink batch:gzip --deadletter_dir /dev/null/x", "option 'deadletter_dir'", 1 },
};

START_TEST(check_config_finds_what_a_start_would_trip_over_and_makes_nothing)
{
	struct one_host h;
	char options[512];
	const char *bin = strstr(checks[_i].options, "BIN");
	h.sim = (struct sim_process){ .url = "http://127.0.0.1:9" };
	scenario_begin(&h.scenario);
	h.sim.scenario = &h.scenario;
	if (bin)
		snprintf(options, sizeof(options), "--check_config %.*s%s%s",
			 (int)(bin - checks[_i].options), checks[_i].options, h.scenario.bin,
			 bin + 3);
	else
		snprintf(options, sizeof(options), "--check_config %s", checks[_i].options);
	agent_init(&h.agent, &h.sim, "host", options);
	agent_start(&h.agent);
	ck_assert_int_eq(agent_wait(&h.agent), checks[_i].code);
	ck_assert_uint_eq(agent_said(&h.agent, "\n"), checks[_i].code != 0);
	ck_assert(!checks[_i].code || agent_said(&h.agent, checks[_i].says) == 1);
	char *state = xasprintf("%s/host.st", h.scenario.dir);
	ck_assert_int_lt(access(state, F_OK), 0);
	free(state);
	agent_fini(&h.agent);
	scenario_end(&h.scenario);
}
END_TEST

static const char *const bad_tls[] = { "expired", "wrong_host", "unknown_ca", "old" };

START_TEST(untrusted_service_is_refused_and_nothing_is_sent)
{
	struct one_host h;
	char options[64];
	snprintf(options, sizeof(options), "--shards 2 --records 1000 --tls %s", bad_tls[_i]);
	one_host_begin(&h, options, "--consumer_count 2");
	until("it says so twice for each consumer",
	      agent_said(&h.agent, "heartbeat failed") >= 4);
	ck_assert_uint_ge(agent_said(&h.agent, "SSL") + agent_said(&h.agent, "certificate"), 2);
	cJSON *status = sim_status(&h.sim);
	char *requests = cJSON_PrintUnformatted(json_path_at(status, "requests"));
	ck_assert_ptr_null(strchr(requests, '1')); /* no count of any kind */
	ck_assert_ptr_null(strchr(requests, '2'));
	ck_assert_double_eq(json_path_number(status, "served_records"), 0);
	free(requests);
	cJSON_Delete(status);
	agent_stop(&h.agent);
	one_host_end(&h);
}
END_TEST

START_TEST(unknown_stream_is_said_and_retried_slowly)
{
	struct one_host h;
	one_host_begin(&h, "--tls off --shards 2 --records 1000",
		       "--stream_id 66666666-7777-8888-9999-bbbbbbbbbbbb");
	until("it says so", agent_said(&h.agent, "in_a_row=4") == 1);
	ck_assert_uint_ge(agent_said(&h.agent, "reason=NOTFOUND"), 1);
	ck_assert_double_le(sim_number(&h.sim, "requests/heartbeat/404"), 6);
	agent_stop(&h.agent);
	one_host_end(&h);
}
END_TEST

/* I7, seen from outside. */
START_TEST(secret_is_in_no_argv_environment_log_or_output)
{
	struct one_host h;
	pid_t pids[AGENT_WORKERS_MAX + 1];
	static const char *const files[] = { "cmdline", "environ" };
	one_host_begin(&h, "--tls off --shards 2 --records 1000",
		       "--consumer_count 2 --log_level debug --is_test true");
	until("all is delivered", agent_committed(&h.agent) == 2000);
	size_t n = agent_workers(&h.agent, pids);
	pids[n++] = h.agent.process.pid;
	for (size_t i = 0; i < n * 2; i++) {
		char path[64], text[65536];
		snprintf(path, sizeof(path), "/proc/%d/%s", pids[i / 2], files[i % 2]);
		FILE *file = fopen(path, "re");
		ck_assert_ptr_nonnull(file);
		size_t len = fread(text, 1, sizeof(text), file);
		fclose(file);
		ck_assert_ptr_null(memmem(text, len, "wJalrXUtnFEMI", 13));
	}
	agent_stop(&h.agent);
	ck_assert_uint_eq(agent_said(&h.agent, "wJalrXUtnFEMI"), 0);
	char *debug = scenario_read(&h.scenario, "host.st/debug.log");
	ck_assert_uint_gt(strlen(debug), 100);
	ck_assert_ptr_null(strstr(debug, "wJalrXUtnFEMI"));
	free(debug);
	one_host_end(&h);
}
END_TEST

Suite *
suite_refusals(void)
{
	Suite *suite = suite_create("refusals");
	TCase *tc = scenario_case(suite, "refusals");
	tcase_add_loop_test(tc, check_config_finds_what_a_start_would_trip_over_and_makes_nothing,
			    0, sizeof(checks) / sizeof(checks[0]));
	tcase_add_loop_test(tc, bad_option_is_one_line_and_exit_code_2, 0,
			    sizeof(bad_options) / sizeof(bad_options[0]));
	tcase_add_loop_test(tc, untrusted_service_is_refused_and_nothing_is_sent, 0,
			    sizeof(bad_tls) / sizeof(bad_tls[0]));
	tcase_add_test(tc, unknown_stream_is_said_and_retried_slowly);
	tcase_add_test(tc, secret_is_in_no_argv_environment_log_or_output);
	return suite;
}
