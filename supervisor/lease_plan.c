/*
 * lease_plan.c - which worker gets which shard, carried out.
 *
 * Runs in the supervisor, part of the lease book. Pure. Must never assign a shard that a
 * worker may still hold: one that is to move is revoked first, and assigned when it is
 * released. Held by tests/supervisor/test_lease_book.c.
 */
#include "supervisor/lease_entry.h"

#include <stdlib.h>

#include "common/xalloc.h"

static bool
is_assignable(const struct lease_book *book, const struct entry *e)
{
	if (book->stopping || !book->config.start[0] || !e->granted || e->wanted_back ||
	    e->know != KNOW_IT)
		return false;
	return !e->finished || e->hold != HOLD_NONE;
}

static void
assign(struct lease_book *book, struct entry *e, int32_t worker)
{
	struct message_assign m = {
		.shard = e->shard,
		.epoch = { (uint64_t)book->config.boot_count << 32 | ++book->sequence },
		.deadline_ms = e->deadline_ms,
		.home = e->home,
		.service = e->service,
		.service_is_ours = e->service_is_ours,
		.unbroken = e->unbroken || e->to_close,
		.seal_only = e->to_close,
		.start_ns = book->config.start_ns,
		.end_ns = book->config.end_ns,
		.fate = e->fate,
		.fate_slot = e->fate_slot,
		.suspect = lease_suspect(book, e),
	};
	memcpy(m.start, book->config.start, sizeof(m.start));
	if (e->to_close) {
		e->reset_first = (struct epoch){ 0 }; /* this take is not the wish's */
	} else if (!cursor_is_none(&e->reset)) {
		if (!e->reset_first.value)
			e->reset_first = m.epoch;
		m.reset = e->reset;
		m.reset_first = e->reset_first;
		m.suspect = (struct suspect){ 0 };
	}
	e->epoch = m.epoch;
	e->current = true;
	e->hold = HOLD_TAKING;
	e->holder = worker;
	e->target = worker;
	e->fate = FATE_NONE;
	book->ops->assign(book->arg, (uint32_t)worker, &m);
}

bool
lease_seal(struct lease_book *book, struct entry *e)
{
	struct checkpoint_record record;
	if (book->ops->committed(book->arg, &e->shard, &record) || record.forced)
		return false;
	/* Where another host has moved on, our position is nothing to the service. */
	e->no_publish = !cursor_is_none(&e->service) && !e->service_is_ours &&
			!cursor_equal(&e->service, &record.service);
	for (uint32_t i = 0; i < book->config.workers; i++) {
		uint32_t worker = (e->home + i) % book->config.workers;
		if (!book->live[worker])
			continue;
		assign(book, e, (int32_t)worker);
		e->hold = HOLD_RELEASING;
		break;
	}
	return true;
}

static void
carry_out(struct lease_book *book, struct entry *e, int32_t target)
{
	if (target == ASSIGN_NOBODY)
		return;
	if (e->hold == HOLD_NONE) {
		assign(book, e, target);
	} else if (e->hold == HOLD_HELD && target != e->holder) {
		e->target = target;
		lease_entry_revoke(book, e);
	}
}

void
lease_plan(struct lease_book *book)
{
	struct assign_shard *shards = xcalloc(book->count, sizeof(*shards));
	struct entry **entries = xcalloc(book->count, sizeof(struct entry *));
	size_t n = 0;
	for (size_t i = 0; i < book->count; i++) {
		struct entry *e = &book->entries[i];
		if (!is_assignable(book, e))
			continue;
		entries[n] = e;
		shards[n++] = (struct assign_shard){
			.home = e->home,
			.holder = e->hold == HOLD_NONE        ? ASSIGN_NOBODY
				  : e->hold == HOLD_RELEASING ? e->target
							      : e->holder,
			.fixed = e->hold == HOLD_TAKING || e->hold == HOLD_RELEASING ||
				 e->finished || e->stuck,
		};
	}
	assign_plan(shards, n, book->live, book->config.workers);
	for (size_t i = 0; i < n; i++)
		carry_out(book, entries[i], shards[i].target);
	free(shards);
	free(entries);
}
