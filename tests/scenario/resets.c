/*
 * resets.c - lts-state reset: shards that go on elsewhere, on a running agent and a stopped one.
 *
 * Real programs against lts-sim. Holds state/command_reset.c, state/ask_agent.c and
 * supervisor/reset.c: what people ask for happens once, whoever is killed meanwhile, and they
 * are told what became of every shard.
 */
#include "tests/suites.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/xalloc.h"
#include "state/ask_agent.h"
#include "tests/sim/sim_line.h"
#include "tests/support/json_path.h"
#include "tests/support/one_host.h"
#include "tests/support/test_plugin.h"
#include "tests/support/tmpdir.h"

enum { SHARDS = 4, RECORDS = 1000 };

#define SIM "--tls off --shards 4 --records 1000 --consumer_timeout 3"
#define AGENT "--consumer_count 2 --consume_batch_size 100 --checkpoint_interval 20ms "
/* Of record 500 in shard 1: a shard begins at its number times ten seconds. */
#define CURSOR_1_500 "cursor:1767332800000000501"

/* `lts-state WORDS` on that agent: its exit code; stdout, or NULL, is the caller's. */
static int
run(const struct agent *agent, const char *state_words, char **output_out)
{
	struct words words = { .n = 0 };
	words_add(&words, "lts-state --state_dir %s %s", agent->state_dir, state_words);
	int code = scenario_run(agent->scenario, &words, output_out);
	words_fini(&words);
	return code;
}

static void
expect_reset(const struct agent *agent, const char *state_words)
{
	char *output, *errors;
	int code = run(agent, state_words, &output);
	errors = scenario_read(agent->scenario, "lts-state.err.log");
	ck_assert_msg(code == 0, "%s: exit %d: %s%s", state_words, code, output, errors);
	free(output);
	free(errors);
}

static void
expect_refused(const struct agent *agent, const char *state_words, const char *text)
{
	char *output, *errors;
	ck_assert_int_eq(run(agent, state_words, &output), 1);
	errors = scenario_read(agent->scenario, "lts-state.err.log");
	ck_assert_msg(strstr(output, text) || strstr(errors, text), "%s: no '%s' in: %s%s",
		      state_words, text, output, errors);
	free(output);
	free(errors);
}

struct counts {
	unsigned times[SHARDS][RECORDS];
};

static void
count_file(const char *path, struct counts *counts)
{
	char *line = NULL;
	size_t room = 0;
	ssize_t len;
	FILE *file = fopen(path, "re");
	while (file && (len = getline(&line, &room, file)) > 0) {
		struct sim_line found;
		ck_assert(sim_line_parse(line, (size_t)len - 1, &found));
		unsigned long shard = strtoul(found.shard, NULL, 10);
		if (shard < SHARDS && found.seq < RECORDS)
			counts->times[shard][found.seq]++;
	}
	if (file)
		fclose(file);
	free(line);
}

/* How often each record stands in the directory's files. */
static struct counts *
count(const struct scenario *scenario, const char *name)
{
	struct counts *counts = xcalloc(1, sizeof(*counts));
	char *dir = tmpdir_path(scenario->dir, name);
	DIR *stream = opendir(dir);
	ck_assert_ptr_nonnull(stream);
	const struct dirent *entry;
	while ((entry = readdir(stream))) {
		char *path = tmpdir_path(dir, entry->d_name);
		if (entry->d_name[0] != '.')
			count_file(path, counts);
		free(path);
	}
	closedir(stream);
	free(dir);
	return counts;
}

/* Of each shard the records before `from` once, the others `times` times. */
static void
expect_times(const struct scenario *scenario, const char *name, unsigned from, unsigned times)
{
	struct counts *counts = count(scenario, name);
	for (unsigned s = 0; s < SHARDS; s++)
		for (unsigned i = 0; i < RECORDS; i++)
			ck_assert_msg(counts->times[s][i] == (i < from ? 1 : times),
				      "shard %u record %u: %u times", s, i, counts->times[s][i]);
	free(counts);
}

static void
expect_verified(const struct agent *agent)
{
	ck_assert_int_eq(run(agent, "verify", NULL), 0);
}

static unsigned
count_with(const struct agent *agent, const char *list, const char *key, const char *value)
{
	unsigned n = 0;
	cJSON *state = agent_state(agent), *one;
	cJSON_ArrayForEach(one, json_member(state, list)) n +=
		strcmp(json_text(one, key), value) == 0;
	cJSON_Delete(state);
	return n;
}

static unsigned
events_of_kind(const struct agent *agent, const char *kind)
{
	return count_with(agent, "events", "event", kind);
}

/* None of its shards is on the way from one consumer to another. */
static void
await_settled(const struct one_host *h)
{
	until("its consumers hold their shards",
	      sim_is_settled(&h->sim, 2) &&
		      count_with(&h->agent, "leases", "state", "held") == SHARDS);
}

/* Every shard of it was read once. */
static void
begin_read(struct one_host *h, const char *agent_options)
{
	one_host_begin(h, SIM, agent_options);
	await_settled(h);
	until("all is committed", agent_committed(&h->agent) == SHARDS * RECORDS);
}

START_TEST(to_begin_delivers_everything_exactly_once_more)
{
	struct one_host h;
	begin_read(&h, AGENT);
	expect_reset(&h.agent, "reset --all --to begin");
	until("all of it again", agent_committed(&h.agent) == 2 * SHARDS * RECORDS);
	until("and published", sim_published(&h.sim) == SHARDS * RECORDS);
	ck_assert_uint_eq(events_of_kind(&h.agent, "reset"), SHARDS);
	agent_stop(&h.agent);
	expect_times(&h.scenario, "host.out", 0, 2);
	expect_verified(&h.agent);
	one_host_end(&h);
}
END_TEST

START_TEST(to_a_cursor_or_a_time_delivers_what_is_behind_it_once_more)
{
	static const char *const places[] = { CURSOR_1_500, "2026-01-02T03:00:10.000000500Z" };
	struct one_host h;
	begin_read(&h, AGENT);
	char *words = xasprintf("reset --shard 1 --to %s --json", places[_i]), *output;
	ck_assert_int_eq(run(&h.agent, words, &output), 0);
	ck_assert_ptr_nonnull(strstr(output, "\"by\":\"agent\""));
	ck_assert_ptr_nonnull(strstr(output, "\"shard\":\"1\""));
	unsigned again = 0;
	until("it comes again", agent_committed(&h.agent) > SHARDS * RECORDS);
	until("up to the end", agent_said(&h.agent, "msg=reset ") == 1 &&
				       sim_published(&h.sim) == SHARDS * RECORDS);
	agent_stop(&h.agent);
	struct counts *counts = count(&h.scenario, "host.out");
	for (unsigned s = 0; s < SHARDS; s++)
		for (unsigned i = 0, twice = 0; i < RECORDS; i++) {
			ck_assert(!twice || counts->times[s][i] == 2); /* all behind it */
			twice = counts->times[s][i] == 2;
			ck_assert(twice ? s == 1 : counts->times[s][i] == 1);
			again += twice;
		}
	ck_assert_uint_gt(again, 0);
	if (_i == 0)
		ck_assert_uint_eq(again, 500);
	free(counts);
	free(output);
	free(words);
	one_host_end(&h);
}
END_TEST

START_TEST(to_end_passes_over_the_backlog)
{
	struct one_host h;
	one_host_begin(&h, "--tls off --shards 4 --records 1000000 --consumer_timeout 3", AGENT);
	sim_faults(&h.sim, "batch latency=20");
	await_settled(&h);
	until("it has begun", agent_committed(&h.agent) > 0);
	expect_reset(&h.agent, "reset --all --to end");
	until("it stands at the end", sim_published(&h.sim) == 4e6);
	ck_assert_double_lt(agent_committed(&h.agent), 2e6);
	agent_stop(&h.agent);
	expect_verified(&h.agent);
	one_host_end(&h);
}
END_TEST

/* A year too far, or milliseconds for seconds: the service takes that as the end. */
START_TEST(to_the_future_wants_a_yes)
{
	struct one_host h;
	char *output;
	begin_read(&h, AGENT);
	for (int stopped = 0; stopped < 2; stopped++) {
		size_t before = events_of_kind(&h.agent, "reset");
		ck_assert_int_eq(run(&h.agent, "reset --all --to 4000000000", &output), 1);
		free(output);
		ck_assert_uint_eq(events_of_kind(&h.agent, "reset"), before);
		ck_assert_int_eq(run(&h.agent, "reset --all --to 4000000000 --yes", &output), 0);
		free(output);
		if (!stopped)
			agent_stop(&h.agent);
	}
	one_host_end(&h);
}
END_TEST

START_TEST(dry_run_changes_nothing)
{
	struct one_host h;
	char *output;
	begin_read(&h, AGENT);
	ck_assert_int_eq(run(&h.agent, "reset --all --to begin --dry_run", &output), 0);
	ck_assert_ptr_nonnull(strstr(output, "1767322800000000001"));
	ck_assert_ptr_nonnull(strstr(output, "nothing was changed (--dry_run)\n"));
	free(output);
	ck_assert_uint_eq(events_of_kind(&h.agent, "reset"), 0);
	agent_stop(&h.agent);
	ck_assert_int_eq(run(&h.agent, "reset --all --to begin --dry_run", &output), 0);
	ck_assert_ptr_nonnull(strstr(output, "nothing was changed (--dry_run)\n"));
	free(output);
	ck_assert_uint_eq(events_of_kind(&h.agent, "reset"), 0);
	agent_start(&h.agent);
	until("it holds its shards again", agent_said(&h.agent, "msg=\"shard held\"") >= SHARDS);
	agent_stop(&h.agent);
	expect_times(&h.scenario, "host.out", 0, 1);
	one_host_end(&h);
}
END_TEST

START_TEST(place_that_the_service_refuses_leaves_it_where_it_is)
{
	struct one_host h;
	begin_read(&h, AGENT);
	expect_refused(&h.agent, "reset --shard 1 --to cursor:nonsense",
		       "the service refuses the place");
	expect_refused(&h.agent, "reset --shard 77 --to begin", "no shard of this agent");
	ck_assert_uint_eq(events_of_kind(&h.agent, "reset"), 0);
	agent_stop(&h.agent);
	expect_refused(&h.agent, "reset --shard 77 --to begin", "knows no such shard");
	expect_times(&h.scenario, "host.out", 0, 1);
	agent_expect_sound(&h.agent, &h.sim);
	one_host_end(&h);
}
END_TEST

/* Shard 1's records are held back, so that the agent has not ended yet. */
START_TEST(finished_shard_goes_on_and_the_agent_ends_when_it_has)
{
	struct one_host h;
	scenario_begin(&h.scenario);
	sim_start(&h.sim, &h.scenario, SIM);
	sim_faults(&h.sim, "batch shard=1 status=503");
	agent_init(&h.agent, &h.sim, "host", AGENT "--end_time end");
	agent_start(&h.agent);
	until("all others are finished where they stay",
	      sim_is_settled(&h.sim, 2) && count_with(&h.agent, "leases", "state", "held") == 1 &&
		      count_with(&h.agent, "leases", "state", "finished") == SHARDS - 1);
	expect_reset(&h.agent, "reset --shard 0 --to begin");
	sim_faults(&h.sim, "");
	ck_assert_int_eq(agent_wait(&h.agent), 0);
	struct counts *counts = count(&h.scenario, "host.out");
	for (unsigned s = 0; s < SHARDS; s++)
		for (unsigned i = 0; i < RECORDS; i++)
			ck_assert_uint_eq(counts->times[s][i], s ? 1 : 2);
	free(counts);
	expect_verified(&h.agent);
	one_host_end(&h);
}
END_TEST

START_TEST(shard_that_stopped_goes_on)
{
	struct one_host h;
	test_plugin_begin(&h, SIM, AGENT "--max_attempts 1 --on_poison stop", "refuse 1 500 0\n");
	until("it has stopped", agent_said(&h.agent, "msg=\"shard stuck\"") == 1);
	until("the others are through", agent_committed(&h.agent) >= 3 * RECORDS);
	test_plugin_rules(&h, "");
	expect_reset(&h.agent, "reset --shard 1 --to begin");
	until("all is committed", sim_published(&h.sim) == SHARDS * RECORDS);
	agent_stop(&h.agent);
	struct test_plugin_account *account = test_plugin_account(&h, SHARDS, RECORDS);
	ck_assert_uint_eq(account->lost + account->dead, 0);
	free(account);
	one_host_end(&h);
}
END_TEST

START_TEST(under_load_with_workers_killed_nothing_behind_the_place_is_lost)
{
	struct one_host h;
	pid_t pids[AGENT_WORKERS_MAX];
	uint64_t seed = scenario_seed(1);
	one_host_begin(&h, SIM, AGENT);
	sim_faults(&h.sim, "batch latency=5");
	await_settled(&h);
	until("it has begun", agent_committed(&h.agent) > 0);
	for (unsigned i = 0; i < 6; i++) {
		struct words words = { .n = 0 };
		struct process reset;
		words_add(&words, "%s/lts-state --state_dir %s reset --all --to begin",
			  h.scenario.bin, h.agent.state_dir);
		process_start(&reset, &words,
			      &(struct process_files){ .dir = h.scenario.dir,
						       .out = "/dev/null",
						       .err = "/dev/null",
						       .out_fd = -1 });
		usleep(1000 * scenario_draw(&seed, 60));
		size_t n = agent_workers(&h.agent, pids);
		if (n)
			kill(pids[scenario_draw(&seed, (unsigned)n)], SIGKILL);
		ck_assert_int_eq(process_wait(&reset, "the reset ends"), 0);
		words_fini(&words);
	}
	double before = agent_committed(&h.agent);
	until("all of it after the last", sim_published(&h.sim) == SHARDS * RECORDS);
	ck_assert_double_ge(agent_committed(&h.agent), before);
	agent_stop(&h.agent);
	ck_assert_uint_eq(events_of_kind(&h.agent, "reset"), 6 * SHARDS); /* none twice */
	struct counts *counts = count(&h.scenario, "host.out");
	for (unsigned s = 0; s < SHARDS; s++)
		for (unsigned i = 0; i < RECORDS; i++) { /* each pass is a beginning */
			ck_assert_uint_ge(counts->times[s][i], 1);
			ck_assert_uint_le(counts->times[s][i], i ? counts->times[s][i - 1] : 7);
		}
	free(counts);
	expect_verified(&h.agent);
	one_host_end(&h);
}
END_TEST

START_TEST(stopped_agent_goes_on_there_once)
{
	static const char *const places[] = { "begin", "cursor:1767332800000000501" };
	struct one_host h;
	char *output;
	begin_read(&h, AGENT);
	agent_stop(&h.agent);
	char *words = xasprintf("reset --shard 1 --to %s", places[_i]);
	ck_assert_int_eq(run(&h.agent, words, &output), 0);
	ck_assert_ptr_nonnull(strstr(output, "it goes on there when it is started\n"));
	free(output);
	free(words);
	expect_verified(&h.agent);
	double expected = SHARDS * RECORDS + (_i ? 500 : 1000);
	for (int starts = 0; starts < 3; starts++) {
		agent_start(&h.agent);
		until("it holds its shards again",
		      agent_said(&h.agent, "msg=\"shard held\"") >= SHARDS);
		until("it has come again", agent_committed(&h.agent) == expected);
		agent_stop(&h.agent);
	}
	ck_assert_double_eq(agent_committed(&h.agent), expected);
	ck_assert_uint_eq(events_of_kind(&h.agent, "reset"), 1);
	struct counts *counts = count(&h.scenario, "host.out");
	for (unsigned s = 0; s < SHARDS; s++)
		for (unsigned i = 0; i < RECORDS; i++)
			ck_assert_uint_eq(counts->times[s][i],
					  s == 1 && (!_i || i >= 500) ? 2 : 1);
	free(counts);
	expect_verified(&h.agent);
	one_host_end(&h);
}
END_TEST

START_TEST(supervisor_that_stands_still_is_said_within_the_bound)
{
	struct one_host h;
	begin_read(&h, AGENT "--heartbeat_timeout 60s");
	process_signal(&h.agent.process, SIGSTOP);
	int64_t from_ms = clock_mono_ms();
	for (int i = 0; i < 12; i++) /* more than have room in the socket's queue */
		expect_refused(&h.agent, "reset --all --to begin --timeout 200ms",
			       "has not answered in time");
	ck_assert_int_lt(clock_mono_ms() - from_ms, 12 * 200 + 10000 * PATIENCE_SLOWNESS);
	process_signal(&h.agent.process, SIGCONT);
	agent_stop(&h.agent);
	one_host_end(&h);
}
END_TEST

START_TEST(request_of_another_form_changes_nothing)
{
	static const char *const lines[][2] = {
		{ NULL, "more shards than a stream can have" },
		{ "{\"reset\":\"begin\",\"dry_run\":\"yes\"}\n", "not a request of this version" },
		{ "{\"reset\":\"begin\",\"shards\":{\"a\":\"0\"}}\n", "not a request of this" },
	};
	struct one_host h;
	struct buf many, answer;
	begin_read(&h, AGENT);
	char *state_dir = tmpdir_path(h.scenario.dir, "host.st");
	buf_init(&many, 0);
	ck_assert_int_eq(buf_put_text(&many, "{\"reset\":\"begin\",\"shards\":[\"0\""), LTS_OK);
	for (int i = 1; i < 50000; i++)
		ck_assert_int_eq(buf_printf(&many, ",\"%d\"", i), LTS_OK);
	ck_assert_int_eq(buf_put_text(&many, "]}\n"), LTS_OK);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		buf_init(&answer, 0);
		ck_assert_int_eq(ask_agent(state_dir, lines[i][0] ? lines[i][0] : many.data,
					   PATIENCE_MS, &answer),
				 LTS_OK);
		ck_assert_msg(strstr(answer.data, lines[i][1]), "%zu: %s", i, answer.data);
		buf_fini(&answer);
	}
	buf_fini(&many);
	free(state_dir);
	agent_stop(&h.agent);
	expect_times(&h.scenario, "host.out", 0, 1);
	one_host_end(&h);
}
END_TEST

START_TEST(of_two_agents_only_the_one_that_is_asked_moves_its_shards)
{
	struct one_host h;
	struct agent other;
	one_host_begin(&h, SIM, AGENT "--consumer_count 1");
	agent_init(&other, &h.sim, "other", AGENT "--consumer_count 1");
	agent_start(&other);
	until("they share", sim_is_settled(&h.sim, 2));
	until("all is published", sim_published(&h.sim) == SHARDS * RECORDS);
	double before = agent_committed(&h.agent), others = agent_committed(&other);
	expect_reset(&h.agent, "reset --all --to begin");
	until("its half comes again", agent_committed(&h.agent) == before + 2 * RECORDS);
	ck_assert_double_eq(agent_committed(&other), others);
	ck_assert_uint_eq(events_of_kind(&other, "reset"), 0);
	until("all is published", sim_published(&h.sim) == SHARDS * RECORDS);
	agent_stop(&other);
	agent_fini(&other);
	agent_stop(&h.agent);
	one_host_end(&h);
}
END_TEST

Suite *
suite_resets(void)
{
	Suite *suite = suite_create("resets");
	TCase *tc = scenario_case(suite, "resets");
	tcase_add_test(tc, to_begin_delivers_everything_exactly_once_more);
	tcase_add_loop_test(tc, to_a_cursor_or_a_time_delivers_what_is_behind_it_once_more, 0, 2);
	tcase_add_test(tc, to_end_passes_over_the_backlog);
	tcase_add_test(tc, to_the_future_wants_a_yes);
	tcase_add_test(tc, dry_run_changes_nothing);
	tcase_add_test(tc, place_that_the_service_refuses_leaves_it_where_it_is);
	tcase_add_test(tc, finished_shard_goes_on_and_the_agent_ends_when_it_has);
	tcase_add_test(tc, shard_that_stopped_goes_on);
	tcase_add_test(tc, under_load_with_workers_killed_nothing_behind_the_place_is_lost);
	tcase_add_loop_test(tc, stopped_agent_goes_on_there_once, 0, 2);
	tcase_add_test(tc, supervisor_that_stands_still_is_said_within_the_bound);
	tcase_add_test(tc, request_of_another_form_changes_nothing);
	tcase_add_test(tc, of_two_agents_only_the_one_that_is_asked_moves_its_shards);
	return suite;
}
