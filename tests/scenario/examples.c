/*
 * examples.c - what is shipped to be copied, with the real agent: two plugins, two children, two
 * commands.
 *
 * Real programs against lts-sim. Holds worker/examples: each does what its first lines say, and
 * no record is missing, also when a worker is killed.
 */
#include "tests/suites.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "common/xalloc.h"
#include "tests/support/one_host.h"
#include "tests/support/raw_server.h"
#include "tests/support/tmpdir.h"

enum { SHARDS = 4, RECORDS = 1000 };

#define SIM "--tls off --shards 4 --records 1000 --consumer_timeout 3"
#define AGENT "--consumer_count 2 --end_time end --consume_batch_size 100 "

/* before: of the example, as "plugin:"; after: its name, and its arguments. */
static void
begin(struct one_host *h, const char *agent_options, const char *before, const char *after)
{
	scenario_begin(&h->scenario);
	sim_start(&h->sim, &h->scenario, SIM);
	agent_init(&h->agent, &h->sim, "host", agent_options);
	char *sink = xasprintf("%s%s/../examples/%s", before, h->scenario.bin, after);
	agent_add_word(&h->agent, "--sink");
	agent_add_word(&h->agent, sink);
	free(sink);
}

/* What a user's shell prints for it, in the scenario's directory; the exit code is to be that. */
static size_t
shell(const struct scenario *scenario, int exit_code, const char *command, char *out, size_t room)
{
	char *line = xasprintf("cd '%s' && { %s; }", scenario->dir, command);
	FILE *pipe = popen(line, "re");
	ck_assert_ptr_nonnull(pipe);
	size_t len = fread(out, 1, room, pipe);
	int status = pclose(pipe);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == exit_code, "%s: status %d",
		      line, status);
	free(line);
	return len;
}

/* A worker is killed with the work half done. */
static void
run_and_kill(struct one_host *h)
{
	double served = 0;
	pid_t pids[AGENT_WORKERS_MAX];
	sim_faults(&h->sim, "batch latency=20");
	agent_start(&h->agent);
	one_host_await_served(h, 1500, &served);
	ck_assert_uint_gt(agent_workers(&h->agent, pids), 0);
	kill(pids[0], SIGKILL);
	ck_assert_int_eq(agent_wait(&h->agent), 0);
}

static void
run(struct one_host *h)
{
	agent_start(&h->agent);
	ck_assert_int_eq(agent_wait(&h->agent), 0);
	ck_assert_double_eq(agent_committed(&h->agent), SHARDS * RECORDS);
	agent_expect_sound(&h->agent, &h->sim);
}

/* Different records of a shard whose text is in these bytes. */
static unsigned
count_seqs(const char *text, size_t len, bool seen[RECORDS])
{
	static const char key[] = "\"seq\":";
	unsigned n = 0;
	for (const char *at = text, *end = text + len;
	     (at = memmem(at, (size_t)(end - at), key, sizeof(key) - 1)) != NULL;) {
		at += sizeof(key) - 1;
		unsigned long seq = strtoul(at, NULL, 10);
		ck_assert_uint_lt(seq, RECORDS);
		n += !seen[seq];
		seen[seq] = true;
	}
	return n;
}

START_TEST(count_counts)
{
	struct one_host h;
	begin(&h, "--consumer_count 1 --end_time end --consume_batch_size 100",
	      "plugin:", "count.so");
	run(&h);
	ck_assert_uint_eq(agent_said(&h.agent, "this time consume log 100 total log num"),
			  SHARDS * RECORDS / 100);
	ck_assert_uint_eq(agent_said(&h.agent, "total log num 1000\n"), SHARDS);
	one_host_end(&h);
}
END_TEST

/* Also with a worker that is killed, and with what one had left. */
START_TEST(filter_keeps_the_records_with_the_word)
{
	static const char left[] = "a line\nhalf a li";
	struct one_host h;
	begin(&h, AGENT, "plugin:", "filter.so?dir=.&word=\"seq\":7");
	tmpdir_write(h.scenario.dir, "0.log", left, strlen(left));
	run_and_kill(&h);
	char *first = scenario_read(&h.scenario, "0.log");
	ck_assert_ptr_eq(strstr(first, "a line\n{"), first);
	free(first);
	for (int shard = 0; shard < SHARDS; shard++) {
		bool seen[RECORDS] = { false };
		char name[32];
		snprintf(name, sizeof(name), "%d.log", shard);
		char *text = scenario_read(&h.scenario, name);
		ck_assert_uint_eq(count_seqs(text, strlen(text), seen), 1 + 10 + 100);
		ck_assert(seen[7] && seen[70] && seen[799]);
		free(text);
	}
	one_host_end(&h);
}
END_TEST

START_TEST(filter_without_its_arguments_stops_the_shards_and_says_why)
{
	struct one_host h;
	begin(&h, AGENT, "plugin:", "filter.so?word=x");
	agent_start(&h.agent);
	ck_assert_int_eq(agent_wait(&h.agent), 1);
	ck_assert_uint_ge(agent_said(&h.agent, "filter: give ?word=WORD&dir=DIR"), SHARDS);
	ck_assert_uint_ge(agent_said(&h.agent, "shard stopped"), SHARDS);
	one_host_end(&h);
}
END_TEST

START_TEST(child_in_python_is_given_everything)
{
	struct one_host h;
	begin(&h, AGENT, "exec:python3 ", "exec_processor.py");
	run(&h);
	ck_assert_uint_gt(agent_said(&h.agent, "the processor says"), 0);
	one_host_end(&h);
}
END_TEST

START_TEST(child_in_sh_writes_everything)
{
	struct one_host h;
	begin(&h, AGENT, "exec:bash ", "exec_processor.sh out");
	run(&h);
	char *text = scenario_read(&h.scenario, "out");
	size_t lines = 0; /* a content may have several */
	for (const char *at = text; (at = strchr(at, '\n')); at++)
		lines++;
	ck_assert_uint_ge(lines, SHARDS * RECORDS);
	free(text);
	one_host_end(&h);
}
END_TEST

static void
expect_all_in_gzip(const struct scenario *scenario)
{
	enum { ROOM = 8 << 20 };
	char *text = xmalloc(ROOM);
	for (int shard = 0; shard < SHARDS; shard++) {
		bool seen[RECORDS] = { false };
		char command[64];
		snprintf(command, sizeof(command), "gzip -dc out/%d.gz", shard);
		size_t len = shell(scenario, 0, command, text, ROOM);
		ck_assert_uint_lt(len, ROOM);
		ck_assert_uint_eq(count_seqs(text, len, seen), RECORDS);
	}
	free(text);
}

START_TEST(command_that_compresses_keeps_everything)
{
	struct one_host h;
	begin(&h, AGENT "--batch_linger 100ms", "batch:sh ", "batch_gzip.sh out");
	run(&h);
	expect_all_in_gzip(&h.scenario);
	one_host_end(&h);
}
END_TEST

/* What stands behind the length is half a member. */
START_TEST(command_that_compresses_is_killed_and_nothing_is_torn)
{
	char out[1];
	struct one_host h;
	begin(&h, AGENT "--batch_max_records 100 --batch_linger 50ms", "batch:sh ",
	      "batch_gzip.sh out");
	shell(&h.scenario, 0,
	      "mkdir out && echo before | gzip >out/0.gz && stat -c %s out/0.gz >out/.0.length "
	      "&& "
	      "echo half | gzip | head -c 15 >>out/0.gz",
	      out, sizeof(out));
	run_and_kill(&h);
	expect_all_in_gzip(&h.scenario);
	shell(&h.scenario, 0, "gzip -dc out/0.gz | grep -qx before", out, sizeof(out));
	one_host_end(&h);
}
END_TEST

#define REPLY(status) "HTTP/1.1 " status "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

static const struct raw_reply replies[] = {
	{ .bytes = REPLY("503 Busy"), .then = RAW_CLOSE },
	{ .bytes = REPLY("429 Slow down"), .then = RAW_CLOSE },
	{ .bytes = NULL, .then = RAW_CLOSE },
	{ .bytes = REPLY("204 Fine"), .then = RAW_CLOSE },
};

enum { REPLIES = sizeof(replies) / sizeof(replies[0]) };

START_TEST(command_that_posts_waits_for_a_server_in_trouble)
{
	static bool seen[SHARDS][RECORDS];
	struct one_host h;
	unsigned found = 0;
	struct raw_server *server = raw_server_start(replies, REPLIES);
	char *post =
		xasprintf("batch_post.sh http://127.0.0.1:%u/ingest", raw_server_port(server));
	setenv("no_proxy", "127.0.0.1", 1);
	begin(&h, AGENT "--batch_max_records 100 --batch_linger 50ms", "batch:sh ", post);
	run(&h);
	ck_assert_uint_eq(agent_said(&h.agent, "msg=\"records refused\""), 0);
	for (size_t i = REPLIES - 1; i < raw_server_requests(server); i++) {
		char *request = raw_server_request(server, i),
		     *body = strstr(request, "\r\n\r\n");
		const char *position = strstr(request, "\r\nX-Lts-Position: ");
		ck_assert_ptr_eq(strstr(request, "POST /ingest HTTP/1.1\r\n"), request);
		ck_assert(body && position);
		unsigned long shard =
			strtoul(position + strlen("\r\nX-Lts-Position: "), NULL, 10);
		ck_assert_uint_lt(shard, SHARDS);
		found += count_seqs(body, strlen(body), seen[shard]);
		free(request);
	}
	ck_assert_uint_eq(found, SHARDS * RECORDS);
	free(post);
	one_host_end(&h);
	raw_server_stop(&server);
}
END_TEST

static const struct raw_reply refusals[] = {
	{ .bytes = "HTTP/1.1 400 Bad\r\nContent-Length: 9\r\nConnection: close\r\n\r\nno thanks",
	  .then = RAW_CLOSE },
};

START_TEST(command_that_posts_says_why_a_server_refuses)
{
	struct one_host h;
	struct raw_server *server = raw_server_start(refusals, 1);
	char *post =
		xasprintf("batch_post.sh http://127.0.0.1:%u/ingest", raw_server_port(server));
	setenv("no_proxy", "127.0.0.1", 1);
	begin(&h, AGENT "--on_poison stop --max_attempts 1", "batch:sh ", post);
	agent_start(&h.agent);
	ck_assert_int_eq(agent_wait(&h.agent), 1);
	ck_assert_uint_ge(agent_said(&h.agent, "HTTP 400: no thanks"), 1);
	free(post);
	one_host_end(&h);
	raw_server_stop(&server);
}
END_TEST

/* Their worker died while it wrote the second record. */
START_TEST(commands_do_nothing_with_half_a_batch)
{
	char out[1];
	struct scenario scenario;
	struct raw_server *server = raw_server_start(refusals, 1);
	scenario_begin(&scenario);
	char *gzip = xasprintf(
		"printf '{}\\n{' | LTS_SHARD=0 LTS_RECORDS=2 sh %s/../examples/batch_gzip.sh out",
		scenario.bin);
	char *post =
		xasprintf("printf '{}\\n{' | LTS_SHARD=0 LTS_CURSOR=1 LTS_FIRST=0 LTS_RECORDS=2 "
			  "sh %s/../examples/batch_post.sh http://127.0.0.1:%u/",
			  scenario.bin, raw_server_port(server));
	shell(&scenario, 75, gzip, out, sizeof(out));
	shell(&scenario, 1, "test -e out/0.gz", out, sizeof(out));
	shell(&scenario, 75, post, out, sizeof(out));
	ck_assert_uint_eq(raw_server_requests(server), 0);
	free(gzip);
	free(post);
	scenario_end(&scenario);
	raw_server_stop(&server);
}
END_TEST

/* With the installed header's directory as it is here. */
START_TEST(plugins_are_compiled_as_their_first_lines_say)
{
	char out[1], sources[4096];
	struct scenario scenario;
	ck_assert_ptr_nonnull(realpath("worker", sources));
	scenario_begin(&scenario);
	char *command = xasprintf(
		"for f in count filter; do cp %s/examples/$f.c . && "
		"sh -ec \"$(sed -n 's,^ \\*   \\(cc .*\\)/usr/local/include$,\\1%s,p' $f.c)\" && "
		"test -s $f.so || exit 1; done",
		sources, sources);
	shell(&scenario, 0, command, out, sizeof(out));
	free(command);
	scenario_end(&scenario);
}
END_TEST

Suite *
suite_examples(void)
{
	Suite *suite = suite_create("examples");
	TCase *tc = scenario_case(suite, "examples");
	tcase_add_test(tc, count_counts);
	tcase_add_test(tc, filter_keeps_the_records_with_the_word);
	tcase_add_test(tc, filter_without_its_arguments_stops_the_shards_and_says_why);
	tcase_add_test(tc, child_in_python_is_given_everything);
	tcase_add_test(tc, child_in_sh_writes_everything);
	tcase_add_test(tc, command_that_compresses_keeps_everything);
	tcase_add_test(tc, command_that_compresses_is_killed_and_nothing_is_torn);
	tcase_add_test(tc, command_that_posts_waits_for_a_server_in_trouble);
	tcase_add_test(tc, command_that_posts_says_why_a_server_refuses);
	tcase_add_test(tc, commands_do_nothing_with_half_a_batch);
	tcase_add_test(tc, plugins_are_compiled_as_their_first_lines_say);
	return suite;
}
