/*
 * test_processor_batch.c - holds worker/processor_batch.c to what a shell user expects of a
 * command that is given records, and to what its end says about them: every way to end, hang,
 * say nonsense or leave something behind has the verdict that it should have, and costs
 * nobody else.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "tests/suites.h"
#include "tests/support/patience.h"
#include "tests/support/state_env.h"
#include "tests/support/tmpdir.h"
#include "worker/processor.h"

enum { SHARDS = 20 };

static char *dir;
static struct log *logger;
static struct processor *processor;
static struct processor_shard *shards[SHARDS];
static struct verdict verdict;

#define RECORD(text)                     \
	{                                \
		(text), sizeof(text) - 1 \
	}

static const struct record texts[] = {
	RECORD("{\"log_content\":\"a\\nb\\r\\n\"}"),
	RECORD("{\"log_content\":\"\\\\\"}"), RECORD("{\"n\":3}"),
};
static const struct record three[] = {
	RECORD("{\"log_content\":\"one\\ttab\"}"),
	RECORD("{\"log_content\":\"two\",\"n\":2}"),
	RECORD("{\"n\":3}"),
};

static void
setup(void)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	sigaction(SIGPIPE, &ignore, NULL);
	prctl(PR_SET_CHILD_SUBREAPER, 1); /* as a worker's supervisor is */
	dir = tmpdir_make();
	ck_assert_int_eq(chdir(dir), 0);
	logger = log_create("worker");
	ck_assert_int_eq(log_add_file(logger, "log", LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT), LTS_OK);
}

static void
make(const char *command, enum record_format format, int64_t timeout_ms)
{
	struct buf why;
	struct processor_config config = { .spec = command,
					   .log = logger,
					   .format = format,
					   .timeout_ms = timeout_ms,
					   .max_body_bytes = 1 << 20 };
	buf_init(&why, 0);
	ck_assert_int_eq(processor_batch_create(command, &config, &processor, &why), LTS_OK);
	for (int i = 0; i < SHARDS; i++) {
		char name[16];
		snprintf(name, sizeof(name), "%d", i);
		struct shard_id id = shard_of(name);
		struct cursor at = cursor_of("100");
		ck_assert_int_eq(processor->ops->open(processor, &id, &at, &shards[i], &why),
				 LTS_OK);
	}
	buf_fini(&why);
}

static void
unmake(void)
{
	for (int i = 0; i < SHARDS; i++)
		if (shards[i])
			processor->ops->close(&shards[i], PROCESSOR_STOPPING, &verdict);
	if (processor)
		processor->ops->destroy(&processor);
}

static void
teardown(void)
{
	unmake();
	log_destroy(&logger);
	tmpdir_remove(&dir);
}

static void
give(int shard, const struct record *records, size_t n)
{
	struct piece piece = { .records = records,
			       .n = n,
			       .cursor = cursor_of("100"),
			       .next = cursor_of("200"),
			       .first = 40,
			       .attempts = 2 };
	processor->ops->process(shards[shard], &piece, &verdict);
}

/* As the delivery thread waits. */
static void
turn(void)
{
	int64_t due_ms = processor->ops->due_ms(processor), wait_ms = due_ms - clock_mono_ms();
	struct pollfd fd = { .fd = processor->ops->fd(processor), .events = POLLIN };
	if (wait_ms > 20000)
		wait_ms = 20000;
	ck_assert_msg(poll(&fd, 1, wait_ms < 0 ? 0 : (int)wait_ms) || due_ms != INT64_MAX,
		      "a turn is due, and nobody says so");
	processor->ops->turn(processor, clock_mono_ms());
}

static enum verdict_kind
settle(int shard)
{
	until("there is a verdict", (processor->ops->look(shards[shard], &verdict),
				     verdict.kind != VERDICT_PENDING)) turn();
	return verdict.kind;
}

/* One piece of three records, on shard 0. */
static enum verdict_kind
run(const char *command, int64_t timeout_ms)
{
	make(command, RECORD_LABELS, timeout_ms);
	give(0, three, 3);
	return settle(0);
}

static void
expect_file(const char *name, const char *text)
{
	size_t len;
	char *data = tmpdir_read(dir, name, &len);
	ck_assert_str_eq(data, text);
	free(data);
}

static size_t
count_in(const char *name, const char *text)
{
	size_t len, n = 0;
	char *data = tmpdir_read(dir, name, &len);
	for (const char *at = data; (at = strstr(at, text)); at++)
		n++;
	free(data);
	return n;
}

START_TEST(its_stdin_is_the_records_one_per_line_as_they_came)
{
	ck_assert_int_eq(run("cat > in", 60000), VERDICT_ACK);
	expect_file("in", "{\"log_content\":\"one\\ttab\"}\n{\"log_content\":\"two\",\"n\":2}\n"
			  "{\"n\":3}\n");
	ck_assert(verdict.saved);
}
END_TEST

START_TEST(with_format_content_its_lines_are_as_many_as_its_records)
{
	make("cat > in; test $(wc -l < in) = $LTS_RECORDS", RECORD_CONTENT, 60000);
	give(0, texts, 3);
	ck_assert_int_eq(settle(0), VERDICT_ACK);
	expect_file("in", "a\\nb\\r\\n\n\\\\\n{\"n\":3}\n");
}
END_TEST

START_TEST(a_pipeline_with_a_file_behind_it_works)
{
	make("gzip >> out.gz", RECORD_LABELS, 60000);
	for (int i = 0; i < 2; i++) {
		give(0, three, 3);
		ck_assert_int_eq(settle(0), VERDICT_ACK);
	}
	unmake();
	ck_assert_int_eq(run("cat > /dev/null; gzip -dc out.gz | grep -c log_content > n", 60000),
			 VERDICT_ACK);
	expect_file("n", "4\n");
}
END_TEST

START_TEST(its_environment_says_which_records_and_has_no_secret)
{
	setenv("HUAWEICLOUD_SDK_SK", "wJalrXUtnFEMI", 1);
	setenv("LTS_SK", "wJalrXUtnFEMI", 1);
	setenv("LTS_CURSOR", "not this one", 1);
	ck_assert_int_eq(run("env > env; echo \"$HOME\" > home", 60000), VERDICT_ACK);
	ck_assert_uint_eq(count_in("env", "wJalrXUtnFEMI"), 0);
	static const char *const said[] = {
		"LTS_SHARD=0\n",  "LTS_CURSOR=100\n", "LTS_NEXT_CURSOR=200\n",
		"LTS_FIRST=40\n", "LTS_RECORDS=3\n",  "LTS_ATTEMPTS=2\n",
		"\nPATH="
	};
	for (size_t i = 0; i < sizeof(said) / sizeof(*said); i++)
		ck_assert_msg(count_in("env", said[i]) == 1, "%s", said[i]);
	ck_assert_uint_eq(count_in("env", "LTS_CURSOR="), 1);
}
END_TEST

static const struct {
	const char *command;
	enum verdict_kind kind;
	const char *error;
} ends[] = {
	{ "exit 0", VERDICT_ACK, "" },
	{ "exit 75", VERDICT_LATER, "exit 75" },
	{ "echo busy >&2; exit 75", VERDICT_LATER, "exit 75: busy" },
	{ "exit 1", VERDICT_REFUSED, "exit 1" },
	{ "exit 3", VERDICT_REFUSED, "exit 3" },
	{ "exit 74", VERDICT_REFUSED, "exit 74" },
	{ "exit 255", VERDICT_REFUSED, "exit 255" },
	{ "echo first >&2; echo the reason >&2; exit 3", VERDICT_REFUSED, "exit 3: the reason" },
	{ "printf 'no end of line' >&2; exit 3", VERDICT_REFUSED, "exit 3: no end of line" },
	{ "printf 'a\\033[1mb\\n' >&2; exit 3", VERDICT_REFUSED, "exit 3: a?[1mb" },
	{ "kill -SEGV $$", VERDICT_REFUSED, "signal 11" },
	{ "kill -KILL $$", VERDICT_REFUSED, "signal 9" },
	{ "sh -c 'kill -SEGV $$' || exit $?", VERDICT_REFUSED, "exit 139 (signal 11)" },
	{ "cat > /dev/null; exit 3", VERDICT_REFUSED, "exit 3" },
};

/* The shell adds what it says about a signal. */
START_TEST(its_end_is_the_verdict)
{
	ck_assert_int_eq(run(ends[_i].command, 60000), ends[_i].kind);
	size_t len = strlen(ends[_i].error);
	ck_assert_msg(strncmp(verdict.error, ends[_i].error, len) == 0 &&
			      (!verdict.error[len] || strstr(verdict.error, "Segmentation")),
		      "%s: %s", ends[_i].command, verdict.error);
}
END_TEST

static const char *const not_run[] = { "/nowhere/at-all", "cat | no-such-command", "cat >&2; /" };

START_TEST(a_command_that_cannot_be_run_blames_no_record_and_says_so)
{
	ck_assert_int_eq(run(not_run[_i], 60000), VERDICT_LATER);
	ck_assert_ptr_nonnull(strstr(verdict.error, _i < 2 ? "exit 127: " : "exit 126: "));
}
END_TEST

enum { MANY = 8192, LONG = 1024 }; /* 8 MiB: more than any pipe holds */

static struct record *
make_many(char **memory)
{
	struct record *records = xcalloc(MANY, sizeof(*records));
	*memory = xmalloc((size_t)MANY * LONG);
	for (size_t i = 0; i < MANY; i++) {
		char *text = *memory + i * LONG;
		memset(text, 'x', LONG);
		int used = snprintf(text, LONG, "{\"log_content\":\"%07zu ", i);
		text[used] = 'x';
		memcpy(text + LONG - 2, "\"}", 2);
		records[i] = (struct record){ text, LONG - i % 1000 };
		memcpy(text + records[i].len - 2, "\"}", 2);
	}
	return records;
}

static void
give_many(int shard)
{
	char *memory;
	struct record *records = make_many(&memory);
	give(shard, records, MANY);
	settle(shard);
	free(memory);
	free(records);
}

START_TEST(large_pieces_arrive_whole_and_in_order)
{
	make(_i ? "cat > in; wc -l < in > n; cut -b 1-7 in | sort -c"
		: "cat > in; wc -l < in > n; cut -b 17-23 in | sort -c",
	     _i ? RECORD_CONTENT : RECORD_LABELS, 60000);
	give_many(0);
	ck_assert_int_eq(verdict.kind, VERDICT_ACK);
	expect_file("n", "8192\n");
	size_t len, want = 0;
	char *data = tmpdir_read(dir, "in", &len);
	for (size_t i = 0; i < MANY; i++)
		want += LONG - i % 1000 + 1 - (_i ? strlen("{\"log_content\":\"\"}") : 0);
	ck_assert_uint_eq(len, want);
	free(data);
}
END_TEST

START_TEST(a_command_that_does_not_read_all_has_done_its_work_when_it_ends_with_0)
{
	static const char *const commands[] = { "exit 0", "head -n 1 > first",
						"exec < /dev/null; sleep 0.1" };
	for (size_t i = 0; i < 3; i++) {
		make(commands[i], RECORD_LABELS, 60000);
		give_many(0);
		ck_assert_msg(verdict.kind == VERDICT_ACK, "%s: %s", commands[i], verdict.error);
		unmake();
	}
	ck_assert_uint_eq(count_in("first", "\n"), 1);
}
END_TEST

START_TEST(no_records_need_no_command)
{
	make("touch ran", RECORD_LABELS, 60000);
	give(0, NULL, 0);
	ck_assert_int_eq(verdict.kind, VERDICT_ACK);
	ck_assert_int_lt(access("ran", F_OK), 0);
}
END_TEST

/* With whatever it has started. */
/* An orphan comes to us; but the shell may still have reaped it on its own way out. */
static bool
is_gone(pid_t pid)
{
	waitpid(pid, NULL, WNOHANG);
	return kill(pid, 0) < 0 && errno == ESRCH;
}

START_TEST(one_that_hangs_is_killed_at_process_timeout)
{
	ck_assert_int_eq(run("echo waiting >&2; sleep 1000 & echo $! > pid; sleep 1000", 200),
			 VERDICT_REFUSED);
	ck_assert_str_eq(verdict.error, "timed out: waiting");
	size_t len;
	char *text = tmpdir_read(dir, "pid", &len);
	pid_t pid = (pid_t)strtol(text, NULL, 10);
	ck_assert_int_gt(pid, 0);
	until("what it has started is gone too", is_gone(pid));
	free(text);
}
END_TEST

START_TEST(one_that_closes_its_stderr_and_stdin_and_hangs_is_killed_too)
{
	ck_assert_int_eq(run("exec <&- 2>&- ; sleep 1000", 200), VERDICT_REFUSED);
	ck_assert_str_eq(verdict.error, "timed out");
}
END_TEST

START_TEST(a_grandchild_that_keeps_the_pipes_holds_nothing_up)
{
	ck_assert_int_eq(run("setsid sleep 1000 & echo $! > pid; exit 0", 60000), VERDICT_ACK);
	size_t len;
	char *text = tmpdir_read(dir, "pid", &len);
	kill((pid_t)strtol(text, NULL, 10), SIGKILL);
	free(text);
}
END_TEST

/* ---- stdout ---- */

static int
swap_stdout(int fd)
{
	int before = dup(STDOUT_FILENO);
	fflush(stdout);
	ck_assert_int_ge(dup2(fd, STDOUT_FILENO), 0);
	close(fd);
	return before;
}

START_TEST(what_it_says_on_stdout_is_on_ours)
{
	int before = swap_stdout(open("out", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
	enum verdict_kind kind = run("grep -o two; printf '\\000{\"ack\":'", 60000);
	close(swap_stdout(before));
	ck_assert_int_eq(kind, VERDICT_ACK);
	size_t len;
	char *data = tmpdir_read(dir, "out", &len);
	ck_assert_uint_eq(len, 12);
	ck_assert_mem_eq(data, "two\n\0{\"ack\":", 12);
	free(data);
}
END_TEST

START_TEST(records_are_not_refused_because_nobody_reads_our_stdout)
{
	int fds[2];
	ck_assert_int_eq(pipe2(fds, O_CLOEXEC), 0);
	close(fds[0]);
	int before = swap_stdout(fds[1]);
	enum verdict_kind kind = run("cat", 60000);
	close(swap_stdout(before));
	ck_assert_int_eq(kind, VERDICT_LATER);
	ck_assert_str_eq(verdict.error, "nobody reads standard output; exit 141 (signal 13)");
}
END_TEST

/* ---- several shards ---- */

/* Each goes on once eight are there; a ninth would be seen by all that come later. */
START_TEST(eight_run_at_the_same_time_and_no_more)
{
	make("touch on.$LTS_SHARD; "
	     "while [ ! -e eight ]; do [ $(ls | grep -c '^on') -lt 8 ] || touch eight; done; "
	     "ls | grep -c '^on' >> seen; mv on.$LTS_SHARD off.$LTS_SHARD",
	     RECORD_LABELS, 60000);
	for (int i = 0; i < SHARDS; i++) {
		give(i, three, 3);
		ck_assert_int_eq(verdict.kind, VERDICT_PENDING);
	}
	for (int i = 0; i < SHARDS; i++)
		ck_assert_int_eq(settle(i), VERDICT_ACK);
	ck_assert_uint_eq(count_in("seen", "\n"), SHARDS);
	ck_assert_uint_eq(count_in("seen", "9") + count_in("seen", "1"), count_in("seen", "1\n"));
}
END_TEST

START_TEST(one_that_hangs_holds_up_no_other)
{
	make("[ $LTS_SHARD != 3 ] || sleep 1000", RECORD_LABELS, 60000);
	give(3, three, 3);
	for (int i = 4; i < SHARDS; i++) {
		give(i, three, 3);
		ck_assert_int_eq(settle(i), VERDICT_ACK);
	}
	processor->ops->look(shards[3], &verdict);
	ck_assert_int_eq(verdict.kind, VERDICT_PENDING);
}
END_TEST

START_TEST(a_shard_that_is_closed_takes_its_command_with_it)
{
	make("echo $$ > pid.$$; mv pid.$$ pid; sleep 1000", RECORD_LABELS, 60000);
	for (int i = 0; i < SHARDS; i++)
		give(i, three, 3); /* some wait for their turn */
	until("one runs", access("pid", F_OK) == 0);
	size_t len;
	char *text = tmpdir_read(dir, "pid", &len);
	for (int i = 0; i < SHARDS; i++)
		processor->ops->close(&shards[i], PROCESSOR_LEASE_LOST, &verdict);
	ck_assert_int_lt(kill((pid_t)strtol(text, NULL, 10), 0), 0);
	ck_assert_int_eq(processor->ops->due_ms(processor) == INT64_MAX, 1);
	free(text);
}
END_TEST

START_TEST(many_commands_together_cannot_flood_the_log)
{
	make("yes words | head -n 90 >&2", RECORD_LABELS, 60000);
	for (int i = 0; i < SHARDS; i++) {
		give(i, three, 3);
		ck_assert_int_eq(settle(i), VERDICT_ACK);
	}
	unmake();
	size_t said = count_in("log", "processor says");
	ck_assert_uint_ge(said, 100);
	ck_assert_uint_lt(said, SHARDS * 90);
	ck_assert_uint_ge(count_in("log", "lines_held_back="), 1);
}
END_TEST

Suite *
suite_processor_batch(void)
{
	Suite *suite = suite_create("processor_batch");
	TCase *tc = tcase_create("commands"), *several = tcase_create("several");
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, its_stdin_is_the_records_one_per_line_as_they_came);
	tcase_add_test(tc, with_format_content_its_lines_are_as_many_as_its_records);
	tcase_add_test(tc, a_pipeline_with_a_file_behind_it_works);
	tcase_add_test(tc, its_environment_says_which_records_and_has_no_secret);
	tcase_add_loop_test(tc, its_end_is_the_verdict, 0, sizeof(ends) / sizeof(*ends));
	tcase_add_loop_test(tc, a_command_that_cannot_be_run_blames_no_record_and_says_so, 0, 3);
	tcase_add_loop_test(tc, large_pieces_arrive_whole_and_in_order, 0, 2);
	tcase_add_test(tc,
		       a_command_that_does_not_read_all_has_done_its_work_when_it_ends_with_0);
	tcase_add_test(tc, no_records_need_no_command);
	tcase_add_test(tc, one_that_hangs_is_killed_at_process_timeout);
	tcase_add_test(tc, one_that_closes_its_stderr_and_stdin_and_hangs_is_killed_too);
	tcase_add_test(tc, a_grandchild_that_keeps_the_pipes_holds_nothing_up);
	tcase_add_test(tc, what_it_says_on_stdout_is_on_ours);
	tcase_add_test(tc, records_are_not_refused_because_nobody_reads_our_stdout);
	suite_add_tcase(suite, tc);
	tcase_set_timeout(several, 60);
	tcase_add_checked_fixture(several, setup, teardown);
	tcase_add_test(several, eight_run_at_the_same_time_and_no_more);
	tcase_add_test(several, one_that_hangs_holds_up_no_other);
	tcase_add_test(several, a_shard_that_is_closed_takes_its_command_with_it);
	tcase_add_test(several, many_commands_together_cannot_flood_the_log);
	suite_add_tcase(suite, several);
	return suite;
}
