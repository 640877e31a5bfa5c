/*
 * main.c - lts-proof: one of the proofs, as often and with the seed that its user wants.
 *
 * Forks the body, so that an assertion that fails in it is a line here. Owns what the two
 * share. Must never end with 0 unless the body said that everything holds.
 */
#include <check.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "common/clock.h"
#include "tests/proof/proof.h"

struct kind {
	const char *name, *count_name, *claim;
	unsigned count;
	void (*body)(struct proof *proof);
};

static const struct kind kinds[] = {
	{ "chaos", "faults", "several hosts under random faults lose and repeat nothing", 100,
	  proof_chaos },
	{ "powercut", "cuts", "a file system that is cut off under load loses nothing", 10,
	  proof_powercut },
	{ "failover", "rounds", "how soon another worker delivers what a lost one had", 20,
	  proof_failover },
};

enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

static const struct kind *kind;
static struct proof *proof;
static int64_t start_ms;

void
proof_say(const struct proof *p, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	fprintf(stderr, "%s: %4lld s: ", kind->name,
		(long long)(clock_mono_ms() - start_ms) / 1000);
	vfprintf(stderr, fmt, args);
	fprintf(stderr, "\n");
	va_end(args);
}

void
proof_conclude(struct proof *p, bool clean, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	vsnprintf(p->line, sizeof(p->line), fmt, args);
	va_end(args);
	p->clean = clean;
}

void
proof_skip(struct proof *p, const char *missing)
{
	fprintf(stderr, "%s: SKIPPED: this machine lacks %s\n", kind->name, missing);
	proof_conclude(p, false, "{\"%s\":0,\"skipped\":\"%s\"}", p->count_name, missing);
	p->skipped = true;
}

START_TEST(holds)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	kind->body(proof);
}
END_TEST

/* Whether the body came to its end. */
static bool
run(void)
{
	Suite *suite = suite_create(kind->name);
	TCase *tc = tcase_create(kind->name);
	tcase_set_timeout(tc, 0);
	tcase_add_test(tc, holds);
	suite_add_tcase(suite, tc);
	SRunner *runner = srunner_create(suite);
	srunner_set_fork_status(runner, CK_FORK);
	srunner_run(runner, NULL, NULL, CK_SILENT);
	TestResult **failures = srunner_failures(runner);
	bool failed = srunner_ntests_failed(runner) > 0;
	if (failed)
		fprintf(stderr, "%s: %s:%d: %s\n", kind->name, tr_lfile(failures[0]),
			tr_lno(failures[0]), tr_msg(failures[0]));
	free(failures);
	srunner_free(runner);
	return !failed;
}

static void
usage(FILE *file)
{
	fprintf(file,
		"usage: lts-proof PROOF [--COUNT N] [--seed S] [--seconds T] [--sink KIND]\n"
		"  --seed S     what is drawn: the same again with the same seed (1)\n"
		"  --seconds T  stops after so long, however many there were (no bound)\n"
		"  --sink KIND  of chaos: file, plugin, exec, batch or stdout (file)\n");
	for (const struct kind *k = kinds; k < kinds + KINDS; k++)
		fprintf(file, "  %-8s --%s N (%u): %s\n", k->name, k->count_name, k->count,
			k->claim);
}

static void
refuse(const char *option, const char *value)
{
	fprintf(stderr, "lts-proof: --%s %s: a whole number is wanted\n", option, value);
	exit(2);
}

static uint64_t
number(const char *option, const char *text, uint64_t most)
{
	char *end;
	errno = 0;
	unsigned long long value = strtoull(text, &end, 10);
	if (errno || end == text || *end || *text == '-' || value > most)
		refuse(option, text);
	return value;
}

static void
read_options(int argc, char **argv)
{
	const struct option options[] = {
		{ kind->count_name, required_argument, NULL, 'n' },
		{ "seed", required_argument, NULL, 's' },
		{ "seconds", required_argument, NULL, 't' },
		{ "sink", required_argument, NULL, 'k' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	for (int c; (c = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
		if (c == 'n')
			proof->count = (unsigned)number(kind->count_name, optarg, 10000000);
		else if (c == 's')
			proof->seed = number("seed", optarg, UINT64_MAX);
		else if (c == 't')
			proof->seconds = (unsigned)number("seconds", optarg, 10000000);
		else if (c == 'k' && kind->body == proof_chaos)
			proof->sink = optarg;
		else {
			usage(c == 'h' ? stdout : stderr);
			exit(c == 'h' ? 0 : 2);
		}
	}
	if (optind < argc) {
		fprintf(stderr, "lts-proof: %s: not an option\n", argv[optind]);
		exit(2);
	}
}

int
main(int argc, char **argv)
{
	for (size_t i = 0; i < KINDS && argc > 1; i++)
		if (strcmp(argv[1], kinds[i].name) == 0)
			kind = &kinds[i];
	if (!kind) {
		bool help = argc > 1 && strcmp(argv[1], "--help") == 0;
		usage(help ? stdout : stderr);
		return help ? 0 : 2;
	}
	proof = mmap(NULL, sizeof(*proof), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		     0);
	if (proof == MAP_FAILED)
		return 1;
	*proof =
		(struct proof){ .count_name = kind->count_name, .count = kind->count, .seed = 1 };
	read_options(argc - 1, argv + 1);
	start_ms = clock_mono_ms();
	prctl(PR_SET_CHILD_SUBREAPER, 1); /* what a failed body leaves comes to us */
	bool ended = run();
	if (!proof->line[0])
		snprintf(proof->line, sizeof(proof->line),
			 "{\"%s\":%u,\"failed\":\"before its end\",\"seed\":%llu}",
			 kind->count_name, proof->count, (unsigned long long)proof->seed);
	printf("%s\n", proof->line);
	if (ended && proof->skipped)
		return PROOF_SKIPPED;
	return ended && proof->clean ? 0 : 1;
}
