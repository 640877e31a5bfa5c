/*
 * test_trust.c - holds common/trust.c to reading what a name leads to by now, and to keeping what
 * it has where that cannot be used.
 */
#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/trust.h"
#include "tests/suites.h"
#include "tests/support/tmpdir.h"

#define PEM(text) "-----BEGIN CERTIFICATE-----\n" text "\n-----END CERTIFICATE-----\n"

static char *dir, *link_path;
static struct trust trust;
static struct buf why;

static void
put(const char *name, const char *text)
{
	tmpdir_write(dir, name, text, strlen(text));
}

static void
point(const char *name)
{
	(void)unlink(link_path);
	ck_assert_int_eq(symlink(name, link_path), 0);
}

static void
setup(void)
{
	dir = tmpdir_make();
	link_path = tmpdir_path(dir, "ca.pem");
	buf_init(&why, 0);
	put("one", PEM("one"));
	put("two", PEM("two"));
	point("one");
	trust_init(&trust, link_path);
}

static void
teardown(void)
{
	trust_fini(&trust);
	buf_fini(&why);
	free(link_path);
	tmpdir_remove(&dir);
}

static void
expect(const char *text)
{
	char got[128] = "";
	int fd = open(trust_path(&trust), O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_ge(read(fd, got, sizeof(got) - 1), 0);
	close(fd);
	ck_assert_str_eq(got, text);
}

START_TEST(what_the_name_leads_to_is_read_and_again_only_when_it_changes)
{
	ck_assert_int_eq(trust_look(&trust, &why), LTS_OK);
	expect(PEM("one"));
	ck_assert_int_eq(trust_look(&trust, &why), LTS_AGAIN);
	point("two");
	ck_assert_int_eq(trust_look(&trust, &why), LTS_OK);
	expect(PEM("two"));
	put("two", PEM("three"));
	ck_assert_int_eq(trust_look(&trust, &why), LTS_OK);
	expect(PEM("three"));
}
END_TEST

START_TEST(what_cannot_be_used_leaves_the_former_in_force)
{
	static const char *const texts[] = { "", "secret", "-----BEGIN CERTIFICATE-----\nhal" };
	ck_assert_int_eq(trust_look(&trust, &why), LTS_OK);
	for (size_t i = 0; i < 3; i++) {
		put("bad", texts[i]);
		point("bad");
		ck_assert_int_eq(trust_look(&trust, &why), LTS_INVALID);
		ck_assert_ptr_nonnull(strstr(why.data, link_path));
		expect(PEM("one"));
	}
	point("nowhere");
	ck_assert_int_eq(trust_look(&trust, &why), LTS_SYS);
	expect(PEM("one"));
	point("two");
	ck_assert_int_eq(trust_look(&trust, &why), LTS_OK);
	expect(PEM("two"));
}
END_TEST

START_TEST(what_was_handed_over_has_another_name_each_time)
{
	char last[128] = "";
	int fd = open(link_path, O_RDONLY | O_CLOEXEC);
	trust_fini(&trust);
	for (int i = 0; i < 20; i++) {
		ck_assert_int_eq(trust_take(&trust, fd), LTS_OK);
		ck_assert_str_ne(trust_path(&trust), last);
		snprintf(last, sizeof(last), "%s", trust_path(&trust));
		ck_assert_int_eq(access(last, R_OK), 0);
	}
	close(fd);
}
END_TEST

Suite *
suite_trust(void)
{
	Suite *suite = suite_create("trust");
	TCase *tc = tcase_create("trust");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, what_the_name_leads_to_is_read_and_again_only_when_it_changes);
	tcase_add_test(tc, what_cannot_be_used_leaves_the_former_in_force);
	tcase_add_test(tc, what_was_handed_over_has_another_name_each_time);
	suite_add_tcase(suite, tc);
	return suite;
}
