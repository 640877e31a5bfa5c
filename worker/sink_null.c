/*
 * sink_null.c - takes every record and keeps none.
 *
 * In a worker's delivery thread. Owns nothing but its handles. Must never touch a record:
 * it is the measure of what the way to a sink costs.
 */
#include <stdlib.h>

#include "common/xalloc.h"
#include "worker/sink.h"

struct sink_stream {
	char nothing;
};

static enum lts_err
null_open(struct sink *sink, const struct shard_id *shard, struct sink_position position,
	  struct sink_stream **out, struct buf *why_out)
{
	*out = xcalloc(1, sizeof(**out));
	return LTS_OK;
}

static enum lts_err
null_submit(struct sink_stream *stream, const struct record *records, size_t n,
	    struct buf *why_out)
{
	return LTS_OK;
}

static enum lts_err
null_flush(struct sink_stream *stream, bool seal, struct sink_position *position_out)
{
	*position_out = (struct sink_position){ 0 };
	return LTS_OK;
}

static enum lts_err
null_committed(struct sink_stream *stream)
{
	return LTS_OK;
}

static void
null_close(struct sink_stream **stream)
{
	free(*stream);
	*stream = NULL;
}

static void
null_destroy(struct sink **sink)
{
	free(*sink);
	*sink = NULL;
}

struct sink *
sink_null_create(void)
{
	static const struct sink_ops ops = {
		.open = null_open,
		.submit = null_submit,
		.flush = null_flush,
		.committed = null_committed,
		.close = null_close,
		.destroy = null_destroy,
	};
	struct sink *sink = xcalloc(1, sizeof(*sink));
	sink->ops = &ops;
	return sink;
}
