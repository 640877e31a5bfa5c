/*
 * sim_ledger.c - counts lost, duplicated and reordered records.
 *
 * In `lts-sim verify`. Owns one bit for each record, and one for those of the host at hand. Must
 * never let a record seen twice make up for one not seen, nor excuse a repeat within a host. A
 * duplicate is not also out of order. Held by tests/support/test_sim_verify.c.
 */
#include "tests/sim/sim_ledger.h"

#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"
#include "tests/sim/sim_moves.h"

/* A billion records a shard, 128 MB of bits: more is a mistake, not a delivery. */
#define SEQ_MAX UINT64_C(1073741824)

struct bits {
	uint64_t *words;
	uint64_t n;
};

struct shard {
	struct bits seen, here; /* here: on the host at hand */
	uint64_t end;           /* one past the latest seen */
	bool has_records;
	uint64_t records;
};

struct sim_ledger {
	unsigned n_shards;
	struct sim_moves allowed;
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
	for (unsigned i = 0; i < shards && has_records; i++)
		sim_ledger_expect(ledger, i, records);
	return ledger;
}

void
sim_ledger_destroy(struct sim_ledger **ledgerp)
{
	struct sim_ledger *ledger = *ledgerp;
	*ledgerp = NULL;
	if (!ledger)
		return;
	for (unsigned i = 0; i < ledger->n_shards; i++) {
		free(ledger->shards[i].seen.words);
		free(ledger->shards[i].here.words);
	}
	sim_moves_fini(&ledger->allowed);
	free(ledger);
}

void
sim_ledger_expect(struct sim_ledger *ledger, unsigned shard, uint64_t records)
{
	ledger->shards[shard].has_records = true;
	ledger->shards[shard].records = records;
}

void
sim_ledger_allow(struct sim_ledger *ledger, unsigned shard, uint64_t from, uint64_t to)
{
	sim_moves_add(&ledger->allowed, shard, from, to);
}

void
sim_ledger_begin_host(struct sim_ledger *ledger, unsigned shard)
{
	struct bits *here = shard < ledger->n_shards ? &ledger->shards[shard].here : NULL;
	if (here && here->n)
		memset(here->words, 0, here->n * sizeof(uint64_t));
}

void
sim_ledger_begin(struct sim_ledger *ledger)
{
	ledger->in_order = false;
}

static bool
is_set(const struct bits *bits, uint64_t seq)
{
	return seq / 64 < bits->n && (bits->words[seq / 64] >> (seq % 64) & 1);
}

/* Returns whether it was set before. */
static bool
set(struct bits *bits, uint64_t seq)
{
	bool was = is_set(bits, seq);
	if (seq / 64 >= bits->n) {
		uint64_t n = seq / 64 + seq / 128 + 64;
		bits->words = xreallocarray(bits->words, n, sizeof(uint64_t));
		memset(bits->words + bits->n, 0, (n - bits->n) * sizeof(uint64_t));
		bits->n = n;
	}
	bits->words[seq / 64] |= UINT64_C(1) << (seq % 64);
	return was;
}

static bool
is_allowed(const struct sim_ledger *ledger, unsigned shard, uint64_t seq)
{
	for (size_t i = 0; i < ledger->allowed.n; i++) {
		const struct sim_move *move = &ledger->allowed.list[i];
		if (move->shard == shard && seq >= move->from && seq < move->to)
			return true;
	}
	return false;
}

enum sim_verdict
sim_ledger_note(struct sim_ledger *ledger, unsigned number, uint64_t seq)
{
	struct shard *shard = number < ledger->n_shards ? &ledger->shards[number] : NULL;
	ledger->totals.records++;
	if (!shard || seq >= (shard->has_records ? shard->records : SEQ_MAX)) {
		ledger->totals.unexpected++;
		return SIM_UNEXPECTED;
	}
	bool before = set(&shard->seen, seq), here = set(&shard->here, seq);
	if (here || (before && !is_allowed(ledger, number, seq))) {
		ledger->totals.duplicated++;
		return SIM_DUPLICATED;
	}
	ledger->totals.repeated += before;
	if (seq >= shard->end)
		shard->end = seq + 1;
	if (ledger->in_order && seq < ledger->latest) {
		ledger->totals.reordered++;
		return SIM_REORDERED;
	}
	ledger->in_order = true;
	ledger->latest = seq;
	return before ? SIM_REPEATED : SIM_FINE;
}

void
sim_ledger_close(struct sim_ledger *ledger, sim_ledger_lost *found, void *arg,
		 struct sim_totals *totals_out)
{
	ledger->totals.lost = 0;
	for (unsigned i = 0; i < ledger->n_shards; i++) {
		const struct shard *shard = &ledger->shards[i];
		uint64_t end = shard->has_records ? shard->records : shard->end;
		for (uint64_t seq = 0; seq < end; seq++) {
			uint64_t from = seq;
			while (seq < end && !is_set(&shard->seen, seq))
				seq++;
			if (seq > from && found)
				found(arg, i, from, seq - 1);
			ledger->totals.lost += seq - from;
		}
	}
	*totals_out = ledger->totals;
}
