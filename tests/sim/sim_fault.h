/*
 * sim_fault.h - what lts-sim does wrong on purpose, as rules in text.
 *
 * One rule a line:
 *   KIND [shard=S] [list] [consumer=NAME] [at=ADDRESS] [p=0..1] [after=N] [count=N] ACTION...
 * KIND is heartbeat, checkpoint_read, checkpoint_write, cursor, batch, ingest or any. `p`
 * is the chance, `after` lets the first N pass, `count` ends the rule after N times. The
 * actions stand in sim_fault_help(). Chance depends on seed, rule, shard and how many
 * came before, on nothing else.
 */
#ifndef TESTS_SIM_SIM_FAULT_H
#define TESTS_SIM_SIM_FAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/buf.h"
#include "common/err.h"

enum sim_kind {
	SIM_HEARTBEAT,
	SIM_CHECKPOINT_READ,
	SIM_CHECKPOINT_WRITE,
	SIM_CURSOR,
	SIM_BATCH,
	SIM_INGEST,
	SIM_OTHER,
	SIM_KINDS
};

/* How far a Date may be off: a century. */
#define SIM_DATE_MOST_S 3155760000LL

const char *sim_kind_name(enum sim_kind kind);

/* All that shall happen to one request. Zero is: nothing. Texts are the rules', good
 * until the rules are replaced. Later rules win over earlier ones. */
struct sim_effect {
	int64_t latency_ms;
	int64_t status;          /* instead of doing what was asked */
	const char *retry_after; /* seconds, or a date, or "date:N": the date in N seconds */
	const char *code;        /* with status: the error's */
	const char *redirect;    /* 302 to there */
	const char *garbage;     /* 200 with this body */
	const char *say;         /* the same, after doing what was asked */
	const char *odd;         /* heartbeat, checkpoint_read: one more entry */
	int64_t null_list;       /* the same: null for an empty list */
	int64_t unknown_member;  /* heartbeat: 400 to a list of one that is not known */
	int64_t gzip;            /* the body is compressed */
	int64_t html, nest, huge, gzip_bomb; /* 200 with such a body */
	int64_t many, fresh; /* heartbeat, checkpoint_read: so many shards; all of them new */
	uint64_t struck;     /* how often the last of the rules has by now */
	int64_t reset, lose_reply;           /* a true RST: before, after doing what was asked */
	int64_t empty; /* batch, checkpoint_read: none */
	const char *spoil;       /* batch: how; every: of so many records one; fickle: each time */
	int64_t every, fickle;   /* otherwise */
	int64_t miscount;        /* batch: so much too many is the count */
	int64_t same_next, back, skip; /* batch: next = start; N records back, or too far on */
	int64_t sparse; /* checkpoint_read: of the list only every N-th shard */
	int64_t placed; /* checkpoint_read: there stands the shard that is asked for */
	int64_t hold_ms, part; /* checkpoint_write: done so much later; of its list so many */
	int64_t truncate; /* with has_truncate: so many bytes of the body, then the end */
	bool has_truncate;
	int64_t bandwidth; /* bytes a second */
	int64_t stall;     /* headers, then silence */
	int64_t date_s, no_date; /* Date is so many seconds ahead; there is none */
	int64_t tail;            /* cursor: of the next record to come */
};

struct sim_faults;

struct sim_faults *sim_faults_create(uint64_t seed, unsigned shards);
void sim_faults_destroy(struct sim_faults **faults);
/* Replaces all rules; `keep`: one that was there with the same text goes on with its counts.
 * LTS_INVALID: nothing changed, error_out says which line and why. */
enum lts_err sim_faults_set(struct sim_faults *faults, const char *text, bool keep,
			    struct buf *error_out) LTS_MUST_USE;
/* What a request speaks of. */
struct sim_subject {
	enum sim_kind kind;
	int shard;             /* < 0: none, or several: */
	const unsigned *among; /* borrowed */
	size_t n_among;
	const char *consumer, *address; /* may be NULL */
};

/* Counts the request against the rules and gathers what they want. */
void sim_faults_apply(struct sim_faults *faults, const struct sim_subject *subject,
		      struct sim_effect *effect_out);
/* Appends one line for each rule: how often it struck, and its text. */
void sim_faults_describe(const struct sim_faults *faults, struct buf *out);
const char *sim_fault_help(void);

#endif
