/*
 * lease_look.h - where the service stands with a shard of ours: what is known of that, and when it
 * is looked at, for the lease book's own files.
 */
#ifndef SUPERVISOR_LEASE_LOOK_H
#define SUPERVISOR_LEASE_LOOK_H

#include "supervisor/lease_book.h"

enum {
	LOOK_WROTE = 32, /* eight are two seconds of a flush */
	LOOK_LOST = 16,
	LOOK_LEFT = 64,
	LOOK_ALONE = 32, /* writes */
};

struct look {
	uint64_t asked; /* the question that is not answered yet; 0: none */
	bool none;   /* one answer said that there is no checkpoint: a second one decides */
	bool wanted; /* a look */
	bool seen;   /* where it stands, since our last write */
	int64_t at_ms;                   /* a look is wanted then: an answer was lost; 0: no */
	int64_t older_ms;                /* it was last found to have moved back; 0: never */
	struct cursor last;         /* what we published last */
	uint64_t wrote[LOOK_WROTE]; /* and before that: a ring of their hashes */
	unsigned n_wrote;
	bool other; /* what stands there is not ours, and that was said */
	bool grouped;         /* the last write was one of several shards... */
	struct cursor before; /* ...and this stood there before it */
};

/* Of a shard that was given back: a write may still be on its way when it comes again. */
struct look_left {
	struct shard_id shard;
	uint64_t wrote[LOOK_WROTE];
	unsigned n_wrote;
};

struct refused {
	unsigned alone;   /* so many more writes go alone: the service left it out, or... */
	unsigned n;       /* ...refused it so often in a row... */
	int64_t since_ms; /* ...for the first time then */
	bool gone;        /* a write was told that another consumer owns it; none was taken since */
	int64_t gone_ms;  /* for the first time then */
};

struct entry;

/* Asks where the service stands; only what is asked from now on says so. */
void lease_entry_ask(struct lease_book *book, struct entry *e, int64_t now_ms);
bool lease_entry_may_ask(const struct lease_book *book, const struct entry *e, int64_t now_ms);
void lease_entry_ask_anew(struct lease_book *book, struct entry *e);
/* A grant: nothing is known but what we wrote; until it leaves the book. */
void lease_look_begin(struct lease_book *book, struct entry *e);
void lease_look_end(struct lease_book *book, const struct entry *e);
/* A write of this cursor begins, alone or as one of several. */
void lease_look_write(struct lease_book *book, struct entry *e, const struct cursor *cursor,
		      bool grouped);
/* What was seen before says nothing of what stands there now. */
void lease_look_anew(struct lease_book *book, struct entry *e);
/* A write's answer was lost: it may land yet. */
void lease_look_later(struct lease_book *book, struct entry *e, int64_t now_ms);
void lease_look_around(struct lease_book *book, int64_t now_ms);
/* Whether where the service stands was looked at since our last write; else looks. */
bool lease_look_is_seen(struct lease_book *book, struct entry *e, int64_t now_ms);
/* Another consumer owns it: two that do not share a cause have said so. */
void lease_lost(struct lease_book *book, struct entry *e);

#endif
