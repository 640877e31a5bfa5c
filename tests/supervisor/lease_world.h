/*
 * lease_world.h - a world around a lease book: workers, the service, other hosts and LMDB
 * as a model, and what the book may never do to them.
 */
#ifndef TESTS_SUPERVISOR_LEASE_WORLD_H
#define TESTS_SUPERVISOR_LEASE_WORLD_H

#include "supervisor/lease_book.h"

enum {
	SHARDS = 6,
	WORKERS = 3,
	TIMEOUT_MS = 60000,
	LEASE_MS = 50000,
	OTHER = -1, /* another host */
};

/* What a worker has been told about one shard and has not answered. */
struct holder {
	bool active, revoked, held;
	uint64_t epoch;
};

struct grant {
	bool now; /* granted, by the answers so far */
	int home;
	int64_t deadline_ms;
	bool assigned; /* under this grant */
	uint64_t epoch;
};

struct beat {
	bool sent;
	int64_t sent_ms;
	struct shard_id *listed;
	size_t n;
};

struct lease_world {
	struct lease_book *book;
	uint64_t random;
	int64_t now_ms;
	bool live[WORKERS];
	uint64_t last_epoch;
	struct grant grants[SHARDS];
	struct holder holders[WORKERS][SHARDS];
	/* LMDB */
	struct checkpoint_record records[SHARDS];
	unsigned cursor;
	/* the service */
	int owner[SHARDS];     /* the consumer that it gave the shard to, or OTHER */
	int wanted_by[SHARDS]; /* where it wants it to be */
	bool listed[SHARDS];   /* by its owner, in its last heartbeat */
	struct cursor at_service[SHARDS];
	bool at_service_ours[SHARDS];
	bool read_ours[SHARDS]; /* under the present grant nobody else's was read there */
	/* in flight */
	uint64_t asked[SHARDS]; /* the question's number; 0: none */
	bool writing[SHARDS], doubtful[SHARDS];
	struct cursor written[SHARDS];
	struct beat beats[WORKERS];
	unsigned assigns, publishes, revokes, ends;
};

/* The book's operations; their arg is the world. Each fails the test when a rule is
 * broken. */
extern const struct book_ops lease_world_ops;

int lease_world_index(const struct shard_id *shard);
struct shard_id lease_world_shard(int i);

#endif
