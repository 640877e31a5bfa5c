/*
 * proof.h - a proof: real programs under faults for as long as its user likes, then one
 * line that says what came of it.
 *
 * A body runs in a process of its own, with the scenarios' support: a condition that is
 * waited for in vain, or an assertion, ends it. Progress goes to stderr.
 */
#ifndef TESTS_PROOF_PROOF_H
#define TESTS_PROOF_PROOF_H

#include <stdbool.h>
#include <stdint.h>

enum { PROOF_SKIPPED = 77 }; /* the exit code */

struct proof {
	const char *count_name;  /* "faults": the option that says how many, and its default */
	unsigned count, seconds; /* seconds 0: no bound */
	uint64_t seed;
	const char *sink; /* of chaos; NULL: files */
	bool clean;     /* the body's: everything holds */
	bool skipped;   /* the body's: this machine cannot */
	char line[512]; /* the body's: the last line on stdout, JSON */
};

/* A line on stderr: "chaos: 40 of 100 ...". */
void proof_say(const struct proof *proof, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* The last line. */
void proof_conclude(struct proof *proof, bool clean, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* This machine lacks what the proof needs: said on stderr and in the last line. */
void proof_skip(struct proof *proof, const char *missing);

/* The bodies, one file each. */
void proof_chaos(struct proof *proof);
void proof_powercut(struct proof *proof);
void proof_failover(struct proof *proof);

#endif
