/*
 * test_options.c - holds common/options_load.c, options_table.c: sources, secrets.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/xalloc.h"
#include "tests/suites.h"
#include "tests/support/options_attempt.h"

/* --- sources --- */

START_TEST(seed_command_line_works_as_it_stands)
{
	options_attempt_begin();
	attempt_args("--endpoint", "https://lts-access.cn-north-4.myhuaweicloud.com:8102",
		     "--project_id", "0123456789abcdef0123456789abcdef", "--region", "cn-north-4",
		     "--group_id", "g-1", "--stream_id", "s-1", "--ak", "AK", "--sk", "SK",
		     "--consumer_count", "4", "--consume_batch_size", "500",
		     "--consumer_group_name", "group", "--start_time", "1767322800000",
		     "--end_time", "0", "--log_level", "INFO", "--is_test", "True", NULL);
	attempt_succeeds();
	const struct options *o = &attempt.options;
	ck_assert_int_eq(o->start_time.kind, TIME_AT);
	ck_assert_int_eq(o->start_time.ns, 1767322800000000000);
	ck_assert_int_eq(o->end_time.kind, TIME_NONE);
	ck_assert_int_eq(o->consumer_count, 4);
	ck_assert_int_eq(o->consume_batch_size, 500);
	ck_assert_int_eq(o->log_level, LOG_LEVEL_INFO);
	ck_assert(o->is_test);
	ck_assert_str_eq(o->ak, "AK");
	ck_assert_str_eq(o->sk, "SK");
	attempt_end();
}
END_TEST

START_TEST(defaults_are_those_of_the_design)
{
	struct options o;

	options_init(&o);
	ck_assert_int_eq(o.consume_batch_size, 1000);
	ck_assert_int_eq(o.max_body_bytes, 16 << 20);
	ck_assert_int_eq(o.consumer_count, 1);
	ck_assert_str_eq(o.state_dir, "./lts-state.d");
	ck_assert_str_eq(o.sink, "stdout");
	ck_assert_int_eq(options_record_format(&o), RECORD_LABELS);
	ck_assert_int_eq(o.fetch_interval_ms, 200);
	ck_assert_int_eq(o.heartbeat_interval_ms, 1000);
	ck_assert_int_eq(o.heartbeat_timeout_ms, 60000);
	ck_assert_int_eq(o.worker_beat_timeout_ms, 3000);
	ck_assert_int_eq(o.process_timeout_ms, 300000);
	ck_assert_int_eq(o.checkpoint_interval_ms, 200);
	ck_assert_int_eq(o.publish_interval_ms, 5000);
	ck_assert_int_eq(o.shutdown_timeout_ms, 30000);
	ck_assert_int_eq(o.memory_budget_bytes, 64 << 20);
	ck_assert_int_eq(o.on_expired, EXPIRED_STOP);
	ck_assert_int_eq(o.rotate_bytes, 256 << 20);
	ck_assert_int_eq(o.rotate_interval_ms, 0);
	ck_assert_int_eq(o.log_level, LOG_LEVEL_INFO);
	ck_assert_int_eq(o.log_format, LOG_FORMAT_LOGFMT);
	ck_assert_int_eq(o.sign_date, SIGN_DATE_SHORT);
	ck_assert_int_eq(o.end_time.kind, TIME_NONE);
	ck_assert_ptr_null(o.log_file);
	ck_assert_ptr_null(o.ca_file);
	ck_assert(!o.batch_parallel);
	ck_assert(!o.is_test && !o.help && !o.version && o.check_config == CHECK_OFF);
	options_fini(&o);
}
END_TEST

START_TEST(dash_underscore_and_equals_are_the_same)
{
	options_attempt_begin();
	attempt_required();
	attempt_args("--consume-batch-size", "77", "--log-level=DEBUG", "--state_dir=/a=b", NULL);
	attempt_succeeds();
	ck_assert_int_eq(attempt.options.consume_batch_size, 77);
	ck_assert_int_eq(attempt.options.log_level, LOG_LEVEL_DEBUG);
	ck_assert_str_eq(attempt.options.state_dir, "/a=b");
	attempt_end();
}
END_TEST

START_TEST(last_on_the_command_line_wins)
{
	options_attempt_begin();
	attempt_required();
	attempt_args("--consumer_count", "2", "--consumer-count=3", NULL);
	attempt_succeeds();
	ck_assert_int_eq(attempt.options.consumer_count, 3);
	attempt_end();
}
END_TEST

START_TEST(bare_is_test_is_true_and_takes_only_a_truth)
{
	options_attempt_begin();
	attempt_required();
	attempt_args("--is_test", "--consumer_count", "2", NULL);
	attempt_succeeds();
	ck_assert(attempt.options.is_test);
	ck_assert_int_eq(attempt.options.consumer_count, 2);
	attempt_end();

	options_attempt_begin();
	attempt_required();
	attempt_args("--is_test", "off", "--is_test", NULL);
	attempt_succeeds();
	ck_assert(attempt.options.is_test);
	attempt_end();

	options_attempt_begin();
	attempt_required();
	attempt_args("--is_test", "maybe", NULL);
	options_attempt_refused("argument 'maybe': only options are expected, as --name value");
	attempt_end();
}
END_TEST

START_TEST(check_config_stands_alone_or_takes_its_word)
{
	static const struct {
		const char *word, *next;
		enum check_scope scope;
	} given[] = {
		{ "--check_config", "--is_test", CHECK_LOCAL },
		{ "--check_config", "Online", CHECK_ONLINE },
		{ "--check_config=online", "--is_test", CHECK_ONLINE },
		{ "--check_config", "yes", CHECK_LOCAL },
		{ "--check_config=true", "--is_test", CHECK_LOCAL },
		{ "--check_config", "false", CHECK_OFF },
	};
	for (size_t i = 0; i < sizeof(given) / sizeof(given[0]); i++) {
		options_attempt_begin();
		attempt_required();
		attempt_args(given[i].word, given[i].next, NULL);
		attempt_succeeds();
		ck_assert_int_eq(attempt.options.check_config, given[i].scope);
		attempt_end();
	}
	options_attempt_begin();
	attempt_required();
	attempt_args("--check_config", "maybe", NULL);
	options_attempt_refused("argument 'maybe': only options are expected, as --name value");
	attempt_end();
	options_attempt_begin();
	attempt_required();
	attempt_args("--check_config=maybe", NULL);
	options_attempt_refused("option 'check_config': 'maybe' from the command line: must be "
				"one of off, on, online");
	attempt_end();
}
END_TEST

START_TEST(command_line_beats_environment_beats_file)
{
	char count[] = "LTS_CONSUMER_COUNT=3", size[] = "LTS_CONSUME_BATCH_SIZE=30";

	options_attempt_begin();
	attempt_required();
	attempt_args("--consumer_count", "2", NULL);
	attempt_env(count);
	attempt_env(size);
	attempt_config("consumer_count = 4\nconsume_batch_size = 40\nsink = null\n");
	attempt_succeeds();
	ck_assert_int_eq(attempt.options.consumer_count, 2);
	ck_assert_int_eq(attempt.options.consume_batch_size, 30);
	ck_assert_str_eq(attempt.options.sink, "null");
	attempt_end();
}
END_TEST

START_TEST(unknown_and_empty_variables_are_left_alone)
{
	char unknown[] = "LTS_FOO=1", empty[] = "LTS_SINK=", lower[] = "lts_sink=null",
	     help[] = "LTS_HELP=true";
	char odd[] = "LTS_", none[] = "NOEQUALS", sdk[] = "HUAWEICLOUD_SDK_REGION=x";

	options_attempt_begin();
	attempt_required();
	attempt_env(unknown);
	attempt_env(empty);
	attempt_env(lower);
	attempt_env(help);
	attempt_env(odd);
	attempt_env(none);
	attempt_env(sdk);
	attempt_succeeds();
	ck_assert_str_eq(attempt.options.sink, "stdout");
	ck_assert_str_eq(attempt.options.region, "cn-north-4");
	ck_assert(!attempt.options.help);
	ck_assert_ptr_eq(attempt.envp[6], sdk);
	attempt_end();
}
END_TEST

START_TEST(unknown_option_names_the_nearest)
{
	options_attempt_begin();
	attempt_required();
	attempt_args("--consum_batch-sise", "5", NULL);
	options_attempt_refused("option 'consum_batch-sise' from the command line: there is no "
				"such option; did you mean "
				"'consume_batch_size'?");
	attempt_end();

	options_attempt_begin();
	attempt_args("--entirely-else=1", NULL);
	options_attempt_refused(
		"option 'entirely-else' from the command line: there is no such option");
	attempt_end();
}
END_TEST

START_TEST(stray_arguments_and_missing_values_are_refused)
{
	static const char *const strays[] = { "x", "-x", "--", "-", "" };

	for (size_t i = 0; i < sizeof(strays) / sizeof(strays[0]); i++) {
		options_attempt_begin();
		attempt_required();
		attempt_arg(strays[i]);
		ck_assert_int_eq(attempt_load(), LTS_INVALID);
		ck_assert_ptr_nonnull(strstr(attempt.error.data, "only options are expected"));
		attempt_end();
	}
	options_attempt_begin();
	attempt_args("--sink", "--region", "x", NULL);
	options_attempt_refused("option 'sink': from the command line: needs a value");
	attempt_end();
	options_attempt_begin();
	attempt_args("--sink", NULL);
	options_attempt_refused("option 'sink': from the command line: needs a value");
	attempt_end();
}
END_TEST

START_TEST(bad_variable_is_named)
{
	char size[] = "LTS_CONSUME_BATCH_SIZE=5\n";

	options_attempt_begin();
	attempt_required();
	attempt_env(size);
	options_attempt_refused("option 'consume_batch_size': '5?' from LTS_CONSUME_BATCH_SIZE: "
				"must be a whole number, 10 to "
				"1000");
	attempt_end();
}
END_TEST

/* --- secrets --- */

START_TEST(secrets_are_wiped_from_argv)
{
	options_attempt_begin();
	attempt_required();
	attempt_args("--ak", "AKVALUE", "--sk=SKVALUE", "--security-token", "TOKENVALUE", "--sk",
		     "SECOND", NULL);
	char *ak = attempt.argv[14], *sk = attempt.argv[15], *token = attempt.argv[17];
	attempt_succeeds();
	ck_assert_str_eq(attempt.options.ak, "AKVALUE");
	ck_assert_str_eq(attempt.options.sk, "SECOND");
	ck_assert_str_eq(attempt.options.security_token, "TOKENVALUE");
	ck_assert_int_eq(memcmp(ak, "\0\0\0\0\0\0\0", 7), 0);
	ck_assert_int_eq(memcmp(sk, "--sk=\0\0\0\0\0\0\0", 12), 0);
	ck_assert_int_eq(memcmp(token, "\0\0\0\0\0\0\0\0\0\0", 10), 0);
	attempt_end();
}
END_TEST

START_TEST(secrets_are_wiped_also_when_something_is_wrong)
{
	char sk[] = "HUAWEICLOUD_SDK_SK=SKVALUE";

	options_attempt_begin();
	attempt_args("--wrong", "--ak", "AKVALUE", NULL);
	attempt_env(sk);
	ck_assert_int_eq(attempt_load(), LTS_INVALID);
	ck_assert_str_eq(attempt.argv[3], "");
	ck_assert_int_eq(memcmp(sk, "HUAWEICLOUD_SDK_SK=\0\0\0\0\0\0\0", 26), 0);
	ck_assert_ptr_null(strstr(attempt.error.data, "VALUE"));
	attempt_end();
}
END_TEST

START_TEST(secrets_leave_the_environment)
{
	char path[] = "PATH=/bin", ak[] = "LTS_AK=AKVALUE", sk[] = "HUAWEICLOUD_SDK_SK=SKVALUE";
	char region[] = "LTS_REGION=eu-west-101", token[] = "HUAWEICLOUD_SDK_SECURITY_TOKEN=T";
	char ak2[] = "HUAWEICLOUD_SDK_AK=OTHER";

	options_attempt_begin();
	attempt_args("--project_id", "p", "--group_id", "g", "--stream_id", "s",
		     "--consumer_group_name", "c", "--start_time", "end", NULL);
	attempt_env(path);
	attempt_env(ak2);
	attempt_env(ak);
	attempt_env(sk);
	attempt_env(region);
	attempt_env(token);
	setenv("LTS_SK", "x", 1);
	attempt_succeeds();
	ck_assert_ptr_eq(attempt.envp[0], path);
	ck_assert_ptr_eq(attempt.envp[1], region);
	ck_assert_ptr_null(attempt.envp[2]);
	ck_assert_str_eq(attempt.options.ak, "AKVALUE"); /* the program's own variable first */
	ck_assert_str_eq(attempt.options.sk, "SKVALUE");
	ck_assert_str_eq(attempt.options.security_token, "T");
	ck_assert_int_eq(memcmp(ak, "LTS_AK=\0\0\0\0\0\0\0", 14), 0);
	ck_assert_int_eq(memcmp(sk + 19, "\0\0\0\0\0\0\0", 7), 0);
	ck_assert_int_eq(memcmp(ak2 + 19, "\0\0\0\0\0", 5), 0);
	ck_assert_ptr_null(getenv("LTS_SK"));
	attempt_end();
}
END_TEST

START_TEST(token_of_the_sdk_does_not_join_keys_from_elsewhere)
{
	char token[] = "HUAWEICLOUD_SDK_SECURITY_TOKEN=stale";

	options_attempt_begin();
	attempt_required();
	attempt_args("--ak", "A", "--sk", "S", NULL);
	attempt_env(token);
	attempt_succeeds();
	ck_assert_ptr_null(attempt.options.security_token);
	attempt_end();
}
END_TEST

START_TEST(half_of_the_keys_is_refused)
{
	options_attempt_begin();
	attempt_required();
	attempt_args("--ak", "A", NULL);
	options_attempt_refused("option 'sk': required when 'ak' is given");
	attempt_end();
	options_attempt_begin();
	attempt_required();
	attempt_args("--sk", "A", NULL);
	options_attempt_refused("option 'ak': required when 'sk' is given");
	attempt_end();
	options_attempt_begin();
	attempt_required();
	attempt_args("--security_token", "A", NULL);
	options_attempt_refused("option 'ak': required when 'security_token' is given");
	attempt_end();
}
END_TEST

START_TEST(secret_is_never_in_the_message)
{
	options_attempt_begin();
	attempt_required();
	attempt_args("--ak", "A", "--sk", "SECRET VALUE", NULL);
	options_attempt_refused(
		"option 'sk': from the command line: must be printable, without blanks");
	attempt_end();
}
END_TEST

START_TEST(wiped_secrets_read_as_not_given_the_second_time)
{
	options_attempt_begin();
	attempt_required();
	attempt_args("--ak", "A", "--sk=S", NULL);
	attempt_succeeds();
	options_fini(&attempt.options);
	options_init(&attempt.options);
	attempt_succeeds();
	ck_assert_ptr_null(attempt.options.ak);
	ck_assert_ptr_null(attempt.options.sk);
	attempt_end();
}
END_TEST

Suite *
suite_options(void)
{
	Suite *suite = suite_create("options");
	TCase *sources = tcase_create("sources");
	TCase *secrets = tcase_create("secrets");

	tcase_add_test(sources, seed_command_line_works_as_it_stands);
	tcase_add_test(sources, defaults_are_those_of_the_design);
	tcase_add_test(sources, dash_underscore_and_equals_are_the_same);
	tcase_add_test(sources, last_on_the_command_line_wins);
	tcase_add_test(sources, bare_is_test_is_true_and_takes_only_a_truth);
	tcase_add_test(sources, check_config_stands_alone_or_takes_its_word);
	tcase_add_test(sources, command_line_beats_environment_beats_file);
	tcase_add_test(sources, unknown_and_empty_variables_are_left_alone);
	tcase_add_test(sources, unknown_option_names_the_nearest);
	tcase_add_test(sources, stray_arguments_and_missing_values_are_refused);
	tcase_add_test(sources, bad_variable_is_named);
	tcase_add_test(secrets, secrets_are_wiped_from_argv);
	tcase_add_test(secrets, secrets_are_wiped_also_when_something_is_wrong);
	tcase_add_test(secrets, secrets_leave_the_environment);
	tcase_add_test(secrets, token_of_the_sdk_does_not_join_keys_from_elsewhere);
	tcase_add_test(secrets, half_of_the_keys_is_refused);
	tcase_add_test(secrets, secret_is_never_in_the_message);
	tcase_add_test(secrets, wiped_secrets_read_as_not_given_the_second_time);
	suite_add_tcase(suite, sources);
	suite_add_tcase(suite, secrets);
	return suite;
}
