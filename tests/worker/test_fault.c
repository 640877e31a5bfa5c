/*
 * test_fault.c - holds worker/fault.c: the board names the thread that failed, and the
 * process dies of what it would have died of.
 */
#include <check.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/handoff.h"

#include "tests/suites.h"
#include "worker/fault.h"

static struct board *board;
static int board_fd;

static void
setup(void)
{
	ck_assert_int_eq(board_create(&board_fd, &board), LTS_OK);
}

static void
teardown(void)
{
	board_unmap(&board);
	close(board_fd);
}

static void
do_abort(void)
{
	abort();
}

static void
do_fault(void)
{
	int *volatile nowhere = (int *)64;
	*nowhere = 1;
}

static void
do_exit(void)
{
	exit(9);
}

static void
do_quick_exit(void)
{
	_exit(9);
}

static void *
deliver(void *arg)
{
	sigset_t all;
	sigfillset(&all); /* as delivery_create does */
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	fault_watch_delivery();
	(*(void (**)(void))arg)();
	return NULL;
}

/* A sanitizer reports faults; this one is meant. */
static void
signals_as_they_are(void)
{
	const struct sigaction as_it_is = { .sa_handler = SIG_DFL };
	sigaction(SIGSEGV, &as_it_is, NULL);
}

/* A process that watches and does this on that thread; how it ended. */
static int
end_of(void (*act)(void), enum board_thread thread)
{
	int status;
	pthread_t delivery;
	pid_t pid = fork();
	if (pid == 0) {
		struct rlimit no_core = { 0, 0 };
		setrlimit(RLIMIT_CORE, &no_core);
		signals_as_they_are();
		fault_watch(board);
		if (thread == BOARD_LOOP)
			act();
		else if (pthread_create(&delivery, NULL, deliver, &act) == 0)
			pthread_join(delivery, NULL);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return status;
}

static const enum board_thread threads[] = { BOARD_LOOP, BOARD_DELIVERY };

START_TEST(abort_is_named_and_kills)
{
	int status = end_of(do_abort, threads[_i]);
	ck_assert(WIFSIGNALED(status));
	ck_assert_int_eq(WTERMSIG(status), SIGABRT);
	ck_assert_uint_eq(board->fault_thread, threads[_i]);
}
END_TEST

START_TEST(fault_is_named_and_kills)
{
	int status = end_of(do_fault, threads[_i]);
	ck_assert(WIFSIGNALED(status));
	ck_assert_int_eq(WTERMSIG(status), SIGSEGV);
	ck_assert_uint_eq(board->fault_thread, threads[_i]);
}
END_TEST

START_TEST(fault_inside_the_state_is_damage)
{
	board_enter(board, _i ? BOARD_WAIT_LOCK : BOARD_IN_TXN, NULL, NULL, 1);
	int status = end_of(do_fault, BOARD_DELIVERY);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), EXIT_DAMAGED);
	status = end_of(do_fault, BOARD_LOOP);
	ck_assert(WIFSIGNALED(status));
}
END_TEST

START_TEST(exit_is_named)
{
	int status = end_of(do_exit, threads[_i]);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 9);
	ck_assert_uint_eq(board->fault_thread, threads[_i]);
}
END_TEST

START_TEST(quick_exit_names_nobody)
{
	ck_assert_int_eq(WEXITSTATUS(end_of(do_quick_exit, threads[_i])), 9);
	ck_assert_uint_eq(board->fault_thread, BOARD_NO_THREAD);
}
END_TEST

static void
do_fork(void)
{
	int status;
	pid_t pid = fork();
	if (pid == 0)
		abort();
	waitpid(pid, &status, 0);
}

START_TEST(child_s_fault_is_its_own)
{
	ck_assert_int_eq(end_of(do_fork, threads[_i]), 0);
	ck_assert_uint_eq(board->fault_thread, BOARD_NO_THREAD);
}
END_TEST

Suite *
suite_fault(void)
{
	Suite *suite = suite_create("fault");
	TCase *tc = tcase_create("fault");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, abort_is_named_and_kills, 0, 2);
	tcase_add_loop_test(tc, fault_is_named_and_kills, 0, 2);
	tcase_add_loop_test(tc, fault_inside_the_state_is_damage, 0, 2);
	tcase_add_loop_test(tc, exit_is_named, 0, 2);
	tcase_add_loop_test(tc, quick_exit_names_nobody, 0, 2);
	tcase_add_loop_test(tc, child_s_fault_is_its_own, 0, 2);
	suite_add_tcase(suite, tc);
	return suite;
}
