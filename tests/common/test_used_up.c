/*
 * test_used_up.c - holds common/used_up.c to what ends by itself and to naming whose limit it is,
 * and common/descriptors.c to raising it.
 */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/descriptors.h"
#include "common/used_up.h"
#include "tests/suites.h"

START_TEST(what_comes_back_is_waited_for_and_nothing_else)
{
	static const int comes_back[] = { EMFILE, ENFILE, ENOMEM, ENOBUFS, EAGAIN,
					  ENOSPC, EDQUOT, EFBIG,  ENOLCK };
	static const int stays[] = { 0, EACCES, EPERM, EIO, ENOENT, EROFS, EINVAL, ENOTDIR };
	for (size_t i = 0; i < sizeof(comes_back) / sizeof(comes_back[0]); i++) {
		ck_assert(used_up(comes_back[i]));
		ck_assert_int_eq(used_up_or_sys(comes_back[i]), LTS_NOSPACE);
	}
	for (size_t i = 0; i < sizeof(stays) / sizeof(stays[0]); i++) {
		ck_assert(!used_up(stays[i]));
		ck_assert_int_eq(used_up_or_sys(stays[i]), LTS_SYS);
	}
}
END_TEST

static void
expect(int error, const char *wanted)
{
	struct buf text;
	buf_init(&text, 0);
	used_up_explain(error, &text);
	ck_assert_msg(strstr(text.data, strerror(error)) == text.data, "%s", text.data);
	ck_assert_msg(strstr(text.data, wanted) != NULL, "%s: no %s", text.data, wanted);
	buf_fini(&text);
}

START_TEST(limit_and_its_owner_are_named)
{
	char pid[24];
	struct rlimit limit = { 100, 100 };
	snprintf(pid, sizeof(pid), "process %d", (int)getpid());
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	expect(EMFILE, pid);
	expect(EMFILE, "100 descriptors (RLIMIT_NOFILE)");
	expect(ENFILE, "fs.file-max");
	expect(ENOLCK, "no locks");
	limit = (struct rlimit){ 1 << 20, 1 << 20 };
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	expect(EFBIG, "1048576 bytes (RLIMIT_FSIZE)");
	expect(EIO, "");
}
END_TEST

START_TEST(descriptors_are_raised_for_us_and_not_for_our_children)
{
	struct rlimit limit;
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = 100;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	descriptors_raise();
	ck_assert_uint_eq(descriptors_limit(),
			  limit.rlim_max == RLIM_INFINITY ? UINT64_MAX : limit.rlim_max);
	pid_t child = fork();
	if (child == 0) {
		descriptors_give_back();
		_exit(descriptors_limit() != 100);
	}
	int status;
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(lack_of_descriptors_is_told_before_they_are_wanted)
{
	struct rlimit limit = { 20, 20 };
	ck_assert_int_eq(descriptors_lack(24), 0);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_int_eq(descriptors_lack(1), 0);
	ck_assert_int_eq(descriptors_lack(24), EMFILE);
	ck_assert_int_eq(descriptors_lack(1), 0); /* none is kept */
}
END_TEST

Suite *
suite_used_up(void)
{
	Suite *suite = suite_create("used_up");
	TCase *tc = tcase_create("errors that end by themselves");
	tcase_add_test(tc, what_comes_back_is_waited_for_and_nothing_else);
	tcase_add_test(tc, limit_and_its_owner_are_named);
	tcase_add_test(tc, descriptors_are_raised_for_us_and_not_for_our_children);
	tcase_add_test(tc, lack_of_descriptors_is_told_before_they_are_wanted);
	suite_add_tcase(suite, tc);
	return suite;
}
