/*
 * commit_bed.h - a state environment, a directory for the file sink, and all that a
 * committer is configured with; leases and batches in a word.
 *
 * LMDB may be opened once by a process: look at the state before the committer is made or
 * after it is gone.
 */
#ifndef TESTS_WORKER_COMMIT_BED_H
#define TESTS_WORKER_COMMIT_BED_H

#include "tests/support/state_env.h"
#include "worker/commit.h"

struct commit_bed {
	struct state_env env; /* its store is NULL while a committer may have it open */
	char *sink_dir, *letters_dir;
	char spec[256];
	struct board *board;
	int board_fd;
	struct log *log;
	struct committer_config config;
	struct committer *committer; /* NULL until opened */
	struct buf why;              /* of the last error */
	struct cursor back;          /* where the last close that was refused goes on */
	struct buf said;             /* reports, as lines */
	struct lease a, b;           /* of shards A, B; epochs {1, 1} and {1, 2} */
};

/* interval_ms: an hour, so that nothing is due by itself. */
void commit_bed_init(struct commit_bed *bed);
void commit_bed_fini(struct commit_bed *bed);
/* The state, opened again if need be. */
struct state_env *commit_bed_state(struct commit_bed *bed);

/* An hour's lease of epoch {1, sequence}. */
struct lease commit_bed_lease(const char *shard, uint32_t sequence);
struct lease_take commit_bed_order(const struct lease *lease, const char *start);
/* Records {"n":first} ... {"n":last}, 10 bytes each for 100 to 999; first 0: none. */
struct batch *commit_bed_batch(struct lease *lease, const char *from, const char *to,
			       unsigned first, unsigned last);

/* The committer: made; gone, with what a and b had that was not committed. */
void commit_bed_open(struct commit_bed *bed);
void commit_bed_drop(struct commit_bed *bed);
enum lts_err commit_bed_take(struct commit_bed *bed, struct lease *lease, const char *start);
enum lts_err commit_bed_submit(struct commit_bed *bed, struct lease *lease, const char *from,
			       const char *to, unsigned first, unsigned last);
void commit_bed_commit(struct commit_bed *bed);
/* Fails unless the commits since the last look reported exactly: SHARD ERR[ closed] a
 * line. */
void commit_bed_expect_reports(struct commit_bed *bed, const char *lines);

/* All that the sink's files of the shard hold, final or not, in order; the caller frees.
 */
char *commit_bed_content(struct commit_bed *bed, const char *shard);
char *commit_bed_letters(struct commit_bed *bed, const char *shard); /* of its dead letters */
/* "{\"n\":first}\n" ... */
void commit_bed_expect(struct commit_bed *bed, const char *shard, unsigned first, unsigned last);
void commit_bed_expect_checkpoint(struct commit_bed *bed, const char *shard, const char *cursor,
				  uint64_t segment, uint64_t offset);

#endif
