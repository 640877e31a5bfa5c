/*
 * lease_entry.h - the lease book's inside, for its own files: lease_book.c (the table and its
 * events), lease_plan.c (who shall hold what), lease_publish.c (what the service is told).
 */
#ifndef SUPERVISOR_LEASE_ENTRY_H
#define SUPERVISOR_LEASE_ENTRY_H

#include "common/stage_clock.h"
#include "supervisor/assign.h"
#include "supervisor/lease_look.h"

/* Who has the shard on this host. */
enum hold {
	HOLD_NONE,
	HOLD_TAKING,    /* ASSIGN was sent */
	HOLD_HELD,      /* its take committed */
	HOLD_RELEASING, /* REVOKE was sent */
};

/* What is known of the service's checkpoint under the present grant. */
enum knowledge { KNOW_NOTHING, KNOW_ASKED, KNOW_IT };

struct entry {
	struct shard_id shard;
	uint32_t home;
	bool granted; /* and the deadline is not past */
	int64_t deadline_ms;
	bool wanted_back; /* the service's answer leaves it out */
	int64_t wanted_ms;
	enum knowledge know;
	uint64_t asked_from; /* earlier questions: another grant's, or older than a doubt */
	int64_t asked_ms;
	int64_t ask_again_ms; /* how long after that it is asked again */
	struct cursor service;
	bool service_is_ours;
	bool unbroken; /* a worker has held it under this grant: the local position wins */
	enum hold hold;
	int32_t holder;     /* ASSIGN_NOBODY with HOLD_NONE */
	int32_t target;     /* where it goes when it is released */
	struct epoch epoch; /* of the last assignment */
	bool current;       /* which was under the present grant */
	bool left_behind;   /* held in our last life, not granted in this one */
	bool to_close;      /* that, or wanted back untaken: to be sealed and published first */
	enum fate fate;
	uint32_t fate_slot;
	struct suspect suspect;
	struct cursor suspect_from; /* what was committed at the last of its deaths */
	bool finished, stuck;
	char why[200];
	struct cursor reset;      /* people want it there; none, also once it is */
	struct epoch reset_first; /* of the first assignment that says so; 0: none has */
	struct cursor published;  /* what stands at the service, as far as we know */
	bool writing;             /* a write is under way */
	int64_t publish_after_ms; /* not before: the last write failed */
	bool stale_write;         /* of a former grant: its answer says nothing about this one */
	bool doubtful;            /* its answer was lost: read back before the next */
	bool no_publish;          /* the service refuses: let it go without */
	struct look look;
	struct refused refused;
	uint64_t publishes;       /* writes that stand */
	int64_t published_ms;     /* when the last was, or the service was asked; 0: never */
	struct stage_clock clocks[2]; /* of its worker's side, of publishing */
};

struct lease_book {
	struct book_config config;
	const struct book_ops *ops;
	void *arg;
	struct entry *entries;
	size_t count, cap;
	struct shard_id *seen; /* ever granted in this run */
	size_t n_seen, seen_cap;
	bool live[ASSIGN_WORKERS_MAX];
	uint32_t sequence;
	uint64_t changes, questions; /* shards granted and gone; the last question's number */
	int64_t looked_ms;           /* at all shards */
	bool stopping;
	struct look_left left[LOOK_LEFT]; /* of shards given back; a ring */
	struct shard_id lost[LOOK_LOST];  /* a write told us so; a ring */
	unsigned n_left, n_lost;
};

/* The entry of a shard, or NULL. Good until an entry is added or removed. */
struct entry *lease_entry_find(const struct lease_book *book, const struct shard_id *shard);
void lease_entry_note(struct lease_book *book, const struct entry *e, const char *what,
		      const char *why);
/* Tells the holder to let go. */
void lease_entry_revoke(struct lease_book *book, struct entry *e);
/* Every entry's next step, then the plan; after each event. */
void lease_book_settle(struct lease_book *book, int64_t now_ms);

/* The batch that the next holder must be told of; attempts 0: none, or it is past. */
struct suspect lease_suspect(struct lease_book *book, const struct entry *e);
/* Has a worker take what was left behind, only to let go of it. False: that is of no use. */
bool lease_seal(struct lease_book *book, struct entry *e);
/* Assigns and moves until the live workers are balanced. */
void lease_plan(struct lease_book *book);

/* Whether something committed under the present epoch is not at the service yet, and what. */
bool lease_unpublished(struct lease_book *book, const struct entry *e, struct cursor *cursor_out);
void lease_publish_one(struct lease_book *book, struct entry *e, int64_t now_ms);
/* Of shards without a checkpoint at the service, at once: until then nobody else knows of them,
 * and a read-only one without records keeps its children waiting. */
void lease_publish_first(struct lease_book *book, int64_t now_ms);
/* Whether one without a worker may leave the list: its last checkpoint stands, or will not. */
bool lease_may_leave(struct lease_book *book, struct entry *e, int64_t now_ms);
/* What was left behind leaves the list, as it is. */
void lease_leave_unpublished(struct lease_book *book, struct entry *e);

#endif
