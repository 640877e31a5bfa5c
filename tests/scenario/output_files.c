/*
 * output_files.c - somebody touches the files while they are being written, or changes where they
 * go.
 *
 * Real programs against lts-sim. Holds the file sink to noticing it before the next
 * append, to stopping that shard loudly and no other, and to never writing over what it
 * finds.
 */
#include "tests/suites.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"
#include "tests/support/one_host.h"

static void
run(const struct one_host *h, const char *command)
{
	struct words words = { .n = 0 };
	struct process process;
	words_add(&words, "%s", command);
	process_start(&process, &words,
		      &(struct process_files){ .dir = h->scenario.dir, .out_fd = -1 });
	ck_assert_int_eq(process_wait(&process, command), 0);
	words_fini(&words);
}

static const struct {
	const char *command; /* on shard 1's segment */
	const char *later;   /* said when the agent starts again; NULL: it goes on */
} touches[] = {
	{ "/usr/bin/find host.out -name 1-*.part -delete", "missing, though" },
	{ "/usr/bin/find host.out -name 1-*.part -exec /bin/mv {} moved ;", "missing, though" },
	{ "/usr/bin/find host.out -name 1-*.part -exec /usr/bin/truncate -s 1000 {} ;",
	  "shorter than" },
	{ "/usr/bin/find host.out -name 1-*.part -exec /usr/bin/truncate -s +7 {} ;", NULL },
	{ "/usr/bin/find host.out -name 1-*.part -exec /bin/cp {} copy ; -exec /bin/mv copy {} ;",
	  "shorter than" },
};

/* Exactly everything, or exit code 1 and the reason. */
static void
expect_honest(struct one_host *h, unsigned shards, unsigned records, const char *reason)
{
	until("it ends", process_has_ended(&h->agent.process));
	if (agent_wait(&h->agent) == 0) {
		one_host_expect_drained(h, shards, records);
		return;
	}
	ck_assert_int_eq(agent_wait(&h->agent), 1);
	ck_assert_ptr_nonnull(reason);
	ck_assert_uint_ge(agent_said(&h->agent, reason), 1);
}

/* When nothing more is appended, the last look is before the file gets its final name. */
START_TEST(file_touched_behind_its_last_record_is_no_success)
{
	struct one_host h;
	one_host_begin(&h, "--tls off --shards 2 --records 0 --consumer_timeout 3",
		       "--consumer_count 1 --checkpoint_interval 50ms --sink file:host.out");
	until("it holds its shards", agent_said(&h.agent, "msg=\"shard held\"") >= 2);
	sim_post(&h.sim, "/sim/produce?records=500");
	until("all is committed", agent_committed(&h.agent) == 1000);
	run(&h, touches[_i].command);
	agent_stop(&h.agent);
	ck_assert_uint_eq(agent_said(&h.agent, "segment not sealed"), 1);
	words_add(&h.agent.words, "--end_time end");
	agent_start(&h.agent);
	expect_honest(&h, 2, 500, touches[_i].later);
	one_host_end(&h);
}
END_TEST

/* All have been served that much, and have more before them. */
#define HALF                                                                    \
	"batch shard=0 after=20 status=503\nbatch shard=1 after=20 status=503\n" \
	"batch shard=2 after=20 status=503\nbatch shard=3 after=20 status=503\n"

START_TEST(touched_file_stops_its_shard_loudly_and_no_other)
{
	struct one_host h;
	scenario_begin(&h.scenario);
	sim_start(&h.sim, &h.scenario, "--tls off --shards 4 --records 5000 --consumer_timeout 3");
	sim_faults(&h.sim, HALF);
	agent_init(&h.agent, &h.sim, "host",
		   "--sink file:host.out --consumer_count 1 --consume_batch_size 100 "
		   "--end_time end --checkpoint_interval 50ms");
	agent_start(&h.agent);
	until("it is at work", agent_committed(&h.agent) == 4 * 20 * 100);
	run(&h, touches[_i].command);
	sim_faults(&h.sim, "");
	ck_assert_int_eq(agent_wait(&h.agent), 1);
	ck_assert_uint_eq(agent_said(&h.agent, "shard stopped"), 1);
	ck_assert_uint_eq(
		agent_said(&h.agent, "was removed, replaced, cut or written by another"),
		2); /* the worker's line, and the supervisor's */
	ck_assert_uint_eq(agent_said(&h.agent, "msg=\"shard finished\""), 3);
	ck_assert_uint_eq(agent_said(&h.agent, "restarts=1"), 0);
	agent_start(&h.agent);
	expect_honest(&h, 4, 5000, touches[_i].later);
	one_host_end(&h);
}
END_TEST

/* In its command line, which is the scenario's. */
static void
change_sink(struct one_host *h, const char *sink)
{
	for (size_t i = 1; i < h->agent.words.n; i++)
		if (strcmp(h->agent.words.list[i - 1], "--sink") == 0) {
			free(h->agent.words.list[i]);
			h->agent.words.list[i] = xstrdup(sink);
		}
}

static void
await_more(struct one_host *h, double more)
{
	double before = agent_committed(&h->agent);
	until("more is committed", agent_committed(&h->agent) >= before + more);
}

/* Each record is in one of them. */
START_TEST(sink_may_be_changed_between_two_starts)
{
	static const char *const sinks[] = { "file:b.out", "file:host.out", "file:c.out",
					     "file:b.out" };
	struct one_host h;
	one_host_begin(&h, "--tls off --shards 4 --records 2000 --rate 4000",
		       "--consumer_count 2 --consume_batch_size 100 --sink file:host.out");
	await_more(&h, 1000);
	for (int i = 0; i < 4; i++) {
		/* In order, or by a kill of the supervisor, whose workers end in order. */
		if (i % 2)
			process_kill(&h.agent.process);
		else
			agent_stop(&h.agent);
		change_sink(&h, sinks[i]);
		agent_start(&h.agent);
		await_more(&h, 1000);
		ck_assert_uint_eq(agent_said(&h.agent, "shard stopped"), 0);
	}
	sim_post(&h.sim, "/sim/rate?records=0");
	until("all is committed", agent_committed(&h.agent) == sim_number(&h.sim, "produced"));
	agent_stop(&h.agent);
	sim_expect_exact(&h.sim, "host.out b.out c.out");
	agent_expect_sound(&h.agent, &h.sim);
	one_host_end(&h);
}
END_TEST

START_TEST(sink_that_is_changed_before_its_files_are_sealed_is_named)
{
	struct one_host h;
	one_host_begin(&h, "--tls off --shards 2 --records 2000 --rate 400",
		       "--consumer_count 1 --checkpoint_interval 50ms --sink file:host.out");
	await_more(&h, 500);
	agent_kill_whole(&h.agent);
	change_sink(&h, "file:b.out");
	agent_start(&h.agent);
	until("each shard says so", agent_said(&h.agent, "if the sink was changed") >= 2);
	process_signal(&h.agent.process, SIGTERM);
	agent_wait(&h.agent);
	change_sink(&h, "file:host.out");
	agent_start(&h.agent);
	sim_post(&h.sim, "/sim/rate?records=0");
	until("it goes on to the end",
	      agent_committed(&h.agent) == sim_number(&h.sim, "produced"));
	agent_stop(&h.agent);
	sim_expect_exact(&h.sim, "host.out");
	one_host_end(&h);
}
END_TEST

Suite *
suite_output_files(void)
{
	Suite *suite = suite_create("output_files");
	TCase *tc = scenario_case(suite, "output_files");
	tcase_add_loop_test(tc, touched_file_stops_its_shard_loudly_and_no_other, 0,
			    sizeof(touches) / sizeof(touches[0]));
	tcase_add_loop_test(tc, file_touched_behind_its_last_record_is_no_success, 0, 4);
	tcase_add_test(tc, sink_may_be_changed_between_two_starts);
	tcase_add_test(tc, sink_that_is_changed_before_its_files_are_sealed_is_named);
	return suite;
}
