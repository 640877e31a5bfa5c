/*
 * exec_child.h - one life of the child of sink=exec:COMMAND: frames go out whole and in order,
 * answers come in, and its death has a reason.
 *
 * Knows nothing of shards: who was asked what is worker/processor_exec.c's. Nothing here waits
 * but exec_child_destroy.
 */
#ifndef WORKER_EXEC_CHILD_H
#define WORKER_EXEC_CHILD_H

#include "worker/exec_frame.h"

struct exec_child;

struct exec_child_config {
	const char *command;
	struct log *log;
	size_t max_bytes;
	int64_t timeout_ms;
};

/* Its hello is asked for. LTS_SYS: errno. */
enum lts_err exec_child_start(const struct exec_child_config *config, int64_t now_ms,
			      struct exec_child **out) LTS_MUST_USE;
/* Readable when a turn is wanted; and when it is wanted in any case. */
int exec_child_fd(const struct exec_child *exec);
int64_t exec_child_due_ms(const struct exec_child *exec);
/* Reads, writes, looks whether it lives. */
void exec_child_turn(struct exec_child *exec, int64_t now_ms);

/* What it granted; NULL: it has not said hello yet. */
const struct exec_answer *exec_child_hello(const struct exec_child *exec);
/* The next answer of those that a turn has read; never a hello. */
bool exec_child_next(struct exec_child *exec, struct exec_answer *out);

/* Where frames without records are put; they go with the next write or turn. */
struct buf *exec_child_out(struct exec_child *exec);
/* Bytes of them that wait. */
size_t exec_child_waiting(const struct exec_child *exec);
/* The records of the batch whose header was put last, borrowed until exec_child_is_writing is
 * false. Not while it is true. */
void exec_child_send(struct exec_child *exec, const struct record *records, size_t n,
		     int64_t now_ms);
bool exec_child_is_writing(const struct exec_child *exec);
void exec_child_write(struct exec_child *exec, int64_t now_ms);

/* It did what it must not, or not what it must: it is killed. The first reason counts. */
void exec_child_fail(struct exec_child *exec, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* Why it is dead, once every answer of it was taken: "exited with 3"; NULL: it lives. */
const char *exec_child_death(const struct exec_child *exec);

/* End of file on its stdin, `grace_ms` to end by itself, then SIGKILL to its group. */
void exec_child_destroy(struct exec_child **exec, int64_t grace_ms);

#endif
