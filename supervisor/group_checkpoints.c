/*
 * group_checkpoints.c - the group's checkpoints, read and written.
 *
 * Runs on the supervisor's loop, part of the group. Owns the requests' lists of shards. Must never
 * take what cannot be read for "no checkpoint", nor let it keep other shards from being known.
 * Held by tests/supervisor/test_group.c and the scenarios.
 */
#include "supervisor/group_inside.h"

#include <stdlib.h>

#include "common/clock.h"
#include "common/xalloc.h"

enum { ASK_SINGLY = 8 /* more shards than that at once: all in one request */ };

struct question {
	struct shard_id shard;
	uint64_t number;
};

void
group_name_odd(struct group *g, enum group_request request, const struct lts_answer *answer)
{
	const struct lts_odd *odd = &answer->odd;
	if (!odd->count)
		return;
	uint64_t n = ++g->odd[request];
	if ((n & (n - 1)) == 0)
		log_warn(g->config.log, "entries of the service's list cannot be read; left out",
			 LOG_TEXT("list", request == GROUP_HEARTBEAT ? "shards" : "checkpoints"),
			 LOG_UINT("entries", odd->count), LOG_TEXT("first", odd->first),
			 LOG_UINT("lists_so_far", n));
}

/* ---- reading ---- */

/* One request for one shard, or for all that were asked for in one turn. */
struct reading {
	LIST_ENTRY(reading) link;
	struct group *group;
	size_t n;
	struct question questions[];
};

static const struct lts_checkpoint *
checkpoint_of(const struct lts_answer *answer, const struct shard_id *shard)
{
	for (size_t i = 0; i < answer->n_checkpoints; i++)
		if (shard_id_equal(&answer->checkpoints[i].shard, shard))
			return &answer->checkpoints[i];
	return NULL;
}

/* One odd answer about all must not keep any of them from being known: each is asked for alone. */
static bool
is_asked_alone(const struct reading *reading, enum lts_err err)
{
	return reading->n > 1 && (err == LTS_BADDATA || err == LTS_TOOBIG);
}

/* What the answer says of one shard. That the service has no checkpoint is said only by a list of
 * which all could be read. */
static enum lts_err
answer_of(const struct lts_answer *answer, const struct lts_checkpoint *at)
{
	if (answer->err)
		return answer->err;
	return (at ? at->unreadable : answer->odd.nameless) ? LTS_BADDATA : LTS_OK;
}

static void read_checkpoints(struct group *g, const struct question *questions, size_t n);

static void
on_reading(void *arg, struct lts_answer *answer)
{
	struct reading *reading = arg;
	struct group *g = reading->group;
	service_clock_learn(&g->clock, answer->service_time_ns, clock_boot_ms());
	g->stats.failures[GROUP_READ][answer->err]++;
	group_name_odd(g, GROUP_READ, answer);
	if (answer->err)
		log_warn(g->config.log, "checkpoints not read",
			 LOG_TEXT("reason", lts_err_name(answer->err)),
			 LOG_INT("status", answer->status), LOG_TEXT("text", answer->message));
	for (size_t i = 0; i < reading->n; i++) {
		const struct question *question = &reading->questions[i];
		const struct lts_checkpoint *at = checkpoint_of(answer, &question->shard);
		enum lts_err err = answer_of(answer, at);
		struct cursor cursor = { 0 };
		bool ours = at && identity_owns_name(g->config.identity, &at->writer);
		if (at)
			cursor = at->cursor;
		if (is_asked_alone(reading, err))
			read_checkpoints(g, question, 1);
		else
			book_on_service(g->config.book, &question->shard, question->number, err,
					&cursor, ours, clock_boot_ms());
	}
	LIST_REMOVE(reading, link);
	free(reading);
}

static void
read_checkpoints(struct group *g, const struct question *questions, size_t n)
{
	struct reading *reading = xcalloc(1, sizeof(*reading) + n * sizeof(*questions));
	reading->group = g;
	reading->n = n;
	memcpy(reading->questions, questions, n * sizeof(*questions));
	LIST_INSERT_HEAD(&g->readings, reading, link);
	lts_api_read_checkpoints(g->config.api, n == 1 ? &questions[0].shard : NULL, on_reading,
				 reading);
}

static void
on_ask(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	struct group *g = timer->data;
	if (g->n_asked > ASK_SINGLY)
		read_checkpoints(g, g->asked, g->n_asked);
	else
		for (size_t i = 0; i < g->n_asked; i++)
			read_checkpoints(g, &g->asked[i], 1);
	g->n_asked = 0;
}

void
group_ask_service(struct group *g, const struct shard_id *shard, uint64_t question)
{
	if (g->n_asked == g->asked_cap) {
		g->asked_cap = g->asked_cap ? 2 * g->asked_cap : 16;
		g->asked = xreallocarray(g->asked, g->asked_cap, sizeof(*g->asked));
	}
	g->asked[g->n_asked++] = (struct question){ *shard, question };
	ev_timer_start(g->config.loop, &g->ask);
}

/* ---- writing ---- */

struct writing {
	LIST_ENTRY(writing) link;
	struct group *group;
	uint32_t home;
	size_t n;
	struct lts_checkpoint list[];
};

static void start_writing(struct group *g, uint32_t home, const struct lts_checkpoint *list,
			  size_t n);

/* One bad shard makes the service refuse a whole write: then each is written alone. */
static bool
to_be_split(const struct writing *writing, enum lts_err err)
{
	return writing->n > 1 && (err == LTS_GONE || err == LTS_NOTFOUND || err == LTS_INVALID);
}

static void
on_written(void *arg, struct lts_answer *answer)
{
	struct writing *writing = arg;
	struct group *g = writing->group;
	service_clock_learn(&g->clock, answer->service_time_ns, clock_boot_ms());
	g->stats.failures[GROUP_WRITE][answer->err]++;
	if (answer->err)
		log_warn(g->config.log, "checkpoints not published; tried again",
			 LOG_TEXT("consumer", g->consumers[writing->home].name.text),
			 LOG_TEXT("reason", lts_err_name(answer->err)),
			 LOG_INT("status", answer->status), LOG_TEXT("text", answer->message),
			 LOG_UINT("shards", writing->n));
	for (size_t i = 0; i < writing->n; i++) {
		if (to_be_split(writing, answer->err) &&
		    lease_book_may_repeat(g->config.book, &writing->list[i].shard,
					  clock_boot_ms()))
			start_writing(g, writing->home, &writing->list[i], 1);
		else
			book_on_written(g->config.book, &writing->list[i].shard,
					&writing->list[i].cursor, answer->err, clock_boot_ms());
	}
	LIST_REMOVE(writing, link);
	free(writing);
}

static void
start_writing(struct group *g, uint32_t home, const struct lts_checkpoint *list, size_t n)
{
	struct writing *writing = xcalloc(1, sizeof(*writing) + n * sizeof(*list));
	writing->group = g;
	writing->home = home;
	writing->n = n;
	memcpy(writing->list, list, n * sizeof(*list));
	LIST_INSERT_HEAD(&g->writings, writing, link);
	lts_api_write_checkpoints(g->config.api, &g->consumers[home].name, writing->list, n,
				  on_written, writing);
}

void
group_publish(struct group *g, uint32_t home, const struct shard_id *shards,
	      const struct cursor *cursors, size_t n)
{
	struct lts_checkpoint *list = xcalloc(n, sizeof(*list));
	for (size_t i = 0; i < n; i++) {
		list[i].shard = shards[i];
		list[i].cursor = cursors[i];
	}
	start_writing(g, home, list, n);
	free(list);
}

/* ---- life ---- */

void
group_checkpoints_init(struct group *g)
{
	ev_timer_init(&g->ask, on_ask, 0, 0);
	g->ask.data = g;
}

void
group_checkpoints_fini(struct group *g)
{
	ev_timer_stop(g->config.loop, &g->ask);
	for (struct reading *r; (r = LIST_FIRST(&g->readings)); free(r))
		LIST_REMOVE(r, link);
	for (struct writing *w; (w = LIST_FIRST(&g->writings)); free(w))
		LIST_REMOVE(w, link);
	free(g->asked);
}
