/*
 * verify.c - do the records of an environment fit together?
 *
 * In lts-state. Owns nothing; looks at a snapshot only. Must never repair: each finding
 * is for people. Held by tests/state/test_dump.c.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/xalloc.h"
#include "state/events.h"
#include "state/human.h"
#include "state/place.h"
#include "state/snapshot.h"

static void
check_boot(struct snapshot *s, struct epoch epoch, const char *table, const char *record)
{
	uint64_t boot = epoch.value >> 32;
	if (s->has_identity && (boot == 0 || boot > s->identity.boot_count))
		snapshot_problem(s, "%s: %s: epoch %s is of no start so far (%u in all)", table,
				 record, human_epoch(epoch).text, s->identity.boot_count);
}

static int
by_epoch(const void *a, const void *b)
{
	uint64_t x = (*(const struct lease_record *const *)a)->epoch.value;
	uint64_t y = (*(const struct lease_record *const *)b)->epoch.value;
	return (x > y) - (x < y);
}

/* An epoch is used once. */
static void
check_epochs_differ(struct snapshot *s)
{
	const struct lease_record **list = xcalloc(s->n_leases, sizeof(struct lease_record *));
	for (size_t i = 0; i < s->n_leases; i++)
		list[i] = &s->leases[i];
	qsort(list, s->n_leases, sizeof(struct lease_record *), by_epoch);
	for (size_t i = 1; i < s->n_leases; i++)
		if (epoch_equal(list[i - 1]->epoch, list[i]->epoch))
			snapshot_problem(s, "leases: shards %s and %s have the same epoch %s",
					 list[i - 1]->shard.text, list[i]->shard.text,
					 human_epoch(list[i]->epoch).text);
	free(list);
}

static void
check_leases(struct snapshot *s)
{
	for (size_t i = 0; i < s->n_leases; i++) {
		const struct lease_record *lease = &s->leases[i];
		check_boot(s, lease->epoch, "leases", lease->shard.text);
		if (!snapshot_checkpoint(s, &lease->shard))
			snapshot_problem(s, "leases: %s: there is no checkpoint of this shard",
					 lease->shard.text);
	}
}

static void
check_checkpoints(struct snapshot *s)
{
	for (size_t i = 0; i < s->n_checkpoints; i++) {
		const struct checkpoint_record *c = &s->checkpoints[i];
		const struct lease_record *lease = snapshot_lease(s, &c->shard);
		check_boot(s, c->epoch, "checkpoints", c->shard.text);
		if (!c->forced && c->cursor.text[0] == PLACE_MARK)
			snapshot_problem(s,
					 "checkpoints: %s: '%s' is no cursor, and no reset is to "
					 "come",
					 c->shard.text, c->cursor.text);
		if (!lease)
			snapshot_problem(s, "checkpoints: %s: there is no lease of this shard",
					 c->shard.text);
		else if (lease->epoch.value < c->epoch.value)
			snapshot_problem(s, "checkpoints: %s: epoch %s is after the lease's %s",
					 c->shard.text, human_epoch(c->epoch).text,
					 human_epoch(lease->epoch).text);
	}
}

static void
check_events(struct snapshot *s)
{
	for (size_t i = 0; i < s->n_events; i++) {
		const struct event_record *event = &s->events[i];
		char number[24];
		snprintf(number, sizeof(number), "%" PRIu64, event->number);
		check_boot(s, event->epoch, "events", number);
		if (i && event->number != s->events[i - 1].number + 1)
			snapshot_problem(s,
					 "events: numbers between %" PRIu64 " and %s are missing",
					 s->events[i - 1].number, number);
	}
	if (s->n_events > EVENTS_KEPT)
		snapshot_problem(s, "events: %zu of them, more than the %d kept", s->n_events,
				 (int)EVENTS_KEPT);
	if (s->n_events && s->n_events < EVENTS_KEPT && s->events[0].number != 1)
		snapshot_problem(
			s, "events: the first is %" PRIu64 " though only %zu of %d are there",
			s->events[0].number, s->n_events, (int)EVENTS_KEPT);
}

void
snapshot_verify(struct snapshot *s)
{
	if (!s->has_identity && s->n_leases + s->n_checkpoints) /* else not in use yet */
		snapshot_problem(s, "meta: there is no identity");
	check_leases(s);
	check_epochs_differ(s);
	check_checkpoints(s);
	check_events(s);
}
