/*
 * options_attempt.h - one try at options_load, for the tests of options.
 *
 * argv and envp live in memory of the test's, so that what was wiped can be looked at.
 * Each test is a process of its own and makes one attempt after another: begin, fill,
 * load, look, end.
 */
#ifndef TESTS_SUPPORT_OPTIONS_ATTEMPT_H
#define TESTS_SUPPORT_OPTIONS_ATTEMPT_H

#include "common/options_table.h"

enum { ARGS_MAX = 64 };

struct attempt {
	struct options options;
	struct buf error;
	char *argv[ARGS_MAX];
	char *envp[ARGS_MAX];
	int argc, envc;
	char path[32]; /* of the configuration file; "" when there is none */
	enum lts_err err;
};

extern struct attempt attempt;

void options_attempt_begin(void);
void attempt_end(void);
/* One argument (copied), several up to NULL, a variable (borrowed). */
void attempt_arg(const char *text);
void attempt_args(const char *first, ...) __attribute__((sentinel));
void attempt_env(char *text);
/* A file with this text, and --config. */
void attempt_config(const char *text);
/* All that is required, good. */
void attempt_required(void);

/* Holds also that what is refused is refused in one clean line. */
enum lts_err attempt_load(void);
void attempt_succeeds(void);
void options_attempt_refused(const char *why);
/* begin, required, --name=value, load. */
enum lts_err attempt_with(const char *name, const char *value);

#endif
