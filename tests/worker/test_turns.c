/*
 * test_turns.c - holds worker/turns.c to one at a time and to no one being passed over, whoever
 * dies, and whatever becomes of the file.
 */
#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/suites.h"
#include "tests/support/patience.h"
#include "tests/support/tmpdir.h"
#include "worker/turns.h"

/* Each has a file of its own open, as each worker has. */
static char *dir;
static struct turns *a, *b, *c;
static int64_t now_ms;

static struct turns *
open_one(void)
{
	struct turns *turns;
	ck_assert_int_eq(turns_open(dir, &turns), LTS_OK);
	return turns;
}

static void
setup(void)
{
	dir = tmpdir_make();
	a = open_one();
	b = open_one();
	c = open_one();
	now_ms = 1000;
}

static void
teardown(void)
{
	turns_close(&a);
	turns_close(&b);
	turns_close(&c);
	tmpdir_remove(&dir);
}

/* When it wants to look again. */
static bool
take(struct turns *turns)
{
	if (turns_due_ms(turns) > now_ms)
		now_ms = turns_due_ms(turns);
	return turns_take(turns, now_ms);
}

START_TEST(only_one_has_the_turn)
{
	ck_assert(take(a));
	ck_assert(take(a)); /* it has it */
	ck_assert(!take(b));
	ck_assert(!take(c));
	turns_put(a);
	ck_assert(take(b));
	ck_assert(!take(a));
	ck_assert(!take(c));
}
END_TEST

START_TEST(who_gives_it_back_does_not_pass_one_that_waits)
{
	ck_assert(take(a));
	for (int i = 0; i < 100; i++) {
		ck_assert(!take(b));
		turns_put(a);
		ck_assert(!take(a));
		ck_assert(take(b));
		ck_assert(!take(a)); /* the next now */
		turns_put(b);
		ck_assert(!take(b));
		ck_assert(take(a));
	}
}
END_TEST

START_TEST(each_of_three_comes_next_once_it_looks_while_another_has_the_turn)
{
	ck_assert(take(a));
	ck_assert(!take(b));
	turns_put(a);
	ck_assert(take(b));
	ck_assert(!take(c));
	ck_assert(!take(a));
	turns_put(b);
	ck_assert(!take(a));
	ck_assert(!take(b));
	ck_assert(take(c));
}
END_TEST

START_TEST(who_does_not_want_it_any_more_is_in_nobodys_way)
{
	ck_assert(take(a));
	ck_assert(!take(b));
	turns_put(b);
	turns_put(a);
	ck_assert(take(c));
	turns_close(&c);
	ck_assert(take(a));
}
END_TEST

START_TEST(it_looks_often_for_a_short_one_and_seldom_for_a_long_one)
{
	ck_assert(take(a));
	int64_t least_ms = INT64_MAX, looks = 0, end_ms = now_ms + 60000;
	ck_assert(!turns_take(b, now_ms));
	while (now_ms < end_ms) {
		int64_t wait_ms = turns_due_ms(b) - now_ms;
		ck_assert_int_ge(wait_ms, 1);
		ck_assert_int_le(wait_ms, 50);
		least_ms = wait_ms < least_ms ? wait_ms : least_ms;
		ck_assert(!turns_take(b, turns_due_ms(b) - 1)); /* not before */
		ck_assert(!take(b));
		looks++;
	}
	ck_assert_int_le(least_ms, 2);
	ck_assert_int_lt(looks, 60000 / 50 + 100);
}
END_TEST

/* In a process that has the turn until it is killed; with a child of its own, that keeps it. */
static pid_t
take_elsewhere(bool child, pid_t *child_out)
{
	int fds[2];
	ck_assert_int_eq(pipe(fds), 0);
	pid_t pid = fork();
	if (pid == 0) {
		pid_t kept = -1;
		struct turns *turns = open_one();
		if (!take(turns))
			_exit(1);
		if (child && (kept = fork()) == 0)
			for (;;)
				pause();
		(void)!write(fds[1], &kept, sizeof(kept));
		for (;;)
			pause();
	}
	ck_assert_int_eq(read(fds[0], child_out, sizeof(*child_out)), sizeof(*child_out));
	close(fds[0]);
	close(fds[1]);
	return pid;
}

static void
kill_and_reap(pid_t pid)
{
	ck_assert_int_eq(kill(pid, SIGKILL), 0);
	waitpid(pid, NULL, 0);
}

START_TEST(the_turn_of_a_process_that_is_killed_is_free)
{
	pid_t ignored, pid = take_elsewhere(false, &ignored);
	ck_assert(!take(a));
	kill_and_reap(pid);
	ck_assert(take(a));
}
END_TEST

START_TEST(a_child_with_the_descriptor_keeps_it_while_it_lives)
{
	pid_t child, pid = take_elsewhere(true, &child);
	kill_and_reap(pid);
	ck_assert(!take(a));
	ck_assert_int_eq(kill(child, SIGKILL), 0);
	until("it is free", take(a));
}
END_TEST

START_TEST(the_file_is_nobody_elses)
{
	struct stat st;
	char *path = tmpdir_path(dir, "batch.lock");
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	free(path);
	ck_assert(turns_are_used(dir));
	ck_assert(!turns_are_used("/nonexistent"));
	struct turns *none;
	ck_assert_int_eq(turns_open("/nonexistent", &none), LTS_SYS);
}
END_TEST

START_TEST(a_file_that_was_removed_is_made_anew_and_all_meet_there)
{
	char *path = tmpdir_path(dir, "batch.lock");
	ck_assert_int_eq(unlink(path), 0);
	free(path);
	struct turns *later = open_one();
	ck_assert(take(later));
	for (int i = 0; i < 3; i++) {
		ck_assert(!take(a));
		ck_assert(!take(b));
	}
	turns_close(&later);
	ck_assert(take(a));
	ck_assert(!take(b));
}
END_TEST

Suite *
suite_turns(void)
{
	Suite *suite = suite_create("turns");
	TCase *tc = tcase_create("turns");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, only_one_has_the_turn);
	tcase_add_test(tc, who_gives_it_back_does_not_pass_one_that_waits);
	tcase_add_test(tc, each_of_three_comes_next_once_it_looks_while_another_has_the_turn);
	tcase_add_test(tc, who_does_not_want_it_any_more_is_in_nobodys_way);
	tcase_add_test(tc, it_looks_often_for_a_short_one_and_seldom_for_a_long_one);
	tcase_add_test(tc, the_turn_of_a_process_that_is_killed_is_free);
	tcase_add_test(tc, a_child_with_the_descriptor_keeps_it_while_it_lives);
	tcase_add_test(tc, the_file_is_nobody_elses);
	tcase_add_test(tc, a_file_that_was_removed_is_made_anew_and_all_meet_there);
	suite_add_tcase(suite, tc);
	return suite;
}
