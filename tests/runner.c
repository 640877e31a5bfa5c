/*
 * runner.c - runs suites and closes with Check's own summary line.
 *
 * One process, one fork per test. Owns nothing. Arguments choose: `unit`, `scenario`,
 * names of suites, or none for all; before them I/N for every N-th of those, from the I-th.
 * Must never print after the summary: what a failed
 * scenario's watch has to say comes before.
 */
#include <check.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "tests/suites.h"

struct entry {
	const char *name, *kind;
	Suite *(*make)(void);
};

#define UNIT(name) { #name, "unit", suite_##name },
#define SCENARIO(name) { #name, "scenario", suite_##name },

static const struct entry entries[] = { SUITES(UNIT) SCENARIOS(SCENARIO) };

enum { ENTRIES = sizeof(entries) / sizeof(entries[0]) };

static bool
is_named(const struct entry *entry, const char *word)
{
	return strcmp(entry->name, word) == 0 || strcmp(entry->kind, word) == 0;
}

static bool
is_wanted(const struct entry *entry, char **words)
{
	for (char **word = words; *word; word++)
		if (is_named(entry, *word))
			return true;
	return !*words;
}

static bool
is_known(const char *word)
{
	for (size_t i = 0; i < ENTRIES; i++)
		if (is_named(&entries[i], word))
			return true;
	fprintf(stderr, "lts-tests: no suite %s; known are unit, scenario", word);
	for (size_t i = 0; i < ENTRIES; i++)
		fprintf(stderr, ", %s", entries[i].name);
	fprintf(stderr, "\n");
	return false;
}

/* What failed scenarios left: their watches end by themselves. Whatever else there is
 * does not keep us. */
static void
reap(void)
{
	for (int i = 0; i < 1000 && waitpid(-1, NULL, WNOHANG) >= 0; i++)
		poll(NULL, 0, 10);
}

int
main(int argc, char **argv)
{
	/* Check's own 4 s are a limit for a machine, not for a test. */
	setenv("CK_DEFAULT_TIMEOUT", "120", 0);
	SRunner *runner = srunner_create(NULL);
	unsigned part = 1, parts = 1, n = 0;
	char **words = argv + 1;
	if (*words && sscanf(*words, "%u/%u", &part, &parts) == 2 && part && part <= parts)
		words++;
	for (char **word = words; *word; word++)
		if (!is_known(*word))
			return 2;
	for (size_t i = 0; i < ENTRIES; i++)
		if (is_wanted(&entries[i], words) && n++ % parts == part - 1)
			srunner_add_suite(runner, entries[i].make());
	prctl(PR_SET_CHILD_SUBREAPER, 1); /* what a test leaves comes to us */
	srunner_run(runner, NULL, NULL, CK_SILENT);
	reap();
	srunner_print(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
