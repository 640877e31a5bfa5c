/*
 * process.h - a program that a scenario runs: started, signalled, awaited, and gone with
 * the test.
 */
#ifndef TESTS_SUPPORT_PROCESS_H
#define TESTS_SUPPORT_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* In every such process' environment, and its descendants': NAME=the scenario's
 * directory. */
#define PROCESS_MARK "TEST_SCENARIO_OF_LTS"

enum { PROCESS_WORDS_MAX = 96 };

struct process {
	pid_t pid;  /* 0: none, or reaped */
	int status; /* as waitpid has it, once reaped */
};

/* Words for an argv, kept until words_fini. */
struct words {
	char *list[PROCESS_WORDS_MAX + 1];
	size_t n;
};

/* Adds what `text` holds between its blanks. */
void words_add(struct words *words, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void words_fini(struct words *words);

struct process_files {   /* paths that are appended to; NULL: inherited. out_fd >= 0 goes
			    before out. */
	const char *dir; /* to run in, and the mark */
	const char *out, *err;
	int out_fd;
};

/* For a child before its exec: as a service manager starts a program, whatever we inherited. */
void process_default_signals(void);
/* Dies by SIGKILL with the test process. The program is words[0]. */
void process_start(struct process *process, const struct words *words,
		   const struct process_files *files);
void process_signal(const struct process *process, int sig);
/* True: it ended, and was reaped. */
bool process_has_ended(struct process *process);
/* Waits for its end; its exit code. Fails the test when a signal ended it. */
int process_wait(struct process *process, const char *what);
/* SIGKILL, and reaps it. */
void process_kill(struct process *process);

/* Children that run a program of that name, zombies left out; at most `max`. */
size_t process_children(pid_t parent, const char *program, pid_t *pids_out, size_t max);
/* The zombies among them. */
size_t process_zombies(pid_t parent, const char *program, pid_t *pids_out, size_t max);
/* Open descriptors, and a few more, but always as many more. */
size_t process_descriptors(pid_t pid);
/* Open descriptors of files in whose path that stands. */
size_t process_descriptors_of(pid_t pid, const char *part);
/* Sends `sig` to every process marked with that directory but this one; how many there
 * are. */
size_t process_sweep(const char *dir, int sig);

#endif
