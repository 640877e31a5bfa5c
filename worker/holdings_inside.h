/*
 * holdings_inside.h - the holdings' inside, for their own files: holdings.c (what the
 * machines want and hear), holdings_fetch.c (of the service) and holdings_watch.c (that none
 * waits for ever).
 */
#ifndef WORKER_HOLDINGS_INSIDE_H
#define WORKER_HOLDINGS_INSIDE_H

#include <ev.h>
#include <sys/queue.h>

#include "common/stage_clock.h"
#include "worker/holdings.h"
#include "worker/holdings_lag.h"
#include "worker/idle_pace.h"

/* A shard fetches, delivers and commits at the same time, each at its own stage. */
enum { CLOCK_FETCH, CLOCK_ERRORS, CLOCK_DELIVERY, CLOCK_COMMIT, HOLDING_CLOCKS };

struct holding {
	TAILQ_ENTRY(holding) all;
	TAILQ_ENTRY(holding) no_room;
	struct holdings *owner;
	struct lease lease;
	struct shard *shard;
	struct message_assign assign;
	struct fetch fetches[2]; /* the request under way, and an early one */
	unsigned turn;           /* which is the former */
	struct ev_timer timer, linger;
	bool waits_for_room;
	unsigned troubles; /* in a row... */
	int64_t trouble_ms; /* ...since then; 0: seen by no watch yet... */
	char trouble[160]; /* ...and the last */
	bool blocked;      /* its order is parked, and that is known to be a while */
	enum lts_err waits; /* ...and said to be: why; LTS_OK: not said */
	bool uncommitted;  /* a commit was owed to what was delivered when the board counted */
	uint64_t commits;  /* so many commits */
	struct stage_clock clocks[HOLDING_CLOCKS];
	struct holding_lag lag;
};

struct holdings {
	struct holdings_config config;
	unsigned most_records; /* of a request, as configured */
	size_t budget_bytes;   /* what thrift leaves of the configured one */
	struct service_clock clock;
	struct idle_pace pace;
	struct fetch_env fetch_env;
	TAILQ_HEAD(, holding) all;
	TAILQ_HEAD(, holding) no_room;
	size_t count;
	size_t used_bytes;
	uint64_t releases;    /* of bytes, so far */
	struct ev_timer room; /* fires in the next turn when bytes were released */
	bool serving;         /* the queue for room, in its order */
	bool draining;
	bool warned; /* that there may be too few descriptors */
	unsigned waiting[BOARD_REASONS]; /* so many shards, for each reason */
};

static inline struct holding *
holding_of_lease(struct lease *lease)
{
	return (struct holding *)((char *)lease - offsetof(struct holding, lease));
}

static inline struct holding *
holding_of(struct shard *shard)
{
	return holding_of_lease(shard_lease(shard));
}

/* Its order is parked; it is done with. */
void holding_waits(struct holdings *h, struct holding *holding, const struct delivery_done *done);
void holding_goes_on(struct holdings *h, struct holding *holding);

void holding_init_fetches(struct holdings *h, struct holding *holding);
void holding_fetch_cursor(void *arg, struct shard *shard, const char *from);
void holding_fetch_batch(void *arg, struct shard *shard, const struct cursor *from,
			 const struct cursor *end, unsigned limit, size_t bytes);
bool holding_fetch_early(void *arg, struct shard *shard, const struct cursor *from,
			 const struct cursor *end, unsigned limit, size_t bytes);
void holding_take_early(void *arg, struct shard *shard);
void holding_cancel_early(void *arg, struct shard *shard);

#endif
