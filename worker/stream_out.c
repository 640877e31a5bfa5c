/*
 * stream_out.c - writes that never block, on a descriptor that others share.
 *
 * In a worker's delivery thread. Owns an open file of its own, where there can be one: a pipe
 * or a terminal is opened again through /proc. Must never set O_NONBLOCK on what was
 * inherited: the shell in front of us, and the reader's other writers, have the same open
 * file. Held by tests/worker/test_sink_stdout.c and tests/scenario/pipes.c.
 */
#include "worker/stream_out.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* What may not be written to stays so. */
static int
open_again(int fd)
{
	char path[40];
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY)
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
}

void
stream_out_open(struct stream_out *out, int fd)
{
	struct stat st;
	bool known = fstat(fd, &st) == 0;
	*out = (struct stream_out){ .fd = fd };
	out->is_file = known && (S_ISREG(st.st_mode) || S_ISBLK(st.st_mode));
	out->is_socket = known && S_ISSOCK(st.st_mode);
	int own = out->is_file || out->is_socket ? -1 : open_again(fd);
	if (own < 0)
		return; /* another user's pipe, or no /proc */
	out->fd = own;
	out->own = true;
}

void
stream_out_close(struct stream_out *out)
{
	if (out->own)
		close(out->fd);
	*out = (struct stream_out){ .fd = -1 };
}

static short
look(const struct stream_out *out, int ms)
{
	struct pollfd pollfd = { .fd = out->fd, .events = POLLOUT };
	return poll(&pollfd, 1, ms) > 0 ? pollfd.revents : 0;
}

ssize_t
stream_out_write(const struct stream_out *out, const void *data, size_t len)
{
	if (out->is_socket)
		return send(out->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (!out->own) {
		/* A pipe with room takes so much without waiting. */
		if (!look(out, 0)) {
			errno = EAGAIN;
			return -1;
		}
		if (len > PIPE_BUF)
			len = PIPE_BUF;
	}
	return write(out->fd, data, len);
}

void
stream_out_wait(const struct stream_out *out, int ms)
{
	look(out, ms);
}
