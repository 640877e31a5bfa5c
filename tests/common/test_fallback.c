/*
 * test_fallback.c - holds common/fallback.c to doing without what a kernel, a profile or a file
 * system refuses.
 */
#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/fallback.h"
#include "tests/suites.h"
#include "tests/support/tmpdir.h"

static char *dir;
static int fd;

static void
setup(void)
{
	dir = tmpdir_make();
	ck_assert_int_eq(chdir(dir), 0);
	fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void
teardown(void)
{
	close(fd);
	tmpdir_remove(&dir);
}

/* From now on, in this test. */
static void
refuse(const char *call, int why)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	int number = seccomp_syscall_resolve_name(call);
	ck_assert_int_eq(seccomp_rule_add(filter, SCMP_ACT_ERRNO((uint32_t)why), number, 0), 0);
	ck_assert_int_eq(seccomp_load(filter), 0);
	seccomp_release(filter);
}

static const int refusals[] = { EPERM, ENOSYS };

START_TEST(every_descriptor_from_the_first_on_is_closed)
{
	int fds[300];
	for (int i = 0; i < 300; i++)
		fds[i] = fcntl(fd, F_DUPFD_CLOEXEC, 100);
	if (_i)
		refuse("close_range", refusals[_i - 1]);
	ck_assert_int_eq(fallback_close_from(150), 0);
	for (int i = 0; i < 300; i++)
		ck_assert_int_eq(fcntl(fds[i], F_GETFD) < 0, fds[i] >= 150);
	ck_assert_int_ge(fcntl(fd, F_GETFD), 0);
}
END_TEST

static const struct {
	const char *calls[2];
	int why;
} renames[] = {
	{ { NULL, NULL }, 0 },
	{ { "renameat2", NULL }, EINVAL },
	{ { "renameat2", NULL }, ENOSYS },
	{ { "renameat2", "linkat" }, EPERM },
	{ { "renameat2", "linkat" }, EOPNOTSUPP },
};

START_TEST(rename_never_replaces_whatever_is_refused)
{
	size_t len;
	for (size_t i = 0; i < 2 && renames[_i].calls[i]; i++)
		refuse(renames[_i].calls[i], renames[_i].why);
	tmpdir_write(dir, "a", "new", 3);
	tmpdir_write(dir, "b", "old", 3);
	ck_assert_int_eq(fallback_rename_new(fd, "a", fd, "b"), -1);
	ck_assert_int_eq(errno, EEXIST);
	char *b = tmpdir_read(dir, "b", &len);
	ck_assert_str_eq(b, "old");
	free(b);
	ck_assert_int_eq(fallback_rename_new(fd, "a", fd, "c"), 0);
	ck_assert_int_eq(faccessat(fd, "a", F_OK, 0), -1);
	char *c = tmpdir_read(dir, "c", &len);
	ck_assert_str_eq(c, "new");
	free(c);
	ck_assert_int_eq(fallback_rename_new(fd, "a", fd, "d"), -1);
	ck_assert_int_eq(errno, ENOENT);
}
END_TEST

START_TEST(rename_that_was_cut_short_is_completed)
{
	if (_i)
		refuse("renameat2", EINVAL);
	tmpdir_write(dir, "a", "new", 3);
	ck_assert_int_eq(linkat(fd, "a", fd, "b", 0), 0);
	ck_assert_int_eq(fallback_rename_new(fd, "a", fd, "b"), 0);
	ck_assert_int_eq(faccessat(fd, "a", F_OK, 0), -1);
	ck_assert_int_eq(faccessat(fd, "b", F_OK, 0), 0);
}
END_TEST

START_TEST(directory_that_knows_no_sync_is_taken_and_a_failed_disk_is_not)
{
	ck_assert_int_eq(fallback_sync_dir(fd), 0);
	int proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ck_assert(fsync(proc) < 0 && errno == EINVAL);
	ck_assert_int_eq(fallback_sync_dir(proc), 0);
	close(proc);
	refuse("fsync", EIO);
	ck_assert_int_eq(fallback_sync_dir(fd), -1);
	ck_assert_int_eq(errno, EIO);
}
END_TEST

Suite *
suite_fallback(void)
{
	Suite *suite = suite_create("fallback");
	TCase *tc = tcase_create("fallback");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, every_descriptor_from_the_first_on_is_closed, 0, 3);
	tcase_add_loop_test(tc, rename_never_replaces_whatever_is_refused, 0,
			    sizeof(renames) / sizeof(renames[0]));
	tcase_add_loop_test(tc, rename_that_was_cut_short_is_completed, 0, 2);
	tcase_add_test(tc, directory_that_knows_no_sync_is_taken_and_a_failed_disk_is_not);
	suite_add_tcase(suite, tc);
	return suite;
}
