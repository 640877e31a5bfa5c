/*
 * chaos.h - the inside of the chaos proof: chaos.c (the run), chaos_hosts.c (the hosts' lives),
 * chaos_disks.c (their disks), chaos_guests.c (tracers, readers, limits), chaos_faults.c (the
 * table of kinds), chaos_invariants.c and
 * chaos_looks.c (what must hold), chaos_code.c (code of the user's as the sink).
 *
 * A run is a row of episodes, each with a simulator and hosts of its own. What goes wrong is
 * drawn from the seed alone; what then happens depends on the machine, too. Times are
 * CLOCK_MONOTONIC milliseconds.
 */
#ifndef TESTS_PROOF_CHAOS_H
#define TESTS_PROOF_CHAOS_H

#include <cjson/cJSON.h>
#include <stdio.h>

#include "tests/proof/chaos_hosts.h"
#include "tests/proof/proof.h"

enum {
	CHAOS_HOSTS = 3,
	CHAOS_RULES_MAX = 24,
	CHAOS_GUESTS_MAX = 6,
	CHAOS_KINDS_MAX = 112,
	CHAOS_POISONS = 2, /* a record that is refused, and one that ends what is given it */
	CHAOS_TIMEOUT_MS = 3000, /* the service's: until an unheard consumer loses its shards */
};

#define CHAOS_SK "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY" /* agent_init's */
#define CHAOS_TOKEN "tokenThatNobodyShallEverSee0123456789"

enum code { CODE_NONE, CODE_PLUGIN, CODE_EXEC, CODE_BATCH, CODE_STDOUT }; /* NONE: files */

struct chaos {
	struct proof *proof;
	enum code code;
	uint64_t code_seed;
	int64_t mood_ms; /* of the code: until then */
	struct {
		unsigned shard, seq;
	} poison[CHAOS_POISONS];
	uint64_t seed; /* moves on */
	unsigned episodes, faults, of_kind[CHAOS_KINDS_MAX];
	unsigned long long records, lost, duplicated, reordered, torn, repeated;
	int64_t start_ms; /* of the episode */
	bool can_mount, can_trace;

	struct scenario scenario;
	struct sim_process sim;
	unsigned shards, blows; /* faults that this episode still has */
	bool to_the_end;        /* it ends with end_time, not with TERM */
	struct host hosts[CHAOS_HOSTS];
	struct {
		const char *text;
		int64_t until_ms;
	} rules[CHAOS_RULES_MAX];
	bool rules_changed;
	unsigned latency_ms; /* of every batch: makes the load last */
	int64_t sim_ms;      /* until then the simulator is stopped; 0: it is not */
	struct {
		struct process process;
		int64_t until_ms;
	} guests[CHAOS_GUESTS_MAX];
	cJSON *status; /* the simulator's, as last seen */
	FILE *log;
};

/* A line in faults.log: the time in the episode, then this. */
void chaos_note(struct chaos *chaos, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Says which invariant does not hold, what led to it and where to look; does not return. */
void chaos_violated(struct chaos *chaos, const char *invariant, const char *fmt, ...)
	__attribute__((format(printf, 3, 4), noreturn));
/* The simulator's status: borrowed; the last one while it stands still. */
const cJSON *chaos_status(struct chaos *chaos);
/* The last line as things stand. */
void chaos_conclude(struct chaos *chaos, bool clean);

/* ---- faults ---- */
/* One more, drawn from the seed, at least. */
void faults_strike(struct chaos *chaos, int64_t now_ms);
/* Takes back what is due. */
void faults_step(struct chaos *chaos, int64_t now_ms);
void faults_lift(struct chaos *chaos);
void faults_count_kinds(const struct chaos *chaos, unsigned *kinds_out);

/* ---- the user's code ---- */
/* NULL is "file"; false: no such sink. */
bool code_find(const char *name, enum code *out);
const char *code_name(enum code code);
/* Before the hosts; records: that each shard has at least. */
void code_begin(struct chaos *chaos, unsigned records);
void code_add_sink(struct chaos *chaos, struct host *host);
/* Other moods; calm: none. */
void code_step(struct chaos *chaos, int64_t now_ms, bool calm);
/* Everything was delivered. */
void code_expect_all(struct chaos *chaos);

/* ---- invariants ---- */
/* Before the first fault, and after the last: everybody is up. */
void invariants_note_calm(struct chaos *chaos);
void invariants_expect_calm(struct chaos *chaos);
/* While things go wrong. */
void invariants_look(struct chaos *chaos);
/* Every process has ended. */
void invariants_expect_nobody(struct chaos *chaos);
/* Everybody has ended in order. */
void invariants_expect_exact(struct chaos *chaos);
void invariants_expect_discreet(struct chaos *chaos, const struct host *host);

#endif
