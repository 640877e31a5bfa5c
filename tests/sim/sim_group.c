/*
 * sim_group.c - the consumer group's rules.
 *
 * In lts-sim. Owns members, ownership and checkpoints. Must never let two members own a
 * shard, nor move one that its holder still lists; never reads a clock. Held by
 * tests/support/test_sim_group.c.
 */
#include "tests/sim/sim_group.h"

#include <stdlib.h>
#include <string.h>

#include "common/xalloc.h"

enum { NOBODY = -1 };

struct member {
	struct consumer_name name;
	int64_t heard_ms;
	uint64_t heartbeats;
	unsigned owned, quota; /* of the balance at hand */
};

/* What the group may do with a shard. */
enum offer {
	OFFER_ON,      /* grant it */
	OFFER_NOT_YET, /* a parent of its is not consumed to the end */
	OFFER_OVER,    /* its children are granted: take it back */
};

struct shard {
	int owner; /* index into members, or NOBODY */
	enum offer offer;
	bool leaving, listed;
	bool closed; /* read-only: no record behind `end` will come */
	uint64_t end;
	unsigned parents[SIM_PARENTS_MAX];
	size_t n_parents;
	bool has_checkpoint;
	uint64_t checkpoint;
	int64_t updated_ms;
	struct consumer_name writer;
};

struct held {
	struct held *next; /* by its time */
	int64_t due_ms, wall_ms;
	struct consumer_name name;
	size_t n;
	struct sim_checkpoint list[];
};

struct sim_group {
	struct held *held;
	uint64_t late_regressions;
	int64_t timeout_ms;
	unsigned n_shards;
	struct shard *shards;
	sim_group_lost *lost;
	void *lost_arg;
	size_t n_members; /* in order of registration */
	struct member members[SIM_MEMBERS_MAX];
	uint64_t regressions;
};

struct sim_group *
sim_group_create(unsigned shards, int64_t timeout_ms)
{
	struct sim_group *group = xcalloc(1, sizeof(*group));
	group->timeout_ms = timeout_ms;
	group->n_shards = shards;
	group->shards = xcalloc(shards, sizeof(struct shard));
	for (unsigned i = 0; i < shards; i++)
		group->shards[i] = (struct shard){ .owner = NOBODY };
	return group;
}

void
sim_group_destroy(struct sim_group **groupp)
{
	struct sim_group *group = *groupp;
	*groupp = NULL;
	if (!group)
		return;
	for (struct held *held; (held = group->held); free(held))
		group->held = held->next;
	free(group->shards);
	free(group);
}

static void
set_owner(struct shard *shard, int owner)
{
	shard->owner = owner;
	shard->leaving = false;
	shard->listed = false;
}

/* Nobody asked the owner for it: it may have consumed more than it wrote down. */
static void
lose(struct sim_group *group, unsigned number)
{
	struct shard *shard = &group->shards[number];
	set_owner(shard, NOBODY);
	if (group->lost)
		group->lost(group->lost_arg, number,
			    shard->has_checkpoint ? shard->checkpoint : 0);
}

static void
remove_member(struct sim_group *group, int gone)
{
	for (unsigned i = 0; i < group->n_shards; i++) {
		struct shard *shard = &group->shards[i];
		if (shard->owner == gone)
			lose(group, i);
		else if (shard->owner > gone)
			shard->owner--;
	}
	group->n_members--;
	memmove(&group->members[gone], &group->members[gone + 1],
		(group->n_members - (size_t)gone) * sizeof(struct member));
}

static int
find_member(const struct sim_group *group, const struct consumer_name *name)
{
	for (size_t i = 0; i < group->n_members; i++)
		if (strcmp(group->members[i].name.text, name->text) == 0)
			return (int)i;
	return NOBODY;
}

/* Who has most keeps most, so that few shards move. Among equals: where one has something
 * to give, the order of registration, lest the answer depend on who asks; else the
 * caller, who is alive. */
static bool
ranks_before(const struct sim_group *group, int a, int b, int caller, unsigned base)
{
	unsigned owned_a = group->members[a].owned, owned_b = group->members[b].owned;
	if (owned_a != owned_b)
		return owned_a > owned_b;
	if (owned_a <= base && (a == caller || b == caller))
		return a == caller;
	return a < b;
}

static void
set_quotas(struct sim_group *group, int caller)
{
	int n = (int)group->n_members;
	unsigned on_offer = 0;
	for (int m = 0; m < n; m++)
		group->members[m].owned = 0;
	for (unsigned i = 0; i < group->n_shards; i++) {
		const struct shard *shard = &group->shards[i];
		on_offer += shard->offer == OFFER_ON;
		if (shard->offer == OFFER_ON && shard->owner != NOBODY)
			group->members[shard->owner].owned++;
	}
	if (n == 0)
		return;
	unsigned base = on_offer / (unsigned)n, extra = on_offer % (unsigned)n;
	for (int m = 0; m < n; m++) {
		unsigned rank = 0;
		for (int other = 0; other < n; other++)
			rank += other != m && ranks_before(group, other, m, caller, base);
		group->members[m].quota = base + (rank < extra);
	}
}

/* Marks what each member has too many; what was marked before stays marked as long as it
 * may. */
static void
mark_leaving(struct sim_group *group)
{
	for (size_t m = 0; m < group->n_members; m++) {
		struct member *member = &group->members[m];
		unsigned surplus =
			member->owned > member->quota ? member->owned - member->quota : 0;
		for (int pass = 0; pass < 2; pass++) {
			for (unsigned i = group->n_shards; i-- > 0;) {
				struct shard *shard = &group->shards[i];
				if (shard->owner != (int)m || shard->offer != OFFER_ON ||
				    shard->leaving != (pass == 0))
					continue;
				shard->leaving = surplus > 0;
				surplus -= surplus > 0;
			}
		}
	}
	for (unsigned i = 0; i < group->n_shards; i++) {
		struct shard *shard = &group->shards[i];
		if (shard->owner != NOBODY && shard->offer != OFFER_ON)
			shard->leaving = true;
	}
}

static void
balance(struct sim_group *group, int caller)
{
	set_quotas(group, caller);
	mark_leaving(group);
}

static void write_held(struct sim_group *group, int64_t now_ms);

void
sim_group_expire(struct sim_group *group, int64_t now_ms)
{
	bool changed = false;
	write_held(group, now_ms);
	for (size_t i = group->n_members; i-- > 0;) {
		if (now_ms - group->members[i].heard_ms >= group->timeout_ms) {
			remove_member(group, (int)i);
			changed = true;
		}
	}
	if (changed)
		balance(group, NOBODY);
}

/* What the caller lists and nobody owns is the caller's: it held it before, and works on
 * it. What it owns and does not list, though the last answer said so, it has let go. */
static void
take_list(struct sim_group *group, int caller, const unsigned *listed, size_t n)
{
	for (unsigned i = 0; i < group->n_shards; i++)
		if (group->shards[i].owner == caller)
			group->shards[i].listed = false;
	for (size_t i = 0; i < n; i++) {
		if (listed[i] >= group->n_shards)
			continue;
		struct shard *shard = &group->shards[listed[i]];
		if (shard->owner == NOBODY)
			set_owner(shard, caller);
		if (shard->owner == caller)
			shard->listed = true;
	}
	for (unsigned i = 0; i < group->n_shards; i++) {
		struct shard *shard = &group->shards[i];
		if (shard->owner != caller || shard->listed)
			continue;
		if (shard->leaving)
			set_owner(shard, NOBODY);
		else
			lose(group, i);
	}
}

static void
grant(struct sim_group *group, int caller, bool *granted_out)
{
	struct member *member = &group->members[caller];
	for (unsigned i = 0; i < group->n_shards; i++) {
		struct shard *shard = &group->shards[i];
		if (shard->owner == NOBODY && shard->offer == OFFER_ON &&
		    member->owned < member->quota) {
			set_owner(shard, caller);
			member->owned++;
		}
		granted_out[i] = shard->owner == caller && !shard->leaving;
	}
}

enum lts_err
sim_group_heartbeat(struct sim_group *group, const struct consumer_name *consumer,
		    const unsigned *listed, size_t n, int64_t now_ms, bool *granted_out)
{
	sim_group_expire(group, now_ms);
	int caller = find_member(group, consumer);
	if (caller == NOBODY) {
		if (group->n_members == SIM_MEMBERS_MAX)
			return LTS_NOSPACE;
		caller = (int)group->n_members++;
		group->members[caller] = (struct member){ .name = *consumer };
	}
	group->members[caller].heard_ms = now_ms;
	group->members[caller].heartbeats++;
	take_list(group, caller, listed, n);
	balance(group, caller);
	grant(group, caller, granted_out);
	return LTS_OK;
}

static bool
is_consumed(const struct shard *shard)
{
	return shard->has_checkpoint && shard->checkpoint == shard->end;
}

/* Grants the children whose parents' checkpoints all stand at their ends, and the parents no
 * more. A parent comes before its children in the list. */
static void
offer_children(struct sim_group *group)
{
	bool changed = false;
	for (unsigned i = 0; i < group->n_shards; i++) {
		struct shard *child = &group->shards[i];
		size_t consumed = 0;
		for (size_t p = 0; p < child->n_parents; p++)
			consumed += is_consumed(&group->shards[child->parents[p]]);
		if (child->offer != OFFER_NOT_YET || consumed < child->n_parents)
			continue;
		child->offer = OFFER_ON;
		for (size_t p = 0; p < child->n_parents; p++)
			group->shards[child->parents[p]].offer = OFFER_OVER;
		changed = true;
	}
	if (changed)
		balance(group, NOBODY);
}

static enum lts_err
put(struct sim_group *group, const struct consumer_name *consumer,
    const struct sim_checkpoint *list, size_t n, int64_t wall_ms)
{
	int caller = find_member(group, consumer);
	for (size_t i = 0; i < n; i++)
		if (caller == NOBODY || group->shards[list[i].shard].owner != caller)
			return LTS_GONE;
	for (size_t i = 0; i < n; i++) {
		struct shard *shard = &group->shards[list[i].shard];
		group->regressions += shard->has_checkpoint && list[i].index < shard->checkpoint;
		shard->has_checkpoint = true;
		shard->checkpoint = list[i].index;
		shard->updated_ms = wall_ms;
		shard->writer = *consumer;
	}
	offer_children(group);
	return LTS_OK;
}

enum lts_err
sim_group_write(struct sim_group *group, const struct consumer_name *consumer,
		const struct sim_checkpoint *list, size_t n, int64_t now_ms, int64_t wall_ms)
{
	sim_group_expire(group, now_ms);
	return put(group, consumer, list, n, wall_ms);
}

void
sim_group_hold(struct sim_group *group, const struct consumer_name *consumer,
	       const struct sim_checkpoint *list, size_t n, int64_t due_ms, int64_t wall_ms)
{
	struct held **at = &group->held;
	struct held *held = xcalloc(1, sizeof(*held) + n * sizeof(*list));
	held->due_ms = due_ms;
	held->wall_ms = wall_ms;
	held->name = *consumer;
	held->n = n;
	memcpy(held->list, list, n * sizeof(*list));
	while (*at && (*at)->due_ms <= due_ms)
		at = &(*at)->next;
	held->next = *at;
	*at = held;
}

static void
write_held(struct sim_group *group, int64_t now_ms)
{
	struct held *held;
	while ((held = group->held) && held->due_ms <= now_ms) {
		uint64_t before = group->regressions;
		group->held = held->next;
		(void)!put(group, &held->name, held->list, held->n, held->wall_ms);
		group->late_regressions += group->regressions - before;
		group->regressions = before;
		free(held);
	}
}

void
sim_group_replace(struct sim_group *group, const struct sim_checkpoint *ends, size_t n_parents,
		  size_t n_children)
{
	struct shard child = { .owner = NOBODY, .offer = OFFER_NOT_YET, .n_parents = n_parents };
	for (size_t i = 0; i < n_parents; i++) {
		child.parents[i] = ends[i].shard;
		group->shards[ends[i].shard].closed = true;
		group->shards[ends[i].shard].end = ends[i].index;
	}
	group->shards = xreallocarray(group->shards, group->n_shards + n_children, sizeof(child));
	while (n_children--)
		group->shards[group->n_shards++] = child;
	offer_children(group);
}

void
sim_group_on_lost(struct sim_group *group, sim_group_lost *lost, void *arg)
{
	group->lost = lost;
	group->lost_arg = arg;
}

void
sim_group_offer(struct sim_group *group, unsigned shard, bool on_offer)
{
	struct shard *s = &group->shards[shard];
	if (!s->closed)
		s->offer = on_offer ? OFFER_ON : OFFER_OVER;
}

void
sim_group_shard(const struct sim_group *group, unsigned number, struct sim_shard_view *view_out)
{
	const struct shard *shard = &group->shards[number];
	*view_out = (struct sim_shard_view){
		.owner = shard->owner == NOBODY ? NULL : group->members[shard->owner].name.text,
		.leaving = shard->leaving,
		.listed = shard->listed,
		.has_checkpoint = shard->has_checkpoint,
		.checkpoint = shard->checkpoint,
		.updated_ms = shard->updated_ms,
		.writer = shard->writer.text,
		.closed = shard->closed,
		.on_offer = shard->offer == OFFER_ON,
		.parents = shard->parents,
		.n_parents = shard->n_parents,
	};
}

bool
sim_group_knows(const struct sim_group *group, const struct consumer_name *consumer)
{
	return find_member(group, consumer) != NOBODY;
}

size_t
sim_group_members(const struct sim_group *group)
{
	return group->n_members;
}

void
sim_group_member(const struct sim_group *group, size_t i, struct sim_member_view *view_out)
{
	const struct member *member = &group->members[i];
	*view_out = (struct sim_member_view){ member->name.text, member->heard_ms,
					      member->heartbeats };
}

uint64_t
sim_group_regressions(const struct sim_group *group)
{
	return group->regressions;
}

uint64_t
sim_group_late_regressions(const struct sim_group *group)
{
	return group->late_regressions;
}
