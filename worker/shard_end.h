/*
 * shard_end.h - where a shard ends: the cursor of end_time, for the shard machine's own files.
 */
#ifndef WORKER_SHARD_END_H
#define WORKER_SHARD_END_H

#include "worker/shard.h"

/* What one answer does not prove. */
struct shard_at_end {
	int64_t asked_ms;   /* when a cursor was asked for, last */
	int64_t since_ms;   /* when the end cursor was asked for, first as it is now */
	bool is_sure;       /* asked for again some time later, past end_time, it was the same */
	unsigned looks;     /* at it again, since it last moved */
	bool is_short;      /* next is not the end, but nothing more comes */
	bool was_finished;  /* for this very end_time, as is stored */
	unsigned empties;   /* empty answers in a row that did not move... */
	int64_t empties_ms; /* ...since then */
	unsigned expired;   /* answers in a row that the cursor has, ... */
	int64_t expired_ms; /* ...since then */
};

/* What is asked for now is from before the end, if there is one. */
bool shard_is_before_end(const struct shard *s, int64_t now_ms);
/* The cursor is not known: batches without it, or a wait, or it is asked for. */
void shard_fetch_towards_end(struct shard *s, int64_t now_ms);
/* Delivered up to the end cursor that is known, or as far as anything comes. */
bool shard_is_at_its_end(const struct shard *s);
/* There it is asked for anew, until ends.is_sure. */
void shard_look_at_end_again(struct shard *s, int64_t now_ms);
void shard_on_end(struct shard *s, const struct cursor *cursor);
/* A batch that was fetched without an end holds what came in after end_time, maybe. */
bool shard_may_pass_end(const struct shard *s, const struct shard_answer *answer, int64_t now_ms);
/* One more that did not move: so many, for so long, that it is the end. */
bool shard_ends_short(struct shard *s, int64_t now_ms);

#endif
