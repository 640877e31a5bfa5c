/*
 * runner.c - runs every unit suite and closes with Check's own summary line.
 *
 * One process, one fork per test. Owns nothing. Takes a suite's name as argument to run only that one.
 */
#include <check.h>
#include <stdlib.h>

#include "tests/suites.h"

int
main(int argc, char **argv)
{
	SRunner *runner = srunner_create(NULL);
#define ADD(name) srunner_add_suite(runner, suite_##name());
	SUITES(ADD)
	srunner_run(runner, argc > 1 ? argv[1] : NULL, NULL, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
