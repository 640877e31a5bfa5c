/*
 * bench.h - lts-bench: what a figure needs besides the agent itself, the baselines that do
 * the same work and the comparison of the scanners.
 */
#ifndef TESTS_BENCH_BENCH_H
#define TESTS_BENCH_BENCH_H

#include <stdint.h>

/* CPU time of the calling process, all threads, nanoseconds. */
int64_t bench_cpu_ns(void);

/* The commands: argv[0] is the command's name; they return the exit code. */
int bench_scan(int argc, char **argv);
int bench_scan_file(int argc, char **argv);
int bench_receive(int argc, char **argv);
int bench_delay(int argc, char **argv);
int bench_ask(int argc, char **argv);

#endif
