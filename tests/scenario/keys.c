/*
 * keys.c - keys that are rotated while the agent is at work: in their file, and at the agency.
 *
 * Real programs against lts-sim, which from one moment on takes the new ones only. Holds
 * supervisor/keys.c: nothing is lost, one line says so.
 */
#include "tests/suites.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/xalloc.h"
#include "tests/support/one_host.h"
#include "tests/support/raw_server.h"
#include "tests/support/tmpdir.h"

#define SIM_OPTIONS "--tls off --shards 4 --records 3000 --consumer_timeout 3 "
#define AGENT "--consumer_count 2 --end_time end --consume_batch_size 50 "

static void
write_keys(struct one_host *h, const char *ak, const char *sk)
{
	char *text = xasprintf("[basic]\nak = %s\nsk = %s\n", ak, sk);
	tmpdir_write(h->scenario.dir, "keys", text, strlen(text));
	free(text);
}

static void
begin(struct one_host *h, const char *sim_options, const char *agent_options)
{
	scenario_begin(&h->scenario);
	sim_start(&h->sim, &h->scenario, sim_options);
	sim_faults(&h->sim, "batch latency=30");
	agent_init(&h->agent, &h->sim, "host", agent_options);
}

START_TEST(rotated_file_is_noticed)
{
	struct one_host h;
	double served = 0;
	begin(&h, SIM_OPTIONS "--ak FIRST --sk first", AGENT "--credentials_file keys");
	write_keys(&h, "FIRST", "first");
	agent_start(&h.agent);
	one_host_await_served(&h, 1000, &served);
	write_keys(&h, "FIRST", ""); /* half written */
	until("it is no good", agent_said(&h.agent, "credentials stay as they are") >= 1);
	write_keys(&h, "SECOND", "second");
	until("it is noticed", agent_said(&h.agent, "credentials renewed") == 1);
	sim_post(&h.sim, "/sim/keys?ak=SECOND&sk=second");
	one_host_expect_drained(&h, 4, 3000);
	ck_assert_uint_eq(agent_said(&h.agent, "credentials renewed"), 1);
	one_host_end(&h);
}
END_TEST

START_TEST(keys_that_are_refused_are_replaced_as_soon_as_others_are_there)
{
	struct one_host h;
	double served = 0;
	begin(&h, SIM_OPTIONS "--ak FIRST --sk first", AGENT "--credentials_file keys");
	write_keys(&h, "FIRST", "first");
	agent_start(&h.agent);
	one_host_await_served(&h, 1000, &served);
	sim_post(&h.sim, "/sim/keys?ak=SECOND&sk=second");
	until("they are refused", agent_said(&h.agent, "heartbeat failed") >= 1);
	write_keys(&h, "SECOND", "second");
	one_host_expect_drained(&h, 4, 3000);
	ck_assert_uint_eq(agent_said(&h.agent, "credentials renewed"), 1);
	one_host_end(&h);
}
END_TEST

START_TEST(keys_that_everybody_may_read_are_found_by_check_config)
{
	static const mode_t modes[] = { 0600, 0640, 0644 };
	struct one_host h;
	begin(&h, SIM_OPTIONS, "--check_config --credentials_file keys");
	write_keys(&h, "FIRST", "first");
	char *path = tmpdir_path(h.scenario.dir, "keys");
	ck_assert_int_eq(chmod(path, modes[_i]), 0);
	agent_start(&h.agent);
	ck_assert_int_eq(agent_wait(&h.agent), _i == 2);
	ck_assert_uint_eq(
		agent_said(&h.agent, "option 'credentials_file': 'keys': there are keys"),
		_i == 2);
	free(path);
	one_host_end(&h);
}
END_TEST

static void
reload(struct one_host *h)
{
	process_signal(&h->agent.process, SIGHUP);
	until("it is reloaded", agent_said(&h->agent, "msg=reloaded ") == 1);
}

START_TEST(keys_of_the_command_line_rank_above_a_file_after_a_reload_too)
{
	static const char others[] = "[basic]\nak = OTHER\nsk = other\n";
	struct one_host h;
	double served = 0;
	begin(&h, SIM_OPTIONS, AGENT);
	char *home = tmpdir_path(h.scenario.dir, ".huaweicloud");
	ck_assert_int_eq(mkdir(home, 0700), 0);
	tmpdir_write(home, "credentials", others, strlen(others));
	setenv("HOME", h.scenario.dir, 1);
	agent_start(&h.agent);
	one_host_await_served(&h, 1000, &served);
	reload(&h);
	one_host_expect_drained(&h, 4, 3000);
	ck_assert_uint_eq(agent_said(&h.agent, "DENIED"), 0);
	free(home);
	one_host_end(&h);
}
END_TEST

START_TEST(keys_that_move_into_a_file_are_followed_there)
{
	static const char here[] = "ak = FIRST\nsk = first\n", gone[] = "\n";
	struct one_host h;
	double served = 0;
	begin(&h, SIM_OPTIONS "--ak FIRST --sk first",
	      AGENT "--config agent.conf --credentials_file keys");
	tmpdir_write(h.scenario.dir, "agent.conf", here, strlen(here));
	agent_start(&h.agent);
	one_host_await_served(&h, 1000, &served);
	write_keys(&h, "FIRST", "first");
	tmpdir_write(h.scenario.dir, "agent.conf", gone, strlen(gone));
	reload(&h);
	write_keys(&h, "SECOND", "second");
	until("it is noticed", agent_said(&h.agent, "credentials renewed") == 1);
	sim_post(&h.sim, "/sim/keys?ak=SECOND&sk=second");
	one_host_expect_drained(&h, 4, 3000);
	one_host_end(&h);
}
END_TEST

#define ANSWER "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
#define AGENCY(ak, sk, expires)                                          \
	ANSWER "{\"credential\":{\"access\":\"" ak "\",\"secret\":\"" sk \
	       "\",\"securitytoken\":\"TOKEN\",\"expires_at\":\"" expires "\"}}"

START_TEST(agency_gives_the_first_keys_and_the_next_when_they_are_refused)
{
	static const struct raw_reply replies[] = {
		{ .bytes = "HTTP/1.1 503 No\r\nConnection: close\r\n\r\n", .then = RAW_CLOSE },
		{ .bytes = ANSWER "t1", .then = RAW_CLOSE },
		{ .bytes = AGENCY("FIRST", "first", "2099-01-01T00:00:00.000000Z"),
		  .then = RAW_CLOSE },
		{ .bytes = ANSWER "t2", .then = RAW_CLOSE },
		{ .bytes = AGENCY("SECOND", "second", "2099-01-01T00:00:00.000000Z"),
		  .then = RAW_CLOSE },
	};
	struct one_host h;
	double served = 0;
	struct raw_server *server = raw_server_start(replies, 5);
	char *options = xasprintf(AGENT "--agency ecs --agency_url http://127.0.0.1:%u",
				  raw_server_port(server));
	begin(&h, SIM_OPTIONS "--ak FIRST --sk first --security_token TOKEN", options);
	agent_start(&h.agent);
	one_host_await_served(&h, 1000, &served);
	sim_post(&h.sim, "/sim/keys?ak=SECOND&sk=second");
	one_host_expect_drained(&h, 4, 3000);
	ck_assert_uint_eq(agent_said(&h.agent, "msg=\"credentials renewed\" from=\"the agency\""),
			  1);
	ck_assert_uint_eq(agent_said(&h.agent, "second"), 0);
	free(options);
	one_host_end(&h);
	raw_server_stop(&server);
}
END_TEST

START_TEST(agency_that_does_not_answer_is_a_failed_start)
{
	struct one_host h;
	char *options = xasprintf(AGENT "--agency ecs --agency_url http://127.0.0.1:%u",
				  raw_server_closed_port());
	begin(&h, SIM_OPTIONS, options);
	agent_start(&h.agent);
	ck_assert_int_eq(agent_wait(&h.agent), 1);
	ck_assert_uint_eq(agent_said(&h.agent, "no keys of the agency: http://127.0.0.1"), 1);
	free(options);
	one_host_end(&h);
}
END_TEST

Suite *
suite_keys(void)
{
	Suite *suite = suite_create("keys");
	TCase *tc = scenario_case(suite, "keys");
	tcase_add_test(tc, rotated_file_is_noticed);
	tcase_add_test(tc, keys_that_are_refused_are_replaced_as_soon_as_others_are_there);
	tcase_add_loop_test(tc, keys_that_everybody_may_read_are_found_by_check_config, 0, 3);
	tcase_add_test(tc, keys_of_the_command_line_rank_above_a_file_after_a_reload_too);
	tcase_add_test(tc, keys_that_move_into_a_file_are_followed_there);
	tcase_add_test(tc, agency_gives_the_first_keys_and_the_next_when_they_are_refused);
	tcase_add_test(tc, agency_that_does_not_answer_is_a_failed_start);
	return suite;
}
