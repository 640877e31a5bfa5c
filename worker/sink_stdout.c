/*
 * sink_stdout.c - records on standard output, shared by all workers.
 *
 * In a worker's delivery thread. Owns its scratch memory. Must never write outside the
 * lock on the inherited file, or records of two workers would mix on a pipe; nor behind
 * half a line, which a worker that was killed may leave. At least once: what a reader saw
 * of a batch that was not committed it will see again. Held by
 * tests/worker/test_sink_stdout.c and the scenarios of pipes.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/xalloc.h"
#include "worker/record_write.h"
#include "worker/sink.h"

struct stdout_sink {
	struct sink base;
	enum record_format format;
	int lock_fd;
	struct buf scratch;
};

struct sink_stream {
	struct stdout_sink *sink;
};

static enum lts_err
stdout_open(struct sink *sink, const struct shard_id *shard, struct sink_position position,
	    struct sink_stream **out, struct buf *why_out)
{
	*out = xcalloc(1, sizeof(**out));
	(*out)->sink = (struct stdout_sink *)sink;
	return LTS_OK;
}

/* A lock of the process, not of the descriptor: that one all workers share. */
static int
set_lock(int fd, short type)
{
	struct flock lock = { .l_type = type, .l_whence = SEEK_SET };
	return fcntl(fd, F_SETLKW, &lock);
}

/* The lock's file holds one byte: whether somebody is, or died, in the middle of a line.
 * What cannot be noted costs no more than the note. */
static void
note_torn(int fd, bool torn)
{
	ssize_t ignored = pwrite(fd, torn ? "!" : ".", 1, 0);
	(void)ignored;
}

static bool
is_torn(int fd)
{
	char mark;
	return pread(fd, &mark, 1, 0) == 1 && mark == '!';
}

/* The dead worker's half line becomes a line of its own, so that ours stay whole. */
static void
end_line(enum record_format format)
{
	const char *end = format == RECORD_CONTENT_NUL ? "" : "\n";
	while (write(STDOUT_FILENO, end, 1) < 0) {
		if (errno == EAGAIN)
			poll(&(struct pollfd){ .fd = STDOUT_FILENO, .events = POLLOUT }, 1, -1);
		else if (errno != EINTR)
			return; /* what follows meets the same error, and says so */
	}
}

/* Part of a batch in a file is cut off again, or the next try would write behind a torn
 * record. What went into a pipe or a terminal is gone. Returns whether all is whole. */
static bool
cut_back(uint64_t written)
{
	struct stat st;
	if (written == 0)
		return true;
	off_t end = lseek(STDOUT_FILENO, 0, SEEK_CUR);
	off_t begin = end - (off_t)written;
	if (begin < 0 || fstat(STDOUT_FILENO, &st) < 0 || st.st_size != end ||
	    ftruncate(STDOUT_FILENO, begin) < 0)
		return false;
	return lseek(STDOUT_FILENO, begin, SEEK_SET) == begin;
}

/* A terminal whose window was closed has no reader either. */
static enum lts_err
explain(int error, struct buf *why_out)
{
	struct stat st;
	enum lts_err ignored = buf_printf(why_out, "standard output: %s", strerror(error));
	(void)ignored;
	bool device = fstat(STDOUT_FILENO, &st) == 0 && S_ISCHR(st.st_mode);
	return error == EIO && device ? LTS_CLOSED : LTS_SYS;
}

static enum lts_err
stdout_submit(struct sink_stream *stream, const struct record *records, size_t n,
	      struct buf *why_out)
{
	struct stdout_sink *sink = stream->sink;
	uint64_t written = 0;
	if (set_lock(sink->lock_fd, F_WRLCK) < 0)
		return LTS_SYS;
	if (is_torn(sink->lock_fd))
		end_line(sink->format);
	note_torn(sink->lock_fd, true);
	enum lts_err err = record_write(STDOUT_FILENO, -1, sink->format, records, n,
					&sink->scratch, &written);
	int saved = errno;
	if (!err || cut_back(written))
		note_torn(sink->lock_fd, false);
	set_lock(sink->lock_fd, F_UNLCK);
	return err == LTS_SYS ? explain(saved, why_out) : err;
}

static enum lts_err
stdout_flush(struct sink_stream *stream, bool seal, struct sink_position *position_out)
{
	*position_out = (struct sink_position){ 0 };
	return LTS_OK;
}

static enum lts_err
stdout_committed(struct sink_stream *stream)
{
	return LTS_OK;
}

static void
stdout_close(struct sink_stream **stream)
{
	free(*stream);
	*stream = NULL;
}

static void
stdout_destroy(struct sink **sink)
{
	struct stdout_sink *self = (struct stdout_sink *)*sink;
	if (self)
		buf_fini(&self->scratch);
	free(self);
	*sink = NULL;
}

struct sink *
sink_stdout_create(const struct sink_config *config)
{
	static const struct sink_ops ops = {
		.open = stdout_open,
		.submit = stdout_submit,
		.flush = stdout_flush,
		.committed = stdout_committed,
		.close = stdout_close,
		.destroy = stdout_destroy,
	};
	struct stdout_sink *sink = xcalloc(1, sizeof(*sink));
	sink->base.ops = &ops;
	sink->format = config->format;
	sink->lock_fd = config->lock_fd;
	return &sink->base;
}
