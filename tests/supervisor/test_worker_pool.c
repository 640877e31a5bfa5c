/*
 * test_worker_pool.c - holds supervisor/worker_pool.c and pool_reap.c to rules 5 and 13 of the
 * architecture, with real workers: what is hung or stopped is killed, what is slow is not, and
 * nobody hears that a worker is gone before it is reaped with all its descendants.
 */
#include <check.h>
#include <errno.h>
#include <ev.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/handoff.h"
#include "common/xalloc.h"
#include "state/names.h"
#include "supervisor/spawn.h"
#include "supervisor/worker_pool.h"
#include "tests/suites.h"
#include "tests/support/state_env.h"
#include "tests/support/until.h"

enum { WORKERS = 4, HOUR_MS = 3600 * 1000 };

static struct state_env env;
static struct state_dir dir;
static struct log *silent;
static struct ev_loop *loop;
static struct worker_pool *pool;
static char *options;
static size_t lives, gones[WORKERS];
static pid_t pids[WORKERS];
static pid_t stray; /* 0: none */
static enum fate fates[WORKERS];
static const struct rlimit *at_gone; /* of descriptors, when a worker is gone; NULL: as it is */

static bool
is_there(pid_t pid)
{
	return kill(pid, 0) == 0 || errno != ESRCH;
}

static void
on_live(void *arg, uint32_t slot)
{
	pids[slot] = worker_pool_pid(pool, slot);
	lives++;
}

static void
on_gone(void *arg, uint32_t slot, enum fate fate)
{
	ck_assert_msg(!is_there(pids[slot]), "a shard could move, and its holder is not reaped");
	ck_assert_msg(!stray || !is_there(stray), "a shard could move, and a descendant lives");
	if (at_gone)
		ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, at_gone), 0);
	fates[slot] = fate;
	gones[slot]++;
}

static void
on_blamed(void *arg, uint32_t slot, const struct board_place *place)
{
}

static void
on_message(void *arg, uint32_t slot, const struct message *message)
{
}

static void
on_all_ended(void *arg)
{
}

static void
on_fill_config(void *arg, uint32_t slot, struct message_config *out)
{
	struct identity_record identity = identity_of_test();
	out->slot = slot;
	out->name = names_plain(&identity, slot);
	out->options = options;
	out->ak = out->sk = "AKIDEXAMPLE";
	out->token = "";
}

static void
setup(void)
{
	struct buf why;
	buf_init(&why, 0);
	state_env_init(&env);
	store_close(&env.store);
	ck_assert_int_eq(state_dir_open(&dir, env.dir, &why), LTS_OK);
	options = xasprintf("endpoint=http://127.0.0.1:1\nregion=cn-north-4\nproject_id=p\n"
			    "group_id=g\nstream_id=s\nconsumer_group_name=c\nstart_time=begin\n"
			    "sink=null\nstate_dir=%s\nlog_file=%s/log\n",
			    env.dir, env.dir);
	silent = log_create("test");
	loop = ev_loop_new(EVFLAG_AUTO);
	buf_fini(&why);
}

static void
teardown(void)
{
	worker_pool_destroy(&pool);
	ev_loop_destroy(loop);
	log_destroy(&silent);
	free(options);
	state_dir_close(&dir);
	state_env_fini(&env);
}

/* All workers live. */
static void
start(int64_t beat_timeout_ms, int64_t process_timeout_ms)
{
	static const struct worker_pool_events events = {
		.message = on_message,
		.live = on_live,
		.blamed = on_blamed,
		.gone = on_gone,
		.all_ended = on_all_ended,
		.fill_config = on_fill_config,
	};
	struct worker_pool_config config = {
		.loop = loop,
		.log = silent,
		.state_dir = &dir,
		.count = WORKERS,
		.beat_timeout_ms = beat_timeout_ms,
		.process_timeout_ms = process_timeout_ms,
		.events = &events,
	};
	struct buf why;
	buf_init(&why, 0);
	ck_assert_int_eq(worker_pool_create(&config, &pool, &why), LTS_OK);
	worker_pool_start(pool);
	until_count(loop, &lives, WORKERS);
	buf_fini(&why);
}

static void
expect_killed(uint32_t slot)
{
	until_count(loop, &gones[slot], 1);
	ck_assert_int_eq(fates[slot], FATE_KILLED);
	until_count(loop, &lives, WORKERS + 1); /* and its successor is there at once */
	for (uint32_t i = 0; i < WORKERS; i++)
		ck_assert_uint_eq(gones[i], i == slot);
}

START_TEST(stopped_worker_is_killed_long_before_its_beat_is_missed)
{
	start(HOUR_MS, HOUR_MS);
	ck_assert_int_eq(kill(pids[0], SIGSTOP), 0);
	expect_killed(0);
}
END_TEST

/* Hung is what nobody is told of: a stop without its signal. */
START_TEST(worker_whose_loop_does_not_beat_is_killed)
{
	struct sigaction action;
	start(3000, HOUR_MS);
	ck_assert_int_eq(sigaction(SIGCHLD, NULL, &action), 0);
	action.sa_flags |= SA_NOCLDSTOP;
	ck_assert_int_eq(sigaction(SIGCHLD, &action, NULL), 0);
	ck_assert_int_eq(kill(pids[1], SIGSTOP), 0);
	expect_killed(1);
}
END_TEST

static enum board_stage pretended[WORKERS];

/* What their delivery threads would write, had they been there for two hours. */
static void
on_pretend(struct ev_loop *ignored, struct ev_timer *timer, int events)
{
	for (uint32_t i = 0; i < WORKERS; i++)
		board_enter((struct board *)(uintptr_t)worker_pool_board(pool, i), pretended[i],
			    NULL, NULL, clock_boot_ms() - 2 * HOUR_MS);
}

START_TEST(worker_inside_user_code_for_too_long_is_killed_one_that_waits_is_not)
{
	static const enum board_stage waits[] = { BOARD_IDLE, BOARD_WRITE, BOARD_FLUSH,
						  BOARD_WAIT_LOCK, BOARD_IN_TXN };
	struct ev_timer pretend; /* again and again: their threads have just been started */
	for (uint32_t i = 0; i < WORKERS; i++)
		pretended[i] = waits[_i];
	pretended[WORKERS - 1] = BOARD_SUBMIT; /* the last that is looked at */
	start(HOUR_MS, HOUR_MS);
	ev_timer_init(&pretend, on_pretend, 0, 0.01);
	ev_timer_start(loop, &pretend);
	until_count(loop, &gones[WORKERS - 1], 1);
	ck_assert_int_eq(fates[WORKERS - 1], FATE_KILLED);
	for (uint32_t i = 0; i < WORKERS - 1; i++)
		ck_assert_uint_eq(gones[i], 0);
	ev_timer_stop(loop, &pretend);
}
END_TEST

/* The child of a parent that has ended has come to us, its subreaper. */
static pid_t
adopt(void)
{
	int fd[2];
	pid_t orphan = 0;
	ck_assert_int_eq(pipe(fd), 0);
	pid_t parent = fork();
	if (parent == 0) {
		pid_t child = fork();
		while (child == 0)
			pause();
		_exit(write(fd[1], &child, sizeof(child)) != sizeof(child));
	}
	ck_assert_int_eq(read(fd[0], &orphan, sizeof(orphan)), sizeof(orphan));
	ck_assert_int_eq(waitpid(parent, NULL, 0), parent);
	close(fd[0]);
	close(fd[1]);
	return orphan;
}

/* Dead, and the pool does not know of that yet. */
static void
kill_unnoticed(uint32_t slot)
{
	siginfo_t ended;
	ck_assert_int_eq(kill(pids[slot], SIGKILL), 0);
	ck_assert_int_eq(waitid(P_PID, (id_t)pids[slot], &ended, WEXITED | WNOWAIT), 0);
}

START_TEST(nobody_hears_of_a_death_before_the_dead_is_reaped_with_its_descendants)
{
	start(HOUR_MS, HOUR_MS);
	kill_unnoticed(0);
	stray = adopt();
	until_count(loop, &gones[0], 1);
	ck_assert_int_eq(fates[0], FATE_DIED);
}
END_TEST

/* Of whoever was this process before it executed us. */
START_TEST(child_that_was_there_before_the_workers_outlives_them)
{
	pid_t child = fork();
	while (child == 0)
		pause();
	start(HOUR_MS, HOUR_MS);
	for (uint32_t i = 0; i < WORKERS; i++) {
		ck_assert_int_eq(kill(pids[i], i % 2 ? SIGKILL : SIGSTOP), 0);
		until_count(loop, &gones[i], 1);
		ck_assert_int_eq(waitpid(child, NULL, WNOHANG), 0);
	}
	kill(child, SIGKILL);
}
END_TEST

static void
on_later(struct ev_loop *ignored, struct ev_timer *timer, int events)
{
	++*(size_t *)timer->data;
}

/* What came meanwhile has been looked at. */
static void
let_look(void)
{
	size_t later = 0;
	struct ev_timer timer;
	ev_timer_init(&timer, on_later, 1, 0);
	timer.data = &later;
	ev_timer_start(loop, &timer);
	until_count(loop, &later, 1);
}

START_TEST(orphan_that_came_while_every_worker_lived_outlives_them)
{
	start(HOUR_MS, HOUR_MS);
	pid_t orphan = adopt();
	let_look();
	for (uint32_t i = 0; i < 2; i++) {
		kill_unnoticed(i);
		stray = adopt();
		until_count(loop, &gones[i], 1);
		ck_assert_int_eq(waitpid(orphan, NULL, WNOHANG), 0);
	}
	stray = 0;
	kill(orphan, SIGKILL);
	while (is_there(orphan))
		ev_run(loop, EVRUN_ONCE);
}
END_TEST

START_TEST(child_that_is_the_supervisors_own_outlives_a_workers_death)
{
	start(HOUR_MS, HOUR_MS);
	pid_t child = fork();
	while (child == 0)
		pause();
	worker_pool_spare(pool, child);
	ck_assert_int_eq(kill(pids[0], SIGKILL), 0);
	until_count(loop, &gones[0], 1);
	ck_assert_int_eq(waitpid(child, NULL, WNOHANG), 0);
	ck_assert_int_eq(kill(child, SIGKILL), 0);
	siginfo_t ended; /* before the worker, so that it is reaped no later */
	ck_assert_int_eq(waitid(P_PID, (id_t)child, &ended, WEXITED | WNOWAIT), 0);
	ck_assert_int_eq(kill(pids[1], SIGKILL), 0);
	until_count(loop, &gones[1], 1);
	ck_assert(!is_there(child));
}
END_TEST

START_TEST(what_a_dead_worker_has_counted_stays_counted_once)
{
	struct board_totals totals;
	start(HOUR_MS, HOUR_MS);
	struct board *board = (struct board *)(uintptr_t)worker_pool_board(pool, 0);
	board_add(&board->counters.delivered_records, 7);
	board_add(&board->counters.fetched_records, 9);
	ck_assert_uint_eq(worker_pool_in_flight(pool), 2);
	worker_pool_totals(pool, &totals);
	ck_assert_uint_eq(totals.delivered_records, 7);
	ck_assert_int_eq(kill(pids[0], SIGKILL), 0);
	until_count(loop, &gones[0], 1);
	worker_pool_totals(pool, &totals);
	ck_assert_uint_eq(totals.delivered_records, 7);
	ck_assert_uint_eq(worker_pool_in_flight(pool), 0);
	until_count(loop, &lives, WORKERS + 1);
	worker_pool_totals(pool, &totals);
	ck_assert_uint_eq(totals.delivered_records, 7);
	ck_assert_uint_eq(worker_pool_restarts(pool, END_SIGNAL), 1);
	ck_assert_uint_eq(worker_pool_restarts(pool, END_STOPPED), 0);
	ck_assert_int_eq(kill(pids[1], SIGSTOP), 0);
	until_count(loop, &lives, WORKERS + 2);
	ck_assert_uint_eq(worker_pool_restarts(pool, END_STOPPED), 1);
}
END_TEST

START_TEST(worker_that_cannot_be_started_is_tried_again_and_named)
{
	struct rlimit before, few;
	struct board_waits why;
	start(HOUR_MS, HOUR_MS);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	ck_assert(!worker_pool_why(pool, 0, &why));
	few = (struct rlimit){ 4, before.rlim_max };
	at_gone = &few;
	kill(pids[0], SIGKILL);
	until_count(loop, &gones[0], 1);
	while (!worker_pool_why(pool, 0, &why))
		ev_run(loop, EVRUN_ONCE);
	ck_assert_ptr_nonnull(strstr(why.text, "it cannot be started: Too many open files"));
	ck_assert_ptr_nonnull(strstr(why.text, "may have 4 descriptors (RLIMIT_NOFILE)"));
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
	until_count(loop, &lives, WORKERS + 1);
}
END_TEST

/* What the new process meets before it is the program. */
START_TEST(spawn_tells_why_there_is_no_new_program)
{
	struct spawn_fds fds = { 0, 1, 2, 2 };
	struct rlimit before, few;
	pid_t pid = 0;
	ck_assert_int_eq(spawn_worker("/nonexistent/lts-worker", "a", &fds, &pid), LTS_SYS);
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = (struct rlimit){ HANDOFF_END, before.rlim_max };
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	enum lts_err err = spawn_worker("/bin/true", "a", &fds, &pid);
	int error = errno;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
	ck_assert_int_eq(err, LTS_SYS);
	ck_assert_int_eq(error, EINVAL); /* as F_DUPFD has it, from the limit on */
	ck_assert_int_eq(waitpid(-1, NULL, WNOHANG), -1); /* nothing is left of them */
	ck_assert_int_eq(pid, 0);
}
END_TEST

Suite *
suite_worker_pool(void)
{
	Suite *suite = suite_create("worker_pool");
	TCase *tc = tcase_create("real workers");
	tcase_set_timeout(tc, 90);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, stopped_worker_is_killed_long_before_its_beat_is_missed);
	tcase_add_test(tc, worker_whose_loop_does_not_beat_is_killed);
	tcase_add_loop_test(
		tc, worker_inside_user_code_for_too_long_is_killed_one_that_waits_is_not, 0, 5);
	tcase_add_test(tc,
		       nobody_hears_of_a_death_before_the_dead_is_reaped_with_its_descendants);
	tcase_add_test(tc, child_that_is_the_supervisors_own_outlives_a_workers_death);
	tcase_add_test(tc, child_that_was_there_before_the_workers_outlives_them);
	tcase_add_test(tc, orphan_that_came_while_every_worker_lived_outlives_them);
	tcase_add_test(tc, what_a_dead_worker_has_counted_stays_counted_once);
	suite_add_tcase(suite, tc);
	tcase_add_test(tc, worker_that_cannot_be_started_is_tried_again_and_named);
	tcase_add_test(tc, spawn_tells_why_there_is_no_new_program);
	return suite;
}
