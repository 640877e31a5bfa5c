/*
 * sim_stream.c - which records exist, when they came, and where cursors point.
 *
 * In lts-sim. Owns the shards. Must never give a record another index or another text
 * than before, nor read a clock. Receive times are kept as runs (first index, first time,
 * gap), so that a million records cost one entry; texts are in sim_chunk.c. Held by
 * tests/support/test_sim_stream.c.
 */
#include "tests/sim/sim_stream.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/xalloc.h"
#include "tests/sim/sim_chunk.h"
#include "tests/sim/sim_record.h"

#define NS_PER_S 1000000000

enum { HISTORY_GAP_NS = 1000000 };

/* Cursors look like nanoseconds, as the service's do; a shard's never meet those of
 * another. */
#define CURSOR_BASE UINT64_C(1767322800000000001)
#define CURSOR_RANGE UINT64_C(10000000000000)

struct run {
	uint64_t first, count;
	int64_t first_ns, gap_ns;
	bool live; /* made by the rate: the next such record may extend it */
};

struct shard {
	struct run *runs;
	size_t n_runs, cap_runs;
	uint64_t produced, oldest;
	uint64_t live; /* of them made by the present rate */
	unsigned turn; /* of the open shards: which of the rate's records are its own */
	bool closed;
	struct sim_chunks *chunks;
};

struct sim_stream {
	struct sim_stream_config config;
	struct sim_cache *cache;
	int64_t now_ns;
	uint64_t rate; /* over the open shards, since rate_ns */
	int64_t rate_ns;
	unsigned n_shards, n_open;
	struct shard shards[SIM_SHARDS_MAX];
};

static void
add_run(struct shard *shard, struct run run)
{
	struct run *last = shard->n_runs ? &shard->runs[shard->n_runs - 1] : NULL;
	if (last && !run.live && run.gap_ns == 0 && last->gap_ns == 0 &&
	    last->first_ns == run.first_ns) {
		last->count += run.count;
		shard->produced += run.count;
		return;
	}
	if (!shard->runs || shard->n_runs == shard->cap_runs) {
		shard->cap_runs = shard->cap_runs ? 2 * shard->cap_runs : 4;
		shard->runs = xreallocarray(shard->runs, shard->cap_runs, sizeof(run));
	}
	run.first = shard->produced;
	shard->produced += run.count;
	shard->runs[shard->n_runs++] = run;
}

static int64_t
whole_second(int64_t ns)
{
	return ns - ns % NS_PER_S;
}

static struct shard *
add_shard(struct sim_stream *stream)
{
	struct shard *shard = &stream->shards[stream->n_shards++];
	shard->chunks = sim_chunks_create(stream->cache);
	return shard;
}

/* From now on, over the shards that are open now. */
static void
begin_rate(struct sim_stream *stream, uint64_t rate)
{
	stream->rate = rate;
	stream->rate_ns = stream->now_ns;
	stream->n_open = 0;
	for (unsigned i = 0; i < stream->n_shards; i++) {
		struct shard *shard = &stream->shards[i];
		shard->live = 0;
		if (shard->n_runs)
			shard->runs[shard->n_runs - 1].live = false;
		if (!shard->closed)
			shard->turn = stream->n_open++;
	}
}

struct sim_stream *
sim_stream_create(const struct sim_stream_config *config)
{
	struct sim_stream *stream = xcalloc(1, sizeof(*stream));
	stream->config = *config;
	stream->now_ns = config->start_ns;
	size_t per_chunk = SIM_CHUNK_BYTES / (config->record_bytes ? config->record_bytes : 1);
	stream->cache = sim_cache_create(config->cache_bytes, per_chunk ? per_chunk : 1);
	/* All of history is older than the second of the start, so that "now" is after
	 * all of it. */
	int64_t length_ns = (int64_t)config->records * HISTORY_GAP_NS;
	for (unsigned i = 0; i < config->shards; i++) {
		struct shard *shard = add_shard(stream);
		if (config->records)
			add_run(shard, (struct run){ .count = config->records,
						     .first_ns = whole_second(config->start_ns) -
								 length_ns,
						     .gap_ns = HISTORY_GAP_NS });
	}
	begin_rate(stream, config->rate);
	return stream;
}

void
sim_stream_destroy(struct sim_stream **streamp)
{
	struct sim_stream *stream = *streamp;
	*streamp = NULL;
	if (!stream)
		return;
	for (unsigned i = 0; i < stream->n_shards; i++) {
		sim_chunks_destroy(&stream->shards[i].chunks);
		free(stream->shards[i].runs);
	}
	sim_cache_destroy(&stream->cache);
	free(stream);
}

/* The rate's g-th record belongs to the shard whose turn is g % open and comes at
 * (g + 1) / rate. */
static void
settle_shard(struct sim_stream *stream, struct shard *shard, uint64_t total)
{
	uint64_t open = stream->n_open, rate = stream->rate;
	uint64_t due = (total + open - 1 - shard->turn) / open;
	if (due <= shard->live)
		return;
	uint64_t count = due - shard->live;
	struct run *last = shard->n_runs ? &shard->runs[shard->n_runs - 1] : NULL;
	if (last && last->live) {
		last->count += count;
		shard->produced += count;
	} else {
		double first_s = (double)(shard->live * open + shard->turn + 1) / (double)rate;
		add_run(shard,
			(struct run){ .count = count,
				      .live = true,
				      .first_ns = stream->rate_ns + (int64_t)(first_s * 1e9),
				      .gap_ns = (int64_t)(open * NS_PER_S / rate) });
	}
	shard->live = due;
}

void
sim_stream_settle(struct sim_stream *stream, int64_t now_ns)
{
	if (now_ns > stream->now_ns)
		stream->now_ns = now_ns;
	if (stream->rate == 0)
		return;
	uint64_t elapsed_ns = (uint64_t)(stream->now_ns - stream->rate_ns);
	uint64_t total = elapsed_ns / NS_PER_S * stream->rate +
			 elapsed_ns % NS_PER_S * stream->rate / NS_PER_S;
	for (unsigned i = 0; i < stream->n_shards; i++)
		if (!stream->shards[i].closed)
			settle_shard(stream, &stream->shards[i], total);
}

void
sim_stream_set_rate(struct sim_stream *stream, uint64_t rate, int64_t now_ns)
{
	sim_stream_settle(stream, now_ns);
	begin_rate(stream, rate);
}

enum lts_err
sim_stream_replace(struct sim_stream *stream, const unsigned *parents, size_t n_parents,
		   size_t n_children, int64_t now_ns, unsigned *first_child_out)
{
	for (size_t i = 0; i < n_parents; i++)
		if (stream->shards[parents[i]].closed || (i && parents[i] == parents[0]))
			return LTS_INVALID;
	if (stream->n_shards + n_children > SIM_SHARDS_MAX)
		return LTS_NOSPACE;
	sim_stream_settle(stream, now_ns);
	for (size_t i = 0; i < n_parents; i++)
		stream->shards[parents[i]].closed = true;
	*first_child_out = stream->n_shards;
	while (n_children--)
		add_shard(stream);
	begin_rate(stream, stream->rate);
	return LTS_OK;
}

void
sim_stream_produce(struct sim_stream *stream, unsigned number, uint64_t count, int64_t now_ns)
{
	sim_stream_settle(stream, now_ns);
	if (count)
		add_run(&stream->shards[number],
			(struct run){ .count = count, .first_ns = stream->now_ns });
}

/* The run that holds `index`, which exists. */
static const struct run *
run_of(const struct shard *shard, uint64_t index)
{
	size_t low = 0, high = shard->n_runs;
	while (high - low > 1) {
		size_t middle = (low + high) / 2;
		if (shard->runs[middle].first <= index)
			low = middle;
		else
			high = middle;
	}
	return &shard->runs[low];
}

static int64_t
time_of(const struct shard *shard, uint64_t index)
{
	const struct run *run = run_of(shard, index);
	return run->first_ns + (int64_t)(index - run->first) * run->gap_ns;
}

struct maker {
	const struct sim_stream *stream;
	unsigned number;
};

static void
make_record(void *arg, uint64_t index, struct buf *out)
{
	const struct maker *maker = arg;
	const struct sim_stream_config *config = &maker->stream->config;
	const struct shard *shard = &maker->stream->shards[maker->number];
	sim_record_render(out, config->seed, config->record_bytes, maker->number, index,
			  time_of(shard, index));
}

void
sim_stream_ingest(struct sim_stream *stream, unsigned number, const char *fields,
		  const char *content, int64_t now_ns)
{
	struct shard *shard = &stream->shards[number];
	struct maker maker = { stream, number };
	struct buf text;
	buf_init(&text, 0);
	sim_stream_settle(stream, now_ns);
	sim_record_wrap(&text, fields, content, number, shard->produced);
	sim_chunks_pin(shard->chunks, shard->produced, &text, make_record, &maker);
	add_run(shard, (struct run){ .count = 1, .first_ns = stream->now_ns });
	buf_fini(&text);
}

void
sim_stream_expire(struct sim_stream *stream, unsigned number, uint64_t before)
{
	struct shard *shard = &stream->shards[number];
	if (before > shard->oldest)
		shard->oldest = before < shard->produced ? before : shard->produced;
}

unsigned
sim_stream_shards(const struct sim_stream *stream)
{
	return stream->n_shards;
}

bool
sim_stream_is_open(const struct sim_stream *stream, unsigned shard)
{
	return !stream->shards[shard].closed;
}

uint64_t
sim_stream_produced(const struct sim_stream *stream, unsigned shard)
{
	return stream->shards[shard].produced;
}

uint64_t
sim_stream_oldest(const struct sim_stream *stream, unsigned shard)
{
	return stream->shards[shard].oldest;
}

enum lts_err
sim_stream_find(const struct sim_stream *stream, const char *id, unsigned *shard_out)
{
	struct shard_id name;
	for (unsigned i = 0; i < stream->n_shards; i++) {
		snprintf(name.text, sizeof(name.text), "%u", i);
		if (strcmp(name.text, id) == 0) {
			*shard_out = i;
			return LTS_OK;
		}
	}
	return LTS_NOTFOUND;
}

struct cursor
sim_stream_cursor(const struct sim_stream *stream, unsigned shard, uint64_t index)
{
	struct cursor cursor;
	snprintf(cursor.text, sizeof(cursor.text), "%llu",
		 (unsigned long long)(CURSOR_BASE + shard * CURSOR_RANGE + index));
	return cursor;
}

enum lts_err
sim_stream_index(const struct sim_stream *stream, unsigned shard, const char *cursor,
		 uint64_t *index_out)
{
	uint64_t base = CURSOR_BASE + shard * CURSOR_RANGE;
	char *end;
	if (cursor[0] < '0' || cursor[0] > '9')
		return LTS_INVALID;
	unsigned long long value = strtoull(cursor, &end, 10);
	if (*end || value < base || value - base > stream->shards[shard].produced)
		return LTS_INVALID;
	*index_out = value - base;
	return LTS_OK;
}

uint64_t
sim_stream_at_time(const struct sim_stream *stream, unsigned number, int64_t from_ns)
{
	const struct shard *shard = &stream->shards[number];
	uint64_t low = shard->oldest, high = shard->produced;
	while (low < high) {
		uint64_t middle = low + (high - low) / 2;
		if (time_of(shard, middle) < from_ns)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

enum lts_err
sim_stream_count(const struct sim_stream *stream, unsigned number, uint64_t start, unsigned limit,
		 uint64_t end, unsigned *count_out)
{
	const struct shard *shard = &stream->shards[number];
	if (start < shard->oldest)
		return LTS_EXPIRED;
	uint64_t last = end < shard->produced ? end : shard->produced;
	*count_out = start >= last ? 0 : last - start < limit ? (unsigned)(last - start) : limit;
	return LTS_OK;
}

void
sim_stream_copy(struct sim_stream *stream, unsigned number, uint64_t start, unsigned count,
		struct buf *out)
{
	struct maker maker = { stream, number };
	if (count == 0)
		return;
	if (buf_reserve(out, count * (stream->config.record_bytes + 64)))
		abort(); /* the answer's buffer has no ceiling */
	sim_chunks_copy(stream->shards[number].chunks, start, start + count, out, make_record,
			&maker);
	out->data[--out->len] = '\0'; /* the last record's comma */
}
