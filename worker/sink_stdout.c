/*
 * sink_stdout.c - records on standard output, shared by all workers.
 *
 * In a worker's delivery thread. Owns its turn among the workers, and the texts that a reader has
 * not taken yet. A reader may be slow, or asleep: then submit says so, and what is left goes on at
 * the next turn. Must never wait for a reader or for the turn; never write without the turn,
 * or records of two workers would mix on a pipe; never leave half a record behind: what is begun
 * is completed, also when its batch is taken away, and what a dead worker left becomes a line
 * of its own. At least once: what a reader saw of a batch that was not committed it will see
 * again. Held by tests/worker/test_sink_stdout.c and the scenarios of pipes.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/used_up.h"
#include "common/xalloc.h"
#include "worker/record_text.h"
#include "worker/record_write.h"
#include "worker/sink.h"
#include "worker/stream_out.h"
#include "worker/turns.h"

enum {
	TEXT_BYTES = 256 << 10, /* made at a time */
	TEXT_RECORDS = 4096,
	/* A batch is soon written: before the turn is waited for elsewhere it is asked for so
	 * often, with so long between. */
	TURN_TRIES = 20,
	TURN_PAUSE_NS = 100 * 1000,
	LAST_MS = 200, /* at the end of the process, for the rest of a record */
};

struct stdout_sink {
	struct sink base;
	enum record_format format;
	int lock_fd;
	struct turns *turns;
	struct stream_out out;
	struct buf scratch;         /* of a file's texts */
	struct sink_stream *writer; /* whose batch is under way; NULL: none, or only `text` */
	size_t put;                 /* records of it that stand in `text`, or went */
	struct buf text;            /* whole records; `sent` bytes of them went */
	size_t sent;
	bool full; /* nothing more was taken when last tried */
	size_t ends[TEXT_RECORDS], n_ends; /* where each ends in `text` */
	bool others;                       /* streams of ours wait for the writer */
	int64_t turn_ms;                   /* when they, or the turn, are asked for again */
	int64_t moved_ms;                  /* when something last went */
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

/* ---- the turn, and the mark ---- */

/* The lock's file holds one byte: whether somebody is, or died, in the middle of a line.
 * What cannot be noted costs no more than the note. */
static void
note_torn(const struct stdout_sink *sink, bool torn)
{
	ssize_t ignored = pwrite(sink->lock_fd, torn ? "!" : ".", 1, 0);
	(void)ignored;
}

static bool
is_torn(const struct stdout_sink *sink)
{
	char mark;
	return pread(sink->lock_fd, &mark, 1, 0) == 1 && mark == '!';
}

static enum lts_err
take_turn(struct stdout_sink *sink, struct buf *why_out)
{
	for (int tries = 0; tries < TURN_TRIES; tries++) {
		if (turns_try(sink->turns, clock_mono_ms()))
			return LTS_OK;
		if (turns_error(sink->turns))
			break;
		nanosleep(&(struct timespec){ .tv_nsec = TURN_PAUSE_NS }, NULL);
	}
	sink->turn_ms = turns_due_ms(sink->turns);
	if (!turns_error(sink->turns)) {
		(void)!buf_put_text(why_out, "other workers write to standard output");
		return LTS_AGAIN;
	}
	(void)!buf_put_text(why_out, "the lock of standard output: ");
	used_up_explain(turns_error(sink->turns), why_out);
	return LTS_NOSPACE;
}

/* Whatever is in `text` is done with. */
static void
give_turn(struct stdout_sink *sink, bool torn)
{
	buf_clear(&sink->text);
	sink->sent = sink->n_ends = 0;
	sink->full = false;
	sink->writer = NULL;
	note_torn(sink, torn);
	turns_put(sink->turns);
	if (sink->others)
		sink->turn_ms = 0;
	sink->others = false;
}

/* What ends a record. */
static const char *
end_of(const struct stdout_sink *sink)
{
	return sink->format == RECORD_CONTENT_NUL ? "" : "\n";
}

/* ---- into what others read ---- */

/* A terminal whose window was closed has no reader either. */
static enum lts_err
explain(int error, struct buf *why_out)
{
	struct stat st;
	if (error == EAGAIN) {
		(void)!buf_put_text(why_out, "nobody reads standard output just now");
		return LTS_AGAIN;
	}
	(void)!buf_put_text(why_out, "standard output: ");
	used_up_explain(error, why_out);
	if (error == EPIPE || error == ECONNRESET || error == ENOTCONN)
		return LTS_CLOSED;
	if (error == EIO && fstat(STDOUT_FILENO, &st) == 0 && S_ISCHR(st.st_mode))
		return LTS_CLOSED;
	return used_up_or_sys(error);
}

/* LTS_OK: nothing is left of `text`. */
static enum lts_err
pour(struct stdout_sink *sink, struct buf *why_out)
{
	while (sink->sent < sink->text.len) {
		ssize_t n = stream_out_write(&sink->out, sink->text.data + sink->sent,
					     sink->text.len - sink->sent);
		if (n > 0)
			sink->moved_ms = clock_mono_ms();
		if (n >= 0)
			sink->sent += (size_t)n;
		else if (errno != EINTR)
			break;
	}
	sink->full = sink->sent < sink->text.len && errno == EAGAIN;
	if (sink->sent < sink->text.len)
		return explain(errno, why_out);
	buf_clear(&sink->text);
	sink->sent = sink->n_ends = 0;
	return LTS_OK;
}

static void
end_here(struct stdout_sink *sink)
{
	sink->ends[sink->n_ends++] = sink->text.len;
}

static enum lts_err
fill(struct stdout_sink *sink, const struct record *records, size_t n)
{
	while (sink->put < n && sink->text.len < TEXT_BYTES && sink->n_ends < TEXT_RECORDS) {
		enum lts_err err =
			record_text_put(&records[sink->put], sink->format, &sink->text);
		if (err)
			return err;
		sink->put++;
		end_here(sink);
	}
	return LTS_OK;
}

/* No more of it than the record that is begun. */
static void
cut_text(struct stdout_sink *sink)
{
	size_t i = 0;
	while (i < sink->n_ends && sink->ends[i] < sink->sent)
		i++;
	bool between = sink->sent == 0 || i == sink->n_ends || sink->ends[i] == sink->sent;
	sink->text.len = between ? sink->sent : sink->ends[i];
}

static void
stdout_give_up(struct sink_stream *stream)
{
	struct stdout_sink *sink = stream->sink;
	if (sink->writer != stream)
		return;
	sink->writer = NULL;
	cut_text(sink);
	if (sink->sent == sink->text.len)
		give_turn(sink, false);
}

/* The dead worker's half line becomes a line of its own, so that ours stay whole. */
static void
begin(struct stdout_sink *sink, struct sink_stream *stream)
{
	sink->writer = stream;
	sink->put = 0;
	if (is_torn(sink)) {
		(void)!buf_put(&sink->text, end_of(sink), 1);
		end_here(sink);
	}
	note_torn(sink, true);
}

static enum lts_err
submit_stream(struct stdout_sink *sink, struct sink_stream *stream, const struct record *records,
	      size_t n, struct buf *why_out)
{
	enum lts_err err = LTS_OK;
	if (!sink->writer && sink->text.len) {
		err = pour(sink, why_out);
		if (!err)
			note_torn(sink, false);
	}
	if (!err && !sink->writer)
		begin(sink, stream);
	while (!err && (sink->put < n || sink->text.len)) {
		err = fill(sink, records, n);
		if (!err)
			err = pour(sink, why_out);
	}
	if (err == LTS_AGAIN || err == LTS_NOSPACE)
		return err;
	if (err == LTS_BADDATA || err == LTS_TOOBIG) /* a record that has no text */
		stdout_give_up(stream);
	else
		give_turn(sink, err != LTS_OK);
	return err;
}

/* ---- into a file ---- */

/* Part of a batch in a file is cut off again, or the next try would write behind a torn
 * record. Returns whether all is whole. */
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

static enum lts_err
submit_file(struct stdout_sink *sink, const struct record *records, size_t n, struct buf *why_out)
{
	uint64_t written = 0;
	if (is_torn(sink) && write(STDOUT_FILENO, end_of(sink), 1) < 0)
		return explain(errno, why_out); /* what follows would meet the same */
	note_torn(sink, true);
	enum lts_err err = record_write(STDOUT_FILENO, -1, sink->format, records, n,
					&sink->scratch, &written);
	int saved = errno;
	bool whole = !err || cut_back(written);
	if (err == LTS_NOSPACE || err == LTS_SYS)
		err = explain(saved, why_out);
	give_turn(sink, !whole);
	return err;
}

static enum lts_err
stdout_submit(struct sink_stream *stream, const struct record *records, size_t n,
	      struct buf *why_out)
{
	struct stdout_sink *sink = stream->sink;
	if (sink->writer && sink->writer != stream) {
		sink->others = true;
		(void)!buf_put_text(why_out, "another shard's records are in front");
		return LTS_AGAIN;
	}
	enum lts_err err = take_turn(sink, why_out);
	if (err)
		return err;
	if (sink->out.is_file)
		return submit_file(sink, records, n, why_out);
	return submit_stream(sink, stream, records, n, why_out);
}

/* ---- the rest ---- */

static int
stdout_fd(const struct sink *sink)
{
	const struct stdout_sink *self = (const struct stdout_sink *)sink;
	return self->full ? self->out.fd : -1;
}

static int64_t
stdout_turn_ms(const struct sink *sink)
{
	return ((const struct stdout_sink *)sink)->turn_ms;
}

static int64_t
stdout_moved_ms(const struct sink *sink)
{
	return ((const struct stdout_sink *)sink)->moved_ms;
}

static void
stdout_turn(struct sink *sink)
{
	struct stdout_sink *self = (struct stdout_sink *)sink;
	struct buf ignored;
	buf_init(&ignored, 0);
	self->turn_ms = INT64_MAX;
	if (!self->writer && self->text.len) {
		enum lts_err err = pour(self, &ignored);
		if (err != LTS_AGAIN && err != LTS_NOSPACE)
			give_turn(self, err != LTS_OK);
		self->turn_ms = INT64_MAX; /* those that wait are asked right now */
	}
	buf_fini(&ignored);
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
	stdout_give_up(*stream);
	free(*stream);
	*stream = NULL;
}

/* The rest of a record goes if it can; else the next writer ends its line. */
static void
stdout_destroy(struct sink **sink)
{
	struct stdout_sink *self = (struct stdout_sink *)*sink;
	if (self) {
		if (self->text.len)
			stream_out_wait(&self->out, LAST_MS);
		stdout_turn(*sink);
		turns_close(&self->turns);
		stream_out_close(&self->out);
		buf_fini(&self->text);
		buf_fini(&self->scratch);
	}
	free(self);
	*sink = NULL;
}

enum lts_err
sink_stdout_create(const struct sink_config *config, struct sink **out, struct buf *why_out)
{
	static const struct sink_ops ops = {
		.open = stdout_open,
		.submit = stdout_submit,
		.give_up = stdout_give_up,
		.fd = stdout_fd,
		.turn_ms = stdout_turn_ms,
		.turn = stdout_turn,
		.moved_ms = stdout_moved_ms,
		.flush = stdout_flush,
		.committed = stdout_committed,
		.close = stdout_close,
		.destroy = stdout_destroy,
	};
	struct turns *turns;
	if (turns_adopt(config->lock_fd, &turns)) {
		enum lts_err err = used_up_or_sys(errno);
		(void)!buf_put_text(why_out, "the lock of standard output: ");
		used_up_explain(errno, why_out);
		return err;
	}
	struct stdout_sink *sink = xcalloc(1, sizeof(*sink));
	sink->base.ops = &ops;
	sink->format = config->format;
	sink->lock_fd = config->lock_fd;
	sink->turns = turns;
	sink->turn_ms = INT64_MAX;
	stream_out_open(&sink->out, STDOUT_FILENO);
	*out = &sink->base;
	return LTS_OK;
}
