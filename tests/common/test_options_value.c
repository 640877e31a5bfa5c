/*
 * test_options_value.c - holds common/options_set.c, options_value.c, options_time.c and
 * endpoint.c: values.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"
#include "tests/suites.h"
#include "tests/support/options_attempt.h"

static void
assert_value(const char *name, const char *value, const char *rendered)
{
	struct buf text;

	buf_init(&text, 0);
	ck_assert_msg(attempt_with(name, value) == LTS_OK, "%s", attempt.error.data);
	bool set = option_render(&attempt.options, option_find(name, strlen(name)), &text);
	ck_assert_int_eq(set, rendered != NULL);
	if (rendered)
		ck_assert_str_eq(text.data, rendered);
	buf_fini(&text);
	attempt_end();
}

static void
assert_value_refused(const char *name, const char *value, const char *why)
{
	char *line = xasprintf("option '%s': '%s' from the command line: %s", name, value, why);

	ck_assert_msg(attempt_with(name, value) == LTS_INVALID, "%s=%s was taken", name, value);
	ck_assert_str_eq(attempt.error.data, line);
	free(line);
	attempt_end();
}

START_TEST(times_are_read_by_size)
{
	static const char year_2026[] = "2026-01-02T03:00:00.000000000Z";

	assert_value("start_time", "1767322800", year_2026);
	assert_value("start_time", "1767322800000", year_2026);
	assert_value("start_time", "1767322800000000", year_2026);
	assert_value("start_time", "1767322800000000000", year_2026);
	assert_value("start_time", "1767322800123456789", "2026-01-02T03:00:00.123456789Z");
	assert_value("start_time", "0", "1970-01-01T00:00:00.000000000Z");
	assert_value("start_time", "1", "1970-01-01T00:00:01.000000000Z");
	assert_value("start_time", "100000000000", "1973-03-03T09:46:40.000000000Z");
}
END_TEST

START_TEST(times_as_people_write_them)
{
	assert_value("start_time", "BEGIN", "begin");
	assert_value("start_time", "End", "end");
	assert_value("end_time", "end", "end");
	assert_value("end_time", "0", NULL);
	assert_value("end_time", "None", NULL);
	assert_value("start_time", "2026-01-02T03:00:00Z", "2026-01-02T03:00:00.000000000Z");
	assert_value("start_time", "2026-01-02t03:00:00.5z", "2026-01-02T03:00:00.500000000Z");
	assert_value("start_time", "2026-01-02 11:00:00.123456789+08:00",
		     "2026-01-02T03:00:00.123456789Z");
	assert_value("start_time", "2026-01-01T22:30:00-04:30", "2026-01-02T03:00:00.000000000Z");
	assert_value("start_time", "2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000000000Z");
	assert_value("start_time", "2016-12-31T23:59:60Z", "2016-12-31T23:59:59.000000000Z");
}
END_TEST

START_TEST(times_that_are_none_are_refused)
{
	static const char *const texts[] = {
		"",
		"x",
		"1e9",
		" 1",
		"1 ",
		"1.5",
		"0x10",
		"99999999999",
		"99999999999999999999",
		"9223372036854775808",
		"2026-01-02",
		"2026-01-02T03:00Z",
		"2026-01-02T03:00:00",
		"2026-13-02T03:00:00Z",
		"2026-02-29T03:00:00Z",
		"2026-01-00T03:00:00Z",
		"2026-01-02T24:00:00Z",
		"2026-01-02T03:60:00Z",
		"2026-01-02T03:00:61Z",
		"2026-01-02T03:00:00.Z",
		"2026-01-02T03:00:00+8:00",
		"1969-12-31T23:59:59Z",
		"2300-01-01T00:00:00Z",
		"2026-01-02T03:00:00Zx",
		"none",
		"2026-01-02T03:00:00+24:00",
		"2026-01-02T03:00:00.1234567891Z",
		"2026-01-02T03:00:00+08:60",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		ck_assert_msg(attempt_with("start_time", texts[i]) == LTS_INVALID, "%s was taken",
			      texts[i]);
		attempt_end();
	}
	assert_value_refused("start_time", "-5", "must not be negative");
	assert_value_refused("end_time", "-1", "must not be negative");
	assert_value_refused("end_time", "begin",
			     "must be a time, end or none: nothing is before the begin");
}
END_TEST

START_TEST(durations_and_sizes_have_units)
{
	assert_value("fetch_interval", "250ms", "250ms");
	assert_value("fetch_interval", "2S", "2s");
	assert_value("process_timeout", "300s", "5m");
	assert_value("process_timeout", "1h", "1h");
	assert_value("rotate_interval", "7d", "7d");
	assert_value("rotate_interval", "off", "off");
	assert_value("rotate_bytes", "0", "off");
	assert_value("max_body_bytes", "1048576", "1MiB");
	assert_value("max_body_bytes", "1GB", "1000000000");
	assert_value("max_body_bytes", "1gib", "1GiB");
	assert_value("max_body_bytes", "65537B", "65537");
	assert_value_refused("fetch_interval", "200",
			     "must be a time with its unit, as 200ms, 1s, 5m, 1h, 1ms to 1h");
	assert_value_refused("max_body_bytes", "64M",
			     "must be a size as 1048576, 64MiB, 1GB, 64KiB to 1GiB");
	assert_value_refused("max_body_bytes", "99999999999999TiB",
			     "must be a size as 1048576, 64MiB, 1GB, 64KiB to 1GiB");
}
END_TEST

START_TEST(values_outside_their_range_are_refused)
{
	assert_value("consume_batch_size", "10", "10");
	assert_value("consume_batch_size", "1000", "1000");
	assert_value_refused("consume_batch_size", "5", "must be 10 to 1000");
	assert_value_refused("consume_batch_size", "9", "must be 10 to 1000");
	assert_value_refused("consume_batch_size", "1001", "must be 10 to 1000");
	assert_value_refused("consume_batch_size", "-1", "must be a whole number, 10 to 1000");
	assert_value("consumer_count", "256", "256");
	assert_value_refused("consumer_count", "0", "must be 1 to 256");
	assert_value_refused("consumer_count", "257", "must be 1 to 256");
	assert_value("max_body_bytes", "64KiB", "64KiB");
	assert_value_refused("max_body_bytes", "65535", "must be 64KiB to 1GiB");
	assert_value_refused("memory_budget", "1MB", "must be 1MiB to 64GiB");
	assert_value_refused("rotate_bytes", "1", "must be 1KiB to 1TiB, or off");
	assert_value_refused("shutdown_timeout", "99ms", "must be 100ms to 1h");
}
END_TEST

START_TEST(words_and_truths_are_read_in_any_case)
{
	static const char *const yes[] = { "true", "TRUE", "1", "Yes", "on" };
	static const char *const no[] = { "false", "False", "0", "NO", "oFF" };

	for (unsigned i = 0; i < 5; i++) {
		assert_value("is_test", yes[i], "true");
		assert_value("is_test", no[i], "false");
	}
	assert_value("log_level", "Warning", "warn");
	assert_value("log_level", "CRITICAL", "error");
	assert_value("on_expired", "BEGIN", "begin");
	assert_value("sign_date", "Full", "full");
	assert_value("log_format", "JSON", "json");
	assert_value("log_file", "STDERR", NULL);
	assert_value("ca_file", "system", NULL);
	assert_value_refused("log_level", "loud", "must be one of debug, info, warn, error");
	assert_value_refused("is_test", "2", "must be true or false");
}
END_TEST

START_TEST(sink_is_checked_by_form)
{
	assert_value("sink", "STDOUT", "stdout");
	assert_value("sink", "null", "null");
	assert_value("sink", "file:/var/log/lts", "file:/var/log/lts");
	assert_value("sink", "plugin:x.so?a=b", "plugin:x.so?a=b");
	assert_value("sink", "exec:cat >> all", "exec:cat >> all");
	assert_value("sink", "batch:gzip >> out.gz", "batch:gzip >> out.gz");
	const char *const none[] = { "file:", "kafka", "plugin:", "exec:", "batch:" };
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		assert_value_refused("sink", none[i],
				     "must be stdout, null, file:DIR, plugin:FILE.so[?args], "
				     "exec:COMMAND or batch:COMMAND");
}
END_TEST

START_TEST(processing_is_checked_by_word_and_range)
{
	assert_value("checkpoint_mode", "MANUAL", "manual");
	assert_value("on_poison", "stop", "stop");
	assert_value("max_attempts", "1", "1");
	assert_value("deadletter_dir", "/var/dead", "/var/dead");
	assert_value("batch_max_records", "10", "10");
	assert_value("batch_linger", "2s", "2s");
	assert_value("batch_linger", "off", "off");
	assert_value("batch_parallel", "yes", "true");
	assert_value_refused("max_attempts", "0", "must be 1 to 1000");
	assert_value_refused("checkpoint_mode", "x", "must be one of auto, manual");
	assert_value_refused("on_poison", "skip", "must be one of deadletter, stop");
}
END_TEST

START_TEST(names_that_would_change_a_path_are_refused)
{
	assert_value_refused("project_id", "..", "must be letters, digits, '-', '_' and '.'");
	assert_value_refused("group_id", "a/b", "must be letters, digits, '-', '_' and '.'");
	assert_value_refused("stream_id", "", "must not be empty");
	assert_value_refused("consumer_group_name", "..", "must be a name");
	assert_value("consumer_group_name", "消费组 1", "消费组 1");
	ck_assert_int_eq(attempt_with("state_dir", "a\nb"), LTS_INVALID);
	attempt_end();
}
END_TEST

static void
assert_url(const char *endpoint, const char *url)
{
	ck_assert_msg(attempt_with("endpoint", endpoint) == LTS_OK, "%s", attempt.error.data);
	char *found = options_endpoint_url(&attempt.options);
	ck_assert_str_eq(found, url);
	free(found);
	attempt_end();
}

START_TEST(endpoint_becomes_a_url)
{
	assert_url("lts.example.com", "https://lts.example.com:8102");
	assert_url("lts.example.com:443", "https://lts.example.com:443");
	assert_url("https://lts.example.com", "https://lts.example.com:443");
	assert_url("HTTPS://LTS.example.com:8102/", "https://lts.example.com:8102");
	assert_url("http://127.0.0.1:9000", "http://127.0.0.1:9000");
	assert_url("http://127.9.9.9", "http://127.9.9.9:80");
	assert_url("http://localhost:9000/", "http://localhost:9000");
	assert_url("http://[::1]:9000", "http://[::1]:9000");
	assert_url("[2001:db8::1]", "https://[2001:db8::1]:8102");
	options_attempt_begin();
	attempt_required();
	attempt_succeeds();
	char *url = options_endpoint_url(&attempt.options);
	ck_assert_str_eq(url, "https://lts-access.cn-north-4.myhuaweicloud.com:8102");
	free(url);
	attempt_end();
}
END_TEST

START_TEST(endpoint_that_could_mislead_is_refused)
{
	static const char *const texts[] = {
		"http://example.com",
		"http://127.0.0.1.example.com",
		"http://[::2]:80",
		"http://localhost@x",
		"https://user:pw@host",
		"https://host/path",
		"https://host?x",
		"https://host#x",
		"host/",
		"ftp://host",
		"https://",
		"",
		":8102",
		"host:0",
		"host:65536",
		"host:",
		"host:12x",
		"[::1",
		"[x]:80",
		"::1",
		"ho st",
		"a..b",
		"host.",
		".host",
		"-host",
		"https://host:1:2",
		"https://https://host",
		"[::1]x",
		"http://0127.0.0.1",
		"host\\x",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		ck_assert_msg(attempt_with("endpoint", texts[i]) == LTS_INVALID, "%s was taken",
			      texts[i]);
		attempt_end();
	}
}
END_TEST

START_TEST(random_values_never_crash)
{
	static const char letters[] = "0123456789-+:.TZ=/[]@ smhdkKiMBgGfilebndotu\x01\x7f\xff\n";
	struct buf why;
	unsigned seed = 11;
	char value[64];

	options_attempt_begin();
	buf_init(&why, 512);
	for (int round = 0; round < 60000; round++) {
		const struct option_spec *option =
			&options_table[(unsigned)rand_r(&seed) % options_table_count];
		size_t len = (size_t)rand_r(&seed) % sizeof(value);
		for (size_t i = 0; i < len; i++)
			value[i] =
				round % 3 ? letters[(size_t)rand_r(&seed) % (sizeof(letters) - 1)]
					  : (char)rand_r(&seed);
		value[len] = '\0';
		buf_clear(&why);
		if (!option_set(&attempt.options, option, value, &why))
			ck_assert_uint_gt(why.len, 0);
		(void)option_nearest(value);
	}
	buf_fini(&why);
	attempt_end();
}
END_TEST

START_TEST(random_command_lines_and_files_never_crash)
{
	unsigned seed = 12;
	char text[200];

	for (int round = 0; round < 300; round++) {
		options_attempt_begin();
		for (int n = rand_r(&seed) % 5; n > 0; n--) {
			size_t len = (size_t)rand_r(&seed) % 20;
			for (size_t i = 0; i < len; i++)
				text[i] = (char)rand_r(&seed);
			memcpy(text, "--", len > 2 ? 2 : 0);
			text[len] = '\0';
			attempt_arg(text);
		}
		for (size_t i = 0; i + 1 < sizeof(text); i++)
			text[i] = "s=\n [];#\xff\x01ink:"[rand_r(&seed) % 14];
		text[sizeof(text) - 1] = '\0';
		attempt_config(text);
		ck_assert_int_eq(attempt_load(), LTS_INVALID);
		attempt_end();
	}
}
END_TEST

Suite *
suite_options_value(void)
{
	Suite *suite = suite_create("options_value");
	TCase *values = tcase_create("values");

	tcase_add_test(values, times_are_read_by_size);
	tcase_add_test(values, times_as_people_write_them);
	tcase_add_test(values, times_that_are_none_are_refused);
	tcase_add_test(values, durations_and_sizes_have_units);
	tcase_add_test(values, values_outside_their_range_are_refused);
	tcase_add_test(values, words_and_truths_are_read_in_any_case);
	tcase_add_test(values, sink_is_checked_by_form);
	tcase_add_test(values, processing_is_checked_by_word_and_range);
	tcase_add_test(values, names_that_would_change_a_path_are_refused);
	tcase_add_test(values, endpoint_becomes_a_url);
	tcase_add_test(values, endpoint_that_could_mislead_is_refused);
	tcase_add_test(values, random_values_never_crash);
	tcase_add_test(values, random_command_lines_and_files_never_crash);
	suite_add_tcase(suite, values);
	return suite;
}
