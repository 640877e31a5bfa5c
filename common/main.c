/*
 * main.c - lts-options: prints the options for the documents that a build makes.
 *
 *   lts-options table|man|example
 */
#include <stdio.h>
#include <string.h>

#include "common/handoff.h"
#include "common/options.h"

int
main(int argc, char **argv)
{
	const char *what = argc == 2 ? argv[1] : "";

	if (strcmp(what, "table") == 0) {
		options_print_table(stdout);
	} else if (strcmp(what, "man") == 0) {
		options_print_man(stdout);
	} else if (strcmp(what, "example") == 0) {
		options_print_example(stdout);
	} else {
		fprintf(stderr, "usage: lts-options table|man|example\n");
		return EXIT_USAGE;
	}
	return fflush(stdout) == 0 ? EXIT_DONE : EXIT_FAILED;
}
