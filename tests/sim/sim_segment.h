/*
 * sim_segment.h - the file sink's segments, found in directories and put in order of
 * delivery.
 */
#ifndef TESTS_SIM_SIM_SEGMENT_H
#define TESTS_SIM_SIM_SEGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"

struct sim_segment {
	char *path;
	unsigned host; /* the directory's number: each is another host's */
	char *shard;   /* decoded */
	char *instance;
	unsigned number;
	bool is_part; /* not sealed yet */
};

struct sim_segments {
	struct sim_segment *list; /* by shard, host, instance, number */
	size_t n, cap;
	unsigned hosts; /* directories added */
	size_t ignored; /* other files */
};

/* The name of a segment, `<shard>-<instance>-<8 digits>.log`, perhaps `.part` after it,
 * into its parts; false: it is none. The path stays NULL. */
bool sim_segment_parse(const char *name, struct sim_segment *segment_out);
void sim_segment_fini(struct sim_segment *segment);
/* Adds what lies in `dir`. LTS_SYS: it cannot be read (errno). */
enum lts_err sim_segments_add(struct sim_segments *segments, const char *dir) LTS_MUST_USE;
void sim_segments_sort(struct sim_segments *segments);
void sim_segments_fini(struct sim_segments *segments);

#endif
