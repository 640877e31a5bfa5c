/*
 * finish.c - whether the other hosts' shards are at their end, too.
 *
 * Runs on the supervisor's loop, once all our own shards are finished and published. Owns
 * the group's list while it goes through it, and the end cursors it asked for. Must never
 * call an empty list of shards finished. Held by the scenarios of several hosts.
 */
#include "supervisor/finish.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/xalloc.h"

enum {
	FINISH_AGAIN_MS = 1000, /* then doubling, up to */
	FINISH_AGAIN_MAX_MS = 8000,
	FINISH_PROBE_LIMIT = 10, /* the least that the service takes */
};

/* A shard of another host. */
struct other {
	struct shard_id shard;
	struct cursor end;
	bool done; /* its checkpoint was seen at the end or beyond; it does not move back
		    */
};

struct finish {
	struct lts_api *api;
	const struct lease_book *book;
	void (*reached)(void *arg);
	void *arg;
	bool looking;
	int64_t wait_ms, next_ms;
	int64_t end_ns;
	struct lts_checkpoint *list; /* of the whole group, being gone through */
	size_t n, at;
	struct other *others;
	size_t n_others;
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
	free((*finish)->list);
	free((*finish)->others);
	free(*finish);
	*finish = NULL;
}

/* Not yet; look again in a while. */
static void
give_up(struct finish *f)
{
	f->looking = false;
	f->wait_ms = f->wait_ms ? 2 * f->wait_ms : FINISH_AGAIN_MS;
	if (f->wait_ms > FINISH_AGAIN_MAX_MS)
		f->wait_ms = FINISH_AGAIN_MAX_MS;
	f->next_ms = clock_boot_ms() + f->wait_ms;
}

static struct other *
find(const struct finish *f, const struct shard_id *shard)
{
	for (size_t i = 0; i < f->n_others; i++)
		if (shard_id_equal(&f->others[i].shard, shard))
			return &f->others[i];
	return NULL;
}

static void walk(struct finish *f);

static void
on_end(void *arg, struct lts_answer *answer)
{
	struct finish *f = arg;
	if (answer->err) {
		give_up(f);
		return;
	}
	if (f->n_others == LTS_WIRE_CHECKPOINTS_MAX) /* asked for again, then */
		f->n_others = 0;
	f->others = xreallocarray(f->others, f->n_others + 1, sizeof(*f->others));
	f->others[f->n_others++] =
		(struct other){ .shard = f->list[f->at].shard, .end = answer->cursor };
	walk(f);
}

/* No record between the checkpoint and the end: it stands at the end or beyond. */
static bool
is_nothing_left(const struct lts_answer *answer, const struct cursor *from)
{
	struct cJSON *json = json_parse_exact(answer->body->data, answer->body->len);
	const char *count = json ? json_text(json, "count") : NULL;
	const char *next = json ? json_text(json, "next") : NULL;
	bool nothing = count && strcmp(count, "0") == 0 &&
		       (!next || strcmp(next, "0") == 0 || strcmp(next, from->text) == 0);
	cJSON_Delete(json);
	return nothing;
}

static void
on_probe(void *arg, struct lts_answer *answer)
{
	struct finish *f = arg;
	struct lts_checkpoint *at = &f->list[f->at];
	/* INVALID: a start beyond the end, to a service that is strict. */
	if (answer->err == LTS_INVALID ||
	    (!answer->err && is_nothing_left(answer, &at->cursor))) {
		find(f, &at->shard)->done = true;
		walk(f);
	} else {
		give_up(f);
	}
}

static void
ask_end(struct finish *f, const struct shard_id *shard)
{
	char from[24];
	snprintf(from, sizeof(from), "%lld", (long long)f->end_ns);
	lts_api_cursor(f->api, shard, from, on_end, f);
}

/* From shard to shard, as far as answers are known. */
static void
walk(struct finish *f)
{
	for (; f->at < f->n; f->at++) {
		const struct lts_checkpoint *at = &f->list[f->at];
		if (lease_book_has(f->book, &at->shard))
			continue;
		struct other *other = find(f, &at->shard);
		if (!other) {
			ask_end(f, &at->shard);
			return;
		}
		other->done |= cursor_equal(&other->end, &at->cursor);
		if (!other->done) {
			lts_api_batch(f->api, &at->shard, FINISH_PROBE_LIMIT, 0, &at->cursor,
				      &other->end, on_probe, f);
			return;
		}
	}
	f->looking = false;
	f->reached(f->arg);
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
	if (answer->err || !all_listed(f, answer)) {
		give_up(f);
		return;
	}
	f->n = answer->n_checkpoints;
	f->at = 0;
	f->list = xreallocarray(f->list, f->n, sizeof(*f->list));
	memcpy(f->list, answer->checkpoints, f->n * sizeof(*f->list));
	walk(f);
}

void
finish_check(struct finish *f, int64_t end_ns, int64_t now_ms)
{
	if (f->looking || now_ms < f->next_ms)
		return;
	f->end_ns = end_ns;
	f->looking = true;
	lts_api_read_checkpoints(f->api, NULL, on_checkpoints, f);
}
