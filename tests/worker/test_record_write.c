/*
 * test_record_write.c - holds worker/record_write.c to whole records: through pipes that
 * take little at a time, in both formats, small and large, at offsets, and telling exactly how
 * much was written when it fails.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/xalloc.h"
#include "tests/suites.h"
#include "tests/support/sys_spy.h"
#include "tests/support/tmpdir.h"
#include "worker/record_write.h"

enum { RECORDS = 5000 };

static struct record records[RECORDS];
static struct buf wanted; /* what they are as text */
static struct buf scratch;
static char *dir;

/* Small ones are gathered, large ones written from where they are. */
static const struct shape {
	enum record_format format;
	int padding;
} shapes[] = { { RECORD_LABELS, 0 }, { RECORD_CONTENT, 0 }, { RECORD_LABELS, 3000 } };

enum { SHAPES = sizeof(shapes) / sizeof(shapes[0]) };

static void
make_records(const struct shape *shape)
{
	for (unsigned i = 0; i < RECORDS; i++) {
		int padding = shape->padding + (int)(i % 500);
		char *text =
			xasprintf("{\"log_content\":\"line %u%*s\",\"k\":%u}", i, padding, "", i);
		records[i] = (struct record){ text, strlen(text) };
		if (shape->format == RECORD_LABELS)
			ck_assert_int_eq(buf_printf(&wanted, "%s\n", text), LTS_OK);
		else
			ck_assert_int_eq(buf_printf(&wanted, "line %u%*s\n", i, padding, ""),
					 LTS_OK);
	}
}

static void
setup(void)
{
	buf_init(&wanted, 0);
	buf_init(&scratch, 0);
	dir = tmpdir_make();
	sigaction(SIGPIPE, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
}

static void
teardown(void)
{
	sys_spy_set(NULL);
	for (unsigned i = 0; i < RECORDS; i++)
		free((char *)(uintptr_t)records[i].text);
	buf_fini(&wanted);
	buf_fini(&scratch);
	tmpdir_remove(&dir);
}

/* Reads to the end of a pipe, a few bytes at a time. */
static void *
read_slowly(void *arg)
{
	struct buf *found = xcalloc(1, sizeof(*found));
	char bytes[4099];
	ssize_t n;
	buf_init(found, 0);
	while ((n = read(*(int *)arg, bytes, sizeof(bytes))) > 0)
		if (buf_put(found, bytes, (size_t)n))
			abort();
	return found;
}

START_TEST(records_are_whole_behind_a_pipe_that_takes_little)
{
	const struct shape *shape = &shapes[_i % SHAPES];
	int fd[2];
	pthread_t reader;
	void *result;
	uint64_t written = 0;
	make_records(shape);
	ck_assert_int_eq(pipe2(fd, _i / SHAPES ? O_NONBLOCK : 0), 0);
	fcntl(fd[1], F_SETPIPE_SZ, 4096);
	fcntl(fd[0], F_SETFL, 0);
	pthread_create(&reader, NULL, read_slowly, &fd[0]);
	ck_assert_int_eq(
		record_write(fd[1], -1, shape->format, records, RECORDS, &scratch, &written),
		LTS_OK);
	close(fd[1]);
	pthread_join(reader, &result);
	struct buf *found = result;
	ck_assert_uint_eq(found->len, wanted.len);
	ck_assert_uint_eq(written, wanted.len);
	ck_assert_int_eq(memcmp(found->data, wanted.data, wanted.len), 0);
	buf_fini(found);
	free(found);
	close(fd[0]);
}
END_TEST

START_TEST(reader_that_left_is_told_as_such)
{
	int fd[2];
	uint64_t written = 0;
	make_records(&shapes[0]);
	ck_assert_int_eq(pipe(fd), 0);
	close(fd[0]);
	ck_assert_int_eq(record_write(fd[1], -1, RECORD_LABELS, records, 3, &scratch, &written),
			 LTS_CLOSED);
	ck_assert_uint_eq(written, 0);
	close(fd[1]);
}
END_TEST

static int
open_file(void)
{
	char *path = tmpdir_path(dir, "file");
	int fd = open(path, O_RDWR | O_CREAT, 0600);
	ck_assert_int_ge(fd, 0);
	free(path);
	return fd;
}

static void
expect_file(size_t skipped, size_t len)
{
	size_t found;
	char *text = tmpdir_read(dir, "file", &found);
	ck_assert_uint_eq(found, skipped + len);
	ck_assert_int_eq(memcmp(text + skipped, wanted.data, len), 0);
	free(text);
}

START_TEST(records_go_where_the_offset_says)
{
	const struct shape *shape = &shapes[_i];
	int fd = open_file();
	uint64_t written = 5;
	make_records(shape);
	ck_assert_int_eq(
		record_write(fd, 1000, shape->format, records, RECORDS, &scratch, &written),
		LTS_OK);
	ck_assert_uint_eq(written, 5 + wanted.len); /* added to what was there */
	ck_assert_int_eq(lseek(fd, 0, SEEK_CUR), 0);
	expect_file(1000, wanted.len);
	close(fd);
}
END_TEST

/* A disk that takes `room` bytes, at most 777 at a time. */
static size_t room;

static int
before_write(void *arg, enum sys_spy_call call, const char *path, size_t *bytes)
{
	if (call != SPY_WRITE)
		return 0;
	if (room == 0)
		return *(int *)arg;
	if (*bytes > 777)
		*bytes = 777;
	if (*bytes > room)
		*bytes = room;
	room -= *bytes;
	return 0;
}

START_TEST(failure_says_how_much_was_written)
{
	static const struct {
		int error;
		enum lts_err err;
	} failures[] = { { ENOSPC, LTS_NOSPACE },
			 { EDQUOT, LTS_NOSPACE },
			 { EFBIG, LTS_NOSPACE },
			 { EIO, LTS_SYS },
			 { EPIPE, LTS_CLOSED } };
	int error = failures[_i / SHAPES].error;
	const struct shape *shape = &shapes[_i % SHAPES];
	struct sys_spy spy = { .before = before_write, .arg = &error };
	int fd = open_file();
	make_records(shape);
	for (size_t limit = 0; limit < 20000; limit += 1777) {
		uint64_t written = 0;
		room = limit;
		sys_spy_set(&spy);
		ck_assert_int_eq(
			record_write(fd, 0, shape->format, records, RECORDS, &scratch, &written),
			failures[_i / SHAPES].err);
		sys_spy_set(NULL);
		ck_assert_uint_eq(written, limit);
		expect_file(0, limit);
	}
	close(fd);
}
END_TEST

START_TEST(short_writes_are_continued)
{
	int error = EIO;
	struct sys_spy spy = { .before = before_write, .arg = &error };
	int fd = open_file();
	uint64_t written = 0;
	make_records(&shapes[_i]);
	room = wanted.len;
	sys_spy_set(&spy);
	ck_assert_int_eq(
		record_write(fd, 0, shapes[_i].format, records, RECORDS, &scratch, &written),
		LTS_OK);
	sys_spy_set(NULL);
	expect_file(0, wanted.len);
	close(fd);
}
END_TEST

START_TEST(nothing_to_write_is_fine)
{
	uint64_t written = 0;
	ck_assert_int_eq(record_write(-1, -1, RECORD_LABELS, NULL, 0, &scratch, &written),
			 LTS_OK);
	ck_assert_int_eq(record_write(-1, -1, RECORD_CONTENT, NULL, 0, &scratch, &written),
			 LTS_OK);
	ck_assert_uint_eq(written, 0);
}
END_TEST

Suite *
suite_record_write(void)
{
	Suite *suite = suite_create("record_write");
	TCase *tc = tcase_create("writing");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, records_are_whole_behind_a_pipe_that_takes_little, 0, 2 * SHAPES);
	tcase_add_test(tc, reader_that_left_is_told_as_such);
	tcase_add_loop_test(tc, records_go_where_the_offset_says, 0, SHAPES);
	tcase_add_loop_test(tc, failure_says_how_much_was_written, 0, 5 * SHAPES);
	tcase_add_loop_test(tc, short_writes_are_continued, 0, SHAPES);
	tcase_add_test(tc, nothing_to_write_is_fine);
	suite_add_tcase(suite, tc);
	return suite;
}
