/*
 * child.h - a command of the user's as a child process: its pipes, its stderr in our log, its
 * end.
 *
 * Nothing here waits, but child_destroy, boundedly. One thread at a time. The command runs as
 * /bin/sh -c COMMAND in a process group of its own, with default signals, descriptors 0, 1 and 2
 * and no other but one that it is to keep, and our environment without credentials; it is killed
 * when the thread that started it ends. SIGPIPE must be ignored by the program.
 */
#ifndef WORKER_CHILD_H
#define WORKER_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "common/buf.h"
#include "common/err.h"

struct log;
struct child;
struct child_log_rate;

/* What becomes of its stdout. */
enum child_stdout {
	CHILD_STDOUT_PIPE, /* child_read */
	CHILD_STDOUT_LOG,  /* as stderr */
	CHILD_STDOUT_OURS, /* our own */
};

struct child_config { /* borrowed by child_start alone, but for the log */
	const char *command;
	const char *const *env; /* NAME=value, NULL at the end; go before ours. NULL: none */
	enum child_stdout out;
	struct log *log;
	struct child_log_rate *rate; /* for many together, outlives the child; NULL: its own */
	const char *shard;           /* named with its stderr's lines in the log; NULL: none */
	int keep; /* also inherited, as descriptor 3; 0: none */
};

/* LTS_SYS: no process, no pipe; errno. A command that is not there is no error here: the shell
 * says so on stderr and ends with 127. */
enum lts_err child_start(const struct child_config *config, struct child **out) LTS_MUST_USE;

/* An epoll descriptor, good for poll and for another epoll: readable when child_turn has to
 * do, child_read can, or child_write can that said LTS_AGAIN before. */
int child_fd(const struct child *child);
pid_t child_pid(const struct child *child);
/* Takes its stderr into the log, by lines, a flood held back and counted; notices its end,
 * and kills what is left of its group then. */
void child_turn(struct child *child, int64_t now_ms);
/* CLOCK_MONOTONIC milliseconds of the next turn in any case (lines were held back); INT64_MAX. */
int64_t child_due_ms(const struct child *child);

/* Adds the bytes that went to *written; 1024 iov at most are looked at. LTS_AGAIN: not all went;
 * child_fd tells when there is room. LTS_CLOSED: nobody reads them. */
enum lts_err child_write(struct child *child, const struct iovec *iov, size_t n,
			 size_t *written) LTS_MUST_USE;
/* It reads the end of its stdin. */
void child_close_stdin(struct child *child);
/* Appends what is there, at most `most` bytes. LTS_AGAIN: nothing now. LTS_CLOSED: end of file;
 * after its end also when a descendant of another group still holds the pipe. LTS_TOOBIG:
 * above the buffer's ceiling. */
enum lts_err child_read(struct child *child, struct buf *to, size_t most) LTS_MUST_USE;

/* SIGKILL to the group. Its end comes with a turn. */
void child_kill(struct child *child);
/* It ended, as the last turn saw it; status_out as waitpid has it. */
bool child_has_ended(const struct child *child, int *status_out);
/* "exited with 3", "was killed by signal 9 (KILL)", "runs". */
void child_describe(const struct child *child, char *to, size_t room);
/* The last line of its stderr so far that is not empty, or "": any bytes but NUL. */
const char *child_said(const struct child *child);

/* Kills the group, reaps (a second at most), takes what is left on stderr into the log. */
void child_destroy(struct child **child);

/* What children have left behind and has ended; for the process's first thread, to which the
 * kernel gives orphans. A child that another thread has started is left to that. */
void child_reap_orphans(void);

#endif
