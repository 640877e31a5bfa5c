/*
 * sys_spy.c - the file system calls of the test program, by way of a spy.
 *
 * In the test runner: these definitions take the place of libc's at link time. Owns
 * nothing. Must never change a call that no spy asked about.
 */
#include "tests/support/sys_spy.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { SPY_IOV = 1024 };

static const struct sys_spy *_Atomic spy_now;

void
sys_spy_set(const struct sys_spy *spy)
{
	atomic_store(&spy_now, spy);
}

static int
ask(enum sys_spy_call call, const char *path, size_t *bytes)
{
	const struct sys_spy *spy = atomic_load(&spy_now);
	return spy ? spy->before(spy->arg, call, path, bytes) : 0;
}

static int
ask_about_fd(enum sys_spy_call call, int fd, size_t *bytes)
{
	char link[64], path[4096];
	if (!atomic_load(&spy_now))
		return 0;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t len = readlink(link, path, sizeof(path) - 1);
	path[len > 0 ? len : 0] = '\0';
	return ask(call, path, bytes);
}

/* errno is the answer's, or the call's own. */
static int
refused(int error)
{
	if (error)
		errno = error;
	return error;
}

int
fsync(int fd)
{
	return refused(ask_about_fd(SPY_FSYNC, fd, NULL)) ? -1 : (int)syscall(SYS_fsync, fd);
}

int
fdatasync(int fd)
{
	return refused(ask_about_fd(SPY_FDATASYNC, fd, NULL)) ? -1
							      : (int)syscall(SYS_fdatasync, fd);
}

int
renameat2(int from_dir, const char *from, int to_dir, const char *to, unsigned flags)
{
	if (refused(ask(SPY_RENAME, from, NULL)))
		return -1;
	return (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, flags);
}

int
unlinkat(int dir, const char *name, int flags)
{
	return refused(ask(SPY_UNLINK, name, NULL))
		       ? -1
		       : (int)syscall(SYS_unlinkat, dir, name, flags);
}

int
ftruncate(int fd, off_t len)
{
	return refused(ask_about_fd(SPY_TRUNCATE, fd, NULL))
		       ? -1
		       : (int)syscall(SYS_ftruncate, fd, len);
}

/* The first `bytes` of iov; returns how many entries those are. */
static int
shorten(const struct iovec *iov, int n, size_t bytes, struct iovec *out)
{
	int used = 0;
	for (; used < n && used < SPY_IOV && bytes; used++) {
		out[used] = iov[used];
		if (out[used].iov_len > bytes)
			out[used].iov_len = bytes;
		bytes -= out[used].iov_len;
	}
	return used;
}

static size_t
total(const struct iovec *iov, int n)
{
	size_t bytes = 0;
	for (int i = 0; i < n; i++)
		bytes += iov[i].iov_len;
	return bytes;
}

ssize_t
writev(int fd, const struct iovec *iov, int n)
{
	struct iovec less[SPY_IOV];
	size_t all = total(iov, n), bytes = all;
	if (refused(ask_about_fd(SPY_WRITE, fd, &bytes)))
		return -1;
	if (bytes == all)
		return syscall(SYS_writev, fd, iov, n);
	return syscall(SYS_writev, fd, less, shorten(iov, n, bytes, less));
}

ssize_t
pwrite(int fd, const void *data, size_t len, off_t offset)
{
	size_t bytes = len;
	if (refused(ask_about_fd(SPY_WRITE, fd, &bytes)))
		return -1;
	return syscall(SYS_pwrite64, fd, data, bytes, offset);
}

ssize_t
pwritev(int fd, const struct iovec *iov, int n, off_t offset)
{
	struct iovec less[SPY_IOV];
	size_t all = total(iov, n), bytes = all;
	if (refused(ask_about_fd(SPY_WRITE, fd, &bytes)))
		return -1;
	/* The system call takes the offset in two halves; on 64 bits the first has it
	 * all. */
	if (bytes == all)
		return syscall(SYS_pwritev, fd, iov, n, offset, 0L);
	return syscall(SYS_pwritev, fd, less, shorten(iov, n, bytes, less), offset, 0L);
}
