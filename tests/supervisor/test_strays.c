/*
 * test_strays.c - holds supervisor/strays.c to its word: what a dead worker leaves behind is
 * killed, what is somebody else's is not, and what cannot be told is not learnt.
 */
#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/proc_stat.h"
#include "supervisor/strays.h"
#include "tests/suites.h"
#include "tests/support/patience.h"

static struct strays *strays;

static void
setup(void)
{
	ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	strays = strays_create();
}

static void
teardown(void)
{
	strays_destroy(&strays);
}

static pid_t
child(void)
{
	pid_t pid = fork();
	while (pid == 0)
		pause();
	ck_assert_int_gt(pid, 0);
	return pid;
}

static bool
lives(pid_t pid)
{
	struct proc_stat stat;
	return proc_stat_read(pid, &stat) && !stat.is_ending;
}

static void
expect_killed(pid_t pid)
{
	int status;
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(WTERMSIG(status), SIGKILL);
}

START_TEST(what_is_neither_ours_nor_somebody_elses_is_killed)
{
	pid_t other = child();
	strays_look(strays, NULL, 0);
	pid_t own = child(), left = child();
	ck_assert_uint_eq(strays_kill(strays, &own, 1), 1);
	expect_killed(left);
	ck_assert_uint_eq(strays_kill(strays, &own, 1), 0);
	ck_assert(lives(own));
	ck_assert(lives(other));
	ck_assert_uint_eq(strays_kill(strays, NULL, 0), 1);
	expect_killed(own);
	kill(other, SIGKILL);
	expect_killed(other);
}
END_TEST

START_TEST(nothing_is_learnt_while_a_worker_is_dead_and_not_buried)
{
	pid_t before = child();
	strays_look(strays, NULL, 0);
	pid_t worker = child(), left = child();
	siginfo_t ended;
	kill(worker, SIGKILL);
	ck_assert_int_eq(waitid(P_PID, (id_t)worker, &ended, WEXITED | WNOWAIT), 0);
	strays_look(strays, &worker, 1);
	expect_killed(worker);
	ck_assert_uint_eq(strays_kill(strays, NULL, 0), 1);
	expect_killed(left);
	ck_assert(lives(before)); /* and nothing is forgotten */
	kill(before, SIGKILL);
	expect_killed(before);
}
END_TEST

/* No descriptor above those that are open. Returns the limit that was. */
static struct rlimit
take_descriptors(void)
{
	struct rlimit before, limit;
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	limit = (struct rlimit){ 64, before.rlim_max };
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	while (open("/", O_PATH | O_CLOEXEC) >= 0)
		continue;
	return before;
}

START_TEST(last_descriptor_is_not_needed_to_tell_who_is_who)
{
	pid_t other = child();
	strays_look(strays, NULL, 0);
	pid_t left = child();
	struct rlimit before = take_descriptors();
	for (int twice = 0; twice < 2; twice++) /* what it keeps for this it takes back */
		ck_assert_uint_eq(strays_kill(strays, &left, 1), 0);
	ck_assert_uint_eq(strays_kill(strays, NULL, 0), 1);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
	expect_killed(left);
	ck_assert(lives(other));
	kill(other, SIGKILL);
	expect_killed(other);
}
END_TEST

START_TEST(children_that_cannot_be_looked_at_are_neither_gone_nor_killed)
{
	struct rlimit before, none;
	pid_t other = child();
	strays_look(strays, NULL, 0);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = (struct rlimit){ 0, before.rlim_max };
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	size_t left = strays_kill(strays, NULL, 0);
	strays_look(strays, NULL, 0);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
	ck_assert_uint_gt(left, 0);
	ck_assert_uint_eq(strays_kill(strays, NULL, 0), 0);
	ck_assert(lives(other));
	kill(other, SIGKILL);
	expect_killed(other);
}
END_TEST

START_TEST(number_of_somebody_that_is_reaped_protects_nobody)
{
	pid_t pid = child();
	strays_look(strays, NULL, 0);
	strays_forget(strays, pid); /* as if another had its number by now */
	ck_assert_uint_eq(strays_kill(strays, NULL, 0), 1);
	expect_killed(pid);
}
END_TEST

START_TEST(many_children_of_others_are_all_known)
{
	enum { MANY = 100 };
	pid_t pids[MANY];
	for (int i = 0; i < MANY; i++)
		pids[i] = child();
	strays_look(strays, NULL, 0);
	strays_look(strays, NULL, 0);
	ck_assert_uint_eq(strays_kill(strays, NULL, 0), 0);
	for (int i = 0; i < MANY; i++) {
		kill(pids[i], SIGKILL);
		expect_killed(pids[i]);
	}
}
END_TEST

START_TEST(process_is_told_by_its_start_whatever_its_name)
{
	struct proc_stat stat, again;
	ck_assert_int_eq(prctl(PR_SET_NAME, ") Z 1 (x y"), 0);
	ck_assert(proc_stat_read(getpid(), &stat));
	ck_assert_int_eq(stat.state, 'R');
	ck_assert_int_eq(stat.parent, getppid());
	ck_assert(!stat.is_ending);
	ck_assert_uint_gt(stat.start, 0);
	ck_assert(proc_stat_read(getpid(), &again));
	ck_assert_uint_eq(stat.start, again.start);
	pid_t pid = child();
	kill(pid, SIGKILL);
	until("it is ending", proc_stat_read(pid, &stat) && stat.is_ending);
	expect_killed(pid);
	ck_assert(!proc_stat_read(pid, &stat));
}
END_TEST

Suite *
suite_strays(void)
{
	Suite *suite = suite_create("strays");
	TCase *tc = tcase_create("children");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, what_is_neither_ours_nor_somebody_elses_is_killed);
	tcase_add_test(tc, nothing_is_learnt_while_a_worker_is_dead_and_not_buried);
	tcase_add_test(tc, last_descriptor_is_not_needed_to_tell_who_is_who);
	tcase_add_test(tc, children_that_cannot_be_looked_at_are_neither_gone_nor_killed);
	tcase_add_test(tc, number_of_somebody_that_is_reaped_protects_nobody);
	tcase_add_test(tc, many_children_of_others_are_all_known);
	tcase_add_test(tc, process_is_told_by_its_start_whatever_its_name);
	suite_add_tcase(suite, tc);
	return suite;
}
