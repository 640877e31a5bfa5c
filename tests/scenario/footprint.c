/*
 * footprint.c - what an agent costs, and that it costs no more after a while.
 *
 * Real programs against lts-sim. Holds the memory of an idle agent and of one whose sink stands
 * still, and that deaths of workers leave no descriptor behind. Without meaning under ASan, where
 * the memory part is left out.
 */
#include "tests/suites.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/one_host.h"

/* The sum of those lines of smaps_rollup that begin with one of the names, in KiB. */
static long
memory_kib(pid_t pid, const char *const *names)
{
	char path[64], line[256];
	long sum = 0, kib;
	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
	FILE *file = fopen(path, "re");
	ck_assert_ptr_nonnull(file);
	while (fgets(line, sizeof(line), file))
		for (const char *const *name = names; *name; name++)
			if (strncmp(line, *name, strlen(*name)) == 0 &&
			    sscanf(line + strlen(*name), "%ld", &kib) == 1)
				sum += kib;
	fclose(file);
	return sum;
}

static const char *const private[] = { "Private_Clean:", "Private_Dirty:", NULL };

static void
expect_small(pid_t pid)
{
	static const char *const resident[] = { "Rss:", NULL };
	ck_assert_int_gt(memory_kib(pid, resident), 0);
	ck_assert_int_le(memory_kib(pid, private), 6 * 1024);
	ck_assert_int_le(memory_kib(pid, resident), 20 * 1024);
}

START_TEST(idle_agent_is_small)
{
	struct one_host h;
	pid_t pids[AGENT_WORKERS_MAX];
	one_host_begin(&h, "--shards 2 --records 0 --consumer_timeout 3", "--consumer_count 2");
	until("it holds its shards",
	      agent_said(&h.agent, "msg=\"shard held\"") >= 2 && sim_is_settled(&h.sim, 2));
	until("it has asked for records", sim_number(&h.sim, "requests/batch/200") >= 20);
	ck_assert_uint_eq(agent_workers(&h.agent, pids), 2);
	expect_small(h.agent.process.pid);
	expect_small(pids[0]);
	expect_small(pids[1]);
	agent_stop(&h.agent);
	one_host_end(&h);
}
END_TEST

enum { BUDGET_KIB = 16 << 10, OWN_KIB = 16 << 10, BACKLOG = 96 << 20, PIECE = 1 << 20 };

/* Takes what is in the pipe, up to a piece; false: that was the end. */
static bool
read_piece(int fd)
{
	static char piece[PIECE];
	size_t len = 0;
	ssize_t got = 1;
	while (len < PIECE && (got = read(fd, piece, PIECE - len)) > 0)
		len += (size_t)got;
	return got > 0;
}

/* Its sink takes nothing for a while, and then a piece at a time. */
START_TEST(memory_stays_within_the_budget_whatever_the_records_and_the_sink)
{
	static const unsigned sizes[] = { 100, 500, 65536 };
	struct one_host h;
	int fds[2];
	pid_t workers[AGENT_WORKERS_MAX];
	char sim[128];
	unsigned records = BACKLOG / 16 / sizes[_i];
	scenario_begin(&h.scenario);
	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	snprintf(sim, sizeof(sim), "--tls off --shards 16 --records %u --record_bytes %u",
		 records, sizes[_i]);
	sim_start(&h.sim, &h.scenario, sim);
	agent_init(&h.agent, &h.sim, "host",
		   "--sink stdout --end_time end --memory_budget 16MiB --max_body_bytes 8MiB "
		   "--consume_batch_size 100 --heartbeat_timeout 30s");
	h.agent.out_fd = fds[1];
	agent_start(&h.agent);
	close(fds[1]);
	until("each shard has brought what it may",
	      sim_number(&h.sim, "served_records") * sizes[_i] >= 8 << 20 ||
		      sim_number(&h.sim, "requests/batch/200") >= 2 * 16);
	ck_assert_uint_eq(agent_workers(&h.agent, workers), 1);
	for (size_t took = 0; took < BACKLOG / 2; took += PIECE) {
		ck_assert_int_le(memory_kib(workers[0], private), BUDGET_KIB + OWN_KIB);
		ck_assert(read_piece(fds[0]));
	}
	while (read_piece(fds[0]))
		;
	close(fds[0]);
	ck_assert_int_eq(agent_wait(&h.agent), 0);
	one_host_end(&h);
}
END_TEST

START_TEST(deaths_of_workers_leave_no_descriptor_and_no_zombie)
{
	struct one_host h;
	pid_t pids[AGENT_WORKERS_MAX];
	char path[64], text[256];
	one_host_begin(&h, "--tls off --shards 2 --records 100 --consumer_timeout 3",
		       "--consumer_count 2");
	until("it holds its shards",
	      agent_said(&h.agent, "msg=\"shard held\"") >= 2 && sim_is_settled(&h.sim, 2));
	size_t before = process_descriptors(h.agent.process.pid);
	for (size_t deaths = 1; deaths <= 5; deaths++) {
		until("both live", agent_said(&h.agent, "state=LIVE restarts=") == 1 + deaths &&
					   agent_workers(&h.agent, pids) == 2);
		kill(pids[deaths % 2], SIGKILL);
		until("it is buried", agent_said(&h.agent, "signal=9") == deaths);
	}
	until("all are live again", agent_said(&h.agent, "state=LIVE restarts=") == 2 + 5);
	until("the descriptors are as many as before",
	      process_descriptors(h.agent.process.pid) <= before);
	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", h.agent.process.pid,
		 h.agent.process.pid);
	FILE *children = fopen(path, "re");
	ck_assert_ptr_nonnull(children);
	size_t len = fread(text, 1, sizeof(text) - 1, children), n = 0;
	fclose(children);
	for (size_t i = 0; i < len; i++)
		n += text[i] == ' ';
	ck_assert_uint_eq(n, 2);
	agent_stop(&h.agent);
	one_host_end(&h);
}
END_TEST

Suite *
suite_footprint(void)
{
	Suite *suite = suite_create("footprint");
	TCase *tc = scenario_case(suite, "footprint");
	if (PATIENCE_SLOWNESS == 1) {
		tcase_add_test(tc, idle_agent_is_small);
		tcase_add_loop_test(
			tc, memory_stays_within_the_budget_whatever_the_records_and_the_sink, 0,
			3);
	}
	tcase_add_test(tc, deaths_of_workers_leave_no_descriptor_and_no_zombie);
	return suite;
}
