/*
 * replay_file.c - how far a file of dead letters was gone through, and what failed again.
 *
 * In a worker that replays. Owns the mapping and FILE.failed's descriptor. Must never name in
 * FILE.progress a line whose fate is not durable, nor keep in FILE.failed what the progress does
 * not know: a line would stand there twice. Held by tests/scenario/replay.c and replay_stops.c.
 */
#include "worker/replay_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fallback.h"
#include "common/xalloc.h"

enum { PROGRESS_MAX = 512 };

#define PROGRESS_FORMAT                                                         \
	"lts-replay 1 offset=%" PRIu64 " delivered=%" PRIu64 " failed=%" PRIu64 \
	" failed_bytes=%" PRIu64 " size=%" PRIu64 " inode=%" PRIu64 " instance=%s\n"
#define PROGRESS_SCAN                                                           \
	"lts-replay 1 offset=%" SCNu64 " delivered=%" SCNu64 " failed=%" SCNu64 \
	" failed_bytes=%" SCNu64 " size=%" SCNu64 " inode=%" SCNu64 " instance=%15s%n"

static enum lts_err
explain(enum lts_err err, const char *path, const char *what, struct buf *why_out)
{
	int saved = errno;
	enum lts_err ignored =
		buf_printf(why_out, "%s: %s", path, err == LTS_SYS ? strerror(saved) : what);
	(void)ignored;
	return err;
}

/* ---- writing ---- */

static enum lts_err
write_error(void)
{
	return errno == ENOSPC || errno == EDQUOT || errno == EFBIG ? LTS_NOSPACE : LTS_SYS;
}

static enum lts_err
put_all(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = write(fd, text, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return write_error();
		text += n;
		len -= (size_t)n;
	}
	return LTS_OK;
}

/* The names in the file's directory survive a power cut. */
static enum lts_err
sync_directory(const char *path)
{
	const char *slash = strrchr(path, '/');
	char *dir = slash ? xstrndup(path, (size_t)(slash - path) + 1) : xstrdup(".");
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(dir);
	if (fd < 0)
		return LTS_SYS;
	enum lts_err err = fallback_sync_dir(fd) < 0 ? LTS_SYNC : LTS_OK;
	close(fd);
	return err;
}

static enum lts_err
write_progress(const struct replay_file *f, const char *fresh)
{
	char text[PROGRESS_MAX];
	int len = snprintf(text, sizeof(text), PROGRESS_FORMAT, f->offset, f->delivered, f->again,
			   f->failed_len, f->len, f->inode, f->instance);
	int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return write_error();
	enum lts_err err = put_all(fd, text, (size_t)len);
	if (!err && fsync(fd) < 0)
		err = LTS_SYNC;
	close(fd);
	if (!err && rename(fresh, f->progress) < 0)
		err = write_error();
	return err ? err : sync_directory(f->progress);
}

enum lts_err
replay_file_save(struct replay_file *f)
{
	if (f->failed_fd >= 0 && fdatasync(f->failed_fd) < 0)
		return LTS_SYNC;
	char *fresh = xasprintf("%s.new", f->progress);
	enum lts_err err = write_progress(f, fresh);
	free(fresh);
	return err;
}

static enum lts_err
open_failed(struct replay_file *f)
{
	f->failed_fd = open(f->failed, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	return f->failed_fd < 0 ? write_error() : sync_directory(f->failed);
}

enum lts_err
replay_file_fail(struct replay_file *f, const char *text, size_t len)
{
	enum lts_err err = f->failed_fd < 0 ? open_failed(f) : LTS_OK;
	if (err)
		return err;
	err = put_all(f->failed_fd, text, len);
	if (!err)
		f->failed_len += len;
	else if (ftruncate(f->failed_fd, (off_t)f->failed_len) < 0)
		return LTS_SYNC; /* half a line is in it */
	return err;
}

enum lts_err
replay_file_finish(struct replay_file *f)
{
	if (!f->again && unlink(f->failed) < 0 && errno != ENOENT)
		return LTS_SYS;
	return unlink(f->progress) < 0 ? LTS_SYS : sync_directory(f->progress);
}

/* ---- opening ---- */

static enum lts_err
map(struct replay_file *f, const char *path, int fd, struct buf *why_out)
{
	struct stat st;
	if (fstat(fd, &st) < 0)
		return explain(LTS_SYS, path, "", why_out);
	f->len = (uint64_t)st.st_size;
	f->inode = st.st_ino;
	if (!f->len)
		return LTS_OK;
	void *text = mmap(NULL, f->len, PROT_READ, MAP_PRIVATE, fd, 0);
	if (text == MAP_FAILED)
		return explain(LTS_SYS, path, "", why_out);
	f->text = text;
	return LTS_OK;
}

static bool
is_whole(const struct replay_file *f, uint64_t size, uint64_t inode)
{
	return size == f->len && inode == f->inode && f->offset <= f->len &&
	       (f->offset == 0 || f->offset == f->len || f->text[f->offset - 1] == '\n');
}

static enum lts_err
read_progress(struct replay_file *f, FILE *file, struct buf *why_out)
{
	char text[PROGRESS_MAX] = "";
	uint64_t size, inode;
	int used = 0;
	size_t len = fread(text, 1, sizeof(text) - 1, file);
	int n = sscanf(text, PROGRESS_SCAN, &f->offset, &f->delivered, &f->again, &f->failed_len,
		       &size, &inode, f->instance, &used);
	if (n != 7 || (size_t)used + 1 != len || text[used] != '\n')
		return explain(LTS_BADDATA, f->progress, "is not the progress of a replay",
			       why_out);
	if (!is_whole(f, size, inode))
		return explain(LTS_BADDATA, f->progress,
			       "is about another file of that name; without it the replay begins "
			       "anew",
			       why_out);
	return LTS_OK;
}

/* What was appended behind the last save was not done with: it comes again. */
static enum lts_err
cut_failed(struct replay_file *f, struct buf *why_out)
{
	struct stat st;
	int fd = open(f->failed, O_WRONLY | O_APPEND | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT && !f->failed_len)
		return LTS_OK;
	f->failed_fd = fd;
	if (fd < 0 || fstat(fd, &st) < 0)
		return explain(LTS_SYS, f->failed, "", why_out);
	if ((uint64_t)st.st_size < f->failed_len)
		return explain(LTS_BADDATA, f->failed, "is shorter than its progress says",
			       why_out);
	if (ftruncate(fd, (off_t)f->failed_len) < 0)
		return explain(LTS_SYS, f->failed, "", why_out);
	return LTS_OK;
}

static enum lts_err
begin(struct replay_file *f, struct buf *why_out)
{
	uint32_t random;
	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		return explain(LTS_SYS, f->progress, "", why_out);
	snprintf(f->instance, sizeof(f->instance), "replay%08x", random);
	enum lts_err err = replay_file_save(f); /* before there is anything to be saved */
	return err ? explain(LTS_SYS, f->progress, "", why_out) : LTS_OK;
}

enum lts_err
replay_file_open(struct replay_file *f, const char *path, int fd, struct buf *why_out)
{
	*f = (struct replay_file){ .failed_fd = -1 };
	f->progress = xasprintf("%s.progress", path);
	f->failed = xasprintf("%s.failed", path);
	enum lts_err err = map(f, path, fd, why_out);
	if (err)
		return err;
	FILE *file = fopen(f->progress, "re");
	if (!file)
		return errno == ENOENT ? begin(f, why_out)
				       : explain(LTS_SYS, f->progress, "", why_out);
	err = read_progress(f, file, why_out);
	(void)fclose(file);
	return err ? err : cut_failed(f, why_out);
}

void
replay_file_close(struct replay_file *f)
{
	if (f->text)
		munmap((void *)(uintptr_t)f->text, f->len);
	if (f->failed_fd >= 0)
		close(f->failed_fd);
	free(f->progress);
	free(f->failed);
	*f = (struct replay_file){ .failed_fd = -1 };
}

bool
replay_file_line(const struct replay_file *f, uint64_t at, const char **line_out, size_t *len_out,
		 bool *whole_out)
{
	if (at >= f->len)
		return false;
	const char *line = f->text + at;
	const char *end = memchr(line, '\n', f->len - at);
	*line_out = line;
	*len_out = end ? (size_t)(end - line) : f->len - at;
	*whole_out = end != NULL;
	return true;
}
