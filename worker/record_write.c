/*
 * record_write.c - records to a descriptor: large ones from where they are, small ones gathered.
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

#include "common/used_up.h"
#include "worker/record_text.h"

enum {
	WRITE_IOV = 1024, /* the kernel takes no more at a time (UIO_MAXIOV) */
	WRITE_SCRATCH = 1 << 20,
	/* Below it a copy costs less than the two pieces that the kernel walks for each record:
	 * half as much at 100 bytes, and no more at 2,000. */
	WRITE_LARGE = 2048,
};

static enum lts_err
from_errno(void)
{
	return errno == EPIPE ? LTS_CLOSED : used_up_or_sys(errno);
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

/* Where the next byte goes. */
static int64_t
place(int64_t offset, uint64_t done)
{
	return offset < 0 ? -1 : offset + (int64_t)done;
}

static enum lts_err
write_gathered(int fd, int64_t offset, enum record_format format, const struct record *records,
	       size_t n, struct buf *scratch, uint64_t *written)
{
	enum lts_err err = LTS_OK;
	uint64_t before = *written;
	for (size_t i = 0; i < n && !err;) {
		buf_clear(scratch);
		for (; i < n && scratch->len < WRITE_SCRATCH && !err; i++)
			err = record_text_put(&records[i], format, scratch);
		struct iovec iov = { scratch->data, scratch->len };
		if (!err)
			err = write_all(fd, place(offset, *written - before), &iov,
					scratch->len ? 1 : 0, written);
	}
	if (scratch->cap > 4 * WRITE_SCRATCH)
		buf_fini(scratch); /* for one huge record */
	return err;
}

static enum lts_err
write_in_place(int fd, int64_t offset, const struct record *records, size_t n, uint64_t *written)
{
	struct iovec iov[WRITE_IOV];
	uint64_t before = *written;
	enum lts_err err = LTS_OK;
	while (n && !err) {
		size_t took = record_text_iov(records, n, iov, WRITE_IOV);
		err = write_all(fd, place(offset, *written - before), iov, took * RECORD_TEXT_IOV,
				written);
		records += took;
		n -= took;
	}
	return err;
}

enum lts_err
record_write(int fd, int64_t offset, enum record_format format, const struct record *records,
	     size_t n, struct buf *scratch, uint64_t *written)
{
	size_t bytes = 0;
	for (size_t i = 0; i < n; i++)
		bytes += records[i].len;
	if (format == RECORD_LABELS && bytes >= n * WRITE_LARGE)
		return write_in_place(fd, offset, records, n, written);
	return write_gathered(fd, offset, format, records, n, scratch, written);
}
