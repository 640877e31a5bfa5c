/*
 * test_make_dirs.c - holds common/make_dirs.c: what is missing is made, what is there stays.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/make_dirs.h"
#include "common/xalloc.h"
#include "tests/suites.h"
#include "tests/support/tmpdir.h"

static char *dir;

static void
setup(void)
{
	dir = tmpdir_make();
	umask(022);
}

static void
teardown(void)
{
	tmpdir_remove(&dir);
}

static unsigned
mode_of(const char *name)
{
	struct stat st;
	char *path = tmpdir_path(dir, name);
	ck_assert_int_eq(stat(path, &st), 0);
	free(path);
	return st.st_mode & 0777;
}

START_TEST(missing_parents_are_made_and_only_the_last_has_the_mode)
{
	char *path = tmpdir_path(dir, "a/b/c");
	ck_assert_int_eq(make_dirs(path, 0700), LTS_OK);
	ck_assert_uint_eq(mode_of("a"), 0755);
	ck_assert_uint_eq(mode_of("a/b"), 0755);
	ck_assert_uint_eq(mode_of("a/b/c"), 0700);
	ck_assert_int_eq(make_dirs(path, 0750), LTS_OK);
	ck_assert_uint_eq(mode_of("a/b/c"), 0700);
	free(path);
}
END_TEST

START_TEST(slashes_at_the_end_and_doubled_do_no_harm)
{
	char *path = tmpdir_path(dir, "d//e/");
	ck_assert_int_eq(make_dirs(path, 0700), LTS_OK);
	ck_assert_uint_ne(mode_of("d/e"), 0);
	free(path);
}
END_TEST

START_TEST(what_cannot_be_made_says_why)
{
	ck_assert_int_eq(make_dirs("/proc/none/here", 0700), LTS_SYS);
	ck_assert_int_eq(errno, ENOENT);
}
END_TEST

Suite *
suite_make_dirs(void)
{
	Suite *suite = suite_create("make_dirs");
	TCase *tc = tcase_create("make_dirs");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, missing_parents_are_made_and_only_the_last_has_the_mode);
	tcase_add_test(tc, slashes_at_the_end_and_doubled_do_no_harm);
	tcase_add_test(tc, what_cannot_be_made_says_why);
	suite_add_tcase(suite, tc);
	return suite;
}
