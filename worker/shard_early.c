/*
 * shard_early.c - the batch that is asked for while the one before it still comes in.
 *
 * Runs on the worker's loop, part of the shard machine. Pure. Owns what came early until its
 * turn. What is early is only ever taken for the very request that would be made now: must
 * never let it choose what that is. Held by tests/worker/test_shard_early.c.
 */
#include "worker/shard_inside.h"

#include <stdlib.h>

void
shard_early_drop(struct shard *s)
{
	struct shard_early *early = &s->early;
	if (early->how == EARLY_ASKED)
		s->ops->cancel_early(s->arg, s);
	if (early->batch)
		s->ops->drop(s->arg, s, early->batch); /* and its bytes */
	else if (early->how != EARLY_NONE)
		s->ops->release(s->arg, s, early->reserved);
	*early = (struct shard_early){ EARLY_NONE };
}

/*
 * A full batch has more behind it. One that is not was the last for now, and asking sooner
 * would bring less each time. The rest of it has yet to come, so what is small never gets here.
 * After an error, near the cap of a body, and around a suspect batch: one thing at a time.
 */
static bool
is_worth_it(const struct shard *s, const struct batch_head *head)
{
	return head->count >= s->limit && s->limit == s->config->batch_size && !s->failing &&
	       !s->suspect.attempts && !cursor_equal(&head->next, &s->next);
}

static bool
is_before_end(const struct shard *s, const struct batch_head *head, int64_t now_ms)
{
	return cursor_is_none(&s->end) ? shard_is_before_end(s, now_ms)
				       : !cursor_equal(&head->next, &s->end);
}

void
shard_on_head(struct shard *s, const struct batch_head *head, int64_t now_ms)
{
	struct shard_early *early = &s->early;
	if (s->what != FETCH_BATCH || s->how != FETCH_ASKED || early->how != EARLY_NONE)
		return;
	if (!is_worth_it(s, head) || !is_before_end(s, head, now_ms))
		return;
	if (!s->ops->fetch_early(s->arg, s, &head->next, &s->end, s->limit, s->room_bytes))
		return;
	early->how = EARLY_ASKED;
	early->from = head->next;
	early->end = s->end;
	early->reserved = s->room_bytes;
}

void
shard_on_early_head(struct shard *s, const struct batch_head *head)
{
	s->early.head = *head;
}

/* Only what it brought is kept: an error, or a doubt, counts when it is asked for in its turn. */
void
shard_on_early_answer(struct shard *s, struct shard_answer *answer)
{
	struct shard_early *early = &s->early;
	if (early->how != EARLY_ASKED)
		abort(); /* what was cancelled does not answer */
	early->how = EARLY_HERE;
	if (answer->batch && answer->batch->doubtful) {
		s->ops->charge(s->arg, s, answer->batch->bytes);
		s->ops->drop(s->arg, s, answer->batch);
		answer->batch = NULL;
	}
	if (answer->err || !answer->batch) {
		shard_early_drop(s);
		return;
	}
	early->batch = answer->batch;
	answer->batch = NULL;
	early->service_ns = answer->service_ns;
	s->ops->release(s->arg, s, early->reserved);
	early->reserved = early->batch->bytes;
	s->ops->charge(s->arg, s, early->reserved);
}

bool
shard_early_take(struct shard *s, int64_t now_ms)
{
	struct shard_early early = s->early;
	if (early.how == EARLY_NONE)
		return false;
	if (!cursor_equal(&early.from, &s->next) || !cursor_equal(&early.end, &s->end)) {
		shard_early_drop(s);
		return false;
	}
	s->early = (struct shard_early){ EARLY_NONE };
	s->what = FETCH_BATCH;
	s->how = FETCH_ASKED;
	s->reserved = early.reserved;
	if (early.how == EARLY_HERE) {
		shard_on_answer(s,
				&(struct shard_answer){ .retry_after_ms = -1,
							.service_ns = early.service_ns,
							.batch = early.batch },
				now_ms);
		return true;
	}
	s->ops->take_early(s->arg, s);
	if (early.head.count)
		shard_on_head(s, &early.head, now_ms);
	return true;
}
