/*
 * segment.c - creating, sealing and tidying the file sink's segments.
 *
 * In a worker's delivery thread. Owns nothing. Must never replace or remove a file with a
 * final name, and never return before what it did would survive a power cut. Held by
 * tests/worker/test_sink_file.c.
 */
#include "worker/segment.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/xalloc.h"

void
segment_dir_init(struct segment_dir *dir, int fd, const struct shard_id *shard,
		 const char *instance)
{
	char encoded[3 * sizeof(shard->text)];
	size_t len = 0;
	for (const char *p = shard->text; *p; p++) {
		if (isalnum((unsigned char)*p) || *p == '_')
			encoded[len++] = *p;
		else
			len += (size_t)snprintf(encoded + len, 4, "%%%02X", (unsigned char)*p);
	}
	encoded[len] = '\0';
	dir->fd = fd;
	snprintf(dir->prefix, sizeof(dir->prefix), "%s-%s-", encoded, instance);
}

static void
name_of(const struct segment_dir *dir, uint64_t number, const char *suffix,
	char name[SEGMENT_NAME_MAX])
{
	snprintf(name, SEGMENT_NAME_MAX, "%s%08" PRIu64 "%s", dir->prefix, number, suffix);
}

/* fsync may fail only once: after that the kernel has forgotten what was dirty. */
static enum lts_err
sync_dir(const struct segment_dir *dir)
{
	return fsync(dir->fd) < 0 ? LTS_SYNC : LTS_OK;
}

static enum lts_err
from_open(void)
{
	switch (errno) {
	case ENOENT:
		return LTS_NOTFOUND;
	case EEXIST:
		return LTS_BUSY;
	case ENOSPC:
	case EDQUOT:
		return LTS_NOSPACE;
	default:
		return LTS_SYS;
	}
}

enum lts_err
segment_create(const struct segment_dir *dir, uint64_t number, int *fd_out)
{
	char name[SEGMENT_NAME_MAX];
	name_of(dir, number, ".log.part", name);
	int fd = openat(dir->fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	if (fd < 0)
		return from_open();
	enum lts_err err = LTS_OK;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		err = LTS_BUSY;
	else if (fsync(fd) < 0)
		err = LTS_SYNC;
	else
		err = sync_dir(dir);
	if (err)
		close(fd);
	else
		*fd_out = fd;
	return err;
}

enum lts_err
segment_open(const struct segment_dir *dir, uint64_t number, uint64_t len, int *fd_out)
{
	char name[SEGMENT_NAME_MAX];
	struct stat st;
	name_of(dir, number, ".log.part", name);
	int fd = openat(dir->fd, name, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return from_open();
	enum lts_err err = LTS_OK;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		err = LTS_BUSY;
	else if (fstat(fd, &st) < 0)
		err = LTS_SYS;
	else if ((uint64_t)st.st_size < len)
		err = LTS_BADDATA;
	else if (ftruncate(fd, (off_t)len) < 0)
		err = LTS_SYS;
	else if (fsync(fd) < 0)
		err = LTS_SYNC;
	if (err)
		close(fd);
	else
		*fd_out = fd;
	return err;
}

static enum lts_err
seal_one(const struct segment_dir *dir, uint64_t number)
{
	char part[SEGMENT_NAME_MAX], final[SEGMENT_NAME_MAX];
	name_of(dir, number, ".log.part", part);
	name_of(dir, number, ".log", final);
	if (renameat2(dir->fd, part, dir->fd, final, RENAME_NOREPLACE) == 0)
		return LTS_OK;
	if (errno == EEXIST)
		return LTS_BADDATA;
	if (errno != ENOENT)
		return LTS_SYS;
	/* Sealed before, or removed behind our back. */
	return faccessat(dir->fd, final, F_OK, AT_SYMLINK_NOFOLLOW) == 0 ? LTS_OK : LTS_BADDATA;
}

enum lts_err
segment_seal(const struct segment_dir *dir, uint64_t from, uint64_t to)
{
	enum lts_err err = LTS_OK;
	if (from == to)
		return LTS_OK;
	for (uint64_t n = from; n < to; n++) {
		enum lts_err one = seal_one(dir, n);
		err = err ? err : one;
	}
	enum lts_err synced = sync_dir(dir);
	return synced ? synced : err;
}

enum lts_err
segment_remove(const struct segment_dir *dir, uint64_t number)
{
	char name[SEGMENT_NAME_MAX];
	name_of(dir, number, ".log.part", name);
	if (unlinkat(dir->fd, name, 0) < 0)
		return errno == ENOENT ? LTS_OK : LTS_SYS;
	return sync_dir(dir);
}

struct found {
	uint64_t number;
	bool part;
};

/* One directory entry: is it a segment of this stream, and which? */
static bool
parse_name(const struct segment_dir *dir, const char *name, struct found *out)
{
	size_t prefix = strlen(dir->prefix);
	if (strncmp(name, dir->prefix, prefix) != 0 || !isdigit((unsigned char)name[prefix]))
		return false;
	char *rest;
	out->number = strtoull(name + prefix, &rest, 10);
	out->part = strcmp(rest, ".log.part") == 0;
	return out->part || strcmp(rest, ".log") == 0;
}

static enum lts_err
tidy_one(const struct segment_dir *dir, uint64_t number, const struct found *found)
{
	if (!found->part)
		return found->number >= number ? LTS_BADDATA : LTS_OK;
	if (found->number < number)
		return segment_seal(dir, found->number, found->number + 1);
	if (found->number == number)
		return LTS_OK;
	return segment_remove(dir, found->number);
}

enum lts_err
segment_tidy(const struct segment_dir *dir, uint64_t number)
{
	int copy = openat(dir->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = copy < 0 ? NULL : fdopendir(copy);
	if (!stream) {
		if (copy >= 0)
			close(copy);
		return LTS_SYS;
	}
	enum lts_err err = LTS_OK;
	struct dirent *entry;
	struct found found;
	while (!err && (entry = readdir(stream)))
		if (parse_name(dir, entry->d_name, &found))
			err = tidy_one(dir, number, &found);
	closedir(stream);
	return err ? err : sync_dir(dir);
}

bool
segment_is_intact(const struct segment_dir *dir, uint64_t number, int fd, uint64_t len)
{
	char name[SEGMENT_NAME_MAX];
	struct stat here, named;
	name_of(dir, number, ".log.part", name);
	if (fstat(fd, &here) < 0 || fstatat(dir->fd, name, &named, AT_SYMLINK_NOFOLLOW) < 0)
		return false;
	return here.st_dev == named.st_dev && here.st_ino == named.st_ino &&
	       (uint64_t)here.st_size == len;
}
