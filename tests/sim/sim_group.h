/*
 * sim_group.h - the consumer group as the service keeps it: members, who owns which
 * shard, checkpoints.
 *
 * Pure: shards are numbers, times are arguments (milliseconds of any clock that does not
 * jump). A member is whoever heartbeats; unheard for the timeout it loses all. Any two
 * members differ by at most one shard, and a shard moves only when its holder stops
 * listing it, or times out.
 */
#ifndef TESTS_SIM_SIM_GROUP_H
#define TESTS_SIM_SIM_GROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "common/ids.h"

enum { SIM_MEMBERS_MAX = 1024, SIM_PARENTS_MAX = 2 };

struct sim_group;

struct sim_checkpoint {
	unsigned shard;
	uint64_t index; /* of the first record that was not yet consumed */
};

/* What one looks like from outside. */
struct sim_shard_view {
	const char *owner; /* NULL: nobody's */
	bool leaving;      /* its owner shall let go of it */
	bool listed;       /* its owner listed it in its last heartbeat */
	bool has_checkpoint;
	uint64_t checkpoint;
	int64_t updated_ms; /* wall clock, as handed to sim_group_write */
	const char *writer;
	bool closed, on_offer;
	const unsigned *parents; /* whose end comes before its begin */
	size_t n_parents;
};

struct sim_member_view {
	const char *name;
	int64_t heard_ms; /* of its last heartbeat */
	uint64_t heartbeats;
};

struct sim_group *sim_group_create(unsigned shards, int64_t timeout_ms);
void sim_group_destroy(struct sim_group **group);

/* Takes from members unheard for the timeout what they own. The two below do it first. */
void sim_group_expire(struct sim_group *group, int64_t now_ms);
/* granted_out[shard] is set for every shard that the consumer owns from now on.
 * LTS_NOSPACE: too many members. */
enum lts_err sim_group_heartbeat(struct sim_group *group, const struct consumer_name *consumer,
				 const unsigned *listed, size_t n, int64_t now_ms,
				 bool *granted_out) LTS_MUST_USE;
/* All or nothing. LTS_GONE: the consumer does not own one of the shards. */
enum lts_err sim_group_write(struct sim_group *group, const struct consumer_name *consumer,
			     const struct sim_checkpoint *list, size_t n, int64_t now_ms,
			     int64_t wall_ms) LTS_MUST_USE;

/* What a gateway holds: written then, if the consumer owns them all by then. */
void sim_group_hold(struct sim_group *group, const struct consumer_name *consumer,
		    const struct sim_checkpoint *list, size_t n, int64_t due_ms, int64_t wall_ms);

/* The parents, at most SIM_PARENTS_MAX, end where `ends` says; the children get the next
 * numbers. They are granted once every parent's checkpoint stands at its end, and then the
 * parents are taken back. */
void sim_group_replace(struct sim_group *group, const struct sim_checkpoint *ends,
		       size_t n_parents, size_t n_children);

/* One that is not closed is taken back and granted to nobody, or on offer again. */
void sim_group_offer(struct sim_group *group, unsigned shard, bool on_offer);

/* Called when an owner loses a shard that nobody asked back: it timed out, or listed it no
 * more. `from` is the checkpoint then, 0 when there is none. */
typedef void sim_group_lost(void *arg, unsigned shard, uint64_t from);
void sim_group_on_lost(struct sim_group *group, sim_group_lost *lost, void *arg);

void sim_group_shard(const struct sim_group *group, unsigned shard,
		     struct sim_shard_view *view_out);
size_t sim_group_members(const struct sim_group *group);
bool sim_group_knows(const struct sim_group *group, const struct consumer_name *consumer);
void sim_group_member(const struct sim_group *group, size_t i, struct sim_member_view *view_out);
/* Checkpoint writes that moved a shard back; those that were not held, and those that were. */
uint64_t sim_group_regressions(const struct sim_group *group);
uint64_t sim_group_late_regressions(const struct sim_group *group);

#endif
