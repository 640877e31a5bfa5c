/*
 * confined.c - workers in their sandbox.
 *
 * Real programs against lts-sim. Holds workers without the user's code to working with the files
 * and system calls that they keep, and those with it to keeping all.
 */
#include "tests/suites.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"
#include "tests/support/one_host.h"
#include "tests/support/tmpdir.h"

/* False: builds with a sanitiser have no sandbox. */
static bool
has_sandbox(void)
{
	if (PATIENCE_SLOWNESS != 1)
		scenario_skip("no sandbox beside a sanitizer");
	return PATIENCE_SLOWNESS == 1;
}

/* The field of /proc/PID/status. */
static long
status_of(pid_t pid, const char *field)
{
	char path[40], line[256];
	long value = -1;
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	FILE *file = fopen(path, "re");
	while (file && value < 0 && fgets(line, sizeof(line), file))
		if (strncmp(line, field, strlen(field)) == 0 && line[strlen(field)] == ':')
			value = strtol(line + strlen(field) + 1, NULL, 10);
	if (file)
		fclose(file);
	return value;
}

START_TEST(agent_in_its_sandbox_drains_its_stream)
{
	struct one_host h;
	if (!has_sandbox())
		return;
	one_host_begin(&h, "--shards 4 --records 5000 --consumer_timeout 3",
		       "--consumer_count 2 --end_time end --log_level debug --log_file logs.d");
	one_host_expect_drained(&h, 4, 5000);
	char *log = scenario_read(&h.scenario, "logs.d");
	ck_assert_ptr_nonnull(strstr(log, "msg=sandbox files=yes calls=yes"));
	ck_assert_ptr_null(strstr(log, "level=error"));
	ck_assert_ptr_null(strstr(log, "restarts=1"));
	free(log);
	one_host_end(&h);
}
END_TEST

static bool
all_write_to(const struct one_host *h, const pid_t workers[2], const char *name)
{
	return process_descriptors_of(h->agent.process.pid, name) &&
	       process_descriptors_of(workers[0], name) && process_descriptors_of(workers[1], name);
}

/* As logrotate does it. */
START_TEST(log_file_that_was_moved_away_is_let_go_of_by_all_processes)
{
	static const char *const configurations[] = { "\n", "no_such_option = 1\n" };
	struct one_host h;
	pid_t pids[AGENT_WORKERS_MAX];
	scenario_begin(&h.scenario);
	sim_start(&h.sim, &h.scenario, "--tls off --shards 2 --records 10 --consumer_timeout 3");
	tmpdir_write(h.scenario.dir, "agent.conf", "\n", 1);
	agent_init(&h.agent, &h.sim, "host",
		   "--consumer_count 2 --config agent.conf --log_file current.log");
	agent_start(&h.agent);
	until("both work", agent_workers(&h.agent, pids) == 2 &&
				   all_write_to(&h, pids, "current.log") &&
				   sim_published(&h.sim) == 20);
	char *log = tmpdir_path(h.scenario.dir, "current.log"),
	     *moved = tmpdir_path(h.scenario.dir, "moved.log");
	ck_assert_int_eq(rename(log, moved), 0);
	tmpdir_write(h.scenario.dir, "agent.conf", configurations[_i],
		     strlen(configurations[_i]));
	process_signal(&h.agent.process, SIGHUP);
	until("all have the new one", all_write_to(&h, pids, "current.log"));
	agent_stop(&h.agent);
	free(log);
	free(moved);
	one_host_end(&h);
}
END_TEST

START_TEST(filter_is_in_force_for_workers_of_ours_alone)
{
	static const struct {
		const char *options;
		long mode;
	} cases[] = {
		{ "", 2 },
		{ "--sink stdout", 2 },
		{ "--sink null", 2 },
		{ "--sandbox off", 0 },
		{ "--sink exec:cat", 0 },
	};
	struct one_host h;
	pid_t pids[AGENT_WORKERS_MAX];
	if (!has_sandbox())
		return;
	char *options = xasprintf("--consumer_count 1 %s", cases[_i].options);
	one_host_begin(&h, "--tls off --shards 1 --records 10 --consumer_timeout 3", options);
	until("there is a worker", agent_workers(&h.agent, pids) == 1);
	/* What it takes comes behind. */
	until("it is at work", agent_said(&h.agent, "msg=\"shard held\"") == 1);
	ck_assert_int_eq(status_of(pids[0], "Seccomp"), cases[_i].mode);
	ck_assert_int_eq(status_of(pids[0], "NoNewPrivs"), 1);
	agent_stop(&h.agent);
	free(options);
	one_host_end(&h);
}
END_TEST

Suite *
suite_confined(void)
{
	Suite *suite = suite_create("confined");
	TCase *tc = scenario_case(suite, "confined");
	tcase_add_test(tc, agent_in_its_sandbox_drains_its_stream);
	tcase_add_loop_test(tc, log_file_that_was_moved_away_is_let_go_of_by_all_processes, 0, 2);
	tcase_add_loop_test(tc, filter_is_in_force_for_workers_of_ours_alone, 0, 5);
	return suite;
}
