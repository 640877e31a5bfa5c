/*
 * cautions.c - what an operator is told at the time it is made: settings that work, but may not
 * do what is meant.
 *
 * Real programs against lts-sim. Holds that --check_config and a start say the same, that the
 * agent goes on all the same, and that nothing is said without a cause.
 */
#include "tests/suites.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/xalloc.h"
#include "tests/support/one_host.h"
#include "tests/support/tmpdir.h"

static const struct {
	const char *variable, *options, *says;
} cases[] = {
	{ NULL, "", NULL },
	{ "LTS_CONSUMER_CUONT", "",
	  "no option is called so: LTS_CONSUMER_CUONT (is 'consumer_count' meant?)" },
	{ "LTS_QQQQQQQQQQ", "", "no option is called so: LTS_QQQQQQQQQQ" },
	{ NULL, "--start_time 4000000000 ", "it is in the future" },
};

static void
begin(struct one_host *h, int i, const char *more)
{
	scenario_begin(&h->scenario);
	if (cases[i].variable)
		setenv(cases[i].variable, "1", 1);
	sim_start(&h->sim, &h->scenario, "--tls off --shards 1 --records 10");
	char *options = xasprintf("%s%s", cases[i].options, more);
	agent_init(&h->agent, &h->sim, "host", options);
	agent_start(&h->agent);
	free(options);
}

START_TEST(check_config_names_what_may_not_be_meant)
{
	struct one_host h;
	begin(&h, _i, "--check_config");
	ck_assert_int_eq(agent_wait(&h.agent), 0);
	ck_assert_uint_eq(agent_said(&h.agent, "caution"), cases[_i].says != NULL);
	ck_assert(!cases[_i].says || agent_said(&h.agent, cases[_i].says) == 1);
	one_host_end(&h);
}
END_TEST

START_TEST(start_names_what_may_not_be_meant_and_goes_on)
{
	struct one_host h;
	begin(&h, _i, "");
	until("it holds its shard", agent_said(&h.agent, "msg=\"shard held\"") == 1);
	agent_stop(&h.agent);
	ck_assert_uint_eq(agent_said(&h.agent, "msg=caution"), cases[_i].says != NULL);
	ck_assert(!cases[_i].says || agent_said(&h.agent, cases[_i].says) == 1);
	one_host_end(&h);
}
END_TEST

START_TEST(keys_in_a_configuration_that_everybody_may_read_are_named)
{
	static const char conf[] = "ak = AKIDEXAMPLE\n"
				   "sk = wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY\n";
	static const mode_t modes[] = { 0640, 0644 };
	struct one_host h;
	scenario_begin(&h.scenario);
	sim_start(&h.sim, &h.scenario, "--tls off --shards 1 --records 10");
	tmpdir_write(h.scenario.dir, "agent.conf", conf, strlen(conf));
	char *path = tmpdir_path(h.scenario.dir, "agent.conf");
	ck_assert_int_eq(chmod(path, modes[_i]), 0);
	agent_init(&h.agent, &h.sim, "host", "--config agent.conf --credentials_file none");
	agent_start(&h.agent);
	until("it holds its shard", agent_said(&h.agent, "msg=\"shard held\"") == 1);
	agent_stop(&h.agent);
	ck_assert_uint_eq(agent_said(&h.agent, "everybody on this host may read"), (unsigned)_i);
	free(path);
	one_host_end(&h);
}
END_TEST

Suite *
suite_cautions(void)
{
	Suite *suite = suite_create("cautions");
	TCase *tc = tcase_create("cautions");
	int n = sizeof(cases) / sizeof(cases[0]);
	tcase_add_loop_test(tc, check_config_names_what_may_not_be_meant, 0, n);
	tcase_add_loop_test(tc, start_names_what_may_not_be_meant_and_goes_on, 0, n);
	tcase_add_loop_test(tc, keys_in_a_configuration_that_everybody_may_read_are_named, 0, 2);
	suite_add_tcase(suite, tc);
	return suite;
}
