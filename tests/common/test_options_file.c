/*
 * test_options_file.c - holds common/ini_file.c and options_load.c: the grammar of the
 * configuration file.
 */
#include "tests/suites.h"

#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"
#include "tests/support/options_attempt.h"

START_TEST(file_may_have_comments_dashes_blanks_and_one_section)
{
	options_attempt_begin();
	attempt_required();
	attempt_config("; a comment\n# another\n\n  consumer-count = 5   "
		       "\r\n[lts]\n\tsink: file:/data dir;a#b\nformat=Content");
	attempt_succeeds();
	ck_assert_int_eq(attempt.options.consumer_count, 5);
	ck_assert_str_eq(attempt.options.sink, "file:/data dir;a#b");
	ck_assert_int_eq(options_record_format(&attempt.options), RECORD_CONTENT);
	attempt_end();
}
END_TEST

START_TEST(long_line_of_a_file_is_taken_whole)
{
	char *dir = xmalloc(2001), *text;

	memset(dir, 'd', 2000);
	dir[2000] = '\0';
	text = xasprintf("sink = null\nstate_dir = %s  \nconsumer_count = 6\n", dir);
	options_attempt_begin();
	attempt_required();
	attempt_config(text);
	attempt_succeeds();
	ck_assert_str_eq(attempt.options.state_dir, dir);
	ck_assert_int_eq(attempt.options.consumer_count, 6);
	attempt_end();
	free(text);
	free(dir);
}
END_TEST

static void
assert_file_refused(const char *text, const char *why)
{
	options_attempt_begin();
	attempt_required();
	attempt_config(text);
	ck_assert_int_eq(attempt_load(), LTS_INVALID);
	ck_assert_ptr_nonnull(strstr(attempt.error.data, attempt.path));
	ck_assert_msg(strstr(attempt.error.data, why) != NULL, "%s", attempt.error.data);
	attempt_end();
}

START_TEST(file_errors_name_file_and_line)
{
	char *text = xasprintf("sink = null\nstate_dir = %0*d\n", 20000, 0);

	assert_file_refused("\nconsume_batch_size = 5\n", ":2: must be 10 to 1000");
	assert_file_refused("a\nsink = null\n", ":1: neither [section] nor name = value");
	assert_file_refused("sink = null\n[other]\nsink = null\n",
			    ":3: section [other]: only [lts]");
	assert_file_refused("sink = null\n\nsinc = null\n",
			    ":3: there is no such option; did you mean 'sink'?");
	assert_file_refused("help = true\n", ":1: belongs on the command line");
	assert_file_refused("config = x\n", ":1: belongs on the command line");
	assert_file_refused("sk = \x01\n", ":1: must be printable");
	assert_file_refused("sink =\n", ":1: must be stdout, null, file:DIR, "
					"plugin:FILE.so[?args], exec:COMMAND or "
					"batch:COMMAND");
	assert_file_refused("= 5\n", ":1: a name is missing");
	assert_file_refused("sink = null\n[lts\n", ":2: neither");
	assert_file_refused(text, ":2: line too long");
	free(text);
}
END_TEST

START_TEST(value_of_another_grammar_is_refused)
{
	assert_file_refused("consumer_count = 5 ; five\n",
			    ":1: a comment stands on a line of its own");
	assert_file_refused("state_dir = /var/lts # here\n",
			    ":1: a comment stands on a line of its own");
	assert_file_refused("log_file = # none\n", ":1: a comment stands on a line of its own");
	assert_file_refused("sink = 'file:/data'\n", ":1: quotes would be part of the value");
	assert_file_refused("region = \"cn-north-4\"\n", ":1: quotes would be part of the value");
}
END_TEST

START_TEST(command_keeps_its_quotes_and_comments)
{
	options_attempt_begin();
	attempt_required();
	attempt_config("sink = batch:'/opt/my tool' ; true # done\n");
	attempt_succeeds();
	ck_assert_str_eq(attempt.options.sink, "batch:'/opt/my tool' ; true # done");
	attempt_end();
}
END_TEST

/* Also when it is not the file that counts: one of the two lines is not what its writer means. */
START_TEST(option_twice_in_a_file_is_refused)
{
	assert_file_refused("log_level = info\nsink = null\nlog-level = debug\n",
			    ":3: is in line 1 already");
	options_attempt_begin();
	attempt_required();
	attempt_arg("--log_level=warn");
	attempt_config("log_level = info\nlog_level = debug\n");
	ck_assert_int_eq(attempt_load(), LTS_INVALID);
	ck_assert_ptr_nonnull(strstr(attempt.error.data, ":2: is in line 1 already"));
	attempt_end();
}
END_TEST

START_TEST(file_that_cannot_be_read_is_named)
{
	options_attempt_begin();
	attempt_required();
	attempt_args("--config", "/nonexistent/lts.conf", NULL);
	options_attempt_refused("option 'config': '/nonexistent/lts.conf' from the command line: "
				"cannot be read: "
				"No such file or directory");
	attempt_end();

	options_attempt_begin();
	attempt_required();
	attempt_args("--config", "/tmp", NULL);
	options_attempt_refused("option 'config': '/tmp' from the command line: cannot be read: "
				"Is a directory");
	attempt_end();
}
END_TEST

Suite *
suite_options_file(void)
{
	Suite *suite = suite_create("options_file");
	TCase *tc = tcase_create("grammar");
	tcase_add_test(tc, file_may_have_comments_dashes_blanks_and_one_section);
	tcase_add_test(tc, long_line_of_a_file_is_taken_whole);
	tcase_add_test(tc, file_errors_name_file_and_line);
	tcase_add_test(tc, value_of_another_grammar_is_refused);
	tcase_add_test(tc, command_keeps_its_quotes_and_comments);
	tcase_add_test(tc, option_twice_in_a_file_is_refused);
	tcase_add_test(tc, file_that_cannot_be_read_is_named);
	suite_add_tcase(suite, tc);
	return suite;
}
