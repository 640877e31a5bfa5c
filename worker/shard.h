/*
 * shard.h - what a worker does with one shard, as a state machine.
 *
 * Pure: time (CLOCK_BOOTTIME) comes in, everything else goes out through shard_ops. Owns
 * the batches that were fetched ahead: one that is ready, and one behind it that came early.
 */
#ifndef WORKER_SHARD_H
#define WORKER_SHARD_H

#include "common/message.h"
#include "common/options.h"
#include "common/service_clock.h"
#include "state/lease.h"
#include "worker/batch.h"
#include "worker/batch_head.h"
#include "worker/shard_ops.h"

enum shard_state {
	SHARD_INITIALIZING, /* taking the lease, finding out where to start */
	SHARD_FETCHING,     /* fetching and delivering */
	SHARD_DRAINING,     /* nothing new; the batch in hand, then the last commit */
	SHARD_FINISHING,    /* at the end cursor; the last commit is under way */
	SHARD_FINISHED,     /* stays ours until it is taken away */
	SHARD_STUCK,        /* stopped, loudly; stays ours until it is taken away */
	SHARD_DONE,         /* only the memory is left */
};

struct shard_config { /* shared by all shards of the worker */
	unsigned batch_size;
	int64_t fetch_interval_ms;
	enum expired_policy on_expired;
	bool isolates; /* the delivery side finds the record that ends workers */
	const struct service_clock *clock;
	/* What is fetched is joined until it has so many records, or its first is so old. 0: as
	 * it comes. */
	unsigned join_records;
	int64_t linger_ms;
	size_t max_bytes, first_bytes; /* max_body_bytes; reserved while sizes are not known */
	struct idle_pace *pace;
};

/* To fetch_cursor or fetch_batch. */
struct shard_answer {
	enum lts_err err;
	int64_t retry_after_ms; /* -1: not said */
	int64_t service_ns;     /* Date; 0: none */
	size_t size;            /* of the body, TOOBIG too; 0: not said */
	const char *text;       /* for people, when err, or when the batch is doubtful */
	struct cursor cursor;   /* fetch_cursor */
	struct batch *batch;    /* fetch_batch: the shard's now; `to` none: no next */
};

struct shard *shard_create(const struct shard_config *config, const struct shard_ops *ops,
			   void *arg, struct lease *lease, const struct message_assign *assign,
			   uint64_t seed);
void shard_destroy(struct shard **shard);
/* Begins with the take. One that is only to be sealed drains from the start. */
void shard_start(struct shard *shard);

void shard_on_taken(struct shard *shard, enum lts_err err, const struct lease_taken *taken,
		    const char *why, int64_t now_ms);
void shard_on_answer(struct shard *shard, struct shard_answer *answer, int64_t now_ms);
/* The first bytes of the batch under way are here. */
void shard_on_head(struct shard *shard, const struct batch_head *head, int64_t now_ms);
void shard_on_early_head(struct shard *shard, const struct batch_head *head);
void shard_on_early_answer(struct shard *shard, struct shard_answer *answer);
/* The batch is back from the sink; err: it was not delivered. */
void shard_on_delivered(struct shard *shard, struct batch *batch, enum lts_err err,
			const char *why, int64_t now_ms);
/* LTS_AGAIN, of a finish: the processor has not saved all. The shard goes on at `back`, or, when
 * that is none, stops; `why`, for people. */
void shard_on_closed(struct shard *shard, enum lts_err err, const struct cursor *back,
		     const char *why, int64_t now_ms);
/* What it acknowledged behind `back` ended, unsaved, with the processor's code. */
void shard_on_back(struct shard *shard, const struct cursor *back, int64_t now_ms);
void shard_on_timer(struct shard *shard, int64_t now_ms);
void shard_on_linger(struct shard *shard, int64_t now_ms);
/* Somebody needs room: what was joined so far goes on. */
void shard_press(struct shard *shard);
void shard_on_room(struct shard *shard, int64_t now_ms);
/* The supervisor takes it back (LEASE_RELEASED), or the worker stops (LEASE_PAUSED). */
void shard_on_revoke(struct shard *shard, enum lease_state close, int64_t now_ms);
/* It is not ours any more. */
void shard_on_gone(struct shard *shard, int64_t now_ms);

enum shard_state shard_state(const struct shard *shard);
struct lease *shard_lease(const struct shard *shard);
const char *shard_state_name(enum shard_state state);

#endif
