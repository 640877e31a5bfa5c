/*
 * group_inside.h - the group's inside, for its own files: group.c (heartbeats) and
 * group_checkpoints.c.
 */
#ifndef SUPERVISOR_GROUP_INSIDE_H
#define SUPERVISOR_GROUP_INSIDE_H

#include <ev.h>
#include <sys/queue.h>

#include "common/backoff.h"
#include "supervisor/group.h"

struct consumer {
	struct group *group;
	uint32_t index;
	struct consumer_name name;
	struct ev_timer timer;
	struct lts_request *request; /* NULL: none in flight */
	int64_t sent_ms;
	int64_t heard_ms;        /* when the last one that was answered had been sent */
	struct shard_id *listed; /* by the request in flight; before the first answer,
				    what it once held */
	size_t n_listed;
	struct backoff backoff;
	bool hurry;        /* the next heartbeat lists less, and is not sent yet */
	bool hurried;      /* it is under way: its answer frees a shard for others */
	unsigned failures; /* in a row */
	enum lts_err err;  /* of the last one that failed */
	unsigned refusals; /* of those, of the first list itself */
	unsigned splits;   /* so many more of its writes may be halved */
	unsigned name_refusals; /* the same, of its name */
	bool answered;
	bool forgotten; /* the service does not know the member that held `listed` */
};

/* Where does the service stand with a shard? */
struct question {
	struct shard_id shard;
	uint64_t number;
};

struct questions {
	struct question *list;
	size_t n, cap;
};

struct group {
	struct group_config config;
	struct consumer *consumers; /* room for ASSIGN_WORKERS_MAX */
	struct service_clock clock;
	struct ev_timer ask; /* fires once for all shards asked for in one turn */
	struct questions asked, singly; /* in one turn; each alone, as soon as there is room */
	TAILQ_HEAD(, reading) readings; /* in flight */
	TAILQ_HEAD(, writing) writings; /* in flight, and behind them what waits for room */
	unsigned n_reading, n_writing;  /* of single shards, in flight */
	struct own_names *own_names;
	struct group_stats stats;
	uint64_t odd[GROUP_REQUESTS]; /* lists with entries that could not be read */
	unsigned clock_off;  /* so many answers in a row say that this host's clock is... */
	bool clock_was_said; /* ...and that was said */
	bool joined, paused;
};

/* What cannot be read in a list is named, ever more seldom: the same may come every second. */
void group_name_odd(struct group *group, enum group_request request,
		    const struct lts_answer *answer);

void group_checkpoints_init(struct group *group);
void group_checkpoints_fini(struct group *group);

#endif
