/*
 * manager.c - the agent under a service manager.
 *
 * Real programs against lts-sim, a stand-in for systemd. Holds what is said of readiness,
 * reloads, the end and the watchdog.
 */
#include "tests/suites.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/xalloc.h"
#include "tests/support/manager.h"
#include "tests/support/one_host.h"
#include "tests/support/tmpdir.h"

#define SIM "--tls off --shards 4 --records 1000 --consumer_timeout 3"

static bool
has_variable(pid_t pid, const char *name)
{
	char path[64], text[65536];
	snprintf(path, sizeof(path), "/proc/%d/environ", pid);
	FILE *file = fopen(path, "re");
	size_t len = file ? fread(text, 1, sizeof(text), file) : 0;
	if (file)
		fclose(file);
	return memmem(text, len, name, strlen(name)) != NULL;
}

START_TEST(manager_is_told_of_the_start_the_reload_and_the_end)
{
	struct one_host h;
	struct manager m;
	pid_t pids[AGENT_WORKERS_MAX];
	manager_begin(&m);
	one_host_begin(&h, SIM, "--consumer_count 2");
	until("it is ready", manager_has_heard(&m, "READY=1"));
	until("both workers live", agent_workers(&h.agent, pids) == 2);
	until("their names are set", agent_said(&h.agent, "state=LIVE") == 2);
	ck_assert(!has_variable(pids[0], "NOTIFY_SOCKET"));
	until("all is committed", agent_committed(&h.agent) == 4000);
	until("it says how it fares", manager_has_heard(&m, "STATUS=4 shards, 2 of 2 workers, "));
	ck_assert_ptr_nonnull(strstr(m.last, " records/s, 0 s behind"));
	process_signal(&h.agent.process, SIGHUP);
	until("it reloads", manager_has_heard(&m, "RELOADING=1\nMONOTONIC_USEC="));
	until("it is ready again", manager_has_heard(&m, "READY=1"));
	agent_stop(&h.agent);
	ck_assert(manager_has_heard(&m, "STOPPING=1\n"));
	one_host_end(&h);
	manager_end(&m);
}
END_TEST

static const struct {
	const char *fault, *says;
} hindrances[] = {
	{ "any status=503", "the consumer group is not joined: " },
	{ "any status=401", "the service refuses these keys: " },
	{ "any status=404", "the service does not know this consumer group: " },
};

/* A start that waits is not over: what it waits for is said. */
START_TEST(agent_is_ready_once_the_group_is_joined)
{
	struct one_host h;
	struct manager m;
	manager_begin(&m);
	scenario_begin(&h.scenario);
	sim_start(&h.sim, &h.scenario, SIM);
	sim_faults(&h.sim, hindrances[_i].fault);
	agent_init(&h.agent, &h.sim, "host", "--consumer_count 2");
	agent_start(&h.agent);
	until("it waits, and says for what",
	      manager_has_heard(&m, "EXTEND_TIMEOUT_USEC=30000000\nSTATUS=") &&
		      strstr(m.last, hindrances[_i].says));
	sim_faults(&h.sim, "");
	until("it is ready", manager_has_heard(&m, "READY=1"));
	agent_stop(&h.agent);
	one_host_end(&h);
	manager_end(&m);
}
END_TEST

static bool
is_stopped(pid_t pid)
{
	char path[64], state = 0;
	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	FILE *file = fopen(path, "re");
	bool read = file && fscanf(file, "%*d (%*[^)]) %c", &state) == 1;
	if (file)
		fclose(file);
	return read && state == 'T';
}

START_TEST(supervisor_that_stands_still_says_so_by_silence)
{
	struct one_host h;
	struct manager m;
	manager_begin(&m);
	setenv("WATCHDOG_USEC", "600000", 1);
	one_host_begin(&h, SIM, "--consumer_count 1");
	for (int i = 0; i < 5; i++)
		until("it is alive", manager_has_heard(&m, "WATCHDOG=1"));
	process_signal(&h.agent.process, SIGSTOP);
	until("it stands still", is_stopped(h.agent.process.pid));
	while (manager_hears(&m)) /* what it had said before */
		;
	process_signal(&h.agent.process, SIGCONT);
	until("it is alive again", manager_has_heard(&m, "WATCHDOG=1"));
	agent_stop(&h.agent);
	one_host_end(&h);
	manager_end(&m);
}
END_TEST

static void
write_credentials(const struct scenario *scenario)
{
	static const char text[] =
		"[basic]\nak = AKIDEXAMPLE\nsk = wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY\n";
	char *dir = xasprintf("%s/given", scenario->dir);
	ck_assert_int_eq(mkdir(dir, 0700), 0);
	tmpdir_write(dir, "credentials", text, sizeof(text) - 1);
	setenv("CREDENTIALS_DIRECTORY", dir, 1);
	free(dir);
}

static const char *const shards_64 = "--tls off --shards 64 --records 200 --rate 4000 ";

/* An upgrade: the manager ends the old program and starts the new one, which goes on as the same
 * members of the group. How long that takes is scripts/failover's. */
START_TEST(service_restart_under_load_is_the_same_member_and_exact)
{
	struct one_host h;
	struct manager m;
	double served = 0;
	char *before = NULL;
	manager_begin(&m);
	scenario_begin(&h.scenario);
	write_credentials(&h.scenario);
	sim_start(&h.sim, &h.scenario, shards_64);
	agent_init(&h.agent, &h.sim, "host", "--consumer_count 2 --agency off");
	for (int life = 0; life < 3; life++) {
		agent_start(&h.agent);
		until("it is ready", manager_has_heard(&m, "READY=1"));
		if (life == 0) {
			until("its members share the shards", sim_is_settled(&h.sim, 2));
			before = sim_describe_group(&h.sim);
		}
		one_host_await_served(&h, 2000, &served);
		if (life == 2)
			break;
		agent_stop(&h.agent);
		ck_assert(manager_has_heard(&m, "STOPPING=1\n"));
	}
	char *after = sim_describe_group(&h.sim);
	ck_assert_str_eq(before, after);
	free(before);
	free(after);
	sim_post(&h.sim, "/sim/rate?records=0");
	double produced = sim_number(&h.sim, "produced");
	until("all is committed", agent_committed(&h.agent) == produced);
	agent_stop(&h.agent);
	sim_expect_exact(&h.sim, "host.out");
	agent_expect_sound(&h.agent, &h.sim);
	one_host_end(&h);
	manager_end(&m);
}
END_TEST

Suite *
suite_manager(void)
{
	Suite *suite = suite_create("manager");
	TCase *tc = scenario_case(suite, "manager");
	tcase_add_test(tc, manager_is_told_of_the_start_the_reload_and_the_end);
	tcase_add_loop_test(tc, agent_is_ready_once_the_group_is_joined, 0, 3);
	tcase_add_test(tc, supervisor_that_stands_still_says_so_by_silence);
	tcase_add_test(tc, service_restart_under_load_is_the_same_member_and_exact);
	return suite;
}
