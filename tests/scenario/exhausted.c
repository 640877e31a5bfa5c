/*
 * exhausted.c - what is used up: room and reader slots of the state, and who keeps them.
 *
 * Real programs against lts-sim, with readers of the state that are killed and stopped, and on
 * small tmpfs mounts (root). Holds kind 1 of tests/world.md: what waits for room says so within
 * two seconds, delivers nothing that it cannot commit, and goes on by itself.
 */
#include "tests/suites.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "common/xalloc.h"
#include "tests/support/filler.h"
#include "tests/support/one_host.h"
#include "tests/support/other_reader.h"
#include "tests/support/raw_server.h"
#include "tests/support/scrape.h"
#include "tests/support/small_disk.h"
#include "tests/support/state_program.h"
#include "tests/support/tmpdir.h"

enum { SEEN_WITHIN_MS = 2000 * PATIENCE_SLOWNESS };

static char *where;

static void
begin(struct one_host *h, const char *sim_options, const char *agent_options)
{
	where = xasprintf("127.0.0.1:%u", raw_server_closed_port());
	char *options = xasprintf("--metrics_listen %s %s", where, agent_options);
	sim_start(&h->sim, &h->scenario, sim_options);
	agent_init(&h->agent, &h->sim, "host", options);
	agent_start(&h->agent);
	free(options);
}

/* `disk`: was mounted for it; NULL: none was. */
static void
end(struct one_host *h, const char *disk)
{
	agent_fini(&h->agent);
	sim_stop(&h->sim);
	if (disk)
		small_disk_unmount(&h->scenario, disk);
	scenario_end(&h->scenario);
	free(where);
}

static pid_t
start_reader(const struct one_host *h, unsigned transactions)
{
	char *dir = tmpdir_path(h->scenario.dir, "host.st");
	pid_t pid = other_reader_start(dir, transactions);
	free(dir);
	return pid;
}

/* /readyz and lts-state leases name it, soon after the log did; and the agent is alive. */
static void
expect_named(const struct one_host *h, const char *cause)
{
	struct state_program state;
	until_within(SEEN_WITHIN_MS, "it is not ready", scrape_says(where, "/readyz", 503, cause));
	ck_assert(scrape_says(where, "/healthz", 200, cause));
	state_program_init(&state, h->scenario.dir);
	ck_assert_int_eq(state_program_run(&state, "--state_dir host.st leases"), 0);
	ck_assert_msg(strstr(state.output, "waits for ") && strstr(state.output, cause), "%s",
		      state.output);
	ck_assert_int_eq(state_program_run(&state, "--state_dir host.st --json leases"), 0);
	ck_assert_msg(strstr(state.output, "\"waits\":[{\"text\":\"worker "), "%s", state.output);
	state_program_fini(&state);
}

START_TEST(full_disk_is_named_within_two_seconds)
{
	struct one_host h;
	scenario_begin(&h.scenario);
	if (!small_disk_mount(&h.scenario, "host.out", "size=1m")) {
		scenario_end(&h.scenario);
		return;
	}
	begin(&h, "--tls off --shards 2 --records 8000 --consumer_timeout 3",
	      "--consumer_count 1 --end_time end");
	until("there is no space", agent_said(&h.agent, "deliveries pause") > 0);
	expect_named(&h, "No space left on device");
	small_disk_remount(&h.scenario, "host.out", "size=64m");
	one_host_expect_drained(&h, 2, 8000);
	end(&h, "host.out");
}
END_TEST

enum { DEAD = 1023 }; /* and the supervisor's slot */

START_TEST(slots_of_dead_readers_keep_no_worker_and_no_look_from_the_state)
{
	struct one_host h;
	pid_t pids[AGENT_WORKERS_MAX];
	scenario_begin(&h.scenario);
	begin(&h, "--tls off --shards 4 --records 3000 --consumer_timeout 3",
	      "--consumer_count 2 --end_time end --consume_batch_size 50");
	sim_faults(&h.sim, "batch latency=20");
	until("all are held", agent_said(&h.agent, "msg=\"shard held\"") >= 4);
	other_reader_end(start_reader(&h, DEAD));
	ck_assert_uint_eq(agent_workers(&h.agent, pids), 2);
	kill(pids[0], SIGKILL);
	until("it is back", agent_said(&h.agent, "state=LIVE restarts=1") == 1);
	struct state_program state;
	state_program_init(&state, h.scenario.dir);
	ck_assert_int_eq(state_program_run(&state, "--state_dir host.st dump"), 0);
	state_program_fini(&state);
	sim_faults(&h.sim, "");
	one_host_expect_drained(&h, 4, 3000);
	end(&h, NULL);
}
END_TEST

START_TEST(start_waits_until_a_reader_slot_is_free)
{
	struct one_host h;
	scenario_begin(&h.scenario);
	begin(&h, "--tls off --shards 2 --records 500 --consumer_timeout 3",
	      "--consumer_count 1 --end_time end");
	one_host_expect_drained(&h, 2, 500);
	pid_t reader = start_reader(&h, DEAD + 1);
	agent_start(&h.agent);
	until("it waits", agent_said(&h.agent, "no reader slot is free") == 1);
	ck_assert(!process_has_ended(&h.agent.process));
	agent_stop(&h.agent); /* before it has begun: nothing is to be drained */
	agent_start(&h.agent);
	until("it waits", agent_said(&h.agent, "no reader slot is free") == 1);
	other_reader_end(reader);
	ck_assert_int_eq(agent_wait(&h.agent), 0);
	end(&h, NULL);
}
END_TEST

static void
fill(const struct one_host *h, unsigned spare_pages)
{
	char *dir = tmpdir_path(h->scenario.dir, "host.st");
	filler_put(dir, spare_pages);
	free(dir);
}

#define BUSY_SIM "--tls off --shards 4 --records 20000 --consumer_timeout 3"
#define BUSY_AGENT                                                                   \
	"--consumer_count 2 --consume_batch_size 50 --checkpoint_interval 20ms " \
	"--end_time end"

/* Until the agent has no room for its commits. */
static void
begin_full(struct one_host *h, const char *more)
{
	char *options = xasprintf(BUSY_AGENT " %s", more);
	scenario_begin(&h->scenario);
	begin(h, BUSY_SIM, options);
	free(options);
	sim_faults(&h->sim, "batch latency=10");
	until("all are at work", agent_said(&h->agent, "msg=\"shard held\"") >= 4 &&
					 agent_committed(&h->agent) > 500);
}

/* What is delivered stands still, but for what was under way. */
static void
expect_nothing_delivered(const struct one_host *h)
{
	double heartbeats = sim_number(&h->sim, "requests/heartbeat/200");
	size_t stands = scenario_lines(&h->scenario, "host.out");
	until("some heartbeats are over",
	      sim_number(&h->sim, "requests/heartbeat/200") >= heartbeats + 40);
	ck_assert_uint_eq(scenario_lines(&h->scenario, "host.out"), stands);
	ck_assert_double_le(sim_published(&h->sim), agent_committed(&h->agent));
}

START_TEST(reader_that_stands_still_is_named_and_nothing_is_delivered_uncommitted)
{
	struct one_host h;
	begin_full(&h, "");
	pid_t reader = start_reader(&h, 1);
	fill(&h, 100);
	char *cause = xasprintf("MiB: the reader with pid %d keeps", reader);
	until("it is full", agent_said(&h.agent, "no space in the state") > 0);
	expect_named(&h, cause);
	ck_assert_uint_ge(agent_said(&h.agent, cause), 1);
	free(cause);
	until("both are", agent_said(&h.agent, "commits and deliveries pause") >= 2);
	expect_nothing_delivered(&h);
	ck_assert_int_eq(waitpid(reader, NULL, WNOHANG), 0); /* it was not killed */
	other_reader_end(reader);
	sim_faults(&h.sim, "");
	one_host_expect_drained(&h, 4, 20000);
	ck_assert_uint_eq(agent_said(&h.agent, "restarts=1"), 0);
	end(&h, NULL);
}
END_TEST

START_TEST(reader_that_stands_still_is_named_while_there_is_room)
{
	struct one_host h;
	begin_full(&h, "--checkpoint_interval 200ms"); /* some seconds are left when it is named */
	sim_faults(&h.sim, "batch latency=100");
	pid_t reader = start_reader(&h, 1);
	fill(&h, 800);
	char *cause = xasprintf("the reader with pid %d keeps", reader);
	until("it is named", scrape_says(where, "/readyz", 503, cause));
	ck_assert_uint_eq(agent_said(&h.agent, "no space in the state"), 0);
	double committed = agent_committed(&h.agent);
	until("deliveries go on", agent_committed(&h.agent) > committed);
	free(cause);
	other_reader_end(reader);
	sim_faults(&h.sim, "");
	one_host_expect_drained(&h, 4, 20000);
	end(&h, NULL);
}
END_TEST

START_TEST(stop_without_room_for_the_last_commit_is_quick_and_named)
{
	struct one_host h;
	begin_full(&h, "--shutdown_timeout 50s");
	pid_t reader = start_reader(&h, 1);
	fill(&h, 100);
	until("it is full", agent_said(&h.agent, "commits and deliveries pause") >= 2);
	process_signal(&h.agent.process, SIGTERM);
	until_within(10000 * PATIENCE_SLOWNESS, "it has ended",
		     process_has_ended(&h.agent.process));
	ck_assert_int_eq(agent_wait(&h.agent), 1);
	ck_assert_uint_ge(agent_said(&h.agent, "stopped without its last commit"), 1);
	ck_assert_uint_eq(agent_said(&h.agent, "shutdown_timeout is over"), 0);
	other_reader_end(reader);
	sim_faults(&h.sim, "");
	agent_start(&h.agent);
	one_host_expect_drained(&h, 4, 20000);
	end(&h, NULL);
}
END_TEST

START_TEST(start_on_a_full_map_makes_it_larger_and_goes_on)
{
	struct one_host h;
	struct state_program state;
	scenario_begin(&h.scenario);
	begin(&h, "--tls off --shards 2 --records 500 --consumer_timeout 3",
	      "--consumer_count 1 --heartbeat_timeout 3s");
	until("all is delivered", agent_committed(&h.agent) == 1000);
	agent_stop(&h.agent);
	fill(&h, 0);
	sim_post(&h.sim, "/sim/produce?records=500");
	agent_start(&h.agent);
	until("the rest is delivered", agent_committed(&h.agent) == 2000);
	state_program_init(&state, h.scenario.dir);
	ck_assert_int_eq(state_program_run(&state, "--state_dir host.st meta"), 0);
	ck_assert_msg(strstr(state.output, "of 128.0MiB"), "%s", state.output);
	state_program_fini(&state);
	agent_stop(&h.agent);
	end(&h, NULL);
}
END_TEST

/* The command `sink` does that. */
static void
write_sink(struct one_host *h, const char *text)
{
	scenario_begin(&h->scenario);
	char *path = tmpdir_path(h->scenario.dir, "sink");
	tmpdir_write(h->scenario.dir, "sink", text, strlen(text));
	ck_assert_int_eq(chmod(path, 0755), 0);
	free(path);
}

START_TEST(sink_that_puts_records_off_is_named_until_it_takes_them)
{
	struct one_host h;
	write_sink(&h, "#!/bin/sh\n[ -e open ] || { echo no route >&2; exit 75; }\ncat >>all\n");
	begin(&h, "--tls off --shards 2 --records 500 --consumer_timeout 3",
	      "--consumer_count 1 --end_time end --sink batch:./sink");
	until("it is named", agent_said(&h.agent, "the sink puts its records off") == 2);
	expect_named(&h, "the sink puts records off: exit 75: no route");
	tmpdir_write(h.scenario.dir, "open", "", 0);
	ck_assert_int_eq(agent_wait(&h.agent), 0);
	ck_assert_double_eq(agent_committed(&h.agent), 1000);
	ck_assert_uint_eq(agent_said(&h.agent, "the sink takes records again"), 2);
	end(&h, NULL);
}
END_TEST

START_TEST(child_that_ends_at_once_again_and_again_is_named)
{
	struct one_host h;
	write_sink(&h, "#!/bin/sh\nexit 3\n");
	begin(&h, "--tls off --shards 2 --records 500 --consumer_timeout 3",
	      "--consumer_count 1 --sink exec:./sink");
	until("it is named", agent_said(&h.agent, "the sink puts its records off") == 2);
	expect_named(&h, "the sink puts records off: the child exited with 3");
	end(&h, NULL);
}
END_TEST

Suite *
suite_exhausted(void)
{
	Suite *suite = suite_create("exhausted");
	TCase *tc = scenario_case(suite, "exhausted");
	tcase_add_test(tc, full_disk_is_named_within_two_seconds);
	tcase_add_test(tc, slots_of_dead_readers_keep_no_worker_and_no_look_from_the_state);
	tcase_add_test(
		tc, reader_that_stands_still_is_named_and_nothing_is_delivered_uncommitted);
	tcase_add_test(tc, reader_that_stands_still_is_named_while_there_is_room);
	tcase_add_test(tc, stop_without_room_for_the_last_commit_is_quick_and_named);
	tcase_add_test(tc, start_on_a_full_map_makes_it_larger_and_goes_on);
	tcase_add_test(tc, start_waits_until_a_reader_slot_is_free);
	tcase_add_test(tc, sink_that_puts_records_off_is_named_until_it_takes_them);
	tcase_add_test(tc, child_that_ends_at_once_again_and_again_is_named);
	return suite;
}
