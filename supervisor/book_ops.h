/*
 * book_ops.h - what the lease book wants done: towards the workers, the service, the state
 * and people. Answers come back as the book's events, the book_on_ functions.
 */
#ifndef SUPERVISOR_BOOK_OPS_H
#define SUPERVISOR_BOOK_OPS_H

#include "common/message.h"
#include "state/schema.h"

struct book_ops {
	void (*assign)(void *arg, uint32_t worker, const struct message_assign *assign);
	void (*revoke)(void *arg, uint32_t worker, const struct shard_id *shard,
		       struct epoch epoch);
	void (*renew)(void *arg, uint32_t worker, const struct epoch *epochs, uint32_t n,
		      int64_t deadline_ms);
	void (*published)(void *arg, uint32_t worker, const struct shard_id *shard,
			  struct epoch epoch, const struct cursor *cursor);
	/* The service's checkpoint of a shard: book_on_service follows, with the question's
	 * number. `again`: it has said that there is none. */
	void (*ask_service)(void *arg, const struct shard_id *shard, uint64_t question,
			    bool again);
	/* Writes checkpoints under the consumer's name: book_on_written follows for each. */
	void (*publish)(void *arg, uint32_t home, const struct shard_id *shards,
			const struct cursor *cursors, size_t n);
	/* The stored checkpoint; LTS_NOTFOUND. */
	enum lts_err (*committed)(void *arg, const struct shard_id *shard,
				  struct checkpoint_record *out);
	/* The consumer lists a shard less: the sooner it says so, the sooner another has it. */
	void (*left)(void *arg, uint32_t home);
	/* What book_reset began: LTS_OK: a worker has taken the shard there; LTS_GONE: it left
	 * this host before; LTS_BADDATA: it stopped there; LTS_AGAIN: the agent stops. */
	void (*was_reset)(void *arg, const struct shard_id *shard, enum lts_err err);
	/* For people: what happened to a shard. */
	void (*note)(void *arg, const struct shard_id *shard, const char *what, const char *why);
};

#endif
