/*
 * pipes.c - records on standard output, from several workers into one pipe.
 *
 * Real programs against lts-sim. Holds the stdout sink to whole lines: a pipe gives no
 * such promise.
 */
#include "tests/suites.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/clock.h"
#include "tests/sim/sim_ledger.h"
#include "tests/sim/sim_line.h"
#include "tests/support/test_sink.h"

enum { SHARDS = 4, RECORDS = 5000, NARROW = 4096 };

/* Starts an agent whose stdout is a narrow pipe; returns the end to read. */
static FILE *
begin(struct one_host *h, const char *options)
{
	int fds[2];
	scenario_begin(&h->scenario); /* its watch must not have the pipe: there would be
					 no end of file */
	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	ck_assert_int_ge(fcntl(fds[1], F_SETPIPE_SZ, NARROW), 0);
	sim_start(&h->sim, &h->scenario,
		  "--tls off --shards 4 --records 5000 --consumer_timeout 3");
	agent_init(&h->agent, &h->sim, "host", options);
	h->agent.out_fd = fds[1];
	agent_start(&h->agent);
	close(fds[1]);
	return fdopen(fds[0], "r");
}

struct account {
	struct sim_ledger *ledger;
	size_t lines, torn, disordered;
	uint64_t next[SHARDS]; /* behind the latest of each shard */
	struct sim_totals totals;
};

static void
account_begin(struct account *a)
{
	*a = (struct account){ .ledger = sim_ledger_create(SHARDS, true, RECORDS) };
	sim_ledger_begin(a->ledger);
}

static void
account_end(struct account *a)
{
	sim_ledger_close(a->ledger, NULL, NULL, &a->totals);
	sim_ledger_destroy(&a->ledger);
}

static void
account_line(struct account *a, const char *text, size_t len)
{
	struct sim_line line;
	char name[8];
	a->lines++;
	if (text[len - 1] != '\n' || !sim_line_parse(text, len - 1, &line)) {
		a->torn++;
		return;
	}
	snprintf(name, sizeof(name), "%.*s", (int)line.shard_len, line.shard);
	unsigned shard = (unsigned)strtoul(name, NULL, 10);
	ck_assert_uint_lt(shard, SHARDS);
	(void)sim_ledger_note(a->ledger, shard, line.seq);
	a->disordered += line.seq != a->next[shard];
	a->next[shard] = line.seq + 1;
}

START_TEST(four_workers_write_whole_lines_into_one_pipe)
{
	struct one_host h;
	struct account a;
	char *text = NULL;
	size_t room = 0;
	ssize_t len;
	FILE *pipe = begin(&h, "--sink stdout --consumer_count 4 --end_time end");
	account_begin(&a);
	while ((len = getline(&text, &room, pipe)) > 0)
		account_line(&a, text, (size_t)len);
	account_end(&a);
	ck_assert_int_eq(agent_wait(&h.agent), 0);
	ck_assert_uint_eq(a.torn, 0);
	ck_assert_uint_eq(a.disordered, 0);
	ck_assert_uint_eq(a.totals.lost + a.totals.duplicated + a.totals.unexpected, 0);
	ck_assert_uint_eq(a.totals.records, SHARDS * RECORDS);
	ck_assert_double_eq(agent_committed(&h.agent), SHARDS * RECORDS);
	free(text);
	fclose(pipe);
	one_host_end(&h);
}
END_TEST

/* A worker may die in the middle of a line; what others write after it must be lines
 * again. */
START_TEST(killed_worker_tears_at_most_the_line_it_was_writing)
{
	struct one_host h;
	struct account a;
	pid_t pids[AGENT_WORKERS_MAX];
	char *text = NULL;
	size_t room = 0, kills = 0;
	ssize_t len;
	FILE *pipe = begin(&h, "--sink stdout --consumer_count 4 --end_time end "
			       "--consume_batch_size 100");
	account_begin(&a);
	while ((len = getline(&text, &room, pipe)) > 0) {
		account_line(&a, text, (size_t)len);
		if (a.lines % 4000 == 0 && kills < 4 && agent_workers(&h.agent, pids) > 0)
			kills += kill(pids[0], SIGKILL) == 0;
	}
	account_end(&a);
	ck_assert_int_eq(agent_wait(&h.agent), 0);
	ck_assert_uint_ge(kills, 3);
	ck_assert_uint_le(a.torn, kills);
	ck_assert_uint_eq(a.totals.lost, 0); /* here: at least once */
	free(text);
	fclose(pipe);
	one_host_end(&h);
}
END_TEST

START_TEST(reader_that_goes_away_ends_the_agent)
{
	struct one_host h;
	char *text = NULL;
	size_t room = 0;
	FILE *pipe = begin(&h, "--sink stdout --consumer_count 2");
	ck_assert_int_gt(getline(&text, &room, pipe), 0);
	free(text);
	fclose(pipe);
	ck_assert_int_eq(agent_wait(&h.agent), 1); /* a manager starts it again */
	ck_assert_uint_ge(agent_said(&h.agent, "nobody reads the sink any more"), 1);
	ck_assert_uint_eq(agent_said(&h.agent, "nobody reads standard output any more"), 1);
	one_host_end(&h);
}
END_TEST

/* Whose sink does not return: they cannot drain. */
START_TEST(workers_that_die_instead_of_draining_make_it_exit_1)
{
	struct one_host h;
	pid_t pids[AGENT_WORKERS_MAX];
	test_sink_begin(&h, "--tls off --shards 4 --records 5000 --consumer_timeout 3",
			"--consumer_count 2", "hang * * 0\n");
	until("both stand in it", scenario_lines(&h.scenario, "host.out") >= 2);
	process_signal(&h.agent.process, SIGTERM);
	until("both are told", agent_said(&h.agent, "state=DRAINING restarts=") == 2);
	for (size_t n = agent_workers(&h.agent, pids); n; n--)
		kill(pids[n - 1], SIGKILL);
	ck_assert_int_eq(agent_wait(&h.agent), 1);
	one_host_end(&h);
}
END_TEST

/* ---- readers that are slow ---- */

#define SHORT "--sink stdout --end_time end --process_timeout 1s --heartbeat_timeout 3s "

static bool
is_later(int64_t since_ms, int64_t ms)
{
	return clock_mono_ms() - since_ms > ms;
}

/* The rest, and that every record has come once and nobody was killed for waiting. */
static void
expect_once(struct one_host *h, struct account *a, FILE *pipe)
{
	char *text = NULL;
	size_t room = 0;
	ssize_t len;
	while ((len = getline(&text, &room, pipe)) > 0)
		account_line(a, text, (size_t)len);
	account_end(a);
	ck_assert_int_eq(agent_wait(&h->agent), 0);
	ck_assert_uint_eq(agent_said(&h->agent, "worker killed"), 0);
	ck_assert_uint_eq(agent_said(&h->agent, "ending this worker"), 0);
	ck_assert_uint_eq(a->torn, 0);
	ck_assert_uint_eq(a->totals.lost + a->totals.duplicated + a->totals.unexpected, 0);
	ck_assert_uint_eq(a->totals.records, SHARDS * RECORDS);
	ck_assert_double_eq(agent_committed(&h->agent), SHARDS * RECORDS);
	free(text);
	fclose(pipe);
}

/* Longer than process_timeout and than a lease lasts without a heartbeat. */
START_TEST(reader_that_sleeps_costs_no_worker_and_no_record)
{
	struct one_host h;
	struct account a;
	char *text = NULL;
	size_t room = 0;
	FILE *pipe = begin(&h, SHORT "--consumer_count 4");
	account_begin(&a);
	ssize_t len = getline(&text, &room, pipe);
	account_line(&a, text, (size_t)len);
	free(text);
	until("it says so", agent_said(&h.agent, "deliveries wait") >= 1);
	int64_t since_ms = clock_mono_ms();
	until("many process_timeouts are over", is_later(since_ms, 5000));
	char *leases = one_host_state(&h, "leases");
	ck_assert_msg(strstr(leases, "standard output") != NULL, "%s", leases);
	free(leases);
	expect_once(&h, &a, pipe);
	ck_assert_uint_ge(agent_said(&h.agent, "deliveries go on"), 1);
	one_host_end(&h);
}
END_TEST

/* 8 workers take turns; a batch takes half a process_timeout. */
START_TEST(slow_reader_gets_every_record_once)
{
	struct one_host h;
	struct account a;
	char *text = NULL;
	size_t room = 0;
	FILE *pipe = begin(&h, SHORT "--consumer_count 8");
	account_begin(&a);
	int64_t since_ms = clock_mono_ms();
	/* About 40 KB a second, for so long that most of them have waited for a turn. */
	for (size_t bytes = 0; !is_later(since_ms, 6000);) {
		ssize_t len = getline(&text, &room, pipe);
		ck_assert_int_gt(len, 0);
		account_line(&a, text, (size_t)len);
		bytes += (size_t)len;
		until("the reader has digested that",
		      is_later(since_ms, (int64_t)(bytes / 40)));
	}
	free(text);
	expect_once(&h, &a, pipe);
	one_host_end(&h);
}
END_TEST

/* What was read is repeated at the most; nothing is half. */
START_TEST(agent_stops_in_order_while_its_reader_sleeps)
{
	struct one_host h;
	struct account a;
	char *text = NULL;
	size_t room = 0;
	ssize_t len;
	FILE *pipe = begin(&h, "--sink stdout --consumer_count 2 --shutdown_timeout 20s");
	until("it waits", agent_said(&h.agent, "deliveries wait") >= 1);
	process_signal(&h.agent.process, SIGTERM);
	ck_assert_int_eq(agent_wait(&h.agent), 0);
	ck_assert_uint_eq(agent_said(&h.agent, "worker killed"), 0);
	account_begin(&a);
	while ((len = getline(&text, &room, pipe)) > 0)
		account_line(&a, text, (size_t)len);
	ck_assert_uint_le(a.torn, 1); /* the end of what the pipe could hold */
	account_end(&a);
	free(text);
	fclose(pipe);
	one_host_end(&h);
}
END_TEST

Suite *
suite_pipes(void)
{
	Suite *suite = suite_create("pipes");
	TCase *tc = scenario_case(suite, "pipes");
	tcase_add_test(tc, four_workers_write_whole_lines_into_one_pipe);
	tcase_add_test(tc, killed_worker_tears_at_most_the_line_it_was_writing);
	tcase_add_test(tc, reader_that_goes_away_ends_the_agent);
	tcase_add_test(tc, workers_that_die_instead_of_draining_make_it_exit_1);
	tcase_add_test(tc, reader_that_sleeps_costs_no_worker_and_no_record);
	tcase_add_test(tc, slow_reader_gets_every_record_once);
	tcase_add_test(tc, agent_stops_in_order_while_its_reader_sleeps);
	return suite;
}
