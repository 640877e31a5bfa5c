/*
 * sim_chunk.h - the text of a shard's records, rendered once and kept in chunks.
 *
 * One cache for all shards bounds what generated text may be kept: the chunk rendered
 * longest ago goes first, and is rendered again when somebody asks. What was pinned came
 * from outside and stays.
 */
#ifndef TESTS_SIM_SIM_CHUNK_H
#define TESTS_SIM_SIM_CHUNK_H

#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"

enum { SIM_CHUNK_BYTES = 128 * 1024 };

struct sim_cache;
struct sim_chunks;

/* Appends the text of record `index`, always the same. */
typedef void sim_chunk_make(void *arg, uint64_t index, struct buf *out);

struct sim_cache *sim_cache_create(size_t max_bytes, size_t records_per_chunk);
/* After all its chunks. */
void sim_cache_destroy(struct sim_cache **cache);
size_t sim_cache_bytes(const struct sim_cache *cache);

struct sim_chunks *sim_chunks_create(struct sim_cache *cache);
void sim_chunks_destroy(struct sim_chunks **chunks);

/* Appends the texts of records from..to (exclusive). */
void sim_chunks_copy(struct sim_chunks *chunks, uint64_t from, uint64_t to, struct buf *out,
		     sim_chunk_make *make, void *arg);
/* Takes `text` as the record `index`, the one after all that exist. */
void sim_chunks_pin(struct sim_chunks *chunks, uint64_t index, const struct buf *text,
		    sim_chunk_make *make, void *arg);

#endif
