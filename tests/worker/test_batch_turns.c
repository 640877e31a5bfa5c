/*
 * test_batch_turns.c - holds worker/processor_batch.c to commands that run one at a time over all
 * workers, and to a turn that always comes: whatever the one that runs does, and though its worker
 * dies.
 *
 * Two processors here are two workers: each has the lock file open for itself.
 */
#include <check.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "tests/suites.h"
#include "tests/support/patience.h"
#include "tests/support/state_env.h"
#include "tests/support/tmpdir.h"
#include "worker/processor.h"

enum { WORKERS = 2, SHARDS = 8 };

static char *dir;
static struct log *logger;
static struct worker {
	struct processor *processor;
	struct processor_shard *shards[SHARDS];
} workers[WORKERS];
static struct verdict verdict;

static const struct record one = { "{\"n\":1}", 7 };

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
make(int w, const char *command, int64_t timeout_ms)
{
	struct buf why;
	struct processor_config config = { .spec = command,
					   .log = logger,
					   .timeout_ms = timeout_ms,
					   .turns_dir = "." };
	buf_init(&why, 0);
	ck_assert_int_eq(
		processor_batch_create(command, &config, &workers[w].processor, &why), LTS_OK);
	for (int i = 0; i < SHARDS; i++) {
		char name[16];
		snprintf(name, sizeof(name), "%d", i);
		struct shard_id id = shard_of(name);
		struct cursor at = cursor_of("100");
		ck_assert_int_eq(workers[w].processor->ops->open(workers[w].processor, &id, &at,
								 &workers[w].shards[i], &why),
				 LTS_OK);
	}
	buf_fini(&why);
}

static void
close_one(int w, int shard)
{
	if (workers[w].shards[shard])
		workers[w].processor->ops->close(&workers[w].shards[shard], PROCESSOR_LEASE_LOST,
						 &verdict);
}

static void
teardown(void)
{
	for (int w = 0; w < WORKERS; w++) {
		for (int i = 0; i < SHARDS; i++)
			close_one(w, i);
		if (workers[w].processor)
			workers[w].processor->ops->destroy(&workers[w].processor);
	}
	log_destroy(&logger);
	tmpdir_remove(&dir);
}

static void
give(int w, int shard)
{
	struct piece piece = { .records = &one, .n = 1, .cursor = cursor_of("100") };
	workers[w].processor->ops->process(workers[w].shards[shard], &piece, &verdict);
}

static enum verdict_kind
look(int w, int shard)
{
	workers[w].processor->ops->look(workers[w].shards[shard], &verdict);
	return verdict.kind;
}

/* As each delivery thread waits. */
static void
turn(void)
{
	struct pollfd fds[WORKERS];
	int64_t now_ms = clock_mono_ms(), due_ms = now_ms + 20000;
	for (int w = 0; w < WORKERS; w++) {
		struct processor *p = workers[w].processor;
		fds[w] = (struct pollfd){ .fd = p ? p->ops->fd(p) : -1, .events = POLLIN };
		if (p && p->ops->due_ms(p) < due_ms)
			due_ms = p->ops->due_ms(p);
	}
	ck_assert_msg(poll(fds, WORKERS, due_ms < now_ms ? 0 : (int)(due_ms - now_ms)) ||
			      due_ms != now_ms + 20000,
		      "a turn is due, and nobody says so");
	for (int w = 0; w < WORKERS; w++)
		if (workers[w].processor)
			workers[w].processor->ops->turn(workers[w].processor, clock_mono_ms());
}

static enum verdict_kind
settle(int w, int shard)
{
	until("there is a verdict", look(w, shard) != VERDICT_PENDING) turn();
	return verdict.kind;
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

static pid_t
pid_in(const char *name)
{
	size_t len;
	until("there is a pid", access(name, F_OK) == 0)
	{
		if (workers[0].processor)
			turn();
	}
	char *text = tmpdir_read(dir, name, &len);
	pid_t pid = (pid_t)strtol(text, NULL, 10);
	free(text);
	ck_assert_int_gt(pid, 0);
	return pid;
}

START_TEST(commands_of_all_workers_run_one_at_a_time)
{
	for (int w = 0; w < WORKERS; w++)
		make(w,
		     "mkdir runs || echo two >> together; sleep 0.02; echo $$ >> ran; rmdir runs",
		     60000);
	for (int i = 0; i < SHARDS; i++)
		for (int w = 0; w < WORKERS; w++)
			give(w, i);
	for (int i = 0; i < SHARDS; i++)
		for (int w = 0; w < WORKERS; w++)
			ck_assert_int_eq(settle(w, i), VERDICT_ACK);
	ck_assert_int_lt(access("together", F_OK), 0);
	ck_assert_uint_eq(count_in("ran", "\n"), WORKERS * SHARDS);
}
END_TEST

START_TEST(one_that_fails_or_is_to_come_later_does_not_keep_the_turn)
{
	make(0, "exit $((LTS_SHARD == 0 ? 75 : 3))", 60000);
	make(1, "exit 0", 60000);
	for (int i = 0; i < 2; i++) {
		give(0, i);
		give(1, i);
		ck_assert_int_eq(settle(0, i), i ? VERDICT_REFUSED : VERDICT_LATER);
		ck_assert_int_eq(settle(1, i), VERDICT_ACK);
	}
}
END_TEST

START_TEST(a_command_that_cannot_be_started_does_not_keep_the_turn)
{
	struct rlimit few, before;
	make(0, "exit 0", 60000);
	make(1, "exit 0", 60000);
	getrlimit(RLIMIT_NOFILE, &before);
	few = (struct rlimit){ 4, before.rlim_max };
	setrlimit(RLIMIT_NOFILE, &few);
	give(0, 0);
	setrlimit(RLIMIT_NOFILE, &before);
	ck_assert_int_eq(verdict.kind, VERDICT_LATER);
	ck_assert_ptr_eq(strstr(verdict.error, "cannot be started: Too many open files"),
			 verdict.error);
	give(1, 0);
	ck_assert_int_eq(settle(1, 0), VERDICT_ACK);
}
END_TEST

START_TEST(one_that_hangs_is_waited_for_and_that_wait_does_not_count)
{
	make(0, "sleep 1000", 1000);
	make(1, "exit 0", 300);
	give(0, 0);
	for (int i = 0; i < SHARDS; i++)
		give(1, i);
	for (int i = 0; i < SHARDS; i++)
		ck_assert_int_eq(settle(1, i), VERDICT_ACK);
	ck_assert_int_eq(settle(0, 0), VERDICT_REFUSED);
	ck_assert_str_eq(verdict.error, "timed out");
	ck_assert_uint_ge(count_in("log", "commands still wait for others"), 1);
}
END_TEST

START_TEST(shards_that_are_closed_give_the_turn_back_with_a_command_or_without)
{
	make(0, "echo $$ > pid.new; mv pid.new pid; sleep 1000", 60000);
	make(1, "exit 0", 60000);
	for (int i = 0; i < 3; i++)
		give(0, i);
	give(1, 0);
	pid_in("pid");
	close_one(0, 1); /* one that waits */
	ck_assert_int_eq(look(1, 0), VERDICT_PENDING);
	close_one(0, 0);
	close_one(0, 2);
	ck_assert_int_eq(settle(1, 0), VERDICT_ACK);
	ck_assert(workers[0].processor->ops->due_ms(workers[0].processor) == INT64_MAX);
}
END_TEST

START_TEST(what_a_command_leaves_behind_does_not_keep_the_turn)
{
	make(0, "setsid sleep 1000 & echo $! > pid; exit 0", 60000);
	give(0, 0);
	ck_assert_int_eq(settle(0, 0), VERDICT_ACK);
	make(1, "exit 0", 60000);
	give(1, 0);
	ck_assert_int_eq(settle(1, 0), VERDICT_ACK);
	kill(pid_in("pid"), SIGKILL);
}
END_TEST

/* The shell goes with its worker; what it has started may still be writing. */
START_TEST(the_turn_of_a_killed_worker_is_free_once_its_command_is_gone)
{
	pid_t worker = fork();
	if (worker == 0) {
		make(0, "sleep 1000 & echo $! > pid.new; mv pid.new pid; wait", 60000);
		give(0, 0);
		for (;;)
			turn();
	}
	pid_t left = pid_in("pid");
	ck_assert_int_eq(kill(worker, SIGKILL), 0);
	ck_assert_int_eq(waitpid(worker, NULL, 0), worker);
	make(1, "touch ran", 60000);
	give(1, 0);
	for (int i = 0; i < 20 && look(1, 0) == VERDICT_PENDING; i++)
		turn();
	bool waits = look(1, 0) == VERDICT_PENDING && access("ran", F_OK) < 0;
	ck_assert_int_eq(kill(left, SIGKILL), 0);
	ck_assert(waits);
	ck_assert_int_eq(settle(1, 0), VERDICT_ACK);
}
END_TEST

START_TEST(a_lock_file_that_cannot_be_made_is_an_error_that_names_it)
{
	struct buf why;
	struct processor_config config = { .spec = "true", .log = logger, .turns_dir = "nowhere" };
	buf_init(&why, 0);
	ck_assert_int_eq(processor_batch_create("true", &config, &workers[0].processor, &why),
			 LTS_SYS);
	ck_assert_str_eq(why.data, "batch.lock in state_dir: No such file or directory");
	buf_fini(&why);
}
END_TEST

Suite *
suite_batch_turns(void)
{
	Suite *suite = suite_create("batch_turns");
	TCase *tc = tcase_create("turns");
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, commands_of_all_workers_run_one_at_a_time);
	tcase_add_test(tc, one_that_fails_or_is_to_come_later_does_not_keep_the_turn);
	tcase_add_test(tc, a_command_that_cannot_be_started_does_not_keep_the_turn);
	tcase_add_test(
		tc,
		one_that_hangs_is_waited_for_and_that_wait_does_not_count);
	tcase_add_test(tc, shards_that_are_closed_give_the_turn_back_with_a_command_or_without);
	tcase_add_test(tc, what_a_command_leaves_behind_does_not_keep_the_turn);
	tcase_add_test(tc, the_turn_of_a_killed_worker_is_free_once_its_command_is_gone);
	tcase_add_test(tc, a_lock_file_that_cannot_be_made_is_an_error_that_names_it);
	suite_add_tcase(suite, tc);
	return suite;
}
