/*
 * scenario.h - one scenario: a directory, the programs beside lts-tests, and a watch that
 * tidies up after a test that failed.
 *
 * A failed, killed or timed-out test leaves its directory; the watch then names it,
 * prints the ends of the logs (*.log in it) and kills what is left running.
 */
#ifndef TESTS_SUPPORT_SCENARIO_H
#define TESTS_SUPPORT_SCENARIO_H

#include <check.h>
#include <stdbool.h>
#include <sys/types.h>

#include "tests/support/patience.h"
#include "tests/support/process.h"

enum { SCENARIO_TIMEOUT_S = 120 * PATIENCE_SLOWNESS };

struct scenario {
	char *dir;
	char *bin; /* where the programs are: beside the test program */
	pid_t watch;
	int watch_fd;
};

void scenario_begin(struct scenario *scenario);
/* What was started must have ended: nothing marked may be left. Removes the directory. */
void scenario_end(struct scenario *scenario);

/* Says that this test was not made, and why; the test returns after scenario_end. Whoever counts
 * looks for the line "SKIPPED". */
void scenario_skip(const char *why);

/* One case of a suite, with the scenarios' timeout. */
TCase *scenario_case(Suite *suite, const char *name);

/* A number below `most` out of *seed, which moves on. */
unsigned scenario_draw(uint64_t *seed, unsigned most);
/* The n-th seed of this run: the same in every run, but for $TEST_SEED. */
uint64_t scenario_seed(unsigned n);

/* Runs a program to its end; its exit code. What it printed on stdout (the caller frees)
 * goes to *output_out unless that is NULL, its stderr to `<program>.err.log`. words[0] is
 * a name in bin. */
int scenario_run(const struct scenario *scenario, struct words *words, char **output_out);
/* Lines in all the files of a directory of the scenario's; files may come and go
 * meanwhile. */
size_t scenario_lines(const struct scenario *scenario, const char *name);
/* The whole of a file in the directory, "" when there is none; the caller frees. */
char *scenario_read(const struct scenario *scenario, const char *name);

struct verdict {
	unsigned long long records, lost, duplicated, reordered, torn, unsealed;
	unsigned long long repeated; /* with --status only */
	int exit;
};

/* `lts-sim verify`: words are its options and directories. */
struct verdict scenario_verify(const struct scenario *scenario, const char *words);
/* Every record of every shard once, whole and in order, in these sealed directories. */
void scenario_expect_exact(const struct scenario *scenario, unsigned shards, unsigned records,
			   const char *dirs);

#endif
