/*
 * terminal.h - a program as the foreground job of a shell, on a pseudo-terminal, and what it
 * shows there.
 */
#ifndef TESTS_SUPPORT_TERMINAL_H
#define TESTS_SUPPORT_TERMINAL_H

#include <termios.h>

#include "tests/support/scenario.h"

struct terminal {
	pid_t shell, pid;      /* the program's */
	int fd, theirs;        /* the far end, what a person sees and types; the program's */
	int status_fd;         /* what the shell hears of the program: waitpid's words */
	struct termios before; /* the modes before the program */
	char *shown;           /* raw, since the last question */
};

/* A container may have /dev without /dev/pts. */
bool terminals_exist(void);
/* 80x24, in the scenario's directory. `term` goes to TERM; NULL: it is not set. `text` is a
 * program in bin and its words. It dies with the test. */
void terminal_start(struct terminal *terminal, const struct scenario *scenario, const char *term,
		    const char *text);
void terminal_end(struct terminal *terminal);

void terminal_resize(const struct terminal *terminal, unsigned short columns,
		     unsigned short lines);
void terminal_type(const struct terminal *terminal, const char *keys);
/* Adds to `shown` until nothing comes for a moment: who is not read from cannot go on. */
void terminal_read(struct terminal *terminal);
/* Has all of it drawn anew (Ctrl-L): whether `text`, in one line, is on the screen. */
bool terminal_shows(struct terminal *terminal, const char *text);
/* Whether the modes are those from before the program. */
bool terminal_is_as_before(const struct terminal *terminal);
/* Reads on until the program has stopped or ended, as waitpid has it. */
int terminal_wait(struct terminal *terminal);
/* The same for its end, with the terminal as it was; its exit code. */
int terminal_wait_end(struct terminal *terminal);

#endif
