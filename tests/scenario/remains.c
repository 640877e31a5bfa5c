/*
 * remains.c - what faults leave behind: nothing.
 *
 * Real programs against lts-sim. Holds I6 (memory, descriptors, threads and LMDB's pages
 * come back to where they were), I7 (no core, no file with a secret) and I10 (fetched =
 * delivered + dropped + in flight).
 */
#include "tests/suites.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/support/json_path.h"
#include "tests/support/one_host.h"

enum { ROUNDS = 6, SHARDS = 4 };

static size_t
count_entries(pid_t pid, const char *what)
{
	char path[64];
	size_t n = 0;
	snprintf(path, sizeof(path), "/proc/%d/%s", pid, what);
	DIR *dir = opendir(path);
	ck_assert_ptr_nonnull(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static size_t
private_kib(pid_t pid)
{
	char path[64], line[256];
	size_t sum = 0, kib;
	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
	FILE *file = fopen(path, "re");
	ck_assert_ptr_nonnull(file);
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "Private_%*[^:]: %zu", &kib) == 1)
			sum += kib;
	fclose(file);
	return sum;
}

struct footprint {
	size_t fds, threads, private_kib;
	double pages_bytes;
};

/* Of the supervisor and both workers together. */
static struct footprint
measure(const struct one_host *h)
{
	pid_t pids[AGENT_WORKERS_MAX + 1];
	struct footprint all = { 0 };
	size_t n = agent_workers(&h->agent, pids);
	ck_assert_uint_eq(n, 2);
	pids[n++] = h->agent.process.pid;
	for (size_t i = 0; i < n; i++) {
		all.fds += count_entries(pids[i], "fd");
		all.threads += count_entries(pids[i], "task");
		all.private_kib += private_kib(pids[i]);
	}
	cJSON *state = agent_state(&h->agent);
	all.pages_bytes = json_path_number(state, "meta/used_bytes");
	ck_assert_double_gt(all.pages_bytes, 0);
	cJSON_Delete(state);
	return all;
}

static const char *const evils[ROUNDS] = {
	"batch p=0.3 reset\nheartbeat p=0.2 status=500",
	"batch after=4 count=2 gzip_bomb=50000000\ncheckpoint_write p=0.5 lose_reply",
	"batch p=0.3 nest=100000\nheartbeat p=0.2 nest=100000",
	"batch after=4 count=2 huge=30000000",
	"batch p=0.2 truncate=2000\nbatch p=0.2 same_next\ncheckpoint_read p=0.5 html",
	"batch p=0.3 status=429 retry_after=0\nany p=0.1 reset",
};

/* A worker dies or stops, the service is ill, and all is delivered in the end. */
static void
go_through(struct one_host *h, unsigned round)
{
	pid_t pids[AGENT_WORKERS_MAX];
	double wanted = agent_committed(&h->agent) + SHARDS * 2000;
	sim_faults(&h->sim, evils[round % ROUNDS]);
	sim_post(&h->sim, "/sim/produce?records=2000");
	until("it is at work", agent_committed(&h->agent) > wanted - SHARDS * 2000);
	until("both live", agent_workers(&h->agent, pids) == 2);
	kill(pids[round % 2], round % 3 ? SIGKILL : SIGSTOP);
	until("it is delivered, or nearly", agent_committed(&h->agent) > wanted - SHARDS * 1000);
	sim_faults(&h->sim, "");
	until("all is delivered", agent_committed(&h->agent) == wanted);
	until("both live again", agent_said(&h->agent, "state=LIVE restarts=") == 2 + round + 1 &&
					 agent_workers(&h->agent, pids) == 2);
	until("the group is at rest", sim_is_settled(&h->sim, 2));
}

START_TEST(faults_leave_memory_descriptors_threads_and_pages_as_they_were)
{
	struct one_host h;
	one_host_begin(&h, "--tls off --shards 4 --records 0 --consumer_timeout 3",
		       "--consumer_count 2 --consume_batch_size 100 --max_body_bytes 1MiB");
	until("the group is settled", sim_is_settled(&h.sim, 2));
	for (unsigned round = 0; round < ROUNDS; round++)
		go_through(&h, round);
	struct footprint before = measure(&h);
	for (unsigned round = ROUNDS; round < 3 * ROUNDS; round++)
		go_through(&h, round);
	/* Connections that are idle come and go. */
	until("the descriptors are as many as before", measure(&h).fds <= before.fds + 4);
	struct footprint after = measure(&h);
	ck_assert_uint_eq(after.threads, before.threads);
	ck_assert_double_le(after.pages_bytes, 2 * before.pages_bytes); /* events are kept */
	if (PATIENCE_SLOWNESS == 1)
		ck_assert_uint_le(after.private_kib, before.private_kib + 2048);
	agent_stop(&h.agent);
	scenario_expect_exact(&h.scenario, SHARDS, 3 * ROUNDS * 2000, "host.out");
	one_host_end(&h);
}
END_TEST

START_TEST(crash_leaves_no_core_and_no_file_has_the_secret)
{
	struct one_host h;
	pid_t pids[AGENT_WORKERS_MAX];
	struct rlimit most = { RLIM_INFINITY, RLIM_INFINITY };
	struct process grep;
	struct words words = { .n = 0 };
	setrlimit(RLIMIT_CORE, &most); /* where that is not permitted, less is proved */
	one_host_begin(&h, "--tls off --shards 4 --records 20000 --consumer_timeout 3",
		       "--consumer_count 2 --end_time end --consume_batch_size 100 --is_test");
	sim_faults(&h.sim, "batch latency=10");
	until("it is at work", agent_committed(&h.agent) > 1000);
	until("both live", agent_workers(&h.agent, pids) == 2);
	kill(pids[0], SIGABRT); /* which no sanitizer takes */
	until("it has crashed", agent_said(&h.agent, "worker ended") >= 1);
	process_signal(&h.agent.process, SIGABRT);
	until("so has the supervisor", process_has_ended(&h.agent.process));
	agent_start(&h.agent);
	one_host_expect_drained(&h, 4, 20000);
	words_add(&words, "/bin/grep -rl wJalrXUtnFEMI %s", h.scenario.dir);
	process_start(&grep, &words,
		      &(struct process_files){ .dir = h.scenario.dir, .out_fd = -1 });
	ck_assert_int_eq(process_wait(&grep, "grep"), 1); /* none */
	words_fini(&words);
	one_host_end(&h);
}
END_TEST

/* What the lines "worker ended" say, one for each life, adds up with what is committed. */
START_TEST(fetched_is_delivered_dropped_and_in_flight_over_all_lives)
{
	struct one_host h;
	pid_t pids[AGENT_WORKERS_MAX];
	double served = 0;
	uint64_t seed = scenario_seed(950);
	one_host_begin(&h, "--tls off --shards 4 --records 20000 --consumer_timeout 3",
		       "--consumer_count 4 --end_time end --consume_batch_size 100");
	sim_faults(&h.sim, "batch latency=10");
	for (size_t kills = 0; kills < 4; kills++) {
		one_host_await_served(&h, 3000 + scenario_draw(&seed, 6000), &served);
		size_t n = agent_workers(&h.agent, pids);
		if (n)
			kill(pids[scenario_draw(&seed, (unsigned)n)], SIGKILL);
	}
	one_host_expect_drained(&h, 4, 20000);
	char *log = scenario_read(&h.scenario, "host.log");
	unsigned long long fetched = 0, delivered = 0, dropped = 0, in_flight = 0, n[4];
	for (char *at = log; (at = strstr(at, "msg=\"worker ended\"")); at++) {
		char *end = strchr(at, '\n'), *numbers = strstr(at, " fetched=");
		*end = '\0';
		ck_assert_ptr_nonnull(numbers);
		ck_assert_int_eq(sscanf(numbers,
					" fetched=%llu delivered=%llu dead_letters=0 attempts=0 "
					"dropped=%llu in_flight=%llu",
					&n[0], &n[1], &n[2], &n[3]),
				 4);
		ck_assert_uint_eq(n[0], n[1] + n[2] + n[3]);
		if (strstr(at, " exit=0 ")) /* who ends in order has nothing in hand */
			ck_assert_uint_eq(n[3], 0);
		fetched += n[0];
		delivered += n[1];
		dropped += n[2];
		in_flight += n[3];
		at = end;
	}
	/* What a killed worker had delivered and not committed was cut, and delivered again. */
	ck_assert_uint_ge(delivered, 80000);
	ck_assert_double_ge(sim_number(&h.sim, "served_records"), (double)fetched);
	ck_assert_uint_eq(fetched, delivered + dropped + in_flight);
	free(log);
	one_host_end(&h);
}
END_TEST

Suite *
suite_remains(void)
{
	Suite *suite = suite_create("remains");
	TCase *tc = scenario_case(suite, "remains");
	tcase_add_test(tc, faults_leave_memory_descriptors_threads_and_pages_as_they_were);
	tcase_add_test(tc, crash_leaves_no_core_and_no_file_has_the_secret);
	tcase_add_test(tc, fetched_is_delivered_dropped_and_in_flight_over_all_lives);
	return suite;
}
