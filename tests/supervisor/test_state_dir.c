/*
 * test_state_dir.c - holds supervisor/state_dir.c to rule 15 of the architecture: one
 * supervisor, and no generation of workers beside another. The others are real processes,
 * forked by the tests.
 */
#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "supervisor/state_dir.h"
#include "tests/suites.h"
#include "tests/support/tmpdir.h"

static char *base, *path;
static struct buf why;

static void
setup(void)
{
	base = tmpdir_make();
	path = tmpdir_path(base, "state");
	buf_init(&why, 0);
}

static void
teardown(void)
{
	buf_fini(&why);
	free(path);
	tmpdir_remove(&base);
}

/* A former supervisor: opens the directory, does `then`, and tells by `ready` that it
 * did; then it waits to be killed, or ends. */
static pid_t
former_supervisor(void (*then)(struct state_dir *dir), bool stays)
{
	int fd[2];
	char ready;
	ck_assert_int_eq(pipe2(fd, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (pid == 0) {
		struct state_dir dir;
		if (state_dir_open(&dir, path, &why))
			_exit(1);
		if (then)
			then(&dir);
		if (write(fd[1], "x", 1) != 1)
			_exit(2);
		while (stays)
			pause();
		_exit(0);
	}
	close(fd[1]);
	ck_assert_int_eq(read(fd[0], &ready, 1), 1);
	close(fd[0]);
	return pid;
}

static void
end(pid_t pid)
{
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}

START_TEST(directory_is_made_for_its_owner_alone)
{
	struct state_dir dir;
	struct stat st;
	ck_assert_int_eq(state_dir_open(&dir, path, &why), LTS_OK);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0700);
	state_dir_close(&dir);
	/* Again, now that it is there. */
	ck_assert_int_eq(state_dir_open(&dir, path, &why), LTS_OK);
	state_dir_close(&dir);
	state_dir_close(&dir); /* closed twice is closed */
}
END_TEST

START_TEST(locks_are_not_inherited_by_exec)
{
	struct state_dir dir;
	ck_assert_int_eq(state_dir_open(&dir, path, &why), LTS_OK);
	ck_assert(fcntl(dir.supervisor_fd, F_GETFD) & FD_CLOEXEC);
	ck_assert(fcntl(dir.generation_fd, F_GETFD) & FD_CLOEXEC);
	ck_assert(fcntl(dir.stdout_fd, F_GETFD) & FD_CLOEXEC);
	state_dir_close(&dir);
}
END_TEST

START_TEST(directory_that_cannot_be_made_says_why)
{
	struct state_dir dir;
	const char *deep = "/proc/not/there";
	ck_assert_int_eq(state_dir_open(&dir, deep, &why), LTS_SYS);
	ck_assert(strstr(why.data, deep) && strstr(why.data, "No such file"));
}
END_TEST

START_TEST(second_supervisor_is_refused_and_told_who_has_it)
{
	struct state_dir dir;
	char pid_text[32];
	pid_t pid = former_supervisor(NULL, true);
	int64_t start_ms = clock_mono_ms();
	ck_assert_int_eq(state_dir_open(&dir, path, &why), LTS_BUSY);
	ck_assert_int_lt(clock_mono_ms() - start_ms, 900); /* without waiting */
	snprintf(pid_text, sizeof(pid_text), "pid %d:", pid);
	ck_assert_msg(strstr(why.data, pid_text) != NULL, "%s", why.data);
	end(pid);
	ck_assert_int_eq(state_dir_open(&dir, path, &why), LTS_OK);
	state_dir_close(&dir);
}
END_TEST

START_TEST(refused_supervisor_leaves_the_notes_alone)
{
	struct state_dir dir;
	size_t before, after;
	pid_t pid = former_supervisor(NULL, true);
	char *text = tmpdir_read(path, "supervisor.lock", &before);
	ck_assert_int_eq(state_dir_open(&dir, path, &why), LTS_BUSY);
	char *again = tmpdir_read(path, "supervisor.lock", &after);
	ck_assert_str_eq(text, again);
	free(text);
	free(again);
	end(pid);
}
END_TEST

static int worker_ready[2];

/* Starts a worker that will not go: it inherits generation.lock as workers do. */
static void
leave_a_stubborn_worker(struct state_dir *dir)
{
	int closed[2];
	char byte;
	ck_assert_int_eq(pipe(closed), 0);
	pid_t pid = fork();
	if (pid == 0) {
		close(dir->supervisor_fd); /* what close-on-exec does */
		close(closed[0]);
		close(closed[1]);
		for (;;)
			pause();
	}
	close(closed[1]);
	ck_assert_int_eq(read(closed[0], &byte, 1), 0);
	close(closed[0]);
	state_dir_note_worker(dir, 5, pid);
	if (write(worker_ready[1], &pid, sizeof(pid)) != sizeof(pid))
		_exit(3);
}

static bool
is_alive(pid_t pid)
{
	return kill(pid, 0) == 0;
}

START_TEST(worker_of_a_dead_supervisor_is_killed_after_its_grace)
{
	struct state_dir dir;
	pid_t worker;
	size_t len;
	ck_assert_int_eq(pipe(worker_ready), 0);
	pid_t pid = former_supervisor(leave_a_stubborn_worker, true);
	ck_assert_int_eq(read(worker_ready[0], &worker, sizeof(worker)), sizeof(worker));
	end(pid);
	ck_assert(is_alive(worker));
	int64_t start_ms = clock_mono_ms();
	ck_assert_int_eq(state_dir_open(&dir, path, &why), LTS_OK);
	ck_assert_int_ge(clock_mono_ms() - start_ms, 1000);
	/* The lock was free, so it is dead; whether it is reaped yet is init's business.
	 */
	char *notes = tmpdir_read(path, "generation.lock", &len);
	for (size_t i = 0; i < len; i++)
		ck_assert_int_eq(notes[i], 0); /* and no note is left of it */
	free(notes);
	state_dir_close(&dir);
}
END_TEST

static void
leave_a_worker_that_goes(struct state_dir *dir)
{
	pid_t pid = fork();
	if (pid == 0) {
		close(dir->supervisor_fd);
		poll(NULL, 0, 300); /* it drains */
		_exit(0);
	}
	state_dir_note_worker(dir, 0, pid);
}

START_TEST(worker_that_goes_by_itself_is_waited_for)
{
	struct state_dir dir;
	pid_t pid = former_supervisor(leave_a_worker_that_goes, false);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	ck_assert_int_eq(state_dir_open(&dir, path, &why), LTS_OK);
	state_dir_close(&dir);
}
END_TEST

/* A number in the notes that is another process's by now: this one's parent's. Another start time,
 * and the pid was recycled; another place, and it was a pid of another container or machine. */
static off_t strange_at;

static void
note_a_stranger(struct state_dir *dir)
{
	char line[65];
	state_dir_note_worker(dir, 0, getppid());
	ck_assert_int_eq(pread(dir->generation_fd, line, 64, 0), 64);
	line[strange_at] = line[strange_at] == '1' ? '2' : '1';
	ck_assert_int_eq(pwrite(dir->generation_fd, line, 64, 0), 64);
	leave_a_stubborn_worker(dir);
}

START_TEST(recycled_or_foreign_pid_is_not_killed)
{
	struct state_dir dir;
	pid_t worker;
	strange_at = _i ? 42 : 21;
	ck_assert_int_eq(pipe(worker_ready), 0);
	pid_t pid = former_supervisor(note_a_stranger, true);
	ck_assert_int_eq(read(worker_ready[0], &worker, sizeof(worker)), sizeof(worker));
	end(pid);
	/* We are the stranger. The real one, in slot 5, behind empty notes, is found. */
	ck_assert_int_eq(state_dir_open(&dir, path, &why), LTS_OK);
	state_dir_close(&dir);
}
END_TEST

START_TEST(notes_name_each_worker_in_its_place)
{
	struct state_dir dir;
	size_t len;
	unsigned pid;
	unsigned long long started;
	ck_assert_int_eq(state_dir_open(&dir, path, &why), LTS_OK);
	state_dir_note_worker(&dir, 255, getpid());
	state_dir_note_worker(&dir, 1, getpid());
	char *text = tmpdir_read(path, "generation.lock", &len);
	ck_assert_uint_eq(len, 256 * 64);
	ck_assert_int_eq(sscanf(text + 64, "%u %llu", &pid, &started), 2);
	ck_assert_int_eq((pid_t)pid, getpid());
	ck_assert_uint_gt(started, 0);
	ck_assert_int_eq(text[127], '\n');
	free(text);
	state_dir_note_worker(&dir, 1, 0);
	text = tmpdir_read(path, "generation.lock", &len);
	ck_assert_int_eq(sscanf(text + 64, "%u", &pid), 1);
	ck_assert_uint_eq(pid, 0);
	free(text);
	state_dir_close(&dir);
}
END_TEST

START_TEST(note_needs_no_room_on_the_disk)
{
	struct state_dir dir;
	struct stat before, after;
	ck_assert_int_eq(state_dir_open(&dir, path, &why), LTS_OK);
	ck_assert_int_eq(fsync(dir.generation_fd), 0); /* some file systems count late */
	ck_assert_int_eq(fstat(dir.generation_fd, &before), 0);
	ck_assert_int_ge(before.st_blocks * 512, 256 * 64);
	for (uint32_t slot = 0; slot < 256; slot++)
		state_dir_note_worker(&dir, slot, getpid());
	ck_assert_int_eq(fsync(dir.generation_fd), 0);
	ck_assert_int_eq(fstat(dir.generation_fd, &after), 0);
	ck_assert_int_eq(after.st_size, before.st_size);
	ck_assert_int_eq(after.st_blocks, before.st_blocks);
	state_dir_close(&dir);
}
END_TEST

Suite *
suite_state_dir(void)
{
	Suite *suite = suite_create("state_dir");
	TCase *tc = tcase_create("locks");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, directory_is_made_for_its_owner_alone);
	tcase_add_test(tc, locks_are_not_inherited_by_exec);
	tcase_add_test(tc, directory_that_cannot_be_made_says_why);
	tcase_add_test(tc, second_supervisor_is_refused_and_told_who_has_it);
	tcase_add_test(tc, refused_supervisor_leaves_the_notes_alone);
	tcase_add_test(tc, worker_of_a_dead_supervisor_is_killed_after_its_grace);
	tcase_add_test(tc, worker_that_goes_by_itself_is_waited_for);
	tcase_add_loop_test(tc, recycled_or_foreign_pid_is_not_killed, 0, 2);
	tcase_add_test(tc, notes_name_each_worker_in_its_place);
	tcase_add_test(tc, note_needs_no_room_on_the_disk);
	suite_add_tcase(suite, tc);
	return suite;
}
