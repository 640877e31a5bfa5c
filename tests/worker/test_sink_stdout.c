/*
 * test_sink_stdout.c - holds worker/sink_stdout.c to whole records: of several workers on
 * one pipe, and in a file on a disk that is full for a while. Each test's process has a
 * standard output of its own.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "tests/suites.h"
#include "tests/support/state_env.h"
#include "tests/support/sys_spy.h"
#include "tests/support/tmpdir.h"
#include "worker/sink.h"

enum { WRITERS = 4, BATCHES = 40, BATCH = 50 };

static char *dir;
static struct sink *sink;
static struct sink_stream *stream;
static struct buf why;

static void
open_sink(void)
{
	char *path = tmpdir_path(dir, "lock");
	struct sink_config config = { .spec = "stdout", .instance = "abc" };
	struct shard_id shard = shard_of("7");
	config.lock_fd = open(path, O_RDWR | O_CREAT, 0600);
	ck_assert_int_ge(config.lock_fd, 0);
	free(path);
	ck_assert_int_eq(sink_create(&config, &sink, &why), LTS_OK);
	ck_assert_int_eq(
		sink->ops->open(sink, &shard, (struct sink_position){ 3, 4 }, &stream, &why),
		LTS_OK);
}

static void
setup(void)
{
	dir = tmpdir_make();
	buf_init(&why, 0);
}

static void
teardown(void)
{
	sys_spy_set(NULL);
	if (stream)
		sink->ops->close(&stream);
	if (sink)
		sink->ops->destroy(&sink);
	buf_fini(&why);
	tmpdir_remove(&dir);
}

static enum lts_err
submit(unsigned writer, unsigned batch)
{
	static char texts[BATCH][512];
	struct record records[BATCH];
	for (unsigned i = 0; i < BATCH; i++) {
		int len = snprintf(texts[i], sizeof(texts[i]),
				   "{\"writer\":%u,\"n\":%u,\"pad\":\"%0*d\"}", writer,
				   batch * BATCH + i, (int)(i * 7), 0);
		records[i] = (struct record){ texts[i], (size_t)len };
	}
	return sink->ops->submit(stream, records, BATCH, &why);
}

/* Waits as the delivery thread does. */
static void
wait_for_turn(void)
{
	struct pollfd fd = { .fd = sink->ops->fd(sink), .events = POLLOUT };
	int64_t ms = sink->ops->turn_ms(sink) - clock_mono_ms();
	ck_assert_int_ge(poll(&fd, 1, ms > 1000 ? 1000 : ms > 0 ? (int)ms : 0), 0);
	sink->ops->turn(sink);
}

static enum lts_err
submit_all(unsigned writer, unsigned batch)
{
	enum lts_err err;
	while ((err = submit(writer, batch)) == LTS_AGAIN)
		wait_for_turn();
	return err;
}

/* Each line is a whole record, and each writer's come in order. */
static void
expect_whole_records(FILE *file, unsigned wanted)
{
	unsigned next[WRITERS] = { 0 }, lines = 0, writer, n;
	char line[1024];
	for (; fgets(line, sizeof(line), file); lines++) {
		size_t len = strlen(line);
		ck_assert_int_eq(sscanf(line, "{\"writer\":%u,\"n\":%u,", &writer, &n), 2);
		ck_assert_msg(len > 3 && strcmp(line + len - 3, "\"}\n") == 0, "torn: %s", line);
		ck_assert_uint_eq(n, next[writer]++);
	}
	ck_assert_uint_eq(lines, wanted);
}

START_TEST(records_of_several_workers_on_one_pipe_are_whole)
{
	int fd[2];
	ck_assert_int_eq(pipe(fd), 0);
	for (unsigned writer = 0; writer < WRITERS; writer++) {
		if (fork())
			continue;
		dup2(fd[1], STDOUT_FILENO);
		close(fd[0]);
		open_sink();
		for (unsigned batch = 0; batch < BATCHES; batch++)
			if (submit_all(writer, batch))
				_exit(1);
		_exit(0);
	}
	close(fd[1]);
	FILE *file = fdopen(fd[0], "r");
	expect_whole_records(file, WRITERS * BATCHES * BATCH);
	fclose(file);
	int status;
	for (unsigned writer = 0; writer < WRITERS; writer++)
		ck_assert(wait(&status) > 0 && status == 0);
}
END_TEST

static size_t room;

static int
before_write(void *arg, enum sys_spy_call call, const char *path, size_t *bytes)
{
	if (call != SPY_WRITE || !strstr(path, "/out"))
		return 0; /* the mark of a torn line is in memory */
	if (room == 0)
		return ENOSPC;
	if (*bytes > room)
		*bytes = room;
	room -= *bytes;
	return 0;
}

static const struct sys_spy full_disk = { .before = before_write };

/* `>` and `>>` of a shell. */
static void
redirect_to_file(int flags)
{
	char *path = tmpdir_path(dir, "out");
	tmpdir_write(dir, "out", "", 0);
	int fd = open(path, O_WRONLY | flags);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(dup2(fd, STDOUT_FILENO), STDOUT_FILENO);
	close(fd);
	free(path);
}

START_TEST(full_disk_leaves_no_torn_record_in_a_file)
{
	redirect_to_file(_i ? O_APPEND : 0);
	open_sink();
	ck_assert_int_eq(submit(0, 0), LTS_OK);
	sys_spy_set(&full_disk);
	for (size_t limit = 0; limit < 3000; limit += 131) {
		room = limit;
		ck_assert_int_eq(submit(0, 1), LTS_NOSPACE);
	}
	sys_spy_set(NULL);
	ck_assert_int_eq(submit(0, 1), LTS_OK);
	char *path = tmpdir_path(dir, "out");
	FILE *file = fopen(path, "r");
	expect_whole_records(file, 2 * BATCH);
	fclose(file);
	free(path);
}
END_TEST

enum { PIPE, SOCKET, KINDS };

/* A standard output that others read, as small as it can be; the end to read. */
static int
redirect_to_reader(int kind)
{
	int fd[2];
	if (kind == SOCKET) {
		int least = 1;
		ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
		ck_assert_int_eq(
			setsockopt(fd[1], SOL_SOCKET, SO_SNDBUF, &least, sizeof(least)), 0);
	} else {
		ck_assert_int_eq(pipe(fd), 0);
		ck_assert_int_ge(fcntl(fd[1], F_SETPIPE_SZ, 4096), 0);
	}
	ck_assert_int_eq(dup2(fd[1], STDOUT_FILENO), STDOUT_FILENO);
	close(fd[1]);
	return fd[0];
}

enum { ALL = BATCHES * BATCH * 512 };

static void
read_some(int fd, char *text, size_t *len, size_t most)
{
	ck_assert_uint_lt(*len + most, ALL); /* else something comes again and again */
	ssize_t n = read(fd, text + *len, most);
	ck_assert_int_gt(n, 0);
	*len += (size_t)n;
}

/* Everything that is there until nothing more comes. */
static size_t
read_rest(int fd, char *text, size_t len)
{
	while (poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, 0) > 0) {
		read_some(fd, text, &len, 4096);
		sink->ops->turn(sink);
	}
	text[len] = '\0';
	return len;
}

static void
expect_whole(char *text, size_t len, unsigned wanted)
{
	FILE *file = fmemopen(text, len, "r");
	ck_assert_ptr_nonnull(file);
	expect_whole_records(file, wanted);
	fclose(file);
}

/* Nothing here waits: the test would hang. */
START_TEST(sleeping_reader_is_told_and_gets_every_record_once_when_it_wakes)
{
	static char text[ALL];
	size_t len = 0;
	int fd = redirect_to_reader(_i);
	open_sink();
	for (unsigned batch = 0; batch < 3; batch++) {
		ck_assert_int_eq(submit(0, batch), LTS_AGAIN);
		ck_assert_int_eq(submit(0, batch), LTS_AGAIN);
		ck_assert(strstr(why.data, "nobody reads"));
		ck_assert_int_ge(sink->ops->fd(sink), 0);
		while (submit(0, batch) == LTS_AGAIN)
			read_some(fd, text, &len, 4096);
	}
	ck_assert_int_eq(sink->ops->fd(sink), -1);
	expect_whole(text, read_rest(fd, text, len), 3 * BATCH);
	ck_assert_int_eq(fcntl(STDOUT_FILENO, F_GETFL) & O_NONBLOCK, 0); /* others have it, too */
}
END_TEST

START_TEST(batch_that_is_taken_away_leaves_whole_records_and_the_turn_to_others)
{
	static char text[ALL];
	size_t len = 0;
	struct sink_stream *other;
	struct shard_id shard = shard_of("8");
	int fd = redirect_to_reader(_i);
	open_sink();
	ck_assert_int_eq(sink->ops->open(sink, &shard, (struct sink_position){ 0 }, &other, &why),
			 LTS_OK);
	ck_assert_int_eq(submit(0, 0), LTS_AGAIN);
	static const char text_of_other[] = "{\"writer\":1,\"n\":0,\"pad\":\"\"}";
	struct record record = { text_of_other, sizeof(text_of_other) - 1 };
	ck_assert_int_eq(sink->ops->submit(other, &record, 1, &why), LTS_AGAIN);
	sink->ops->give_up(stream);
	enum lts_err err;
	while ((err = sink->ops->submit(other, &record, 1, &why)) == LTS_AGAIN)
		read_some(fd, text, &len, 4096);
	ck_assert_int_eq(err, LTS_OK);
	len = read_rest(fd, text, len);
	FILE *file = fmemopen(text, len, "r");
	char line[1024];
	unsigned lines = 0, ours = 0;
	for (; fgets(line, sizeof(line), file); lines++) {
		ck_assert_msg(strcmp(line + strlen(line) - 3, "\"}\n") == 0, "torn: %s", line);
		ours += strstr(line, "\"writer\":1,") != NULL;
	}
	fclose(file);
	ck_assert_uint_eq(ours, 1);
	ck_assert_uint_lt(lines, BATCH); /* the rest of it did not go */
	sink->ops->close(&other);
}
END_TEST

/* Without a batch, too: the one that was begun may be the last. */
START_TEST(record_that_was_begun_is_completed_in_a_turn)
{
	static char text[ALL];
	size_t len = 0;
	int fd = redirect_to_reader(_i);
	open_sink();
	ck_assert_int_eq(submit(0, 0), LTS_AGAIN);
	sink->ops->close(&stream);
	read_some(fd, text, &len, 4096);
	sink->ops->turn(sink);
	len = read_rest(fd, text, len);
	ck_assert_int_eq(sink->ops->fd(sink), -1);
	ck_assert_int_eq(text[len - 1], '\n');
}
END_TEST

START_TEST(worker_does_not_wait_for_anothers_turn)
{
	int fd = redirect_to_reader(PIPE), go[2];
	char mark;
	ck_assert_int_eq(pipe(go), 0);
	open_sink();
	pid_t other = fork();
	if (other == 0) {
		char *path = tmpdir_path(dir, "lock");
		struct sink_config config = { .spec = "stdout", .instance = "abc" };
		config.lock_fd = open(path, O_RDWR);
		struct shard_id shard = shard_of("7");
		if (sink_create(&config, &sink, &why) ||
		    sink->ops->open(sink, &shard, (struct sink_position){ 0 }, &stream, &why) ||
		    submit(1, 0) != LTS_AGAIN || write(go[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	ck_assert_int_eq(read(go[0], &mark, 1), 1);
	ck_assert_int_eq(submit(0, 0), LTS_AGAIN);
	ck_assert(strstr(why.data, "other workers"));
	ck_assert_int_lt(sink->ops->turn_ms(sink), INT64_MAX);
	kill(other, SIGKILL);
	ck_assert_int_eq(waitpid(other, NULL, 0), other);
	ck_assert_int_eq(submit(0, 0), LTS_AGAIN); /* ours by now: the pipe is full */
	ck_assert_int_ge(sink->ops->fd(sink), 0);
	close(fd);
}
END_TEST

START_TEST(nobody_reading_is_told_as_such)
{
	int fd[2];
	ck_assert_int_eq(pipe(fd), 0);
	sigaction(SIGPIPE, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
	dup2(fd[1], STDOUT_FILENO);
	close(fd[0]);
	close(fd[1]);
	open_sink();
	ck_assert_int_eq(submit(0, 0), LTS_CLOSED);
}
END_TEST

START_TEST(standard_output_has_no_position)
{
	struct sink_position position = { 7, 7 };
	redirect_to_file(0);
	open_sink();
	ck_assert_int_eq(submit(0, 0), LTS_OK);
	ck_assert_int_eq(sink->ops->flush(stream, true, &position), LTS_OK);
	ck_assert_uint_eq(position.segment + position.offset, 0);
	ck_assert_int_eq(sink->ops->committed(stream), LTS_OK);
}
END_TEST

Suite *
suite_sink_stdout(void)
{
	Suite *suite = suite_create("sink_stdout");
	TCase *tc = tcase_create("standard output");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, records_of_several_workers_on_one_pipe_are_whole);
	tcase_add_loop_test(tc, full_disk_leaves_no_torn_record_in_a_file, 0, 2);
	tcase_add_loop_test(tc, sleeping_reader_is_told_and_gets_every_record_once_when_it_wakes,
			    0, KINDS);
	tcase_add_loop_test(tc,
			    batch_that_is_taken_away_leaves_whole_records_and_the_turn_to_others,
			    0, KINDS);
	tcase_add_loop_test(tc, record_that_was_begun_is_completed_in_a_turn, 0, KINDS);
	tcase_add_test(tc, worker_does_not_wait_for_anothers_turn);
	tcase_add_test(tc, nobody_reading_is_told_as_such);
	tcase_add_test(tc, standard_output_has_no_position);
	suite_add_tcase(suite, tc);
	return suite;
}
