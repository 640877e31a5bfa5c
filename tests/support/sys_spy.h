/*
 * sys_spy.h - sees the test process's file system calls, and makes them fail when told
 * to.
 *
 * fsync, fdatasync, renameat2, unlinkat, ftruncate, pwrite, pwritev and writev of the whole
 * test program, liblmdb's too, go through here; without a spy they are what they always are.
 */
#ifndef TESTS_SUPPORT_SYS_SPY_H
#define TESTS_SUPPORT_SYS_SPY_H

#include <stddef.h>
#include <stdint.h>

enum sys_spy_call { SPY_FSYNC, SPY_FDATASYNC, SPY_RENAME, SPY_UNLINK, SPY_TRUNCATE, SPY_WRITE };

struct sys_spy {
	/* Before each call, on the calling thread: 0 lets it happen, anything else is the
	 * errno that it fails with. `path`: of the descriptor, or the name; *bytes
	 * (SPY_WRITE only) may be lowered. */
	int (*before)(void *arg, enum sys_spy_call call, const char *path, size_t *bytes);
	void *arg;
};

/* Borrowed until the next call; NULL: none. */
void sys_spy_set(const struct sys_spy *spy);

#endif
