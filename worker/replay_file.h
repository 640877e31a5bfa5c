/*
 * replay_file.h - a file of dead letters that is gone through once: its lines, how far we are
 * (FILE.progress), and those that failed again (FILE.failed).
 *
 * Both files stand beside FILE and survive a power cut once replay_file_save has returned; a
 * replay that was interrupted goes on there.
 */
#ifndef WORKER_REPLAY_FILE_H
#define WORKER_REPLAY_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"

enum { REPLAY_INSTANCE_MAX = 16 };

struct replay_file {
	const char *text; /* of the whole file, mapped */
	uint64_t len;
	uint64_t inode;
	char *progress, *failed; /* paths */
	int failed_fd;           /* -1: nothing has failed yet */
	uint64_t failed_len;
	/* what is done with, saved or not */
	uint64_t offset;                    /* bytes of the file; a line begins there */
	uint64_t delivered, again;          /* lines */
	char instance[REPLAY_INSTANCE_MAX]; /* of this replay, over all its lives */
};

/* fd, borrowed: of `path`. Where a former life has left off, or at the begin. LTS_BADDATA: what
 * is beside it is of another file. LTS_SYNC, LTS_SYS. `why_out` has a line. */
enum lts_err replay_file_open(struct replay_file *file, const char *path, int fd,
			      struct buf *why_out) LTS_MUST_USE;
void replay_file_close(struct replay_file *file);

/* The line at `at`, without its newline; false: the end. *whole_out: a newline ends it. */
bool replay_file_line(const struct replay_file *file, uint64_t at, const char **line_out,
		      size_t *len_out, bool *whole_out);
/* Appends to FILE.failed. LTS_NOSPACE: nothing was; later. LTS_SYS. */
enum lts_err replay_file_fail(struct replay_file *file, const char *text,
			      size_t len) LTS_MUST_USE;
/* First what failed is made durable, then the progress. LTS_NOSPACE: later. LTS_SYNC, LTS_SYS. */
enum lts_err replay_file_save(struct replay_file *file) LTS_MUST_USE;
/* All of it is done with, and saved: there is no progress any more. */
enum lts_err replay_file_finish(struct replay_file *file) LTS_MUST_USE;

#endif
