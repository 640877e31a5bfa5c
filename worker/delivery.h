/*
 * delivery.h - the delivery thread, as the loop sees it: orders in, completions out, one
 * queue each way.
 *
 * The thread may wait as long as it likes; nothing here does. The queues are bounded by
 * what a shard may have under way: one take, one batch, one close, and the PUBLISHED of
 * each publish_interval.
 */
#ifndef WORKER_DELIVERY_H
#define WORKER_DELIVERY_H

#include "worker/commit.h"

enum delivery_kind {
	DELIVERY_TAKE,      /* order: take; completion: err, taken, why */
	DELIVERY_BATCH,     /* order: batch; completion: batch given back, err, why */
	DELIVERY_PUBLISHED, /* order: cursor */
	DELIVERY_STUCK,     /* order: text; becomes an event */
	DELIVERY_CLOSE,     /* order: close, end_ns; completion when committed, or err, back, why */
	DELIVERY_FORGET,    /* order; completion: the last for this lease, which is free then
			     */
	DELIVERY_FLUSH,     /* completion when everything before it is committed */
	DELIVERY_STOP,      /* completion: the thread has ended */
	DELIVERY_GONE,      /* completion only: the shard is not ours any more */
	DELIVERY_BACK,      /* completion only: without a batch in hand it goes on at `back` */
	DELIVERY_BLOCKED,   /* completion only: it waits for a while; why: for what; "": a retry */
	DELIVERY_OPENED,    /* completion only, in a sandbox: the first; err: of sandbox_files */
};

struct delivery_order {
	struct delivery_order *next;
	enum delivery_kind kind;
	struct lease *lease;
	struct batch *batch; /* the queue's until it comes back */
	struct lease_take take;
	struct lease_taken taken; /* the thread's: the lease is ours, the sink not open yet */
	char text[200]; /* what take.inherited points at; why a shard is stuck */
	struct cursor cursor;
	enum lease_state close;
	int64_t end_ns;
	bool blocked, said; /* the thread's: the loop knows that it waits; and for what */
	bool still;         /* the thread's: nothing moves for it */
	int64_t due_ms;     /* the thread's, while it is parked */
	int64_t parked_ms;  /* the thread's: since when, without a break; 0: it is not */
	char waits[200];    /* the thread's: for what... */
	enum lts_err err;   /* ...as an error */
	int64_t began_ns;   /* the thread's: when it was first tried */
	int64_t give_up_ms; /* the thread's: the shard is being let go; 0: not known to be */
};

struct delivery_done {
	enum delivery_kind kind;
	struct lease *lease;
	struct batch *batch;
	enum lts_err err;
	enum lease_state close;
	struct lease_taken taken;
	struct cursor back; /* BACK; CLOSE with LTS_AGAIN: the shard goes on there; or none */
	uint64_t commits; /* BATCH: the board's count; the next commit holds it */
	char why[200];
};

struct delivery;

/* `wake` is called on the thread when there is a completion to fetch. */
struct delivery *delivery_create(const struct committer_config *config, void (*wake)(void *),
				 void *arg);
/* After DELIVERY_STOP came back. */
void delivery_destroy(struct delivery **delivery);
/* Takes the order, made with xcalloc. */
void delivery_put(struct delivery *delivery, struct delivery_order *order);
/* The next completion; false when there is none. */
bool delivery_next(struct delivery *delivery, struct delivery_done *out);

#endif
