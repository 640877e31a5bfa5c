/*
 * main.c - lts-bench: one measurement, chosen by its name; the results as JSON lines.
 *
 * Its only user is scripts/bench, which runs it in turn with the agent.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tests/bench/bench.h"

int64_t
bench_cpu_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

int
main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "scan") == 0)
		return bench_scan(argc - 1, argv + 1);
	if (argc > 1 && strcmp(argv[1], "receive") == 0)
		return bench_receive(argc - 1, argv + 1);
	fputs("usage: lts-bench scan [RUNS]\n"
	      "       lts-bench receive drop|tree|write URL CA_FILE|- SHARDS BYTES [DIR]\n",
	      stderr);
	return 2;
}
