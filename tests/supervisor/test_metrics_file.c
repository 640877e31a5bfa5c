/*
 * test_metrics_file.c - holds supervisor/metrics_file.c to its promise: readers see a whole text,
 * and the loop never waits for the disk.
 */
#include "supervisor/metrics_file.h"

#include <check.h>
#include <errno.h>
#include <ev.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/suites.h"
#include "tests/support/patience.h"
#include "tests/support/tmpdir.h"

static struct ev_loop *loop;
static struct log *silent;
static struct metrics_file *file;
static char *dir, *path, *part;
static pid_t writer;
static size_t forks;

static void
on_forked(void *arg, pid_t pid)
{
	writer = pid;
	forks++;
}

static void
setup(void)
{
	loop = ev_loop_new(0);
	silent = log_create("test");
	dir = tmpdir_make();
	path = tmpdir_path(dir, "lts.prom");
	part = tmpdir_path(dir, "lts.prom.part");
	file = metrics_file_create(&(struct metrics_file_config){
		.loop = loop, .log = silent, .path = path, .forked = on_forked });
}

static void
teardown(void)
{
	metrics_file_destroy(&file);
	metrics_file_destroy(&file); /* NULL-safe */
	free(path);
	free(part);
	tmpdir_remove(&dir);
	log_destroy(&silent);
	ev_loop_destroy(loop);
}

static void
write_text(const char *text)
{
	struct buf buf;
	buf_init(&buf, 0);
	ck_assert_int_eq(buf_put_text(&buf, text), LTS_OK);
	metrics_file_write(file, &buf);
	buf_fini(&buf);
}

static bool
is_there(const char *text)
{
	size_t len;
	ev_run(loop, EVRUN_NOWAIT);
	if (access(path, F_OK) < 0)
		return false;
	char *is = tmpdir_read(dir, "lts.prom", &len);
	bool same = len == strlen(text) && memcmp(is, text, len) == 0;
	free(is);
	return same;
}

static bool
is_reaped(void)
{
	return waitpid(writer, NULL, WNOHANG) == writer;
}

START_TEST(text_is_there_whole_and_the_next_replaces_it)
{
	struct stat st;
	mode_t before = umask(077);
	write_text("one\n");
	umask(before);
	ck_assert_uint_eq(forks, 1); /* the loop does not write it */
	until("it is written", is_there("one\n"));
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0644);
	until("its writer ends", is_reaped());
	until("the loop knows", (write_text("two\n"), forks == 2));
	until("it is replaced", is_there("two\n"));
	until("its writer ends", is_reaped());
	ck_assert_int_ne(access(part, F_OK), 0);
}
END_TEST

/* A FIFO is a disk that hangs: who opens it waits. */
START_TEST(disk_that_hangs_holds_up_one_writer_and_nobody_else)
{
	ck_assert_int_eq(mkfifo(part, 0600), 0);
	write_text("one\n");
	write_text("two\n"); /* the first is at it still */
	ck_assert_uint_eq(forks, 1);
	ev_run(loop, EVRUN_NOWAIT);
	ck_assert_int_eq(waitpid(writer, NULL, WNOHANG), 0);
	metrics_file_destroy(&file);
	until("its writer is killed", is_reaped());
}
END_TEST

START_TEST(failure_is_tried_again)
{
	ck_assert_int_eq(mkdir(part, 0700), 0);
	write_text("one\n");
	until("its writer ends", is_reaped());
	ck_assert_int_eq(rmdir(part), 0);
	until("the loop knows", (ev_run(loop, EVRUN_NOWAIT), write_text("two\n"), forks == 2));
	until("it is written", is_there("two\n"));
	until("its writer ends", is_reaped());
}
END_TEST

START_TEST(link_that_somebody_laid_is_not_followed)
{
	char *victim = tmpdir_path(dir, "victim");
	size_t len;
	tmpdir_write(dir, "victim", "mine", 4);
	ck_assert_int_eq(symlink(victim, part), 0);
	write_text("one\n");
	until("its writer ends", is_reaped());
	free(tmpdir_read(dir, "victim", &len));
	ck_assert_uint_eq(len, 4);
	free(victim);
}
END_TEST

Suite *
suite_metrics_file(void)
{
	Suite *suite = suite_create("metrics_file");
	TCase *tc = tcase_create("metrics_file");
	tcase_set_timeout(tc, 25);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, text_is_there_whole_and_the_next_replaces_it);
	tcase_add_test(tc, disk_that_hangs_holds_up_one_writer_and_nobody_else);
	tcase_add_test(tc, failure_is_tried_again);
	tcase_add_test(tc, link_that_somebody_laid_is_not_followed);
	suite_add_tcase(suite, tc);
	return suite;
}
