/*
 * lease_book.h - every shard this host was granted: until when, who holds it, what is
 * published of it.
 *
 * Pure policy: time comes in (CLOCK_BOOTTIME milliseconds), the rest goes out through
 * book_ops.h. Consumers and workers share their numbers: a shard granted to consumer i is
 * at home with worker i.
 */
#ifndef SUPERVISOR_LEASE_BOOK_H
#define SUPERVISOR_LEASE_BOOK_H

#include "supervisor/book_ops.h"

struct lease_book;

struct book_shard {
	struct shard_id shard;
	uint32_t home;
	int32_t holder; /* worker, or -1 */
	struct epoch epoch;
	const char *state; /* for people: one of lease_book_state_name's */
	bool finished, stuck;
	bool stalled; /* has waited for the same thing for too long: see lease_watch.h */
	struct cursor published;
	int64_t published_ms; /* when that was last written or read; 0: never */
	char why[200];        /* when stuck */
};

struct book_config {
	uint32_t workers;
	uint32_t boot_count;
	int64_t timeout_ms; /* the service's; a lease ends a sixth of it earlier */
	char start[24];     /* for a shard without any position */
	int64_t start_ns, end_ns;
};

struct lease_book *lease_book_create(const struct book_config *config, const struct book_ops *ops,
				     void *arg);
void lease_book_destroy(struct lease_book **book);
/* There may be so many from now on. */
void lease_book_grow(struct lease_book *book, uint32_t workers);
/* Once the times are known: nothing is assigned before. */
void lease_book_set_times(struct lease_book *book, const char *start, int64_t start_ns,
			  int64_t end_ns);

/* What consumer `home` lists in its next heartbeat, an array to free; without what is left
 * behind, for which that heartbeat had better wait a little. */
struct shard_id *lease_book_list(struct lease_book *book, uint32_t home, size_t *n_out,
				 int64_t now_ms);
bool lease_book_is_closing(const struct lease_book *book, uint32_t home);

/* ---- events ---- */
void book_on_answer(struct lease_book *book, uint32_t home, const struct shard_id *listed,
		    size_t n_listed, const struct shard_id *owned, size_t n_owned,
		    int64_t sent_ms, int64_t now_ms);
/* Before it, for a consumer's first: what we held in our last life and are granted no more is
 * sealed, published if nobody else has moved on, and left out. */
void book_on_first_answer(struct lease_book *book, uint32_t home, const struct shard_id *listed,
			  size_t n_listed, const struct shard_id *owned, size_t n_owned,
			  int64_t sent_ms);
/* err: ask again later. cursor none: it has none. */
void book_on_service(struct lease_book *book, const struct shard_id *shard, uint64_t question,
		     enum lts_err err, const struct cursor *cursor, bool ours, int64_t now_ms);
void book_on_written(struct lease_book *book, const struct shard_id *shard,
		     const struct cursor *cursor, enum lts_err err, int64_t now_ms);
/* Whether a shard of a group write that was refused may be written alone, as it was. */
bool lease_book_may_repeat(const struct lease_book *book, const struct shard_id *shard,
			   int64_t now_ms);
void book_on_live(struct lease_book *book, uint32_t worker, int64_t now_ms);
/* It drains, and is given nothing more: its shards move as they are released. */
void book_on_leaving(struct lease_book *book, uint32_t worker, int64_t now_ms);
/* Before that worker's book_on_gone: its death counts against the batch of so many records
 * at this cursor of a shard that it held. */
void book_on_suspect(struct lease_book *book, uint32_t worker, const struct shard_id *shard,
		     const struct suspect *now);
void book_on_gone(struct lease_book *book, uint32_t worker, enum fate fate, int64_t now_ms);
void book_on_message(struct lease_book *book, uint32_t worker, const struct message *message,
		     int64_t now_ms);
/* People want the shard to go on at `to`: its holder lets go, the next one takes it there;
 * was_reset follows. LTS_NOTFOUND: it is not ours. LTS_GONE: it is being given back. LTS_AGAIN: the
 * agent stops. LTS_BUSY: another such wish is under way. */
enum lts_err book_reset(struct lease_book *book, const struct shard_id *shard,
			const struct cursor *to, int64_t now_ms) LTS_MUST_USE;
/* Ends leases past their deadline, gives up on last publishes, asks again, publishes starts. */
void book_on_tick(struct lease_book *book, int64_t now_ms);
/* Publishes what is committed and not published. */
void book_publish(struct lease_book *book, int64_t now_ms);
/* No new grants, no new assignments: the agent stops. */
void book_stop(struct lease_book *book);

/* ---- questions ---- */
/* The n-th of all the states that a shard may be in; NULL behind the last. */
const char *lease_book_state_name(size_t index);
size_t lease_book_count(const struct lease_book *book);
void lease_book_get(const struct lease_book *book, size_t index, struct book_shard *out);
bool lease_book_has(const struct lease_book *book, const struct shard_id *shard);
/* Every shard granted in this run, also those given back since, up to 8,192 of them; NULL behind
 * the last. */
const struct shard_id *lease_book_seen(const struct lease_book *book, size_t index);
/* Grows whenever a shard is granted or gone. */
uint64_t lease_book_changes(const struct lease_book *book);
/* Every shard is finished (or stuck: *stuck_out of them), and that is published. */
bool lease_book_all_finished(struct lease_book *book, size_t *stuck_out);
/* Nothing committed is unpublished. */
bool lease_book_all_published(struct lease_book *book, int64_t now_ms);
/* ...and where the service stands was looked at since: until then, looks. */
bool lease_book_all_seen(struct lease_book *book, int64_t now_ms);

#endif
