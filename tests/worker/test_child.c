/*
 * test_child.c - holds worker/child.c and child_log.c: what a command finds itself in, that it
 * is never waited for, and that nothing of it stays.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/xalloc.h"
#include "tests/suites.h"
#include "tests/support/patience.h"
#include "tests/support/tmpdir.h"
#include "worker/child.h"
#include "worker/child_log.h"

static char *dir;
static struct log *logger;
static struct child *child;
static struct buf out;

static void
setup(void)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	char *path;
	sigaction(SIGPIPE, &ignore, NULL);
	sigaction(SIGINT, &ignore, NULL);
	dir = tmpdir_make();
	ck_assert_int_eq(chdir(dir), 0);
	path = tmpdir_path(dir, "log");
	logger = log_create("worker");
	ck_assert_int_eq(log_add_file(logger, path, LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT), LTS_OK);
	free(path);
	buf_init(&out, 1 << 20);
}

static void
teardown(void)
{
	child_destroy(&child);
	buf_fini(&out);
	log_destroy(&logger);
	tmpdir_remove(&dir);
}

static void
start_with(const char *command, const char *const *env, enum child_stdout to)
{
	struct child_config config = {
		.command = command, .env = env, .out = to, .log = logger, .shard = "7"
	};
	ck_assert_int_eq(child_start(&config, &child), LTS_OK);
}

static void
start(const char *command)
{
	start_with(command, NULL, CHILD_STDOUT_PIPE);
}

static void
turn(void)
{
	struct pollfd fd = { .fd = child_fd(child), .events = POLLIN };
	poll(&fd, 1, 20);
	child_turn(child, clock_mono_ms());
}

static bool
is_over(void)
{
	int status;
	turn();
	return child_has_ended(child, &status);
}

static bool
is_at_end_of_output(void)
{
	enum lts_err err;
	turn();
	do
		err = child_read(child, &out, 4096);
	while (!err);
	return err == LTS_CLOSED;
}

/* All that it says. */
static const char *
output_of(const char *command)
{
	start(command);
	child_close_stdin(child);
	until("it has said all", is_at_end_of_output());
	return out.data ? out.data : "";
}

static void
expect_end(const char *wanted)
{
	char text[80];
	until("it has ended", is_over());
	child_describe(child, text, sizeof(text));
	ck_assert_str_eq(text, wanted);
}

static bool
is_gone(pid_t pid)
{
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	return kill(pid, 0) < 0 && errno == ESRCH;
}

static char *
read_log(void)
{
	size_t len;
	return tmpdir_read(dir, "log", &len);
}

static void
expect_logged(const char *text)
{
	char *log = read_log();
	ck_assert_msg(strstr(log, text), "no \"%s\" in: %s", text, log);
	free(log);
}

START_TEST(what_is_written_comes_back_and_the_end_is_told)
{
	struct iovec iov[2] = { { (void *)(uintptr_t) "one\n", 4 },
				{ (void *)(uintptr_t) "two\n", 4 } };
	size_t written = 0;
	start("cat; exit 3");
	ck_assert_int_eq(child_write(child, iov, 2, &written), LTS_OK);
	ck_assert_uint_eq(written, 8);
	child_close_stdin(child);
	until("it has said all", is_at_end_of_output());
	ck_assert_str_eq(out.data, "one\ntwo\n");
	expect_end("exited with 3");
}
END_TEST

START_TEST(it_has_a_group_of_its_own_default_signals_and_no_descriptor_of_ours)
{
	char wanted[80];
	int leak = open("/dev/null", O_RDONLY); /* not close-on-exec */
	sigset_t all;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	output_of("cut -d' ' -f5 /proc/self/stat; sed -n '/^Sig[BIC]/p' /proc/self/status;"
		  "ls /proc/self/fd");
	snprintf(wanted, sizeof(wanted), "%d\n", (int)child_pid(child));
	ck_assert_int_eq(strncmp(out.data, wanted, strlen(wanted)), 0);
	/* ls opens 3 itself. */
	ck_assert_str_eq(out.data + strlen(wanted), "SigBlk:\t0000000000000000\n"
						    "SigIgn:\t0000000000000000\n"
						    "SigCgt:\t0000000000000000\n"
						    "0\n1\n2\n3\n");
	close(leak);
}
END_TEST

START_TEST(its_environment_has_what_is_given_and_no_secret)
{
	const char *const env[] = { "LTS_SHARD=7", "HOME=/nowhere", NULL };
	setenv("HUAWEICLOUD_SDK_SK", "secret", 1);
	setenv("LTS_SK", "secret", 1);
	setenv("LTS_SECURITY_TOKEN", "secret", 1);
	setenv("KEPT", "yes", 1);
	start_with("env", env, CHILD_STDOUT_PIPE);
	until("it has said all", is_at_end_of_output());
	ck_assert_ptr_nonnull(strstr(out.data, "LTS_SHARD=7\n"));
	ck_assert_ptr_nonnull(strstr(out.data, "HOME=/nowhere\n"));
	ck_assert_ptr_nonnull(strstr(out.data, "KEPT=yes\n"));
	ck_assert_ptr_null(strstr(out.data, "secret"));
}
END_TEST

START_TEST(a_command_that_is_not_there_ends_with_127_and_says_so_in_the_log)
{
	start("/nowhere/at-all");
	expect_end("exited with 127");
	expect_logged("/nowhere/at-all: not found");
}
END_TEST

START_TEST(stderr_is_logged_by_lines_escaped_an_unfinished_one_too)
{
	start_with("printf 'one\\ntw\\033o' >&2; echo three", NULL, CHILD_STDOUT_LOG);
	until("it has ended", is_over());
	child_destroy(&child);
	expect_logged("text=one");
	expect_logged("shard=7");
	expect_logged("tw\\u001bothree");
}
END_TEST

START_TEST(a_flood_on_stderr_is_held_back_and_counted_and_the_child_never_waits_for_us)
{
	unsigned lines = 0;
	unsigned long long held = 0;
	start("seq 1 100000 >&2; echo done");
	until("it has said all", is_at_end_of_output());
	ck_assert_str_eq(out.data, "done\n");
	child_destroy(&child);
	char *log = read_log();
	for (const char *at = log; (at = strstr(at, "the processor says")); at++)
		lines++;
	for (const char *at = log; (at = strstr(at, "lines_held_back=")); at++)
		held += strtoull(at + strlen("lines_held_back="), NULL, 10);
	free(log);
	ck_assert_uint_ge(lines, CHILD_LOG_BURST);
	ck_assert_uint_le(lines, 10000);
	ck_assert_uint_eq(lines + held, 100000);
}
END_TEST

START_TEST(one_that_ignores_its_stdin_is_not_waited_for)
{
	static char much[1 << 16];
	struct iovec iov = { much, sizeof(much) };
	enum lts_err err = LTS_OK;
	size_t written = 0;
	start("exec sleep 1000");
	while (!err)
		err = child_write(child, &iov, 1, &written);
	ck_assert_int_eq(err, LTS_AGAIN);
	ck_assert_uint_lt(written, 8 << 20);
	child_kill(child);
	expect_end("was killed by signal 9 (KILL)");
	ck_assert_int_eq(child_write(child, &iov, 1, &written), LTS_CLOSED);
}
END_TEST

START_TEST(room_in_its_stdin_is_told_once_it_was_wanted)
{
	static char much[1 << 16];
	struct iovec iov = { much, sizeof(much) };
	enum lts_err err = LTS_OK;
	size_t written = 0;
	start("while ! [ -e go ]; do sleep 0.02; done; cat >/dev/null; echo all");
	while (!err)
		err = child_write(child, &iov, 1, &written);
	ck_assert_int_eq(err, LTS_AGAIN);
	struct pollfd fd = { .fd = child_fd(child), .events = POLLIN };
	ck_assert_int_eq(poll(&fd, 1, 0), 0);
	tmpdir_write(dir, "go", "", 0);
	ck_assert_int_eq(poll(&fd, 1, PATIENCE_MS), 1);
	ck_assert_int_eq(child_write(child, &iov, 1, &written), LTS_OK);
	child_close_stdin(child);
	until("it has said all", is_at_end_of_output());
	ck_assert_str_eq(out.data, "all\n");
}
END_TEST

START_TEST(its_descendants_go_with_it_and_one_of_another_group_holds_nothing_up)
{
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	start("sleep 1000 & setsid sleep 1001 & echo $!; sleep 0.1; exit 0");
	until("it has said all", is_at_end_of_output());
	expect_end("exited with 0");
	pid_t stray = (pid_t)strtol(out.data, NULL, 10);
	ck_assert_int_gt(stray, 1);
	until("its group is gone", is_gone(-child_pid(child)));
	ck_assert_int_eq(kill(stray, 0), 0);
	kill(stray, SIGKILL);
}
END_TEST

START_TEST(destroying_it_kills_and_reaps_it)
{
	start("trap '' TERM; sleep 1000");
	pid_t pid = child_pid(child);
	child_destroy(&child);
	ck_assert(kill(pid, 0) < 0 && errno == ESRCH);
}
END_TEST

START_TEST(one_that_somebody_else_reaped_has_ended_and_not_well)
{
	start("exit 0");
	ck_assert_int_eq(waitpid(child_pid(child), NULL, 0), child_pid(child));
	expect_end("exited with 127");
}
END_TEST

START_TEST(it_dies_with_the_process_that_started_it)
{
	int fds[2];
	pid_t pid = 0;
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	ck_assert_int_eq(pipe(fds), 0);
	pid_t parent = fork();
	if (parent == 0) {
		start("exec sleep 1000");
		pid = child_pid(child);
		if (write(fds[1], &pid, sizeof(pid)) == sizeof(pid))
			kill(getpid(), SIGKILL);
		_exit(1);
	}
	ck_assert_int_eq(read(fds[0], &pid, sizeof(pid)), sizeof(pid));
	ck_assert_int_gt(pid, 1);
	until("the child is gone as well", is_gone(pid));
	close(fds[0]);
	close(fds[1]);
}
END_TEST

static int go[2];

/* A child belongs to the thread that started it, for as long as that lives. */
static void *
start_in_thread(void *arg)
{
	char word;
	start("setsid true & echo $!; exit 3");
	if (write(go[1], "x", 1) != 1 || read(go[1], &word, 1) != 1)
		abort();
	return NULL;
}

START_TEST(orphans_are_reaped_and_a_child_is_left_to_the_thread_that_started_it)
{
	pthread_t thread;
	ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, go), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, start_in_thread, NULL), 0);
	char word;
	ck_assert_int_eq(read(go[0], &word, 1), 1);
	siginfo_t ended;
	ck_assert_int_eq(waitid(P_PID, (id_t)child_pid(child), &ended, WEXITED | WNOWAIT), 0);
	until("the orphan is reaped",
	      (child_reap_orphans(), is_at_end_of_output() && out.len &&
					     is_gone((pid_t)strtol(out.data, NULL, 10))));
	expect_end("exited with 3");
	ck_assert_int_eq(write(go[0], "x", 1), 1);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
}
END_TEST

/* With a descriptor more each time, until it runs: no step on the way is taken for its end. */
START_TEST(command_for_which_there_are_no_descriptors_is_not_started_and_errno_says_so)
{
	struct child_config config = {
		.command = "exit 0", .out = CHILD_STDOUT_PIPE, .log = logger, .keep = 1
	};
	struct rlimit before, few;
	unsigned refused = 0;
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = before;
	enum lts_err err = LTS_SYS;
	for (few.rlim_cur = 3; err; few.rlim_cur++, refused++) {
		ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
		err = child_start(&config, &child);
		int error = errno;
		ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
		ck_assert(!err || (err == LTS_SYS && error == EMFILE));
	}
	ck_assert_uint_ge(refused, 8);
	expect_end("exited with 0");
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1); /* and nothing is left of the others */
}
END_TEST

START_TEST(command_that_cannot_be_executed_is_not_started_and_errno_says_so)
{
	char *large = xcalloc(1, 4 << 20);
	memset(large, 'x', (4 << 20) - 1);
	memcpy(large, "A=", 2);
	const char *env[] = { large, NULL };
	struct child_config config = {
		.command = "exit 0", .env = env, .out = CHILD_STDOUT_PIPE, .log = logger
	};
	ck_assert_int_eq(child_start(&config, &child), LTS_SYS);
	ck_assert_int_eq(errno, E2BIG);
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1);
	free(large);
}
END_TEST

Suite *
suite_child(void)
{
	Suite *suite = suite_create("child");
	TCase *tc = tcase_create("child");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60 * PATIENCE_SLOWNESS);
	tcase_add_test(tc, what_is_written_comes_back_and_the_end_is_told);
	tcase_add_test(tc, it_has_a_group_of_its_own_default_signals_and_no_descriptor_of_ours);
	tcase_add_test(tc, its_environment_has_what_is_given_and_no_secret);
	tcase_add_test(tc, a_command_that_is_not_there_ends_with_127_and_says_so_in_the_log);
	tcase_add_test(tc, stderr_is_logged_by_lines_escaped_an_unfinished_one_too);
	tcase_add_test(
		tc, a_flood_on_stderr_is_held_back_and_counted_and_the_child_never_waits_for_us);
	tcase_add_test(tc, one_that_ignores_its_stdin_is_not_waited_for);
	tcase_add_test(tc, room_in_its_stdin_is_told_once_it_was_wanted);
	tcase_add_test(tc, its_descendants_go_with_it_and_one_of_another_group_holds_nothing_up);
	tcase_add_test(tc, destroying_it_kills_and_reaps_it);
	tcase_add_test(tc, one_that_somebody_else_reaped_has_ended_and_not_well);
	tcase_add_test(tc, it_dies_with_the_process_that_started_it);
	tcase_add_test(tc,
		       orphans_are_reaped_and_a_child_is_left_to_the_thread_that_started_it);
	suite_add_tcase(suite, tc);
	tcase_add_test(
		tc,
		command_for_which_there_are_no_descriptors_is_not_started_and_errno_says_so);
	tcase_add_test(tc, command_that_cannot_be_executed_is_not_started_and_errno_says_so);
	return suite;
}
