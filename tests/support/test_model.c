/*
 * test_model.c - a short run of lts-model, which has the supervisors and workers of several
 * hosts in one process with a clock, a service and a chance of its own (tests/model), and
 * that a seed gives the same run again.
 *
 * Runs the lts-model beside the test program.
 */
#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/suites.h"

/*
 * Its last line; fails with all that it said unless it exits 0. Sanitisers must not write to a
 * log: they warn about its stacks, and where scripts/check collects logs that is a finding.
 */
static void
run_model(uint64_t steps, uint64_t seed, char *line, size_t room)
{
	static char said[32768];
	char self[3000], command[3200];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	ck_assert_int_gt(len, 0);
	self[len] = '\0';
	*strrchr(self, '/') = '\0';
	snprintf(
		command, sizeof(command),
		"ASAN_OPTIONS=quarantine_size_mb=8 UBSAN_OPTIONS= '%s/lts-model' --steps %" PRIu64
		" --seed %" PRIu64 " 2>&1",
		self, steps, seed);
	FILE *out = popen(command, "r");
	ck_assert_ptr_nonnull(out);
	said[0] = line[0] = '\0';
	for (size_t at = 0; fgets(line, (int)room, out); at += strlen(line))
		if (at + strlen(line) < sizeof(said))
			memcpy(said + at, line, strlen(line) + 1);
	int status = pclose(out);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s: %s", command, said);
}

START_TEST(no_rule_is_broken_and_every_world_settles)
{
	char line[300];
	run_model(250000, (uint64_t)_i * 1000 + 1, line, sizeof(line));
	ck_assert_msg(strstr(line, "\"violations\":0}"), "%s", line);
}
END_TEST

START_TEST(seed_gives_the_same_run_again)
{
	char first[300], second[300];
	run_model(60000, 77, first, sizeof(first));
	run_model(60000, 77, second, sizeof(second));
	ck_assert_str_eq(first, second);
}
END_TEST

Suite *
suite_model(void)
{
	Suite *suite = suite_create("model");
	TCase *tc = tcase_create("worlds");
	tcase_set_timeout(tc, 300);
	tcase_add_loop_test(tc, no_rule_is_broken_and_every_world_settles, 0, 4);
	tcase_add_test(tc, seed_gives_the_same_run_again);
	suite_add_tcase(suite, tc);
	return suite;
}
