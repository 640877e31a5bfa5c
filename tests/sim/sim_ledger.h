/*
 * sim_ledger.h - the account of what was delivered: each record of each shard, seen how
 * often, and in which order within one stream of delivery (one instance's segments of one
 * shard).
 */
#ifndef TESTS_SIM_SIM_LEDGER_H
#define TESTS_SIM_SIM_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

struct sim_ledger;

struct sim_totals {
	uint64_t records, lost, duplicated, repeated, reordered, unexpected;
};

enum sim_verdict {
	SIM_FINE,
	SIM_DUPLICATED, /* seen before, by whomever, and nothing excuses it */
	SIM_REPEATED,   /* seen before, on another host, and allowed there */
	SIM_REORDERED,  /* new, but after a later one of the same stream of delivery */
	SIM_UNEXPECTED, /* of no such shard, or past the records that exist */
};

/* `has_records`: each shard holds records 0..records-1. Else: up to the latest that was
 * seen. */
struct sim_ledger *sim_ledger_create(unsigned shards, bool has_records, uint64_t records);
void sim_ledger_destroy(struct sim_ledger **ledger);

/* This shard holds records 0..records-1. */
void sim_ledger_expect(struct sim_ledger *ledger, unsigned shard, uint64_t records);
/* Records from..to-1 may come from several hosts; within one never. */
void sim_ledger_allow(struct sim_ledger *ledger, unsigned shard, uint64_t from, uint64_t to);

/* What another host delivered of the shard begins. */
void sim_ledger_begin_host(struct sim_ledger *ledger, unsigned shard);
/* Another stream of delivery begins. */
void sim_ledger_begin(struct sim_ledger *ledger);
enum sim_verdict sim_ledger_note(struct sim_ledger *ledger, unsigned shard, uint64_t seq);

/* Counts the lost; calls `found` (may be NULL) for each run of them, from..to inclusive.
 */
typedef void sim_ledger_lost(void *arg, unsigned shard, uint64_t from, uint64_t to);
void sim_ledger_close(struct sim_ledger *ledger, sim_ledger_lost *found, void *arg,
		      struct sim_totals *totals_out);

#endif
