/*
 * sink.c - each host's files as runs of record numbers, and what a sink may be told.
 *
 * In lts-model, in place of worker/sink*.c. Submit and flush take time, now and then much
 * of it. Checks at every call: one holder of a shard on a host; each record follows the one
 * before; the host owns the shard when it delivers; what is committed is durable.
 */
#include "worker/sandbox.h"
#include "worker/sink.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"
#include "tests/model/inside.h"
#include "tests/model/service.h"

struct file { /* a shard's, on one host: so many records have been appended */
	uint64_t count, durable;
	struct process *holder;
};

struct sink_stream { /* in the process' memory */
	struct file *file;
	int host, shard;
	uint64_t next; /* the record that must come next */
};

static struct file files[HOSTS_MAX][SHARDS_MAX];

void
sink_begin(void)
{
	memset(files, 0, sizeof(files));
}

void
sinks_closed(struct process *p)
{
	for (int i = 0; i < SHARDS_MAX; i++)
		if (files[p->host][i].holder == p)
			files[p->host][i].holder = NULL;
}

void
sink_power_loss(int host)
{
	for (int i = 0; i < SHARDS_MAX; i++)
		files[host][i].count = files[host][i].durable;
}

struct process *
sink_holder(int host, int shard)
{
	return files[host][shard].holder;
}

uint64_t
sink_durable(int host, int shard)
{
	return files[host][shard].durable;
}

static enum lts_err
op_open(struct sink *sink, const struct shard_id *id, struct sink_position position,
	struct sink_stream **out, struct buf *why_out)
{
	struct process *self = the_world->running;
	int shard = shard_number(id);
	struct file *file = &files[self->host][shard];
	struct checkpoint_record record;
	task_sleep(some_time(0, MS));
	if (file->holder)
		violated("shard %d: worker %d opens it while worker %d has it (I5)", shard,
			 self->slot, file->holder->slot);
	if (position.offset > file->durable)
		violated("shard %d: %llu records are committed, %llu are in the file (I4)", shard,
			 (unsigned long long)position.offset, (unsigned long long)file->durable);
	if (!store_committed(self->host, shard, &record))
		violated("shard %d: opened before it was taken", shard);
	file->count = file->durable = position.offset;
	file->holder = self;
	*out = xcalloc(1, sizeof(**out));
	(*out)->file = file;
	(*out)->host = self->host;
	(*out)->shard = shard;
	(*out)->next = cursor_number(&record.cursor);
	return LTS_OK;
}

static void
expect_owner(const struct sink_stream *stream, const char *when)
{
	int owner = service_owner(stream->shard);
	if (owner != stream->host)
		violated("shard %d: host %d delivers %s, but it is host %d's (I5)", stream->shard,
			 stream->host, when, owner);
}

static enum lts_err
op_submit(struct sink_stream *stream, const struct record *records, size_t n, struct buf *why_out)
{
	struct process *self = the_world->running;
	int64_t began_us = the_world->now_us;
	if (stream->file->holder != self)
		violated("shard %d: delivered by who does not hold it (I5)", stream->shard);
	expect_owner(stream, "when it begins");
	for (size_t i = 0; i < n; i++) {
		unsigned long long number = strtoull(records[i].text + 5, NULL, 10);
		if (number != stream->next)
			violated("shard %d: record %llu is delivered where %llu must follow (I1)",
				 stream->shard, number, (unsigned long long)stream->next);
		stream->next++;
	}
	stream->file->count += n;
	task_sleep(some_time(0, once_in(120) ? 40 * SECOND : once_in(40) ? 3 * SECOND : 3 * MS));
	if (self->held_up_us < began_us) /* else its loop could not stop it in time */
		expect_owner(stream, "when it ends");
	return LTS_OK;
}

static enum lts_err
op_flush(struct sink_stream *stream, bool seal, struct sink_position *position_out)
{
	task_sleep(some_time(0, once_in(60) ? 15 * SECOND : 3 * MS));
	stream->file->durable = stream->file->count;
	position_out->segment = 0;
	position_out->offset = stream->file->durable;
	return LTS_OK;
}

static enum lts_err
op_committed(struct sink_stream *stream)
{
	return LTS_OK;
}

static void
op_close(struct sink_stream **stream)
{
	if (*stream && (*stream)->file->holder == the_world->running)
		(*stream)->file->holder = NULL;
	free(*stream);
	*stream = NULL;
}

static void
op_destroy(struct sink **sink)
{
	free(*sink);
	*sink = NULL;
}

enum lts_err
sink_create(const struct sink_config *config, struct sink **out, struct buf *why_out)
{
	static const struct sink_ops ops = {
		.open = op_open,
		.submit = op_submit,
		.flush = op_flush,
		.committed = op_committed,
		.close = op_close,
		.destroy = op_destroy,
	};
	*out = xcalloc(1, sizeof(**out));
	(*out)->ops = &ops;
	return LTS_OK;
}

/* One process has all the worlds' threads. */
enum lts_err
sandbox_files(const struct sandbox *sandbox)
{
	return LTS_NOTFOUND;
}

enum lts_err
sandbox_calls(void)
{
	return LTS_NOTFOUND;
}
