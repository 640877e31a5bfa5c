/*
 * delivery_inside.h - the delivery thread's inside, for its own files: delivery.c (orders and
 * commits) and delivery_parked.c (what is to be tried again).
 */
#ifndef WORKER_DELIVERY_INSIDE_H
#define WORKER_DELIVERY_INSIDE_H

#include <pthread.h>

#include "worker/delivery.h"

enum { PARKED_LOOK_MS = 500 };

struct done_item {
	struct done_item *next;
	struct delivery_done done;
};

struct delivery {
	struct committer_config config;
	struct committer *committer; /* the thread's */
	unsigned flushes;            /* asked for since the last commit; the thread's */
	/* To be tried again, each at its time; the thread's. At most a take or a batch of
	 * each shard, and nothing else of that shard but PUBLISHED comes meanwhile. */
	struct delivery_order *parked, **parked_end;
	int64_t retry_ms; /* the first of those times, or of a look whether they are let go */
	unsigned still;   /* of them, that nothing moves for */
	bool no_space;    /* the last commit found none; the thread's */
	void (*wake)(void *);
	void *wake_arg;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t more;
	int wake_fd; /* instead, when another descriptor is waited for as well; else -1 */
	bool turn;   /* that one is ready; the thread's */
	struct delivery_order *orders, **orders_end;
	struct done_item *dones, **dones_end;
};

/* Onto the queue of completions. */
void delivery_complete(struct delivery *d, const struct delivery_done *done);
/* True: the order is kept until due_ms, and the other shards go on. Said is it when that is a
 * while. */
bool delivery_park(struct delivery *d, struct delivery_order *order, int64_t due_ms,
		   enum lts_err err, const char *why);
void delivery_keep_parked(struct delivery *d, struct delivery_order *order);
/* The board has the cause of the first, the log of each. */
void delivery_say_it_waits(struct delivery *d, struct delivery_order *order, int64_t now_ms);

#endif
