/*
 * test_state_lock.c - holds state/state_lock.c to taking both locks or none.
 */
#include "state/state_lock.h"

#include <check.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/suites.h"
#include "tests/support/tmpdir.h"

static char *dir;

static void
setup(void)
{
	dir = tmpdir_make();
	tmpdir_write(dir, "supervisor.lock", "", 0);
	tmpdir_write(dir, "generation.lock", "", 0);
}

static void
teardown(void)
{
	tmpdir_remove(&dir);
}

static void
pause_ms(unsigned ms)
{
	usleep(ms * 1000);
}

/* A process that has the lock: for ever with hold_ms 0. Returns once it has it. */
static pid_t
hold(const char *name, unsigned hold_ms)
{
	int ready[2];
	char byte;
	ck_assert_int_eq(pipe(ready), 0);
	pid_t pid = fork();
	ck_assert_int_ge(pid, 0);
	if (!pid) {
		char *path = tmpdir_path(dir, name);
		int fd = open(path, O_RDWR);
		free(path);
		if (fd < 0 || flock(fd, LOCK_EX) < 0 || write(ready[1], "x", 1) != 1)
			_exit(1);
		if (!hold_ms)
			pause();
		pause_ms(hold_ms);
		_exit(0);
	}
	ck_assert_int_eq(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	close(ready[1]);
	return pid;
}

static void
end(pid_t pid)
{
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

static bool
is_free(const char *name)
{
	char *path = tmpdir_path(dir, name);
	int fd = open(path, O_RDWR);
	ck_assert_int_ge(fd, 0);
	bool it_is = flock(fd, LOCK_EX | LOCK_NB) == 0;
	close(fd);
	free(path);
	return it_is;
}

START_TEST(both_are_taken_and_given_back)
{
	struct state_lock lock;
	ck_assert_int_eq(state_lock_take(dir, &lock), EXIT_DONE);
	ck_assert(!is_free("supervisor.lock"));
	ck_assert(!is_free("generation.lock"));
	state_lock_release(&lock);
	ck_assert(is_free("supervisor.lock"));
	ck_assert(is_free("generation.lock"));
	state_lock_release(&lock); /* of nothing: nothing */
}
END_TEST

START_TEST(running_agent_is_in_use_at_once)
{
	struct state_lock lock;
	pid_t pid = hold("supervisor.lock", 0);
	ck_assert_int_eq(state_lock_take(dir, &lock), EXIT_IN_USE);
	ck_assert(is_free("generation.lock"));
	end(pid);
}
END_TEST

START_TEST(workers_of_a_killed_agent_are_waited_for)
{
	struct state_lock lock;
	pid_t pid = hold("generation.lock", 300);
	ck_assert_int_eq(state_lock_take(dir, &lock), EXIT_DONE);
	state_lock_release(&lock);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}
END_TEST

START_TEST(workers_that_stay_are_busy_and_neither_lock_is_kept)
{
	struct state_lock lock;
	pid_t pid = hold("generation.lock", 0);
	ck_assert_int_eq(state_lock_take(dir, &lock), EXIT_IN_USE);
	ck_assert(is_free("supervisor.lock"));
	end(pid);
}
END_TEST

START_TEST(locks_are_made_but_no_directory)
{
	struct state_lock lock;
	char *path = tmpdir_path(dir, "generation.lock");
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(state_lock_take(dir, &lock), EXIT_DONE);
	ck_assert(!is_free("generation.lock"));
	state_lock_release(&lock);
	ck_assert_int_eq(state_lock_take("/no-such-dir", &lock), EXIT_FAILED);
	free(path);
}
END_TEST

Suite *
suite_state_lock(void)
{
	Suite *suite = suite_create("state_lock");
	TCase *tc = tcase_create("state_lock");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 20);
	tcase_add_test(tc, both_are_taken_and_given_back);
	tcase_add_test(tc, running_agent_is_in_use_at_once);
	tcase_add_test(tc, workers_of_a_killed_agent_are_waited_for);
	tcase_add_test(tc, workers_that_stay_are_busy_and_neither_lock_is_kept);
	tcase_add_test(tc, locks_are_made_but_no_directory);
	suite_add_tcase(suite, tc);
	return suite;
}
