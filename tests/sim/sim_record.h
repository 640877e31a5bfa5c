/*
 * sim_record.h - the text of one record: deterministic, mixed, and carrying its own
 * proof.
 *
 * On the wire a record is {"labels":{...}}. Its labels hold `shard` (text), `seq` (its
 * index in the shard) and `sum`, the checksum below over shard, seq and log_content as
 * JSON text, so that `lts-sim verify` needs only the line itself.
 */
#ifndef TESTS_SIM_SIM_RECORD_H
#define TESTS_SIM_SIM_RECORD_H

#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"

/* A well mixed function of x (splitmix64's finaliser): all of lts-sim's chance comes from
 * it. */
uint64_t sim_mix(uint64_t x);

/* `content` is what stands between the quotes of log_content, escapes as written. */
uint64_t sim_record_sum(const char *shard, size_t shard_len, uint64_t seq, const char *content,
			size_t content_len);

/* Appends `{"labels":{...}},` for a generated record; the object is about `record_bytes`
 * long. */
void sim_record_render(struct buf *out, uint64_t seed, size_t record_bytes, unsigned shard,
		       uint64_t seq, int64_t time_ns);
/* Appends `{"labels":{` + fields + shard, seq, sum + `}},`; `fields` ends without a
 * comma. */
void sim_record_wrap(struct buf *out, const char *fields, const char *content, unsigned shard,
		     uint64_t seq);

#endif
