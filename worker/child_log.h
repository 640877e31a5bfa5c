/*
 * child_log.h - what a child says on stderr, line by line into our log, and not more than the
 * log can bear.
 *
 * Pure but for the log. In the caller's storage. 100 lines at once, then 20 a second; a line of
 * more than 1,000 bytes counts as several. What is held back is counted, and the count is
 * logged.
 */
#ifndef WORKER_CHILD_LOG_H
#define WORKER_CHILD_LOG_H

#include <stddef.h>
#include <stdint.h>

struct log;

enum { CHILD_LOG_LINE = 1000, CHILD_LOG_BURST = 100, CHILD_LOG_PER_SECOND = 20 };

struct child_log_rate { /* of one child, or of many together */
	unsigned room;  /* lines that may be logged now */
	int64_t filled_ms;
	uint64_t held_back; /* lines, not yet told */
};

struct child_log {
	struct log *log;
	const char *shard; /* NULL: left out */
	int64_t pid;
	char line[CHILD_LOG_LINE + 1];
	size_t len;
	char last[CHILD_LOG_LINE + 1];    /* line that was whole */
	struct child_log_rate own, *rate; /* own, unless the caller has set another */
};

void child_log_rate_init(struct child_log_rate *out, int64_t now_ms);

void child_log_init(struct child_log *out, struct log *log, const char *shard, int64_t pid,
		    int64_t now_ms);
void child_log_put(struct child_log *out, const char *data, size_t len, int64_t now_ms);
/* Tells how many were held back, once there is room. */
void child_log_turn(struct child_log *out, int64_t now_ms);
/* When there is; INT64_MAX: none was held back. */
int64_t child_log_due_ms(const struct child_log *out);
/* No more will come: what has no newline, and the count. */
void child_log_end(struct child_log *out, int64_t now_ms);

#endif
