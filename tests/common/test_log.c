/*
 * test_log.c - holds common/log.c and common/log_line.c to what their headers say.
 *
 * A full pipe stands for the terminal that nobody reads. Files go to a fresh directory
 * under /tmp.
 */
#include <cjson/cJSON.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/log.h"
#include "common/log_line.h"
#include "tests/suites.h"

static char line_text[LOG_LINE_MAX + 1];

/* One rendered line, NUL-terminated, in line_text. */
static const char *
render(enum log_format format, const char *event, const struct log_field *fields, unsigned count)
{
	const struct log_line line = {
		.format = format,
		.level = LOG_LEVEL_INFO,
		.who = "worker-0",
		.event = event,
		.wall_ns = 1767322800123456789,
		.fields = fields,
		.count = count,
	};
	size_t len = log_line_render(&line, line_text);

	ck_assert_uint_le(len, LOG_LINE_MAX);
	ck_assert_int_eq(line_text[len - 1], '\n');
	line_text[len] = '\0';
	return line_text;
}

static const char *
render_value(enum log_format format, const char *value)
{
	const struct log_field fields[] = { LOG_TEXT("v", value) };

	return render(format, "x", fields, 1);
}

static size_t
drain(int fd, char *out, size_t size)
{
	size_t len = 0;
	ssize_t n;

	while ((n = recv(fd, out + len, size - len - 1, MSG_DONTWAIT)) > 0 ||
	       (n < 0 && errno == ENOTSOCK && (n = read(fd, out + len, size - len - 1)) > 0))
		len += (size_t)n;
	out[len] = '\0';
	return len;
}

static void
open_pipe(int ends[2])
{
	const struct sigaction ignore = { .sa_handler = SIG_IGN };

	ck_assert_int_eq(sigaction(SIGPIPE, &ignore, NULL), 0);
	ck_assert_int_eq(pipe(ends), 0);
	ck_assert_int_eq(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
	ck_assert_int_ge(fcntl(ends[1], F_SETPIPE_SZ, 4096), 4096);
}

START_TEST(logfmt_line_has_time_level_who_event_then_fields)
{
	const struct log_field fields[] = {
		{ .key = 0 },
		LOG_TEXT("shard", "7"),
		LOG_TEXT("left_out", NULL),
		LOG_INT("a", INT64_MIN),
		LOG_UINT("b", UINT64_MAX),
		LOG_TEXT("empty", ""),
	};

	ck_assert_str_eq(render(LOG_FORMAT_LOGFMT, "shard granted", fields, 6),
			 "ts=2026-01-02T03:00:00.123Z level=info who=worker-0 msg=\"shard "
			 "granted\" "
			 "shard=7 a=-9223372036854775808 b=18446744073709551615 empty=\"\"\n");
	ck_assert_str_eq(render(LOG_FORMAT_LOGFMT, "start", NULL, 0),
			 "ts=2026-01-02T03:00:00.123Z level=info who=worker-0 msg=start\n");
}
END_TEST

START_TEST(json_line_has_the_same_keys)
{
	const struct log_field fields[] = { LOG_TEXT("shard", "7"), LOG_INT("n", -3) };

	ck_assert_str_eq(render(LOG_FORMAT_JSON, "start", fields, 2),
			 "{\"ts\":\"2026-01-02T03:00:00.123Z\",\"level\":\"info\","
			 "\"who\":\"worker-0\","
			 "\"msg\":\"start\",\"shard\":\"7\",\"n\":-3}\n");
}
END_TEST

START_TEST(values_are_quoted_only_where_needed)
{
	static const struct {
		const char *value, *text;
	} cases[] = {
		{ "plain/path:80,x", "v=plain/path:80,x\n" },
		{ "two words", "v=\"two words\"\n" },
		{ "a=b", "v=\"a=b\"\n" },
		{ "say \"hi\" \\", "v=\"say \\\"hi\\\" \\\\\"\n" },
		{ "l1\nl2\r\t", "v=\"l1\\nl2\\r\\t\"\n" },
		{ "\x1b[31m\x7f", "v=\"\\u001b[31m\\u007f\"\n" },
		{ "日志é😀", "v=日志é😀\n" },
		{ "\xff", "v=\"\\ufffd\"\n" },
		{ "\xc0\xaf", "v=\"\\ufffd\\ufffd\"\n" },            /* overlong */
		{ "\xed\xa0\x80", "v=\"\\ufffd\\ufffd\\ufffd\"\n" }, /* a surrogate */
		{ "\xf4\x90\x80\x80x", "v=\"\\ufffd\\ufffd\\ufffd\\ufffdx\"\n" },
		{ "\xe6\x97", "v=\"\\ufffd\\ufffd\"\n" }, /* cut short */
		{ "\xc2\x9b", "v=\"\\u009b\"\n" },        /* C1: CSI */
		{ "\xe2\x80\xae", "v=\"\\u202e\"\n" },    /* right-to-left override */
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *line = render_value(LOG_FORMAT_LOGFMT, cases[i].value);
		const char *at = strstr(line, " v=");

		ck_assert_ptr_nonnull(at);
		ck_assert_str_eq(at + 1, cases[i].text);
	}
}
END_TEST

START_TEST(json_is_valid_whatever_the_bytes)
{
	unsigned seed = 20260102;
	char value[6000], key[8];

	for (int round = 0; round < 3000; round++) {
		size_t len = (size_t)rand_r(&seed) % (round % 10 ? 60 : sizeof(value));
		for (size_t i = 0; i < len; i++)
			value[i] = (char)(1 + rand_r(&seed) % 255);
		value[len] = '\0';
		for (size_t i = 0; i < sizeof(key) - 1; i++)
			key[i] = (char)(1 + rand_r(&seed) % 255);
		key[7] = '\0';
		const struct log_field fields[] = { LOG_TEXT(key, value), LOG_TEXT("b", value),
						    LOG_UINT("n", 5), LOG_TEXT("c", value) };
		const char *text = render(LOG_FORMAT_JSON, value, fields, 4);
		const char *end = NULL;
		cJSON *json = cJSON_ParseWithOpts(text, &end, 0);

		ck_assert_msg(json != NULL, "not JSON: %s", text);
		ck_assert_str_eq(end, "\n");
		ck_assert_ptr_eq(strpbrk(text, "\r\t\x1b\x7f"), NULL);
		cJSON_Delete(json);
		(void)render(LOG_FORMAT_LOGFMT, value, fields, 4);
		ck_assert_ptr_eq(strchr(line_text, '\n'), line_text + strlen(line_text) - 1);
	}
}
END_TEST

START_TEST(json_value_comes_back_as_it_was)
{
	const char *value = "\"\\/\b\f\n\r\t\x01 日志 \x7f";
	cJSON *json = cJSON_Parse(render_value(LOG_FORMAT_JSON, value));

	ck_assert_ptr_nonnull(json);
	ck_assert_str_eq(cJSON_GetStringValue(cJSON_GetObjectItem(json, "v")), value);
	cJSON_Delete(json);
}
END_TEST

START_TEST(long_value_is_cut_and_later_fields_stay)
{
	static char big[10000];
	memset(big, 'y', sizeof(big) - 1);
	const struct log_field fields[] = { LOG_TEXT("text", big),
					    LOG_TEXT("next", "retry in 3s"), LOG_INT("n", 42) };

	render(LOG_FORMAT_LOGFMT, "x", fields, 3);
	ck_assert_ptr_nonnull(strstr(line_text, "yyy... next=\"retry in 3s\" n=42\n"));
	ck_assert_uint_gt(strlen(line_text), 3900);
	render(LOG_FORMAT_JSON, "x", fields, 3);
	ck_assert_ptr_nonnull(strstr(line_text, "yyy...\",\"next\":\"retry in 3s\",\"n\":42}\n"));
}
END_TEST

START_TEST(cut_never_splits_a_character)
{
	static char big[9001];
	for (size_t i = 0; i + 3 < sizeof(big); i += 3)
		memcpy(big + i, "日", 3);
	for (size_t shift = 0; shift < 3; shift++) {
		big[0] = 'a';
		big[1] = 'b';
		big[2] = 'c';
		const char *line = render_value(LOG_FORMAT_LOGFMT, big + shift);
		ck_assert_ptr_nonnull(strstr(line, "日...\n"));
	}
}
END_TEST

START_TEST(full_pipe_drops_and_the_count_follows)
{
	static char text[65536];
	int ends[2];
	struct log *log = log_create("supervisor");

	open_pipe(ends);
	log_add_fd(log, ends[1], LOG_LEVEL_DEBUG, LOG_FORMAT_LOGFMT);
	for (int i = 0; i < 500; i++)
		log_info(log, "line", LOG_INT("i", i));
	uint64_t dropped = log_dropped(log);
	ck_assert_uint_gt(dropped, 0);
	size_t len = drain(ends[0], text, sizeof(text));
	ck_assert_int_eq(text[len - 1], '\n');
	ck_assert_ptr_null(strstr(text, "dropped="));

	char expected[64];
	(void)snprintf(expected, sizeof(expected), " msg=again dropped=%u n=1\n",
		       (unsigned)dropped);
	log_info(log, "again", LOG_INT("n", 1));
	log_info(log, "after");
	drain(ends[0], text, sizeof(text));
	ck_assert_ptr_nonnull(strstr(text, expected));
	ck_assert_ptr_null(strstr(strstr(text, "msg=after"), "dropped="));
	ck_assert_uint_eq(log_dropped(log), dropped);
	log_destroy(&log);
	ck_assert_ptr_null(log);
}
END_TEST

START_TEST(inherited_pipe_stays_blocking_and_open)
{
	int ends[2];
	struct log *log = log_create("supervisor");

	open_pipe(ends);
	log_add_fd(log, ends[1], LOG_LEVEL_DEBUG, LOG_FORMAT_LOGFMT);
	log_info(log, "x");
	ck_assert_int_eq(fcntl(ends[1], F_GETFL) & O_NONBLOCK, 0);
	log_destroy(&log);
	ck_assert_int_ge(fcntl(ends[1], F_GETFD), 0);
	ck_assert_int_eq((int)write(ends[1], "y", 1), 1);
}
END_TEST

START_TEST(reader_that_went_away_is_a_drop)
{
	int ends[2];
	struct log *log = log_create("supervisor");

	open_pipe(ends);
	log_add_fd(log, ends[1], LOG_LEVEL_DEBUG, LOG_FORMAT_LOGFMT);
	close(ends[0]);
	errno = ENOSPC;
	log_info(log, "x");
	ck_assert_int_eq(errno,
			 ENOSPC); /* a log call between a failure and its use changes nothing */
	ck_assert_uint_eq(log_dropped(log), 1);
	log_destroy(&log);

	log = log_create("supervisor"); /* opening it anew fails now: polled */
	log_add_fd(log, ends[1], LOG_LEVEL_DEBUG, LOG_FORMAT_LOGFMT);
	log_info(log, "x");
	ck_assert_uint_eq(log_dropped(log), 1);
	log_destroy(&log);
}
END_TEST

START_TEST(full_socket_drops_and_recovers)
{
	static char text[1 << 20];
	int ends[2];
	struct log *log = log_create("supervisor");

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	log_add_fd(log, ends[1], LOG_LEVEL_DEBUG, LOG_FORMAT_JSON);
	for (int i = 0; i < 20000 && !log_dropped(log); i++)
		log_info(log, "line");
	ck_assert_uint_gt(log_dropped(log), 0);
	drain(ends[0], text, sizeof(text));
	log_info(log, "again");
	drain(ends[0], text, sizeof(text));
	ck_assert_ptr_nonnull(strstr(text, "\"dropped\":"));
	log_destroy(&log);
}
END_TEST

START_TEST(levels_below_the_least_stay_out)
{
	static char text[8192];
	int first[2], second[2];
	struct log *log = log_create("supervisor");

	open_pipe(first);
	open_pipe(second);
	log_add_fd(log, first[1], LOG_LEVEL_WARN, LOG_FORMAT_LOGFMT);
	log_add_fd(log, second[1], LOG_LEVEL_DEBUG, LOG_FORMAT_JSON);
	log_debug(log, "d");
	log_warn(log, "w");
	log_error(log, "e");
	drain(first[0], text, sizeof(text));
	ck_assert_ptr_null(strstr(text, "msg=d"));
	ck_assert_ptr_nonnull(strstr(text, "level=warn who=supervisor msg=w"));
	ck_assert_ptr_nonnull(strstr(text, "level=error who=supervisor msg=e"));
	drain(second[0], text, sizeof(text));
	ck_assert_ptr_nonnull(
		strstr(text, "\"level\":\"debug\",\"who\":\"supervisor\",\"msg\":\"d\""));

	log_set_level(log, LOG_LEVEL_ERROR); /* of the first only */
	log_warn(log, "later");
	ck_assert_uint_eq(drain(first[0], text, sizeof(text)), 0);
	ck_assert_uint_gt(drain(second[0], text, sizeof(text)), 0);
	log_destroy(&log);
}
END_TEST

static size_t
file_size(const char *path)
{
	struct stat st;

	return stat(path, &st) < 0 ? 0 : (size_t)st.st_size;
}

START_TEST(reopen_follows_the_name_or_keeps_the_old_file)
{
	char dir[] = "/tmp/lts-log-XXXXXX", path[64], moved[64];
	struct log *log = log_create("supervisor");
	struct stat st;

	ck_assert_ptr_nonnull(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/log", dir);
	(void)snprintf(moved, sizeof(moved), "%s/log.1", dir);
	ck_assert_int_eq(log_add_file(log, path, LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT), LTS_OK);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_mode & 0777, 0600);
	log_info(log, "one");
	ck_assert_int_eq(rename(path, moved), 0);
	log_reopen(log);
	size_t before = file_size(moved);
	log_info(log, "two");
	ck_assert_uint_eq(file_size(moved), before);
	ck_assert_uint_gt(file_size(path), 0);

	ck_assert_int_eq(rename(path, moved), 0);
	ck_assert_int_eq(mkdir(path, 0700), 0); /* a directory cannot be opened for writing */
	before = file_size(moved);
	log_reopen(log);
	ck_assert_uint_gt(file_size(moved), before); /* says so */
	before = file_size(moved);
	log_info(log, "three");
	ck_assert_uint_gt(file_size(moved), before);
	ck_assert_uint_eq(log_dropped(log), 0);
	log_destroy(&log);
	ck_assert_int_eq(rmdir(path), 0);
	ck_assert_int_eq(unlink(moved), 0);
	ck_assert_int_eq(rmdir(dir), 0);
}
END_TEST

START_TEST(file_that_was_handed_over_gives_way_to_the_next)
{
	char text[1000];
	int first[2], second[2];
	struct log *log = log_create("w");

	open_pipe(first);
	open_pipe(second);
	ck_assert_int_eq(log_hand_again(log, second[1]), LTS_NOTFOUND);
	ck_assert_int_eq(log_add_handed(log, first[1], LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT), LTS_OK);
	log_info(log, "one");
	log_reopen(log);
	ck_assert_int_eq(log_hand_again(log, second[1]), LTS_OK);
	log_info(log, "two");
	drain(first[0], text, sizeof(text));
	ck_assert(strstr(text, "one") && !strstr(text, "two"));
	drain(second[0], text, sizeof(text));
	ck_assert(strstr(text, "two") && !strstr(text, "one"));
	log_destroy(&log);
	for (int i = 0; i < 2; i++) {
		close(first[i]);
		close(second[i]);
	}
}
END_TEST

START_TEST(file_that_cannot_be_opened_is_an_error)
{
	struct log *log = log_create("supervisor");

	ck_assert_int_eq(log_add_file(log, "/nonexistent/x", LOG_LEVEL_INFO, LOG_FORMAT_JSON),
			 LTS_SYS);
	ck_assert_int_eq(errno, ENOENT);
	log_error(log, "nowhere to go");
	log_destroy(&log);
}
END_TEST

START_TEST(disk_full_is_a_drop)
{
	struct log *log = log_create("supervisor");
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	log_add_fd(log, fd, LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT);
	log_info(log, "x");
	log_info(log, "y");
	ck_assert_uint_eq(log_dropped(log), 2);
	log_destroy(&log);
}
END_TEST

START_TEST(held_back_lines_are_told_with_the_next)
{
	const struct log_line line = { .event = "storm", .who = "w", .held_back = 7 };
	size_t len = log_line_render(&line, line_text);
	line_text[len] = '\0';
	ck_assert_ptr_nonnull(strstr(line_text, " msg=storm held_back=7\n"));
	ck_assert_ptr_null(strstr(line_text, "dropped"));
}
END_TEST

static const struct {
	enum log_level level;
	const char *priority;
} priorities[] = { { LOG_LEVEL_DEBUG, "<7>ts=" },
		   { LOG_LEVEL_INFO, "<6>ts=" },
		   { LOG_LEVEL_WARN, "<4>ts=" },
		   { LOG_LEVEL_ERROR, "<3>ts=" } };

START_TEST(journal_is_given_priorities)
{
	int fds[2];
	char text[512] = "", stream[64];
	struct stat st;
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	ck_assert_int_eq(fstat(fds[1], &st), 0);
	snprintf(stream, sizeof(stream), "%lu:%lu", (unsigned long)st.st_dev,
		 (unsigned long)st.st_ino + (_i >= 4));
	setenv("JOURNAL_STREAM", stream, 1);
	struct log *log = log_create("supervisor");
	log_add_fd(log, fds[1], LOG_LEVEL_DEBUG, LOG_FORMAT_LOGFMT);
	log_at(log, priorities[_i % 4].level, "x");
	drain(fds[0], text, sizeof(text));
	/* A stream that is somebody else's is none. */
	ck_assert_ptr_eq(strstr(text, priorities[_i % 4].priority + (_i >= 4 ? 3 : 0)), text);
	log_destroy(&log);
	close(fds[0]);
	close(fds[1]);
}
END_TEST

Suite *
suite_log(void)
{
	Suite *suite = suite_create("log");
	TCase *line = tcase_create("line"), *way = tcase_create("way");

	tcase_add_test(line, logfmt_line_has_time_level_who_event_then_fields);
	tcase_add_test(line, json_line_has_the_same_keys);
	tcase_add_test(line, values_are_quoted_only_where_needed);
	tcase_add_test(line, json_is_valid_whatever_the_bytes);
	tcase_add_test(line, json_value_comes_back_as_it_was);
	tcase_add_test(line, long_value_is_cut_and_later_fields_stay);
	tcase_add_test(line, cut_never_splits_a_character);
	tcase_add_test(way, full_pipe_drops_and_the_count_follows);
	tcase_add_test(way, inherited_pipe_stays_blocking_and_open);
	tcase_add_test(way, reader_that_went_away_is_a_drop);
	tcase_add_test(way, full_socket_drops_and_recovers);
	tcase_add_test(way, levels_below_the_least_stay_out);
	tcase_add_test(way, reopen_follows_the_name_or_keeps_the_old_file);
	tcase_add_test(way, file_that_was_handed_over_gives_way_to_the_next);
	tcase_add_test(way, file_that_cannot_be_opened_is_an_error);
	tcase_add_test(way, disk_full_is_a_drop);
	tcase_add_test(line, held_back_lines_are_told_with_the_next);
	tcase_add_loop_test(way, journal_is_given_priorities, 0, 8);
	suite_add_tcase(suite, line);
	suite_add_tcase(suite, way);
	return suite;
}
