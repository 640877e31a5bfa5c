/*
 * sink_stdout.c - records on standard output, shared by all workers.
 *
 * In a worker's delivery thread. Owns its scratch memory. Must never write outside the
 * lock on the inherited file, or records of two workers would mix on a pipe. At least
 * once: what a reader saw of a batch that was not committed it will see again. Held by
 * tests/worker/test_sink_stdout.c.
 */
#include <fcntl.h>
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
stdout_open(struct sink *sink, const struct shard_id *shard,
	    struct sink_position position, struct sink_stream **out, struct buf *why_out)
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

/* Part of a batch in a file is cut off again, or the next try would write behind a torn
 * record. What went into a pipe or a terminal is gone. */
static void
cut_back(uint64_t written)
{
	struct stat st;
	off_t end = lseek(STDOUT_FILENO, 0, SEEK_CUR);
	off_t begin = end - (off_t)written;
	if (written == 0 || begin < 0 || fstat(STDOUT_FILENO, &st) < 0 || st.st_size != end)
		return;
	if (ftruncate(STDOUT_FILENO, begin) == 0)
		lseek(STDOUT_FILENO, begin, SEEK_SET);
}

static enum lts_err
stdout_submit(struct sink_stream *stream, const struct record *records, size_t n,
	      struct buf *why_out)
{
	struct stdout_sink *sink = stream->sink;
	uint64_t written = 0;
	if (set_lock(sink->lock_fd, F_WRLCK) < 0)
		return LTS_SYS;
	enum lts_err err = record_write(STDOUT_FILENO, -1, sink->format, records, n,
					&sink->scratch, &written);
	if (err)
		cut_back(written);
	set_lock(sink->lock_fd, F_UNLCK);
	return err;
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
