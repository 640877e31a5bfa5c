/*
 * sim_stream.h - the log stream: shards, the records in them, the cursors that point
 * between them.
 *
 * A record is known by its index in its shard (its `seq`); a cursor is a number of its
 * own for each shard and index. Pure: times are arguments, in nanoseconds since 1970.
 */
#ifndef TESTS_SIM_SIM_STREAM_H
#define TESTS_SIM_SIM_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/ids.h"

enum { SIM_SHARDS_MAX = 1024, SIM_LIMIT_LEAST = 10, SIM_LIMIT_MOST = 1000 };

struct sim_stream;

struct sim_stream_config {
	unsigned shards;  /* 1..SIM_SHARDS_MAX */
	uint64_t records; /* per shard, received before start_ns */
	size_t record_bytes;
	uint64_t rate; /* records a second over all shards, from start_ns on */
	uint64_t seed;
	int64_t start_ns;
	size_t cache_bytes; /* rendered text kept, at most (ingested text is always kept)
			     */
};

struct sim_stream *sim_stream_create(const struct sim_stream_config *config);
void sim_stream_destroy(struct sim_stream **stream);

/* Brings in what the rate has produced until now; time never goes back. */
void sim_stream_settle(struct sim_stream *stream, int64_t now_ns);
/* From now on so many records a second, over the open shards; 0: none. */
void sim_stream_set_rate(struct sim_stream *stream, uint64_t rate, int64_t now_ns);
/* The parents, one or two, become read-only: what they hold stays, all that comes goes to the
 * children, numbered from *first_child_out on. LTS_INVALID: a parent is read-only already, or
 * both are the same; LTS_NOSPACE: too many shards. */
enum lts_err sim_stream_replace(struct sim_stream *stream, const unsigned *parents,
				size_t n_parents, size_t n_children, int64_t now_ns,
				unsigned *first_child_out) LTS_MUST_USE;
/* `count` more generated records, received now; the shard is open. */
void sim_stream_produce(struct sim_stream *stream, unsigned shard, uint64_t count,
			int64_t now_ns);
/* One record from outside; `fields` is the inside of its labels object, `content` its
 * log_content as JSON text without the quotes. */
void sim_stream_ingest(struct sim_stream *stream, unsigned shard, const char *fields,
		       const char *content, int64_t now_ns);
/* Records before `before` are no longer kept. */
void sim_stream_expire(struct sim_stream *stream, unsigned shard, uint64_t before);

unsigned sim_stream_shards(const struct sim_stream *stream);
bool sim_stream_is_open(const struct sim_stream *stream, unsigned shard);
uint64_t sim_stream_produced(const struct sim_stream *stream, unsigned shard);
uint64_t sim_stream_oldest(const struct sim_stream *stream, unsigned shard);
/* The text of a shard's id to its number; LTS_NOTFOUND. */
enum lts_err sim_stream_find(const struct sim_stream *stream, const char *id,
			     unsigned *shard_out) LTS_MUST_USE;

struct cursor sim_stream_cursor(const struct sim_stream *stream, unsigned shard, uint64_t index);
/* LTS_INVALID: no cursor of this shard, or beyond its end. */
enum lts_err sim_stream_index(const struct sim_stream *stream, unsigned shard, const char *cursor,
			      uint64_t *index_out) LTS_MUST_USE;
/* The first record kept that was received at or after `from_ns`; the end when there is
 * none. */
uint64_t sim_stream_at_time(const struct sim_stream *stream, unsigned shard, int64_t from_ns);

/* How many records a reader at `start` gets: at most `limit`, none at or past `end` or
 * the stream's end. LTS_EXPIRED: `start` is no longer kept. */
enum lts_err sim_stream_count(const struct sim_stream *stream, unsigned shard, uint64_t start,
			      unsigned limit, uint64_t end, unsigned *count_out) LTS_MUST_USE;
/* Appends them as `{"labels":{...}},{"labels":{...}}`; they exist. */
void sim_stream_copy(struct sim_stream *stream, unsigned shard, uint64_t start, unsigned count,
		     struct buf *out);

#endif
