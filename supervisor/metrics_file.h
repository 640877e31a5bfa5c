/*
 * metrics_file.h - a file that is written anew, whole, by a child: a disk may make its writer
 * wait, and the supervisor must not.
 */
#ifndef SUPERVISOR_METRICS_FILE_H
#define SUPERVISOR_METRICS_FILE_H

#include <sys/types.h>

#include "common/buf.h"
#include "common/log.h"

struct ev_loop;
struct metrics_file;

struct metrics_file_config { /* pointers are borrowed for its life */
	struct ev_loop *loop;
	struct log *log;
	const char *path;
	/* A child was forked; who reaps children must let it be. */
	void (*forked)(void *arg, pid_t pid);
	void *arg;
};

struct metrics_file *metrics_file_create(const struct metrics_file_config *config);
/* NULL-safe; a writer that is at it is killed, and left for its reaper. */
void metrics_file_destroy(struct metrics_file **file);
/* Returns at once. Does nothing while the last writer is at it still; failures are logged, once
 * until one succeeds. Readers see the old text or the new one. */
void metrics_file_write(struct metrics_file *file, const struct buf *text);

#endif
