/*
 * test_credentials.c - holds common/credentials.c to what its header says.
 *
 * The profile is a file under a fresh directory that stands for the home.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/credentials.h"
#include "common/options.h"
#include "common/xalloc.h"
#include "tests/suites.h"
#include "tests/support/tmpdir.h"

static char home[64], folder[96], profile[128];
static struct options options;
static struct credentials found;
static struct buf error;

static void
setup(void)
{
	strncpy(home, "/tmp/lts-home-XXXXXX", sizeof(home) - 1);
	ck_assert_ptr_nonnull(mkdtemp(home));
	(void)snprintf(folder, sizeof(folder), "%s/.huaweicloud", home);
	(void)snprintf(profile, sizeof(profile), "%s/credentials", folder);
	ck_assert_int_eq(mkdir(folder, 0700), 0);
	options_init(&options);
	buf_init(&error, 0);
	memset(&found, 'u', sizeof(found)); /* "untouched" */
}

static void
teardown(void)
{
	(void)unlink(profile);
	ck_assert_int_eq(rmdir(folder), 0);
	ck_assert_int_eq(rmdir(home), 0);
	options_fini(&options);
	buf_fini(&error);
}

static void
write_profile(const char *text)
{
	FILE *file = fopen(profile, "w");

	ck_assert_ptr_nonnull(file);
	ck_assert_int_ge(fputs(text, file), 0);
	ck_assert_int_eq(fclose(file), 0);
}

static void
assert_refused(const char *why)
{
	ck_assert_int_eq(credentials_load_from(&options, profile, &found, &error), LTS_INVALID);
	ck_assert_msg(strstr(error.data, why) != NULL, "%s", error.data);
	ck_assert_int_eq(found.ak[0], 'u');
	ck_assert_ptr_null(strstr(error.data, "SECRET"));
}

START_TEST(options_come_first)
{
	write_profile("[basic]\nak = PAK\nsk = PSK\nsecurity_token = PT\n");
	options.ak = xstrdup("OAK");
	options.sk = xstrdup("OSK");
	ck_assert_int_eq(credentials_load_from(&options, profile, &found, &error), LTS_OK);
	ck_assert_str_eq(found.ak, "OAK");
	ck_assert_str_eq(found.sk, "OSK");
	ck_assert_str_eq(found.token, ""); /* the profile's does not belong to these */
	options.security_token = xstrdup("OT");
	ck_assert_int_eq(credentials_load_from(&options, NULL, &found, &error), LTS_OK);
	ck_assert_str_eq(found.token, "OT");
}
END_TEST

START_TEST(profile_is_read_from_basic_alone)
{
	write_profile("[global]\nak = GAK\n[basic]\n# keys\nak = PAK\nsk=P;S=K\nother = "
		      "1\n[x]\nsk = XSK\n");
	ck_assert_int_eq(credentials_load_from(&options, profile, &found, &error), LTS_OK);
	ck_assert_str_eq(found.ak, "PAK");
	ck_assert_str_eq(found.sk, "P;S=K");
	ck_assert_str_eq(found.token, "");
}
END_TEST

START_TEST(token_of_a_temporary_key_may_be_long)
{
	char *token = xmalloc(8192), *text;

	memset(token, 'T', 8191);
	token[8191] = '\0';
	text = xasprintf("[basic]\nak = A\nsecurity_token = %s\nsk = S\n", token);
	write_profile(text);
	ck_assert_int_eq(credentials_load_from(&options, profile, &found, &error), LTS_OK);
	ck_assert_str_eq(found.token, token);
	ck_assert_str_eq(found.sk, "S");
	free(text);

	text = xasprintf("[basic]\nak = A\nsecurity_token = %sX\nsk = S\n", token);
	write_profile(text);
	memset(&found, 'u', sizeof(found));
	assert_refused(":3: 'security_token': is too long");
	free(text);
	free(token);
}
END_TEST

START_TEST(nothing_anywhere_names_the_ways)
{
	assert_refused("HUAWEICLOUD_SDK_AK");
	assert_refused("No such file or directory");
	ck_assert_int_eq(credentials_load_from(&options, NULL, &found, &error), LTS_INVALID);
	ck_assert_ptr_nonnull(strstr(error.data, "no credentials"));
	ck_assert_int_eq(credentials_load_from(&options, NULL, &found, &error), LTS_INVALID);
}
END_TEST

START_TEST(half_a_pair_is_refused)
{
	write_profile("[basic]\nak = SECRET\n");
	assert_refused("half of the credentials");
	write_profile("[basic]\nsk = SECRET\n");
	assert_refused("half of the credentials");
	write_profile("[other]\nak = SECRET\nsk = SECRET\n");
	assert_refused("no credentials");
	options.ak = xstrdup("SECRET");
	assert_refused("sk is missing");
}
END_TEST

START_TEST(damaged_profile_is_refused)
{
	write_profile("[basic]\nak = SECRET KEY\nsk = SECRET\n");
	assert_refused(":2: 'ak': is too long or not printable");
	write_profile("[basic]\nak = A ; mine\nsk = SECRET\n");
	assert_refused(":2: 'ak': a comment stands on a line of its own");
	write_profile("[basic]\nak = A\nsk = \"SECRET\"\n");
	assert_refused(":3: 'sk': quotes would be part of the value");
	write_profile("[basic]\nak = A\nsk = SECRET\nak = B\n");
	assert_refused(":4: 'ak': is given twice");
	write_profile("[basic]\nak = A\nwhat is this\nsk = SECRET\n");
	assert_refused(":3: neither [section] nor name = value");
}
END_TEST

START_TEST(option_then_manager_then_home_name_the_file)
{
	char *path = credentials_path(&options, home, home),
	     *manager = xasprintf("%s/credentials", home);
	ck_assert_str_eq(path, profile); /* the manager's is not there */
	free(path);
	tmpdir_write(home, "credentials", "#", 1);
	path = credentials_path(&options, home, home);
	ck_assert_str_eq(path, profile); /* the manager had none to give */
	free(path);
	ck_assert_int_eq(unlink(manager), 0);
	ck_assert_int_eq(symlink(profile, manager), 0);
	write_profile("[basic]\nak = A\nsk = S\n");
	path = credentials_path(&options, home, home);
	ck_assert_str_eq(path, manager);
	ck_assert_int_eq(credentials_load_from(&options, path, &found, &error), LTS_OK);
	ck_assert_str_eq(found.ak, "A");
	free(path);
	options.credentials_file = xstrdup("/else/where");
	path = credentials_path(&options, home, home);
	ck_assert_str_eq(path, "/else/where");
	ck_assert_int_eq(credentials_load_from(&options, path, &found, &error), LTS_INVALID);
	ck_assert_ptr_nonnull(strstr(error.data, "/else/where"));
	free(path);
	free(options.credentials_file);
	options.credentials_file = NULL;
	ck_assert_ptr_null(credentials_path(&options, NULL, NULL));
	ck_assert_ptr_null(credentials_path(&options, "", ""));
	unlink(manager);
	free(manager);
}
END_TEST

START_TEST(wipe_leaves_nothing)
{
	static const struct credentials nothing;

	credentials_wipe(&found);
	ck_assert_int_eq(memcmp(&found, &nothing, sizeof(found)), 0);
}
END_TEST

Suite *
suite_credentials(void)
{
	Suite *suite = suite_create("credentials");
	TCase *sources = tcase_create("sources");

	tcase_add_checked_fixture(sources, setup, teardown);
	tcase_add_test(sources, options_come_first);
	tcase_add_test(sources, profile_is_read_from_basic_alone);
	tcase_add_test(sources, token_of_a_temporary_key_may_be_long);
	tcase_add_test(sources, nothing_anywhere_names_the_ways);
	tcase_add_test(sources, half_a_pair_is_refused);
	tcase_add_test(sources, damaged_profile_is_refused);
	tcase_add_test(sources, option_then_manager_then_home_name_the_file);
	tcase_add_test(sources, wipe_leaves_nothing);
	suite_add_tcase(suite, sources);
	return suite;
}
