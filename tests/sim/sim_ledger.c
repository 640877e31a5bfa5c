/*
 * sim_ledger.c - counts lost, duplicated and reordered records.
 *
 * In `lts-sim verify`. Owns one bit for each record. Must never let a record seen twice
 * make up for one not seen. A repeat is a duplicate and not also out of order. Held by
 * tests/support/test_sim_verify.c.
 */
#include "tests/sim/sim_ledger.h"

#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"

/* A billion records a shard, 128 MB of bits: more is a mistake, not a delivery. */
#define SEQ_MAX UINT64_C(1073741824)

struct shard {
	uint64_t *seen; /* bits */
	uint64_t words;
	uint64_t end; /* one past the latest seen */
};

struct sim_ledger {
	unsigned n_shards;
	bool has_records;
	uint64_t records;
	bool in_order;   /* something was noted since begin... */
	uint64_t latest; /* ...and this is the latest of it */
	struct sim_totals totals;
	struct shard shards[];
};

struct sim_ledger *
sim_ledger_create(unsigned shards, bool has_records, uint64_t records)
{
	struct sim_ledger *ledger =
		xcalloc(1, sizeof(*ledger) + shards * sizeof(ledger->shards[0]));
	ledger->n_shards = shards;
	ledger->has_records = has_records;
	ledger->records = records;
	return ledger;
}

void
sim_ledger_destroy(struct sim_ledger **ledgerp)
{
	struct sim_ledger *ledger = *ledgerp;
	*ledgerp = NULL;
	if (!ledger)
		return;
	for (unsigned i = 0; i < ledger->n_shards; i++)
		free(ledger->shards[i].seen);
	free(ledger);
}

void
sim_ledger_begin(struct sim_ledger *ledger)
{
	ledger->in_order = false;
}

static uint64_t *
word_of(struct shard *shard, uint64_t seq)
{
	if (seq / 64 >= shard->words) {
		uint64_t words = seq / 64 + seq / 128 + 64;
		shard->seen = xreallocarray(shard->seen, words, sizeof(uint64_t));
		memset(shard->seen + shard->words, 0, (words - shard->words) * sizeof(uint64_t));
		shard->words = words;
	}
	return &shard->seen[seq / 64];
}

enum sim_verdict
sim_ledger_note(struct sim_ledger *ledger, unsigned number, uint64_t seq)
{
	uint64_t end = ledger->has_records ? ledger->records : SEQ_MAX;
	ledger->totals.records++;
	if (number >= ledger->n_shards || seq >= end) {
		ledger->totals.unexpected++;
		return SIM_UNEXPECTED;
	}
	struct shard *shard = &ledger->shards[number];
	uint64_t *word = word_of(shard, seq), bit = UINT64_C(1) << (seq % 64);
	if (*word & bit) {
		ledger->totals.duplicated++;
		return SIM_DUPLICATED;
	}
	*word |= bit;
	if (seq >= shard->end)
		shard->end = seq + 1;
	if (ledger->in_order && seq < ledger->latest) {
		ledger->totals.reordered++;
		return SIM_REORDERED;
	}
	ledger->in_order = true;
	ledger->latest = seq;
	return SIM_FINE;
}

static bool
is_seen(const struct shard *shard, uint64_t seq)
{
	return seq / 64 < shard->words && (shard->seen[seq / 64] >> (seq % 64) & 1);
}

void
sim_ledger_close(struct sim_ledger *ledger, sim_ledger_lost *found, void *arg,
		 struct sim_totals *totals_out)
{
	ledger->totals.lost = 0;
	for (unsigned i = 0; i < ledger->n_shards; i++) {
		const struct shard *shard = &ledger->shards[i];
		uint64_t end = ledger->has_records ? ledger->records : shard->end;
		for (uint64_t seq = 0; seq < end; seq++) {
			uint64_t from = seq;
			while (seq < end && !is_seen(shard, seq))
				seq++;
			if (seq > from && found)
				found(arg, i, from, seq - 1);
			ledger->totals.lost += seq - from;
		}
	}
	*totals_out = ledger->totals;
}
