/*
 * online.c - --check_config=online: what it finds at the service, and that it leaves no trace.
 *
 * The real program against lts-sim, or against what is no service at all. Holds one line and the
 * exit code for each mistake, and that no member joined, nothing was written, no record was asked
 * for.
 */
#include "tests/suites.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/xalloc.h"
#include "tests/support/json_path.h"
#include "tests/support/one_host.h"
#include "tests/support/raw_server.h"

static const struct {
	const char *sim, *fault, *agent, *says; /* says NULL: all is well */
	int code;
} checks[] = {
	{ "", "", "", NULL, 0 },
	{ "--tls off", "", "--check_config online", NULL, 0 },
	{ "", "", "--sk wrong", "option 'ak': 'AKIDEXAMPLE': the service refuses these keys", 2 },
	{ "", "", "--ak OTHER", "option 'ak': 'OTHER': the service refuses these keys", 2 },
	{ "", "checkpoint_read status=403", "", "option 'project_id': '0123456789abcdef", 2 },
	{ "", "", "--project_id none", "option 'project_id': 'none': the service does not", 2 },
	{ "", "", "--group_id none", "option 'group_id': 'none': the service does not", 2 },
	{ "", "", "--stream_id none", "option 'stream_id': 'none': the service does not", 2 },
	{ "", "", "--consumer_group_name none", "option 'consumer_group_name': 'none': the", 2 },
	{ "--tls expired", "", "", "certificate has expired", 1 },
	{ "--tls wrong_host", "", "", "no alternative certificate subject name matches", 1 },
	{ "--tls unknown_ca", "", "", "SSL certificate problem: ", 1 },
	{ "--tls old", "", "", "SSL routines:", 1 },
	{ "", "checkpoint_read redirect", "", "it sends us elsewhere, and that is not", 1 },
	{ "", "checkpoint_read html", "", "not of the expected shape (HTTP status 200)", 1 },
	{ "", "checkpoint_read status=503", "", "HTTP status 503, APIGW.0202", 1 },
	{ "", "checkpoint_read status=429 retry_after=300", "", "HTTP status 429, APIGW.0308", 1 },
	{ "", "checkpoint_read reset", "", "option 'endpoint': 'https://127.0.0.1:", 1 },
	{ "", "checkpoint_read stall", "", "timed out after", 1 },
	{ "", "checkpoint_read huge=50000000", "", "option 'endpoint': 'https://127.0.0.1:", 1 },
};

static void
check(struct one_host *h, const char *options)
{
	char *all = xasprintf("%s%s", strstr(options, "--check_config") ? ""
									: "--check_config=online ",
			      options);
	agent_init(&h->agent, &h->sim, "host", all);
	agent_start(&h->agent);
	free(all);
}

static void
expect(struct one_host *h, int code, const char *says)
{
	ck_assert_int_eq(agent_wait(&h->agent), code);
	ck_assert_uint_eq(agent_said(&h->agent, "\n"), says != NULL);
	ck_assert_uint_eq(agent_said(&h->agent, "wJalrXUtnFEMI"), 0);
	ck_assert_msg(!says || agent_said(&h->agent, says) == 1, "it does not say '%s'", says);
	char *state = xasprintf("%s/host.st", h->scenario.dir);
	ck_assert_int_lt(access(state, F_OK), 0);
	free(state);
	char *out = scenario_read(&h->scenario, "host.stdout");
	ck_assert_str_eq(out, says ? ""
				   : "lts-supervisor: online: ok, 0 shards with a checkpoint\n"
				     "lts-supervisor: the configuration is valid\n");
	free(out);
}

static void
expect_no_trace(const struct one_host *h)
{
	static const char *const others[] = { "heartbeat", "checkpoint_write", "cursor", "batch" };
	cJSON *status = sim_status(&h->sim);
	ck_assert_int_eq(cJSON_GetArraySize(json_path_at(status, "members")), 0);
	ck_assert_double_eq(json_path_sum(status, "shards", "checkpoint"), 0);
	for (size_t i = 0; i < 4; i++) {
		char *path = xasprintf("requests/%s", others[i]);
		ck_assert_int_eq(cJSON_GetArraySize(json_path_at(status, path)), 0);
		free(path);
	}
	ck_assert_int_le(cJSON_GetArraySize(json_path_at(status, "requests/checkpoint_read")), 1);
	cJSON_Delete(status);
}

START_TEST(each_mistake_is_one_line_and_leaves_no_trace)
{
	struct one_host h;
	char sim[128];
	snprintf(sim, sizeof(sim), "--shards 2 --records 10 %s", checks[_i].sim);
	scenario_begin(&h.scenario);
	sim_start(&h.sim, &h.scenario, sim);
	sim_faults(&h.sim, checks[_i].fault);
	check(&h, checks[_i].agent);
	expect(&h, checks[_i].code, checks[_i].says);
	expect_no_trace(&h);
	one_host_end(&h);
}
END_TEST

static void
begin_without_sim(struct one_host *h, unsigned port)
{
	scenario_begin(&h->scenario);
	h->sim = (struct sim_process){ .scenario = &h->scenario };
	snprintf(h->sim.url, sizeof(h->sim.url), "http://127.0.0.1:%u", port);
}

static void
end_without_sim(struct one_host *h)
{
	agent_fini(&h->agent);
	scenario_end(&h->scenario);
}

START_TEST(nobody_listening_is_said)
{
	struct one_host h;
	begin_without_sim(&h, raw_server_closed_port());
	check(&h, "");
	expect(&h, 1, "Couldn't connect to server: Connection refused");
	end_without_sim(&h);
}
END_TEST

/* .invalid is nobody's, by RFC 6761; where no resolver answers either, that takes too long. */
START_TEST(unknown_host_is_said)
{
	struct one_host h;
	begin_without_sim(&h, 9);
	check(&h, "--endpoint https://lts.invalid:8102");
	expect(&h, 1, "option 'endpoint': 'https://lts.invalid:8102': ");
	ck_assert_uint_eq(agent_said(&h.agent, "Could not resolve host: lts.invalid") +
				  agent_said(&h.agent, "Resolving timed out"),
			  1);
	end_without_sim(&h);
}
END_TEST

START_TEST(silent_server_is_said)
{
	static const struct raw_reply reply = { .then = RAW_HOLD };
	struct one_host h;
	struct raw_server *server = raw_server_start(&reply, 1);
	begin_without_sim(&h, raw_server_port(server));
	check(&h, "");
	expect(&h, 1, "Operation timed out after");
	ck_assert_uint_eq(raw_server_requests(server), 1);
	end_without_sim(&h);
	raw_server_stop(&server);
}
END_TEST

START_TEST(wrong_clock_is_said_with_how_much)
{
	static const struct raw_reply reply = {
		.bytes = "HTTP/1.1 200 OK\r\nDate: Fri, 31 Dec 2100 00:00:00 GMT\r\n"
			 "Content-Length: 2\r\n\r\n[]",
	};
	struct one_host h;
	struct raw_server *server = raw_server_start(&reply, 1);
	begin_without_sim(&h, raw_server_port(server));
	check(&h, "");
	expect(&h, 1, " s behind the service's\n");
	end_without_sim(&h);
	raw_server_stop(&server);
}
END_TEST

START_TEST(what_is_wrong_here_is_said_as_well)
{
	struct one_host h;
	scenario_begin(&h.scenario);
	sim_start(&h.sim, &h.scenario, "--shards 2 --records 10");
	check(&h, "--stream_id none --sink file:/dev/null/x");
	ck_assert_int_eq(agent_wait(&h.agent), 2);
	ck_assert_uint_eq(agent_said(&h.agent, "\n"), 2);
	ck_assert_uint_eq(agent_said(&h.agent, "option 'sink': "), 1);
	ck_assert_uint_eq(agent_said(&h.agent, "option 'stream_id': "), 1);
	one_host_end(&h);
}
END_TEST

#define ANSWER "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
#define AGENCY(ak, sk)                                                   \
	ANSWER "{\"credential\":{\"access\":\"" ak "\",\"secret\":\"" sk \
	       "\",\"securitytoken\":\"TOKEN\",\"expires_at\":\"2099-01-01T00:00:00Z\"}}"

START_TEST(agency_is_asked_as_the_agent_would)
{
	static const struct raw_reply good[] = {
		{ .bytes = ANSWER "t1", .then = RAW_CLOSE },
		{ .bytes = AGENCY("FIRST", "first"), .then = RAW_CLOSE },
	};
	static const struct raw_reply wrong[] = {
		{ .bytes = ANSWER "t1", .then = RAW_CLOSE },
		{ .bytes = AGENCY("FIRST", "other"), .then = RAW_CLOSE },
	};
	static const struct raw_reply none = { .bytes = "HTTP/1.1 500 No\r\n\r\n",
					       .then = RAW_CLOSE };
	const struct {
		const struct raw_reply *replies;
		size_t n;
		const char *says;
		int code;
	} cases[] = {
		{ good, 2, NULL, 0 },
		{ wrong, 2, "option 'ak': 'FIRST': the service refuses these keys", 2 },
		{ &none, 1, "option 'agency': 'ecs': no keys: ", 1 },
	};
	struct one_host h;
	struct raw_server *server = raw_server_start(cases[_i].replies, cases[_i].n);
	char *options = xasprintf("--agency ecs --agency_url http://127.0.0.1:%u",
				  raw_server_port(server));
	scenario_begin(&h.scenario);
	sim_start(&h.sim, &h.scenario,
		  "--shards 2 --records 10 --ak FIRST --sk first --security_token TOKEN");
	check(&h, options);
	expect(&h, cases[_i].code, cases[_i].says);
	ck_assert_uint_eq(agent_said(&h.agent, "TOKEN"), 0);
	expect_no_trace(&h);
	free(options);
	one_host_end(&h);
	raw_server_stop(&server);
}
END_TEST

Suite *
suite_online(void)
{
	Suite *suite = suite_create("online");
	TCase *tc = scenario_case(suite, "online");
	tcase_add_loop_test(tc, each_mistake_is_one_line_and_leaves_no_trace, 0,
			    sizeof(checks) / sizeof(checks[0]));
	tcase_add_test(tc, nobody_listening_is_said);
	tcase_add_test(tc, unknown_host_is_said);
	tcase_add_test(tc, silent_server_is_said);
	tcase_add_test(tc, wrong_clock_is_said_with_how_much);
	tcase_add_test(tc, what_is_wrong_here_is_said_as_well);
	tcase_add_loop_test(tc, agency_is_asked_as_the_agent_would, 0, 3);
	return suite;
}
