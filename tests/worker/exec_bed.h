/*
 * exec_bed.h - an exec processor with up to eight shards, and children in shell that misbehave
 * as a test says.
 *
 * The command of a test is shell that may define on_batch (variables: id, n, records in the
 * file `rec`, shard), on_initialize and on_shutdown, and ends with `serve CREDITS`. What was
 * acknowledged is appended to `acked` by the function `ack`.
 */
#ifndef TESTS_WORKER_EXEC_BED_H
#define TESTS_WORKER_EXEC_BED_H

#include "worker/processor.h"

enum { EXEC_BED_SHARDS = 8, EXEC_BED_RECORDS = 16 };

struct exec_bed {
	char *dir;
	struct log *log;
	struct processor *processor;
	struct processor_shard *shards[EXEC_BED_SHARDS];
	struct record records[EXEC_BED_SHARDS][EXEC_BED_RECORDS];
	struct verdict verdicts[EXEC_BED_SHARDS];
	bool forgot[EXEC_BED_SHARDS]; /* a child that knew it has ended */
};

void exec_bed_begin(struct exec_bed *bed);
void exec_bed_end(struct exec_bed *bed);
void exec_bed_start(struct exec_bed *bed, const char *command, int64_t timeout_ms,
		    unsigned shards);
/* Gives `n` records of the shard, from `first`, to the processor: {"s":SHARD,"i":INDEX}. */
void exec_bed_give(struct exec_bed *bed, unsigned shard, size_t first, size_t n);
/* Waits for the verdict over what was given. */
const struct verdict *exec_bed_verdict(struct exec_bed *bed, unsigned shard);
/* Both. */
const struct verdict *exec_bed_try(struct exec_bed *bed, unsigned shard, size_t first, size_t n);
void exec_bed_close(struct exec_bed *bed, unsigned shard, enum processor_reason reason);
/* One turn, once it is wanted, or after a moment. */
void exec_bed_turn(struct exec_bed *bed);
/* How often a text stands in a file of the bed's directory. */
unsigned exec_bed_count(const struct exec_bed *bed, const char *file, const char *text);

#endif
