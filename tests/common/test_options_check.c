/*
 * test_options_check.c - holds common/options_check.c, options.c and options_help.c:
 * options as a whole.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/suites.h"
#include "tests/support/options_attempt.h"

START_TEST(everything_missing_is_named_at_once)
{
	options_attempt_begin();
	attempt_args("--region", "r", "--stream_id", "s", NULL);
	options_attempt_refused("option 'project_id', 'group_id', 'consumer_group_name', "
				"'start_time': required, and not given "
				"by command line, environment or configuration file");
	attempt_end();
}
END_TEST

START_TEST(help_and_version_miss_nothing)
{
	options_attempt_begin();
	attempt_args("--help", NULL);
	attempt_succeeds();
	ck_assert(attempt.options.help);
	attempt_end();
	options_attempt_begin();
	attempt_args("--version", "--config", "/nonexistent", NULL);
	attempt_succeeds();
	ck_assert(attempt.options.version);
	attempt_end();
	options_attempt_begin();
	attempt_args("-h", NULL);
	attempt_succeeds();
	ck_assert(attempt.options.help);
	attempt_end();
}
END_TEST

START_TEST(region_is_read_from_the_endpoint_or_required)
{
	options_attempt_begin();
	attempt_args("--project_id", "p", "--group_id", "g", "--stream_id", "s",
		     "--consumer_group_name", "c", "--start_time", "end", "--endpoint",
		     "LTS-access.cn-south-1.myhuaweicloud.com", NULL);
	attempt_succeeds();
	ck_assert_str_eq(attempt.options.region, "cn-south-1");
	attempt_arg("--endpoint=https://lts.example.com");
	options_fini(&attempt.options);
	options_init(&attempt.options);
	ck_assert_int_eq(attempt_load(), LTS_INVALID);
	ck_assert_ptr_eq(strstr(attempt.error.data,
				"option 'region': required: it is part of every signature"),
			 attempt.error.data);
	attempt_end();

	options_attempt_begin();
	attempt_args("--project_id", "p", "--group_id", "g", "--stream_id", "s",
		     "--consumer_group_name", "c", "--start_time", "end", NULL);
	options_attempt_refused("option 'endpoint' or 'region': one of them is required");
	attempt_end();
}
END_TEST

START_TEST(start_after_end_is_refused)
{
	options_attempt_begin();
	attempt_required();
	attempt_args("--start_time", "1767322801", "--end_time", "1767322800000", NULL);
	options_attempt_refused(
		"option 'start_time': 2026-01-02T03:00:01.000000000Z is after end_time, "
		"2026-01-02T03:00:00.000000000Z");
	attempt_end();
	options_attempt_begin();
	attempt_required();
	attempt_args("--start_time", "1767322800", "--end_time", "1767322800000", NULL);
	attempt_succeeds();
	attempt_end();
	options_attempt_begin();
	attempt_required();
	attempt_args("--start_time", "1767322800", "--end_time", "0", NULL);
	attempt_succeeds();
	attempt_end();
}
END_TEST

START_TEST(heartbeats_must_fit_six_times_into_their_timeout)
{
	options_attempt_begin();
	attempt_required();
	attempt_args("--heartbeat_interval", "10s", "--heartbeat_timeout", "60s", NULL);
	options_attempt_refused("option 'heartbeat_interval': 10s: must be below a sixth of "
				"heartbeat_timeout, which is 1m");
	attempt_end();
	options_attempt_begin();
	attempt_required();
	attempt_args("--heartbeat_interval", "9999ms", NULL);
	attempt_succeeds();
	attempt_end();
}
END_TEST

/* --- handing on, help --- */

START_TEST(export_comes_back_the_same_without_secrets)
{
	struct options back;
	struct buf text, again, error;

	options_attempt_begin();
	attempt_required();
	attempt_args("--ak", "AKVALUE", "--sk", "SKVALUE", "--security_token", "TVALUE",
		     "--start_time", "1", "--end_time", "end", "--sink", "file:/x y=z",
		     "--rotate_bytes", "off", "--is_test", "--log_level", "warn",
		     "--process_timeout", "90s", "--endpoint", "localhost:1", "--check_config",
		     NULL);
	attempt_succeeds();
	buf_init(&text, 0);
	buf_init(&again, 0);
	buf_init(&error, 0);
	ck_assert_int_eq(options_export(&attempt.options, &text), LTS_OK);
	ck_assert_ptr_null(strstr(text.data, "VALUE"));
	ck_assert_ptr_null(strstr(text.data, "check_config"));
	options_init(&back);
	ck_assert_int_eq(options_import(&back, text.data, &error), LTS_OK);
	ck_assert_int_eq(options_export(&back, &again), LTS_OK);
	ck_assert_str_eq(again.data, text.data);
	ck_assert_int_eq(back.start_time.ns, 1000000000);
	ck_assert_int_eq(back.end_time.kind, TIME_END);
	ck_assert_int_eq(back.rotate_bytes, 0);
	ck_assert_str_eq(back.sink, "file:/x y=z");
	ck_assert_ptr_null(back.sk);
	ck_assert(back.is_test);

	ck_assert_int_eq(options_import(&back, "sink=null\nnone=1\n", &error), LTS_INVALID);
	ck_assert_int_eq(options_import(&back, "sk=x", &error), LTS_INVALID);
	ck_assert_int_eq(options_import(&back, "sink", &error), LTS_INVALID);
	ck_assert_int_eq(options_import(&back, "consumer_count=0", &error), LTS_INVALID);
	ck_assert_str_eq(error.data, "option 'consumer_count': '0' handed on: must be 1 to 256");
	options_fini(&back);
	buf_fini(&text);
	buf_fini(&again);
	buf_fini(&error);
	attempt_end();
}
END_TEST

static char *
printed(void (*print)(FILE *out))
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	print(out);
	fclose(out);
	return text;
}

START_TEST(help_has_every_option_in_80_columns)
{
	char *text = printed(options_print_help), *table = printed(options_print_table);
	char name[64];

	for (unsigned i = 0; i < options_table_count; i++) {
		(void)snprintf(name, sizeof(name), "\n  --%s", options_table[i].name);
		ck_assert_msg(strstr(text, name) != NULL, "%s", name);
		(void)snprintf(name, sizeof(name), "\n| %s | ", options_table[i].name);
		ck_assert_msg(strstr(table, name) != NULL, "%s", name);
	}
	for (const char *line = text; *line; line += strcspn(line, "\n") + 1) {
		size_t len = strcspn(line, "\n");
		ck_assert_msg(len <= 80, "%.*s", (int)len, line);
		ck_assert_msg(len == 0 || line[len - 1] != ' ', "%.*s|", (int)len, line);
	}
	ck_assert_ptr_nonnull(strstr(text, "(default 1000;"));
	ck_assert_ptr_nonnull(strstr(table, "| consume_batch_size | 1000 |"));
	free(text);
	free(table);
}
END_TEST

Suite *
suite_options_check(void)
{
	Suite *suite = suite_create("options_check");
	TCase *whole = tcase_create("whole");

	tcase_add_test(whole, everything_missing_is_named_at_once);
	tcase_add_test(whole, help_and_version_miss_nothing);
	tcase_add_test(whole, region_is_read_from_the_endpoint_or_required);
	tcase_add_test(whole, start_after_end_is_refused);
	tcase_add_test(whole, heartbeats_must_fit_six_times_into_their_timeout);
	tcase_add_test(whole, export_comes_back_the_same_without_secrets);
	tcase_add_test(whole, help_has_every_option_in_80_columns);
	suite_add_tcase(suite, whole);
	return suite;
}
