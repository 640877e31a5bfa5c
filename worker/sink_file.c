/*
 * sink_file.c - records in files, exactly once on this host.
 *
 * In a worker's delivery thread. Owns the directory's descriptor and each stream's open
 * segment. Must never let a commit name bytes that are not durable, nor give a segment
 * its final name before the commit that says it is complete, nor write where nobody looks. Held by
 * tests/worker/test_sink_file.c and the kill scenarios.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/make_dirs.h"
#include "common/used_up.h"
#include "common/xalloc.h"
#include "worker/record_write.h"
#include "worker/segment.h"
#include "worker/sink.h"

/* Enough at a time that the disk gets large requests. */
enum { WRITEBACK_BYTES = 1 << 20 };

struct file_sink {
	struct sink base;
	int dir_fd;
	char *dir; /* what it is called */
	char instance[16];
	enum record_format format;
	int64_t rotate_bytes, rotate_interval_ms;
	struct buf scratch;
};

struct sink_stream {
	struct file_sink *sink;
	struct segment_dir dir;
	uint64_t segment;  /* being written, or next to be created when fd is -1 */
	uint64_t unsealed; /* segments below `segment` from here on still have their .part
			      name */
	int fd;
	uint64_t len;     /* bytes in the segment */
	uint64_t started; /* of which on their way to the disk */
	uint64_t synced;  /* of which durable */
	int64_t created_ms;
	bool touched; /* found so by the last flush, which was to seal it */
};

/* Says what happened to which segment. */
static enum lts_err
explain(struct sink_stream *stream, enum lts_err err, const char *what, struct buf *why_out)
{
	int saved = errno;
	(void)!buf_printf(why_out, "segment %s%08llu: %s", stream->dir.prefix,
			  (unsigned long long)stream->segment, what);
	if (err == LTS_SYS || err == LTS_NOSPACE) {
		(void)!buf_put_text(why_out, ": ");
		used_up_explain(saved, why_out);
	}
	return err;
}

static void
file_close(struct sink_stream **stream)
{
	if ((*stream)->fd >= 0)
		close((*stream)->fd);
	free(*stream);
	*stream = NULL;
}

static enum lts_err
open_at(struct sink_stream *stream, uint64_t offset, struct buf *why)
{
	enum lts_err err = segment_tidy(&stream->dir, stream->segment);
	if (err == LTS_BADDATA)
		return explain(stream, err,
			       "a sealed file is newer than the checkpoint: with this state_dir "
			       "moved away the agent goes on from the service's checkpoints",
			       why);
	if (err)
		return explain(stream, err, "cannot tidy the directory", why);
	err = segment_open(&stream->dir, stream->segment, offset, &stream->fd);
	if (err == LTS_NOTFOUND && offset == 0)
		return LTS_OK; /* not created yet */
	if (!err && offset == 0) {
		/* Nothing in it was committed; it is made again with the first record. */
		close(stream->fd);
		stream->fd = -1;
		return segment_remove(&stream->dir, stream->segment);
	}
	switch (err) {
	case LTS_OK:
		stream->len = stream->started = stream->synced = offset;
		stream->created_ms = clock_mono_ms();
		return LTS_OK;
	case LTS_NOTFOUND:
		return explain(
			stream, LTS_BADDATA,
			"missing, though the checkpoint names it: put it back, or lts-state "
			"reset; if the sink was changed, start once more with the former one and "
			"stop that in order",
			why);
	case LTS_BADDATA:
		return explain(stream, err, "shorter than the checkpoint says", why);
	case LTS_BUSY:
		return explain(stream, err, "another process writes it", why);
	default:
		return explain(stream, err, "cannot be opened", why);
	}
}

static enum lts_err
file_open(struct sink *sink, const struct shard_id *shard, struct sink_position position,
	  struct sink_stream **out, struct buf *why_out)
{
	struct file_sink *self = (struct file_sink *)sink;
	struct sink_stream *stream = xcalloc(1, sizeof(*stream));
	stream->sink = self;
	stream->fd = -1;
	stream->segment = stream->unsealed = position.segment;
	segment_dir_init(&stream->dir, self->dir_fd, shard, self->instance);
	enum lts_err err = open_at(stream, position.offset, why_out);
	if (err)
		file_close(&stream);
	else
		*out = stream;
	return err;
}

static enum lts_err
file_start_over(struct sink *sink, const struct shard_id *shard, struct sink_position *position)
{
	struct file_sink *self = (struct file_sink *)sink;
	struct segment_dir dir;
	uint64_t next;
	segment_dir_init(&dir, self->dir_fd, shard, self->instance);
	enum lts_err err = segment_abandon(&dir, position->segment, &next);
	if (!err)
		*position = (struct sink_position){ next, 0 };
	return err;
}

/* A directory that was moved away, or made anew under its name, would take the records where
 * nobody looks for them. It may come back: the shard waits, as for space. */
static enum lts_err
find_directory(const struct file_sink *sink, struct buf *why)
{
	struct stat ours, named;
	if (fstat(sink->dir_fd, &ours) == 0 && stat(sink->dir, &named) == 0 &&
	    ours.st_dev == named.st_dev && ours.st_ino == named.st_ino)
		return LTS_OK;
	enum lts_err ignored = buf_printf(
		why, "the directory that the files are in is not at '%s' any more", sink->dir);
	(void)ignored;
	return LTS_NOSPACE;
}

static enum lts_err
ready_segment(struct sink_stream *stream, struct buf *why)
{
	enum lts_err found = find_directory(stream->sink, why);
	if (found)
		return found;
	if (stream->fd < 0) {
		enum lts_err err = segment_create(&stream->dir, stream->segment, &stream->fd);
		if (err)
			return explain(stream, err, "cannot be created", why);
		stream->len = stream->started = stream->synced = 0;
		stream->created_ms = clock_mono_ms();
	} else if (!segment_is_intact(&stream->dir, stream->segment, stream->fd, stream->len)) {
		return explain(stream, LTS_BADDATA,
			       "was removed, replaced, cut or written by another", why);
	}
	return LTS_OK;
}

/* So that the commit's fdatasync finds little to do. Makes nothing durable; and an error is
 * kept for the fdatasync. */
static void
start_writeback(struct sink_stream *stream)
{
	if (stream->len - stream->started < WRITEBACK_BYTES)
		return;
	sync_file_range(stream->fd, (off_t)stream->started,
			(off_t)(stream->len - stream->started), SYNC_FILE_RANGE_WRITE);
	stream->started = stream->len;
}

static enum lts_err
file_submit(struct sink_stream *stream, const struct record *records, size_t n,
	    struct buf *why_out)
{
	uint64_t written = 0;
	enum lts_err err = ready_segment(stream, why_out);
	if (err)
		return err;
	err = record_write(stream->fd, (int64_t)stream->len, stream->sink->format, records, n,
			   &stream->sink->scratch, &written);
	if (!err) {
		stream->len += written;
		start_writeback(stream);
		return LTS_OK;
	}
	explain(stream, err, "cannot be written", why_out);
	if (written && ftruncate(stream->fd, (off_t)stream->len) < 0)
		return LTS_SYNC;
	return err;
}

static bool
wants_rotation(const struct sink_stream *stream)
{
	const struct file_sink *sink = stream->sink;
	if (sink->rotate_bytes && stream->len >= (uint64_t)sink->rotate_bytes)
		return true;
	return sink->rotate_interval_ms && stream->len &&
	       clock_mono_ms() - stream->created_ms >= sink->rotate_interval_ms;
}

static enum lts_err
file_flush(struct sink_stream *stream, bool seal, struct sink_position *position_out)
{
	if (stream->fd >= 0 && stream->synced < stream->len) {
		if (fdatasync(stream->fd) < 0)
			return LTS_SYNC;
		stream->synced = stream->len;
	}
	bool done = stream->fd >= 0 && stream->len && (seal || wants_rotation(stream));
	/* What somebody has touched never gets a final name. */
	stream->touched = done && !segment_is_intact(&stream->dir, stream->segment, stream->fd,
						     stream->len);
	if (done && !stream->touched) {
		close(stream->fd);
		stream->fd = -1;
		stream->len = stream->started = stream->synced = 0;
		stream->segment++;
	}
	*position_out = (struct sink_position){ stream->segment, stream->len };
	return LTS_OK;
}

static enum lts_err
file_committed(struct sink_stream *stream)
{
	enum lts_err err = segment_seal(&stream->dir, stream->unsealed, stream->segment);
	if (!err || err == LTS_BADDATA) /* which no second try would mend */
		stream->unsealed = stream->segment;
	return !err && stream->touched ? LTS_BADDATA : err;
}

static int64_t
file_due_ms(const struct sink_stream *stream)
{
	if (!stream->sink->rotate_interval_ms || !stream->len)
		return INT64_MAX;
	return stream->created_ms + stream->sink->rotate_interval_ms;
}

static void
file_destroy(struct sink **sink)
{
	struct file_sink *self = (struct file_sink *)*sink;
	if (self) {
		close(self->dir_fd);
		free(self->dir);
		buf_fini(&self->scratch);
	}
	free(self);
	*sink = NULL;
}

enum lts_err
sink_file_create(const char *dir, const struct sink_config *config, struct sink **out,
		 struct buf *why_out)
{
	static const struct sink_ops ops = {
		.open = file_open,
		.start_over = file_start_over,
		.submit = file_submit,
		.flush = file_flush,
		.committed = file_committed,
		.due_ms = file_due_ms,
		.close = file_close,
		.destroy = file_destroy,
	};
	int fd = make_dirs(dir, 0750) ? -1 : open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0) {
		int saved = errno;
		(void)!buf_printf(why_out, "sink directory '%s': ", dir);
		used_up_explain(saved, why_out);
		errno = saved;
		return used_up_or_sys(saved);
	}
	struct file_sink *sink = xcalloc(1, sizeof(*sink));
	sink->base.ops = &ops;
	sink->dir_fd = fd;
	sink->dir = xstrdup(dir);
	strncpy(sink->instance, config->instance, sizeof(sink->instance) - 1);
	sink->format = config->format;
	sink->rotate_bytes = config->rotate_bytes;
	sink->rotate_interval_ms = config->rotate_interval_ms;
	*out = &sink->base;
	return LTS_OK;
}
