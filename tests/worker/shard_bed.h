/*
 * shard_bed.h - a shard machine with a fake worker around it: what it wants becomes lines
 * of text, time is a number, the budget is counted.
 */
#ifndef TESTS_WORKER_SHARD_BED_H
#define TESTS_WORKER_SHARD_BED_H

#include "worker/idle_pace.h"
#include "worker/shard.h"

enum {
	BED_BATCH = 100,
	BED_FIRST_BYTES = 1 << 20,
	BED_MAX_BYTES = BED_FIRST_BYTES,
	BED_FETCH_INTERVAL_MS = 200,
};

struct shard_bed {
	struct shard_config config;
	struct service_clock clock;
	struct idle_pace pace;
	struct lease lease;
	struct shard *shard;
	int64_t now_ms;
	struct buf said;
	int64_t used_bytes; /* of the budget */
	bool full;          /* it has no room */
	bool seal_only;     /* of the next one made */
	unsigned released, forgotten;
	uint64_t fetched, delivered, dropped; /* records */
	struct batch *submitted;
	struct cursor back;        /* where a close that is refused goes on; none */
	struct cursor from, early; /* of the request under way, and of the early one */
	size_t room_bytes;         /* its answer may have no more */
};

void shard_bed_init(struct shard_bed *bed, int64_t end_ns);
/* Frees it, and fails if bytes are still reserved. */
void shard_bed_fini(struct shard_bed *bed);
/* Made anew with the bed's config; nothing was said. */
void shard_bed_again(struct shard_bed *bed, int64_t end_ns);

/* Made anew, assigned with this suspect batch. */
void shard_bed_suspect(struct shard_bed *bed, const char *cursor, uint32_t count,
		       uint32_t attempts);

/* Fails unless the shard did exactly that since the last look, one thing a line:
 *   take CURSOR|- | cursor FROM | batch FROM END|- LIMIT | cancel | early FROM END|- LIMIT |
 * early taken | early cancelled | submit A>B N[ gap] | close STATE NS | forget | wait MS |
 * linger MS | HELD TEXT | RELEASED ERR | FINISHED | STUCK ERR TEXT | trouble ERR */
void shard_bed_expect(struct shard_bed *bed, const char *lines);
/* Whatever it did, it was looked at. */
void shard_bed_ignore(struct shard_bed *bed);
/* The wait that it asks for last; fails when it did anything else. */
int64_t shard_bed_expect_wait(struct shard_bed *bed);

void shard_bed_taken(struct shard_bed *bed, enum lts_err err, const char *cursor);
/* Started, taken at cursor 10, its first fetch out; looked at. */
void shard_bed_fetching(struct shard_bed *bed);
/* An answer with n records; to "": no next. bytes: of the body. */
void shard_bed_batch(struct shard_bed *bed, const char *to, size_t n, size_t bytes);
/* The first bytes of the batch under way, or of the early one, say so. */
void shard_bed_head(struct shard_bed *bed, const char *next, unsigned count);
void shard_bed_early_head(struct shard_bed *bed, const char *next, unsigned count);
void shard_bed_early_batch(struct shard_bed *bed, const char *to, size_t n, size_t bytes);
void shard_bed_early_error(struct shard_bed *bed, enum lts_err err);
void shard_bed_cursor(struct shard_bed *bed, const char *cursor);
/* Answers it, waits as it is told to, and answers the same again; looked at between. */
void shard_bed_cursor_twice(struct shard_bed *bed, const char *cursor);
void shard_bed_empty_twice(struct shard_bed *bed, const char *to);
void shard_bed_error(struct shard_bed *bed, enum lts_err err, int64_t retry_after_ms);
/* LTS_EXPIRED, and a second later again. */
void shard_bed_expired(struct shard_bed *bed);
/* At its end: that is asked for again a little later, and is the same. */
void shard_bed_confirm_end(struct shard_bed *bed, const char *cursor);
/* LTS_TOOBIG; size: as the answer says, 0: it does not. */
void shard_bed_too_big(struct shard_bed *bed, size_t size);
void shard_bed_delivered(struct shard_bed *bed, enum lts_err err);
void shard_bed_closed(struct shard_bed *bed, enum lts_err err);
void shard_bed_timer(struct shard_bed *bed, int64_t later_ms);
/* The service's clock shows ns from now on. */
void shard_bed_set_service_clock(struct shard_bed *bed, int64_t ns);

#endif
