/*
 * sim_chunk.c - keeps the rendered text of records, so that a batch is one copy.
 *
 * In lts-sim. Owns the text. Must never drop a pinned chunk, nor keep more generated text
 * than the cache's ceiling plus the chunk in hand. Held by
 * tests/support/test_sim_stream.c.
 */
#include "tests/sim/sim_chunk.h"

#include <stdbool.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "common/xalloc.h"

struct chunk {
	TAILQ_ENTRY(chunk) link; /* in the cache's list, unless pinned */
	struct sim_chunks *home;
	size_t number; /* its place in home's list */
	bool pinned;
	size_t count;
	struct buf text;
	size_t ends[]; /* ends[i]: where the text of its i-th record ends */
};

TAILQ_HEAD(chunk_list, chunk);

struct sim_cache {
	size_t max_bytes, bytes, per_chunk;
	struct chunk_list rendered; /* oldest first */
};

struct sim_chunks {
	struct sim_cache *cache;
	struct chunk **list; /* NULL: not rendered */
	size_t n;
};

struct sim_cache *
sim_cache_create(size_t max_bytes, size_t records_per_chunk)
{
	struct sim_cache *cache = xcalloc(1, sizeof(*cache));
	cache->max_bytes = max_bytes;
	cache->per_chunk = records_per_chunk;
	TAILQ_INIT(&cache->rendered);
	return cache;
}

void
sim_cache_destroy(struct sim_cache **cache)
{
	free(*cache);
	*cache = NULL;
}

size_t
sim_cache_bytes(const struct sim_cache *cache)
{
	return cache->bytes;
}

struct sim_chunks *
sim_chunks_create(struct sim_cache *cache)
{
	struct sim_chunks *chunks = xcalloc(1, sizeof(*chunks));
	chunks->cache = cache;
	return chunks;
}

static void
drop(struct chunk *chunk)
{
	struct sim_cache *cache = chunk->home->cache;
	if (!chunk->pinned) {
		TAILQ_REMOVE(&cache->rendered, chunk, link);
		cache->bytes -= chunk->text.len;
	}
	chunk->home->list[chunk->number] = NULL;
	buf_fini(&chunk->text);
	free(chunk);
}

void
sim_chunks_destroy(struct sim_chunks **chunksp)
{
	struct sim_chunks *chunks = *chunksp;
	*chunksp = NULL;
	if (!chunks)
		return;
	for (size_t i = 0; i < chunks->n; i++)
		if (chunks->list[i])
			drop(chunks->list[i]);
	free(chunks->list);
	free(chunks);
}

static void
make_room(struct sim_cache *cache, const struct chunk *keep)
{
	while (cache->bytes > cache->max_bytes) {
		struct chunk *oldest = TAILQ_FIRST(&cache->rendered);
		if (oldest == keep)
			oldest = TAILQ_NEXT(oldest, link);
		if (!oldest)
			return;
		drop(oldest);
	}
}

static struct chunk *
find(struct sim_chunks *chunks, size_t number)
{
	struct sim_cache *cache = chunks->cache;
	if (number >= chunks->n) {
		size_t n = number + number / 2 + 8;
		chunks->list = xreallocarray(chunks->list, n, sizeof(struct chunk *));
		while (chunks->n < n)
			chunks->list[chunks->n++] = NULL;
	}
	struct chunk *chunk = chunks->list[number];
	if (chunk)
		return chunk;
	chunk = xcalloc(1, sizeof(*chunk) + cache->per_chunk * sizeof(chunk->ends[0]));
	chunk->home = chunks;
	chunk->number = number;
	chunks->list[number] = chunk;
	TAILQ_INSERT_TAIL(&cache->rendered, chunk, link);
	return chunk;
}

static void
put_text(struct chunk *chunk, const struct buf *text)
{
	if (buf_put(&chunk->text, text->data, text->len))
		abort(); /* a chunk has no ceiling of its own */
}

/* The chunk with its first `count` records rendered. */
static struct chunk *
render(struct sim_chunks *chunks, size_t number, size_t count, sim_chunk_make *make, void *arg)
{
	struct chunk *chunk = find(chunks, number);
	size_t before = chunk->text.len;
	for (; chunk->count < count; chunk->count++) {
		make(arg, number * chunks->cache->per_chunk + chunk->count, &chunk->text);
		chunk->ends[chunk->count] = chunk->text.len;
	}
	if (!chunk->pinned) {
		chunks->cache->bytes += chunk->text.len - before;
		make_room(chunks->cache, chunk);
	}
	return chunk;
}

void
sim_chunks_copy(struct sim_chunks *chunks, uint64_t from, uint64_t to, struct buf *out,
		sim_chunk_make *make, void *arg)
{
	size_t per_chunk = chunks->cache->per_chunk;
	while (from < to) {
		size_t number = from / per_chunk, first = from % per_chunk;
		size_t count = to - number * per_chunk < per_chunk ? to % per_chunk : per_chunk;
		struct chunk *chunk = render(chunks, number, count, make, arg);
		size_t start = first ? chunk->ends[first - 1] : 0;
		if (buf_put(out, chunk->text.data + start, chunk->ends[count - 1] - start))
			abort(); /* the answer's buffer has no ceiling */
		from += count - first;
	}
}

void
sim_chunks_pin(struct sim_chunks *chunks, uint64_t index, const struct buf *text,
	       sim_chunk_make *make, void *arg)
{
	size_t at = index % chunks->cache->per_chunk;
	struct chunk *chunk = render(chunks, index / chunks->cache->per_chunk, at, make, arg);
	if (!chunk->pinned) {
		TAILQ_REMOVE(&chunks->cache->rendered, chunk, link);
		chunks->cache->bytes -= chunk->text.len;
		chunk->pinned = true;
	}
	put_text(chunk, text);
	chunk->ends[at] = chunk->text.len;
	chunk->count = at + 1;
}
