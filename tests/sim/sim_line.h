/*
 * sim_line.h - one delivered line, read back: whose it is, and whether it is whole.
 */
#ifndef TESTS_SIM_SIM_LINE_H
#define TESTS_SIM_SIM_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sim_line {
	const char *shard; /* into the line; not terminated */
	size_t shard_len;
	uint64_t seq;
};

/* True: the text is one JSON object and nothing else, with shard, seq, log_content and
 * the sum that belongs to them. */
bool sim_line_parse(const char *text, size_t len, struct sim_line *line_out);

#endif
