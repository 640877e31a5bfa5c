/*
 * stream_out.h - standard output as what it is: a file, or something that others read.
 *
 * Nothing here waits for a reader: what is not taken at once is EAGAIN, whatever the
 * descriptor's own mode is. That mode is never changed: others have the same open file.
 */
#ifndef WORKER_STREAM_OUT_H
#define WORKER_STREAM_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct stream_out {
	int fd;         /* to poll and to write */
	bool own;       /* an open file of our own, which does not block */
	bool is_file;   /* waits for its disk alone: no room in a pipe is no matter */
	bool is_socket; /* has a flag for each write */
};

void stream_out_open(struct stream_out *out, int fd);
void stream_out_close(struct stream_out *out);

/* Not for files. As write(2) on what does not block. */
ssize_t stream_out_write(const struct stream_out *out, const void *data, size_t len);
/* Waits until it takes more, or is broken; for at most so long. */
void stream_out_wait(const struct stream_out *out, int ms);

#endif
