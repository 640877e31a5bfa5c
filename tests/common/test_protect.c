/*
 * test_protect.c - no cores, no new privileges, and where keys are kept.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/protect.h"
#include "tests/suites.h"

START_TEST(process_dumps_no_core_and_gains_no_privilege)
{
	struct rlimit limit;
	ck_assert_int_eq(getrlimit(RLIMIT_CORE, &limit), 0);
	limit.rlim_cur = limit.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_CORE, &limit), 0);
	protect_process();
	ck_assert_int_eq(getrlimit(RLIMIT_CORE, &limit), 0);
	ck_assert_uint_le(limit.rlim_cur, 1);
	ck_assert_int_eq(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
}
END_TEST

/* The flags of the mapping that holds an address, "" when there is none. */
static void
find_flags(const void *at, char *flags, size_t room)
{
	char line[512];
	FILE *maps = fopen("/proc/self/smaps", "re");
	unsigned long from, to;
	bool inside = false;
	ck_assert_ptr_nonnull(maps);
	flags[0] = '\0';
	while (fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			inside = from <= (unsigned long)at && (unsigned long)at < to;
		else if (inside && strncmp(line, "VmFlags:", 8) == 0)
			snprintf(flags, room, "%s", line);
	}
	fclose(maps);
}

START_TEST(keys_are_locked_and_left_out_of_dumps)
{
	char flags[512];
	bool locked = protect_process();
	char *key = protect_alloc(9000);
	memset(key, 'k', 9000);
	find_flags(key, flags, sizeof(flags));
	ck_assert_ptr_nonnull(strstr(flags, " dd"));
	ck_assert_int_eq(strstr(flags, " lo") != NULL, locked);
	protect_free(key, 9000);
}
END_TEST

START_TEST(freed_key_is_wiped)
{
	protect_process();
	char *key = protect_alloc(100);
	memset(key, 'k', 100);
	protect_free(key, 100);
	/* Still mapped: the place stays ours. */
	for (volatile char *c = key + 16; c < key + 100; c++)
		ck_assert_int_ne(*c, 'k');
}
END_TEST

START_TEST(room_is_for_all_that_is_kept)
{
	void *kept[128];
	protect_process();
	for (size_t i = 0; i < 3; i++)
		kept[i] = protect_alloc(8448);
	for (size_t i = 3; i < 100; i++)
		kept[i] = protect_alloc(2000);
	for (size_t i = 0; i < 100; i++)
		protect_free(kept[i], i < 3 ? 8448 : 2000);
}
END_TEST

Suite *
suite_protect(void)
{
	Suite *suite = suite_create("protect");
	TCase *tc = tcase_create("protect");
	tcase_add_test(tc, process_dumps_no_core_and_gains_no_privilege);
	tcase_add_test(tc, keys_are_locked_and_left_out_of_dumps);
	tcase_add_test(tc, freed_key_is_wiped);
	tcase_add_test(tc, room_is_for_all_that_is_kept);
	suite_add_tcase(suite, tc);
	return suite;
}
