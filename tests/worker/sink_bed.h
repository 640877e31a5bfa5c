/*
 * sink_bed.h - a file sink over a directory of its own, and short words for what goes
 * into it.
 */
#ifndef TESTS_WORKER_SINK_BED_H
#define TESTS_WORKER_SINK_BED_H

#include "worker/sink.h"

struct sink_bed {
	char *dir;
	struct sink_config config;
	char spec[256];
	struct sink *sink;
	struct sink_stream *stream; /* of shard 7 */
	struct buf why;             /* of the last error */
};

void sink_bed_init(struct sink_bed *bed, int64_t rotate_bytes);
void sink_bed_fini(struct sink_bed *bed);

enum lts_err sink_bed_open(struct sink_bed *bed, uint64_t segment, uint64_t offset);
/* Records {"n":first} ... {"n":last}, ten bytes each, newline and all, for 100 to 999. */
enum lts_err sink_bed_submit(struct sink_bed *bed, unsigned first, unsigned last);
struct sink_position sink_bed_flush(struct sink_bed *bed, bool seal);
void sink_bed_commit(struct sink_bed *bed, bool seal); /* flush, then committed */
void sink_bed_close(struct sink_bed *bed);

/* Fails unless the directory holds exactly these names, sorted, a space between. */
void sink_bed_expect_files(struct sink_bed *bed, const char *names);
/* Fails unless the files together, in order of their numbers, hold exactly records first
 * ... last; first above last: nothing. */
void sink_bed_expect_records(struct sink_bed *bed, unsigned first, unsigned last);

#endif
