/*
 * state_program.h - lts-state, run to its end in a directory.
 *
 * It is the one beside the test program, or the one named by LTS_STATE_PROGRAM.
 */
#ifndef TESTS_SUPPORT_STATE_PROGRAM_H
#define TESTS_SUPPORT_STATE_PROGRAM_H

struct state_program {
	char *path;
	const char *dir;       /* borrowed; where it runs */
	char *output, *errors; /* of the last run */
};

void state_program_init(struct state_program *program, const char *dir);
void state_program_fini(struct state_program *program);

/* With these words, at most ten; its exit code. */
int state_program_run(struct state_program *program, const char *words);
/* The same with another standard output. */
int state_program_run_to(struct state_program *program, int out, const char *words);

#endif
