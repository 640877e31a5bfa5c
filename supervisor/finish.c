/*
 * finish.c - whether the other hosts' shards are at their end, too.
 *
 * Runs on the supervisor's loop, once all our own shards are finished and published. Owns
 * the group's list while it goes through it, and what it saw of each. Must never call an empty
 * list of shards finished, nor take one look for the truth: another host's shard is at its end when
 * two looks a second apart say so, a refusal counts only where the same place is not refused
 * for itself, and a shard that a list leaves out, and an earlier one had, is asked for alone. Held
 * by tests/supervisor/test_finish.c and the scenarios of several hosts.
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
	FINISH_APART_MS = 1000,  /* two looks at a shard of another host... */
	FINISH_LIST_APART_MS = 250, /* ...and at a list that has none */
	FINISH_PROBE_LIMIT = 10, /* the least that the service takes */
};

/* A shard of another host. */
struct other {
	struct shard_id shard;
	struct cursor end;  /* as this look has it */
	int64_t since_ms;   /* its checkpoint was there or beyond, in each look since; 0: not */
	bool done;          /* a second look agrees; it does not move back */
	int64_t none_ms;    /* asked for alone it had no checkpoint, in each look since; 0: not */
	bool none;          /* nor in this one */
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
	bool unsure;      /* a shard was seen at its end in this look for the first time */
	int64_t since_ms; /* all were, in each look since; 0: not */
	struct other *others;
	size_t n_others;
	struct shard_id alone; /* of others, that is asked for by itself */
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

static void
look_again(struct finish *f, int64_t delay_ms)
{
	f->looking = false;
	f->next_ms = clock_boot_ms() + delay_ms;
}

/* Not yet; look again in a while. */
static void
give_up(struct finish *f)
{
	f->since_ms = 0;
	f->wait_ms = f->wait_ms ? 2 * f->wait_ms : FINISH_AGAIN_MS;
	if (f->wait_ms > FINISH_AGAIN_MAX_MS)
		f->wait_ms = FINISH_AGAIN_MAX_MS;
	look_again(f, f->wait_ms);
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
static void look_at(struct finish *f, const struct other *other);

static struct other *
add(struct finish *f, const struct shard_id *shard)
{
	if (f->n_others == LTS_WIRE_CHECKPOINTS_MAX) /* seen anew, then */
		f->n_others = 0;
	f->others = xreallocarray(f->others, f->n_others + 1, sizeof(*f->others));
	f->others[f->n_others] = (struct other){ .shard = *shard };
	return &f->others[f->n_others++];
}

static void
on_end(void *arg, struct lts_answer *answer)
{
	struct finish *f = arg;
	struct other *other = find(f, &f->list[f->at].shard);
	if (answer->err) {
		give_up(f);
		return;
	}
	other->end = answer->cursor;
	look_at(f, other);
}

/* One answer proves nothing; two of a kind, a second apart, do. */
static void
on_seen(struct finish *f, bool at_end)
{
	struct other *other = find(f, &f->list[f->at].shard);
	int64_t now_ms = clock_boot_ms();
	if (!at_end) {
		other->since_ms = 0;
		give_up(f);
		return;
	}
	if (!other->since_ms)
		other->since_ms = now_ms;
	other->done = now_ms - other->since_ms >= FINISH_APART_MS;
	f->unsure |= !other->done;
	f->at++;
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

/* The place itself is not refused: so it was refused as being behind the end. */
static void
on_plain_probe(void *arg, struct lts_answer *answer)
{
	on_seen(arg, !answer->err);
}

static void
probe(struct finish *f, const struct cursor *end, lts_api_done *done)
{
	const struct lts_checkpoint *at = &f->list[f->at];
	lts_api_batch(f->api, &at->shard, FINISH_PROBE_LIMIT, 0, &at->cursor, end, done, f);
}

static void
on_probe(void *arg, struct lts_answer *answer)
{
	struct finish *f = arg;
	const struct lts_checkpoint *at = &f->list[f->at];
	if (answer->err == LTS_INVALID) /* a start beyond the end, to a service that is strict? */
		probe(f, NULL, on_plain_probe);
	else
		on_seen(f, !answer->err && is_nothing_left(answer, &at->cursor));
}

static void
look_at(struct finish *f, const struct other *other)
{
	if (cursor_equal(&other->end, &f->list[f->at].cursor))
		on_seen(f, true);
	else
		probe(f, &other->end, on_probe);
}

static void
ask_end(struct finish *f, const struct shard_id *shard)
{
	char from[24];
	snprintf(from, sizeof(from), "%lld", (long long)f->end_ns);
	lts_api_cursor(f->api, shard, from, on_end, f);
}

/* Every shard of the list is at its end, now and, unless this is the first such look, before. */
static void
on_all_at_end(struct finish *f)
{
	int64_t now_ms = clock_boot_ms();
	int64_t apart_ms = f->unsure ? FINISH_APART_MS : FINISH_LIST_APART_MS;
	if (!f->since_ms)
		f->since_ms = now_ms;
	if (f->unsure || now_ms - f->since_ms < apart_ms) {
		look_again(f, apart_ms);
		return;
	}
	f->looking = false;
	f->reached(f->arg);
}

/* From shard to shard, until there is one to ask about. */
static void
walk(struct finish *f)
{
	for (; f->at < f->n; f->at++) {
		const struct shard_id *shard = &f->list[f->at].shard;
		struct other *other = find(f, shard);
		if (lease_book_has(f->book, shard) || (other && other->done))
			continue;
		if (!other)
			add(f, shard);
		ask_end(f, shard);
		return;
	}
	on_all_at_end(f);
}

static bool
is_listed(const struct lts_checkpoint *list, size_t n, const struct shard_id *shard)
{
	for (size_t i = 0; i < n; i++)
		if (shard_id_equal(&list[i].shard, shard))
			return true;
	return false;
}

/* A shard that we gave back before it had a checkpoint is in nobody's list yet. */
static bool
all_listed(const struct finish *f, const struct lts_answer *answer)
{
	const struct shard_id *seen;
	for (size_t i = 0; (seen = lease_book_seen(f->book, i)); i++)
		if (!lease_book_has(f->book, seen) &&
		    !is_listed(answer->checkpoints, answer->n_checkpoints, seen))
			return false;
	return answer->n_checkpoints || lease_book_count(f->book);
}

/* An earlier list had it, this one has not; and it was not at its end yet. */
static struct other *
find_missing(const struct finish *f)
{
	for (size_t i = 0; i < f->n_others; i++) {
		struct other *other = &f->others[i];
		if (!other->done && !other->none && !lease_book_has(f->book, &other->shard) &&
		    !is_listed(f->list, f->n, &other->shard))
			return other;
	}
	return NULL;
}

static void on_alone(void *arg, struct lts_answer *answer);

static void
ask_for_missing(struct finish *f)
{
	const struct other *missing = find_missing(f);
	if (!missing) {
		walk(f);
		return;
	}
	f->alone = missing->shard;
	lts_api_read_checkpoints(f->api, &f->alone, on_alone, f);
}

static void
on_alone(void *arg, struct lts_answer *answer)
{
	struct finish *f = arg;
	struct other *other = find(f, &f->alone);
	int64_t now_ms = clock_boot_ms();
	if (answer->err || !other) {
		give_up(f);
		return;
	}
	if (is_listed(answer->checkpoints, answer->n_checkpoints, &other->shard)) {
		other->none_ms = 0;
		f->list = xreallocarray(f->list, f->n + 1, sizeof(*f->list));
		for (size_t i = 0; i < answer->n_checkpoints; i++)
			if (shard_id_equal(&answer->checkpoints[i].shard, &other->shard))
				f->list[f->n] = answer->checkpoints[i];
		f->n++;
	} else {
		if (!other->none_ms)
			other->none_ms = now_ms;
		other->none = true;
		f->unsure |= now_ms - other->none_ms < FINISH_APART_MS;
	}
	ask_for_missing(f);
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
	f->unsure = false;
	f->list = xreallocarray(f->list, f->n, sizeof(*f->list));
	memcpy(f->list, answer->checkpoints, f->n * sizeof(*f->list));
	for (size_t i = 0; i < f->n_others; i++) {
		f->others[i].none = false;
		if (is_listed(f->list, f->n, &f->others[i].shard))
			f->others[i].none_ms = 0;
	}
	ask_for_missing(f);
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
