/*
 * fallback.c - does without what is refused.
 *
 * In every process. Owns nothing. Must never replace a file by a rename, nor take a failed disk
 * for a file system that cannot sync. Held by tests/common/test_fallback.c and the scenarios of
 * old kernels.
 */
#include "common/fallback.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

struct entry { /* as the kernel has it */
	uint64_t ino;
	int64_t off;
	unsigned short len;
	unsigned char type;
	char name[];
};

static int
number_of(const char *name)
{
	int n = 0;
	if (*name < '0' || *name > '9')
		return -1;
	for (; *name >= '0' && *name <= '9'; name++)
		n = 10 * n + *name - '0';
	return n;
}

/* False: there is no /proc. */
static bool
close_listed(unsigned first)
{
	_Alignas(struct entry) char data[4096];
	int list = open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	long got = 0;
	if (list < 0)
		return false;
	while ((got = syscall(SYS_getdents64, list, data, sizeof(data))) > 0) {
		for (long at = 0; at < got;) {
			const struct entry *entry = (const void *)(data + at);
			int fd = number_of(entry->name);
			if (fd >= (int)first && fd != list)
				(void)close(fd);
			at += entry->len;
		}
	}
	(void)close(list);
	return got == 0;
}

int
fallback_close_from(unsigned first)
{
	struct rlimit limit;
	if (close_range(first, ~0u, 0) == 0 || close_listed(first))
		return 0;
	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return -1;
	for (rlim_t fd = first; fd < limit.rlim_cur; fd++)
		(void)close((int)fd);
	return 0;
}

static bool
same_file(int from_dir, const char *from, int to_dir, const char *to)
{
	struct stat a, b;
	return fstatat(from_dir, from, &a, AT_SYMLINK_NOFOLLOW) == 0 &&
	       fstatat(to_dir, to, &b, AT_SYMLINK_NOFOLLOW) == 0 && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

static bool
is_refused(int why)
{
	return why == EINVAL || why == ENOSYS || why == EPERM || why == EOPNOTSUPP ||
	       why == EMLINK;
}

static int
look_and_rename(int from_dir, const char *from, int to_dir, const char *to)
{
	struct stat st;
	if (fstatat(to_dir, to, &st, AT_SYMLINK_NOFOLLOW) == 0)
		errno = EEXIST;
	else if (errno == ENOENT)
		return renameat(from_dir, from, to_dir, to);
	return -1;
}

int
fallback_rename_new(int from_dir, const char *from, int to_dir, const char *to)
{
	if (renameat2(from_dir, from, to_dir, to, RENAME_NOREPLACE) == 0)
		return 0;
	int rc = -1;
	if (is_refused(errno))
		rc = linkat(from_dir, from, to_dir, to, 0);
	else if (errno != EEXIST)
		return -1;
	if (rc == 0 || (errno == EEXIST && same_file(from_dir, from, to_dir, to)))
		return unlinkat(from_dir, from, 0);
	return is_refused(errno) ? look_and_rename(from_dir, from, to_dir, to) : -1;
}

int
fallback_sync_dir(int fd)
{
	if (fsync(fd) == 0 || errno == EINVAL || errno == EOPNOTSUPP || errno == ENOSYS)
		return 0;
	return -1;
}

const char *
fallback_fs_name(int fd, char text[32])
{
	static const struct {
		unsigned long type;
		const char *name;
	} known[] = {
		{ 0x6969, "nfs" },         { 0xff534d42, "cifs" },   { 0xfe534d42, "smb" },
		{ 0x01021997, "9p" },      { 0x65735546, "fuse" },   { 0x794c7630, "overlay" },
		{ 0x01021994, "tmpfs" },   { 0xef53, "ext4" },       { 0x58465342, "xfs" },
		{ 0x9123683e, "btrfs" },
	};
	struct statfs fs;
	if (fstatfs(fd, &fs) < 0)
		return "unknown";
	unsigned long type = (unsigned long)fs.f_type & 0xffffffff;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (known[i].type == type)
			return known[i].name;
	snprintf(text, 32, "type 0x%lx", type);
	return text;
}
