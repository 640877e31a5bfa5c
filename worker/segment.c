/*
 * segment.c - creating, sealing and tidying the file sink's segments.
 *
 * In a worker's delivery thread. Owns nothing. Must never replace or remove a file with a
 * final name, and never return before what it did would survive a power cut. Held by
 * tests/worker/test_sink_file.c.
 */
#include "worker/segment.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fallback.h"
#include "common/used_up.h"

/* Segments are numbered without a gap, but for what a crash leaves: how far beyond the last one
 * found another is looked for. */
enum { TIDY_ABOVE = 16, TIDY_BELOW = 64 };

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
	return fallback_sync_dir(dir->fd) < 0 ? LTS_SYNC : LTS_OK;
}

static enum lts_err
from_open(void)
{
	switch (errno) {
	case ENOENT:
		return LTS_NOTFOUND;
	case EEXIST:
		return LTS_BUSY;
	default:
		return used_up_or_sys(errno);
	}
}

/* Not waiting for it. */
static enum lts_err
lock(int fd)
{
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return LTS_OK;
	return errno == EWOULDBLOCK ? LTS_BUSY : used_up_or_sys(errno);
}

static void
close_kept(int fd)
{
	int saved = errno;
	close(fd);
	errno = saved;
}

/* It is ours and empty; the next try makes it anew. */
static void
give_back(const struct segment_dir *dir, const char *name)
{
	int saved = errno;
	(void)unlinkat(dir->fd, name, 0);
	errno = saved;
}

enum lts_err
segment_create(const struct segment_dir *dir, uint64_t number, int *fd_out)
{
	char name[SEGMENT_NAME_MAX];
	name_of(dir, number, ".log.part", name);
	int fd = openat(dir->fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	if (fd < 0)
		return from_open();
	enum lts_err err = lock(fd);
	if (err)
		give_back(dir, name);
	else if (fsync(fd) < 0)
		err = LTS_SYNC;
	else
		err = sync_dir(dir);
	if (err)
		close_kept(fd);
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
	enum lts_err err = lock(fd);
	if (!err && fstat(fd, &st) < 0)
		err = used_up_or_sys(errno);
	else if (!err && (uint64_t)st.st_size < len)
		err = LTS_BADDATA;
	else if (!err && ftruncate(fd, (off_t)len) < 0)
		err = used_up_or_sys(errno);
	else if (!err && fsync(fd) < 0)
		err = LTS_SYNC;
	if (err)
		close_kept(fd);
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
	if (fallback_rename_new(dir->fd, part, dir->fd, final) == 0)
		return LTS_OK;
	if (errno == EEXIST)
		return LTS_BADDATA;
	if (errno != ENOENT)
		return used_up_or_sys(errno);
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
		return errno == ENOENT ? LTS_OK : used_up_or_sys(errno);
	return sync_dir(dir);
}

/* Whether a file of that name is there. */
static enum lts_err
look_for(const struct segment_dir *dir, uint64_t number, const char *suffix, bool *there_out)
{
	char name[SEGMENT_NAME_MAX];
	name_of(dir, number, suffix, name);
	int failed = faccessat(dir->fd, name, F_OK, AT_SYMLINK_NOFOLLOW);
	if (failed && errno != ENOENT)
		return used_up_or_sys(errno);
	*there_out = !failed;
	return LTS_OK;
}

/* The newest part above the committed one; nothing final may be there. */
static enum lts_err
find_top(const struct segment_dir *dir, uint64_t number, uint64_t *top_out)
{
	uint64_t top = number;
	for (uint64_t n = number; n <= top + TIDY_ABOVE; n++) {
		bool final = false, part = false;
		enum lts_err err = look_for(dir, n, ".log", &final);
		if (!err)
			err = final ? LTS_BADDATA : look_for(dir, n, ".log.part", &part);
		if (err)
			return err;
		if (part)
			top = n;
	}
	*top_out = top;
	return LTS_OK;
}

/* Those whose commit came about, and whose final name did not. */
static enum lts_err
seal_below(const struct segment_dir *dir, uint64_t number)
{
	uint64_t lowest = number > TIDY_BELOW ? number - TIDY_BELOW : 0;
	for (uint64_t n = number; n > lowest; n--) {
		bool part = false;
		enum lts_err err = look_for(dir, n - 1, ".log.part", &part);
		if (!err && part)
			err = seal_one(dir, n - 1);
		if (err)
			return err;
		if (part)
			lowest = n - 1 > TIDY_BELOW ? n - 1 - TIDY_BELOW : 0;
	}
	return LTS_OK;
}

/* By name: the finished files may be many, and somebody else's by now. The newest goes first, so
 * that a death in between leaves no gap. */
enum lts_err
segment_tidy(const struct segment_dir *dir, uint64_t number)
{
	char name[SEGMENT_NAME_MAX];
	uint64_t top;
	enum lts_err err = find_top(dir, number, &top);
	for (; !err && top > number; top--) {
		name_of(dir, top, ".log.part", name);
		if (unlinkat(dir->fd, name, 0) < 0 && errno != ENOENT)
			err = used_up_or_sys(errno);
	}
	if (!err)
		err = seal_below(dir, number);
	return err ? err : sync_dir(dir);
}

/* What is there from `number` on, in each form. A final name is given behind the commit that knows
 * a later number: where there is one, a newer state has been here. */
static enum lts_err
survey(const struct segment_dir *dir, uint64_t number, uint64_t *top_out, bool *is_older_out)
{
	static const char *const suffixes[] = { ".log", ".log.part", ".log.part.damaged" };
	uint64_t top = number;
	bool there[3] = { false }, is_older = false;
	for (uint64_t n = number; n <= top + TIDY_ABOVE; n++) {
		for (int i = 0; i < 3; i++) {
			enum lts_err err = look_for(dir, n, suffixes[i], &there[i]);
			if (err)
				return err;
		}
		is_older |= there[0];
		if (there[0] || there[1] || there[2])
			top = n;
	}
	*top_out = top;
	*is_older_out = is_older;
	return LTS_OK;
}

/* The newest goes first, as in segment_tidy. */
enum lts_err
segment_abandon(const struct segment_dir *dir, uint64_t number, uint64_t *next_out)
{
	char part[SEGMENT_NAME_MAX], damaged[SEGMENT_NAME_MAX];
	uint64_t top = number;
	bool is_older = false;
	enum lts_err err = survey(dir, number, &top, &is_older);
	if (err)
		return err;
	/* What a newer state delivered stays, and gets its final name; what this one began and did
	 * not commit comes again. */
	for (uint64_t n = is_older ? number : top;; n--) {
		name_of(dir, n, ".log.part", part);
		name_of(dir, n, ".log.part.damaged", damaged);
		if (renameat(dir->fd, part, dir->fd, damaged) < 0 && errno != ENOENT)
			return used_up_or_sys(errno);
		if (n == number)
			break;
	}
	*next_out = top + 1;
	return sync_dir(dir);
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
