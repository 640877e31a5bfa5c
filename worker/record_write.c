/*
 * record_write.c - records to a descriptor, without a copy where the format allows it.
 *
 * In a worker's delivery thread. Owns nothing. Must never report more written than the
 * kernel took: the caller cuts a file back by that number. Held by
 * tests/worker/test_sink_file.c.
 */
#include "worker/record_write.h"

#include <errno.h>
#include <poll.h>
#include <sys/uio.h>
#include <unistd.h>

#include "worker/record_text.h"

/* The kernel takes 1,024 at a time (UIO_MAXIOV). */
enum { WRITE_IOV = 1024, WRITE_SCRATCH = 1 << 20 };

static enum lts_err
from_errno(void)
{
	switch (errno) {
	case ENOSPC:
	case EDQUOT:
	case EFBIG:
		return LTS_NOSPACE;
	case EPIPE:
		return LTS_CLOSED;
	default:
		return LTS_SYS;
	}
}

static ssize_t
write_some(int fd, int64_t offset, const struct iovec *iov, size_t n)
{
	for (;;) {
		ssize_t got =
			offset < 0 ? writev(fd, iov, (int)n) : pwritev(fd, iov, (int)n, offset);
		if (got >= 0)
			return got;
		if (errno == EAGAIN)
			poll(&(struct pollfd){ .fd = fd, .events = POLLOUT }, 1, -1);
		else if (errno != EINTR)
			return -1;
	}
}

static enum lts_err
write_all(int fd, int64_t offset, struct iovec *iov, size_t n, uint64_t *written)
{
	while (n) {
		ssize_t got = write_some(fd, offset, iov, n);
		if (got < 0)
			return from_errno();
		*written += (uint64_t)got;
		if (offset >= 0)
			offset += got;
		size_t left = (size_t)got;
		while (n && left >= iov->iov_len) {
			left -= iov->iov_len;
			iov++;
			n--;
		}
		if (n) {
			iov->iov_base = (char *)iov->iov_base + left;
			iov->iov_len -= left;
		}
	}
	return LTS_OK;
}

static enum lts_err
write_scratch(int fd, int64_t offset, struct buf *scratch, uint64_t *written)
{
	struct iovec iov = { scratch->data, scratch->len };
	return write_all(fd, offset, &iov, scratch->len ? 1 : 0, written);
}

static enum lts_err
write_content(int fd, int64_t offset, const struct record *records, size_t n, struct buf *scratch,
	      uint64_t *written)
{
	enum lts_err err = LTS_OK;
	uint64_t before = *written;
	for (size_t i = 0; i < n && !err;) {
		buf_clear(scratch);
		for (; i < n && scratch->len < WRITE_SCRATCH && !err; i++)
			err = record_text_put(&records[i], RECORD_CONTENT, scratch);
		int64_t at = offset < 0 ? -1 : offset + (int64_t)(*written - before);
		if (!err)
			err = write_scratch(fd, at, scratch, written);
	}
	return err;
}

enum lts_err
record_write(int fd, int64_t offset, enum record_format format, const struct record *records,
	     size_t n, struct buf *scratch, uint64_t *written)
{
	if (format == RECORD_CONTENT)
		return write_content(fd, offset, records, n, scratch, written);
	struct iovec iov[WRITE_IOV];
	uint64_t before = *written;
	enum lts_err err = LTS_OK;
	while (n && !err) {
		size_t took = record_text_iov(records, n, iov, WRITE_IOV);
		int64_t at = offset < 0 ? -1 : offset + (int64_t)(*written - before);
		err = write_all(fd, at, iov, took * RECORD_TEXT_IOV, written);
		records += took;
		n -= took;
	}
	return err;
}
