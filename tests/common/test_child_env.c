/*
 * test_child_env.c - what a child hears of our environment, and what not.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/child_env.h"
#include "tests/suites.h"

static unsigned
count(char **env, const char *start)
{
	unsigned n = 0;
	for (; *env; env++)
		n += strncmp(*env, start, strlen(start)) == 0;
	return n;
}

START_TEST(keys_and_the_manager_s_are_left_out)
{
	static const char *const ours[] = { "HUAWEICLOUD_SDK_AK",
					    "HUAWEICLOUD_SDK_SK",
					    "LTS_AK",
					    "LTS_SK",
					    "LTS_SECURITY_TOKEN",
					    "NOTIFY_SOCKET",
					    "WATCHDOG_PID",
					    "WATCHDOG_USEC",
					    "LISTEN_PID",
					    "LISTEN_FDS",
					    "LISTEN_FDNAMES",
					    "CREDENTIALS_DIRECTORY" };
	for (size_t i = 0; i < sizeof(ours) / sizeof(*ours); i++)
		setenv(ours[i], "ours alone", 1);
	setenv("LTS_SKIN", "another's", 1);
	char **env = child_env(NULL);
	for (size_t i = 0; i < sizeof(ours) / sizeof(*ours); i++) {
		char start[40];
		snprintf(start, sizeof(start), "%s=", ours[i]);
		ck_assert_msg(count(env, start) == 0, "%s", ours[i]);
	}
	ck_assert_uint_eq(count(env, "LTS_SKIN=another's"), 1);
	ck_assert_uint_eq(count(env, "PATH="), 1);
	free(env);
}
END_TEST

START_TEST(what_is_given_comes_once_and_first)
{
	const char *const given[] = { "HOME=/nowhere", "LTS_SHARD=7", NULL };
	setenv("HOME", "/root", 1);
	char **env = child_env(given);
	ck_assert_str_eq(env[0], "HOME=/nowhere");
	ck_assert_str_eq(env[1], "LTS_SHARD=7");
	ck_assert_uint_eq(count(env, "HOME="), 1);
	free(env);
}
END_TEST

Suite *
suite_child_env(void)
{
	Suite *suite = suite_create("child_env");
	TCase *tc = tcase_create("child_env");
	tcase_add_test(tc, keys_and_the_manager_s_are_left_out);
	tcase_add_test(tc, what_is_given_comes_once_and_first);
	suite_add_tcase(suite, tc);
	return suite;
}
