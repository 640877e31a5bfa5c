/*
 * test_state_lock.c - holds state/state_lock.c to taking both locks or none, and to making no
 * file.
 */
#include "state/state_lock.h"

#include <check.h>
#include <errno.h>
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
	uint32_t holder;
	ck_assert_int_eq(state_lock_take(dir, &lock, &holder), LTS_OK);
	ck_assert(!is_free("supervisor.lock"));
	ck_assert(!is_free("generation.lock"));
	state_lock_release(&lock);
	ck_assert(is_free("supervisor.lock"));
	ck_assert(is_free("generation.lock"));
	state_lock_release(&lock); /* of nothing: nothing */
}
END_TEST

START_TEST(running_agent_is_busy_and_named_at_once)
{
	struct state_lock lock;
	uint32_t holder;
	pid_t pid = hold("supervisor.lock", 0);
	ck_assert_int_eq(state_lock_take(dir, &lock, &holder), LTS_BUSY);
	ck_assert_int_eq((pid_t)holder, pid);
	ck_assert(is_free("generation.lock"));
	end(pid);
}
END_TEST

START_TEST(workers_of_a_killed_agent_are_waited_for)
{
	struct state_lock lock;
	uint32_t holder;
	pid_t pid = hold("generation.lock", 300);
	ck_assert_int_eq(state_lock_take(dir, &lock, &holder), LTS_OK);
	state_lock_release(&lock);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}
END_TEST

START_TEST(workers_that_stay_are_busy_and_neither_lock_is_kept)
{
	struct state_lock lock;
	uint32_t holder;
	pid_t pid = hold("generation.lock", 0);
	ck_assert_int_eq(state_lock_take(dir, &lock, &holder), LTS_BUSY);
	ck_assert_int_eq((pid_t)holder, pid);
	ck_assert(is_free("supervisor.lock"));
	end(pid);
}
END_TEST

START_TEST(directory_without_locks_is_not_found_and_stays_so)
{
	struct state_lock lock;
	uint32_t holder;
	char *path = tmpdir_path(dir, "generation.lock");
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_int_eq(state_lock_take(dir, &lock, &holder), LTS_NOTFOUND);
	ck_assert(is_free("supervisor.lock"));
	ck_assert(access(path, F_OK) < 0 && errno == ENOENT);
	ck_assert_int_eq(state_lock_take("/no-such-dir", &lock, &holder), LTS_NOTFOUND);
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
	tcase_add_test(tc, running_agent_is_busy_and_named_at_once);
	tcase_add_test(tc, workers_of_a_killed_agent_are_waited_for);
	tcase_add_test(tc, workers_that_stay_are_busy_and_neither_lock_is_kept);
	tcase_add_test(tc, directory_without_locks_is_not_found_and_stays_so);
	suite_add_tcase(suite, tc);
	return suite;
}
