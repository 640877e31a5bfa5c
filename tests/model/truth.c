/*
 * truth.c - what must hold, whoever dies: held against every commit and every checkpoint
 * that reaches the service.
 *
 * In lts-model. Knows more than any program can: who owns what at the service, and what each
 * host has committed. Must never change anything.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/model/inside.h"
#include "tests/model/service.h"

static struct {
	uint64_t covered[SHARDS_MAX];           /* the first record that no host has committed */
	int taker[HOSTS_MAX][SHARDS_MAX];       /* the pid of the last take; 0: nobody's */
	uint64_t period[HOSTS_MAX][SHARDS_MAX]; /* of the service's ownership, under which the
						   host's last take was assigned; 0: none */
} known;

void
truth_begin(void)
{
	memset(&known, 0, sizeof(known));
	for (int i = 0; i < SHARDS_MAX; i++)
		known.covered[i] = FIRST_RECORD;
}

uint64_t
truth_covered(int shard)
{
	return known.covered[shard];
}

uint64_t
cursor_number(const struct cursor *cursor)
{
	return strtoull(cursor->text, NULL, 10);
}

int
shard_number(const struct shard_id *shard)
{
	return (int)strtol(shard->text, NULL, 10);
}

/* A take: the position is the local one, or the service's when another host moved it. */
static void
on_take(int host, int shard, const struct checkpoint_record *was,
	const struct checkpoint_record *is)
{
	unsigned long long from = cursor_number(&was->cursor), at = cursor_number(&is->cursor);
	bool ours = service_owner(shard) == host;
	if (is->epoch.value <= was->epoch.value)
		violated("shard %d: taken under an epoch that does not rise (I5)", shard);
	if (at > known.covered[shard])
		violated("shard %d: taken at %llu, but nobody has %llu (skipped)", shard, at,
			 (unsigned long long)known.covered[shard]);
	if (from && at != from && ours && known.period[host][shard] == service_period(shard))
		violated("shard %d: taken at %llu, but this host stands at %llu under the same "
			 "ownership (I9)",
			 shard, at, from);
	if (at != from && ours && at < service_granted_at(shard))
		violated("shard %d: taken at %llu, but %llu stood at the service when it was "
			 "granted (I9)",
			 shard, at, (unsigned long long)service_granted_at(shard));
	known.taker[host][shard] = the_world->running ? the_world->running->pid : 0;
	/* A stranger does not ask the service, nor does who only closes what was left. */
	struct assigned assigned = network_assigned(host, shard);
	if (epoch_equal(assigned.epoch, is->epoch))
		known.period[host][shard] = assigned.seal_only ? 0 : assigned.period;
	the_world->moves++;
}

static void
on_move(int host, int shard, uint64_t from, uint64_t to, int64_t began_us)
{
	const struct process *self = the_world->running;
	int owner = service_owner(shard);
	if (to < from)
		violated("shard %d: the checkpoint of host %d moves back (I9)", shard, host);
	if (from > known.covered[shard])
		violated("shard %d: moves from %llu, but nobody has %llu (skipped)", shard,
			 (unsigned long long)from, (unsigned long long)known.covered[shard]);
	if (the_world->gentle && from < known.covered[shard])
		violated("shard %d: %llu..%llu is repeated by a planned move", shard,
			 (unsigned long long)from, (unsigned long long)known.covered[shard]);
	if (owner != host && self->held_up_us < began_us)
		violated("shard %d: host %d commits, but it is host %d's (I5)", shard, host,
			 owner);
	if (to > known.covered[shard])
		known.covered[shard] = to;
}

void
truth_on_commit(int host, int shard, const struct checkpoint_record *was,
		const struct checkpoint_record *is, int64_t began_us)
{
	const struct process *self = the_world->running;
	uint64_t from = cursor_number(&was->cursor), to = cursor_number(&is->cursor);
	if (was->epoch.value != is->epoch.value) {
		on_take(host, shard, was, is);
	} else {
		if (!self || known.taker[host][shard] != self->pid)
			violated("shard %d: committed by a stale holder (I5)", shard);
		if (to - from != is->position.offset - was->position.offset)
			violated("shard %d: the cursor moves by %lld records, the sink by %lld "
				 "(I1)",
				 shard, (long long)(to - from),
				 (long long)(is->position.offset - was->position.offset));
		if (to != from)
			on_move(host, shard, from, to, began_us);
	}
	if (is->position.offset > sink_durable(host, shard))
		violated("shard %d: committed before it is durable (I4)", shard);
}

void
truth_on_usurp(int host, int shard)
{
	known.taker[host][shard] = 0;
}

void
truth_on_publish(int host, int shard, uint64_t cursor)
{
	struct checkpoint_record record;
	if (!store_committed(host, shard, &record) || cursor_number(&record.cursor) < cursor)
		violated("shard %d: %llu is published before it is committed (I4)", shard,
			 (unsigned long long)cursor);
}
