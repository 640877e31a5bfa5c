/*
 * process_bed.h - a committer whose processor is the test's: it says what it is told to say,
 * and writes down how it is called.
 *
 * Records are those of tests/worker/commit_bed.h, known by their numbers. One over which a
 * worker would die ends the life of the committer, as a death does: what it had not committed
 * was never there.
 */
#ifndef TESTS_WORKER_PROCESS_BED_H
#define TESTS_WORKER_PROCESS_BED_H

#include "tests/worker/commit_bed.h"
#include "worker/processor.h"

enum { PROCESS_BED_SCRIPT = 16, PROCESS_BED_RECORDS = 256 };

/* A batch as the service has it: from cursor to cursor, records first to last; first 0: none. */
struct process_bed_batch {
	const char *from, *to;
	unsigned first, last;
};

struct process_bed {
	struct commit_bed commit;
	struct processor processor; /* the test's own */
	struct buf called;          /* as lines */
	struct verdict script[PROCESS_BED_SCRIPT];
	unsigned n_script, said; /* beyond the script it acknowledges */
	struct verdict closing;  /* what its last call says */
	bool forgets;            /* once: it has ended with what it had not saved */
	bool saves;              /* with every acknowledgement */
	bool refuses[PROCESS_BED_RECORDS], kills[PROCESS_BED_RECORDS]; /* by number */
	unsigned acked[PROCESS_BED_RECORDS];
	struct suspect died; /* over which records; attempts 0: it lives */
	uint32_t epoch;
};

/* max_attempts is 2. */
void process_bed_init(struct process_bed *bed, bool manual);
void process_bed_fini(struct process_bed *bed);
/* The next verdict behind those that the script has. */
struct verdict *process_bed_say(struct process_bed *bed, enum verdict_kind kind);
/* A committer that takes shard A, at `start` unless it has a checkpoint. */
void process_bed_open(struct process_bed *bed, const char *start);
enum lts_err process_bed_try(struct process_bed *bed, const char *start); /* says how it went */
/* Without a last commit: what a death leaves. */
void process_bed_die(struct process_bed *bed);
/* One step with the batch; waits when it is not due yet. LTS_AGAIN and what it means as ever. */
enum lts_err process_bed_step(struct process_bed *bed, struct batch *batch);
/* To its end, with a commit whenever one is due; the batch is gone. LTS_CLOSED: it died over
 * it. */
enum lts_err process_bed_deliver(struct process_bed *bed, const char *from, const char *to,
				 unsigned first, unsigned last);
/* Lives until all of the batches are delivered, each from the stored place on and with what
 * the lives before died of; returns how many deaths there were, at most `most`. */
unsigned process_bed_live(struct process_bed *bed, const struct process_bed_batch *batches,
			  size_t n, unsigned most);
/* Fails unless it was called exactly so since the last look. */
void process_bed_expect(struct process_bed *bed, const char *lines);
/* How often the record is among the dead letters, committed or not. */
unsigned process_bed_dead(struct process_bed *bed, unsigned number);
/* Ends the committer's life and fails unless this is stored. */
void process_bed_expect_stored(struct process_bed *bed, const char *cursor, uint64_t done,
			       uint64_t dead_letters);

#endif
