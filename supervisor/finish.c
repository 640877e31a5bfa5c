/*
 * finish.c - whether the other hosts' shards are at their end, too.
 *
 * Runs on the supervisor's loop, once all our own shards are finished and published. Owns
 * the end cursors it asked for. Must never call an empty list of shards finished. Held by
 * the scenario of two supervisors.
 */
#include "supervisor/finish.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/xalloc.h"

struct other {
	struct shard_id shard;
	struct cursor end;
};

struct finish {
	struct lts_api *api;
	const struct lease_book *book;
	void (*reached)(void *arg);
	void *arg;
	bool looking;
	int64_t end_ns;
	struct other *others; /* whose end cursor is known */
	size_t n_others;
	struct shard_id asking;
};

struct finish *
finish_create(struct lts_api *api, const struct lease_book *book, void (*reached)(void *),
	      void *arg)
{
	struct finish *f = xcalloc(1, sizeof(*f));
	f->api = api;
	f->book = book;
	f->reached = reached;
	f->arg = arg;
	return f;
}

void
finish_destroy(struct finish **finish)
{
	if (!*finish)
		return;
	free((*finish)->others);
	free(*finish);
	*finish = NULL;
}

static const struct other *
find(const struct finish *f, const struct shard_id *shard)
{
	for (size_t i = 0; i < f->n_others; i++)
		if (shard_id_equal(&f->others[i].shard, shard))
			return &f->others[i];
	return NULL;
}

static void
on_cursor(void *arg, struct lts_answer *answer)
{
	struct finish *f = arg;
	f->looking = false;
	if (answer->err)
		return; /* the next check asks again */
	f->others = xreallocarray(f->others, f->n_others + 1, sizeof(*f->others));
	f->others[f->n_others++] = (struct other){ f->asking, answer->cursor };
}

static void
ask_end(struct finish *f, const struct shard_id *shard)
{
	char from[24];
	snprintf(from, sizeof(from), "%lld", (long long)f->end_ns);
	f->asking = *shard;
	f->looking = true;
	lts_api_cursor(f->api, shard, from, on_cursor, f);
}

static bool
is_listed(const struct lts_answer *answer, const struct shard_id *shard)
{
	for (size_t i = 0; i < answer->n_checkpoints; i++)
		if (shard_id_equal(&answer->checkpoints[i].shard, shard))
			return true;
	return false;
}

/* A shard that we gave back before it had a checkpoint is in nobody's list yet. */
static bool
all_listed(const struct finish *f, const struct lts_answer *answer)
{
	const struct shard_id *seen;
	for (size_t i = 0; (seen = lease_book_seen(f->book, i)); i++)
		if (!lease_book_has(f->book, seen) && !is_listed(answer, seen))
			return false;
	return answer->n_checkpoints || lease_book_count(f->book);
}

static void
on_checkpoints(void *arg, struct lts_answer *answer)
{
	struct finish *f = arg;
	f->looking = false;
	if (answer->err || !all_listed(f, answer))
		return;
	for (size_t i = 0; i < answer->n_checkpoints; i++) {
		const struct lts_checkpoint *at = &answer->checkpoints[i];
		if (lease_book_has(f->book, &at->shard))
			continue;
		const struct other *other = find(f, &at->shard);
		if (!other) {
			ask_end(f, &at->shard);
			return;
		}
		if (!cursor_equal(&other->end, &at->cursor))
			return;
	}
	f->reached(f->arg);
}

void
finish_check(struct finish *f, int64_t end_ns)
{
	if (f->looking)
		return;
	f->end_ns = end_ns;
	f->looking = true;
	lts_api_read_checkpoints(f->api, NULL, on_checkpoints, f);
}
