/*
 * group_checkpoints.c - the group's checkpoints, read and written.
 *
 * Runs on the supervisor's loop, part of the group. Owns the requests for checkpoints, in flight
 * and waiting. Must never take what cannot be read, or a list's silence about a shard, for "no
 * checkpoint", nor let it keep other shards from being known; nor have more than a few requests
 * for single shards in flight. Held by tests/supervisor/test_group.c and the
 * scenarios.
 */
#include "supervisor/group_inside.h"

#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/xalloc.h"

enum {
	GROUP_ASK_SINGLY = 2, /* more shards than that at once: all in one request */
	GROUP_SINGLES = 16,   /* requests for one shard each, in flight */
	GROUP_SPLITS = 64,    /* of refused writes, for one consumer in one turn */
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
	TAILQ_ENTRY(reading) link;
	struct group *group;
	bool all; /* of the group */
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

/* What the book has no more of is not asked for: shards may come faster than answers. */
static void
forget_gone(struct group *g, struct questions *of)
{
	size_t n = 0;
	for (size_t i = 0; i < of->n; i++)
		if (lease_book_has(g->config.book, &of->list[i].shard))
			of->list[n++] = of->list[i];
	of->n = n;
}

static void
add_question(struct group *g, struct questions *to, const struct question *question, bool first)
{
	bool full = to->n == to->cap;
	if (full)
		forget_gone(g, to);
	if (full && 2 * to->n >= to->cap) { /* else it would be gone through too often */
		to->cap = to->cap ? 2 * to->cap : 16;
		to->list = xreallocarray(to->list, to->cap, sizeof(*to->list));
	}
	size_t at = first ? 0 : to->n;
	memmove(to->list + at + 1, to->list + at, (to->n++ - at) * sizeof(*to->list));
	to->list[at] = *question;
}

/* One odd answer about all must not keep any of them from being known, and a list may be short:
 * each that it does not name is asked for alone. */
static bool
is_asked_alone(const struct reading *reading, enum lts_err err, const struct lts_checkpoint *at)
{
	if (!reading->all)
		return false;
	if (err)
		return err == LTS_BADDATA || err == LTS_TOOBIG;
	return !at || cursor_is_none(&at->cursor);
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

static void ask_singly(struct group *g);

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
	TAILQ_REMOVE(&g->readings, reading, link);
	g->n_reading -= !reading->all;
	for (size_t i = 0; i < reading->n; i++) {
		const struct question *question = &reading->questions[i];
		const struct lts_checkpoint *at = checkpoint_of(answer, &question->shard);
		enum lts_err err = answer_of(answer, at);
		struct cursor cursor = { 0 };
		bool ours = at && own_names_has(g->own_names, &at->writer);
		if (at)
			cursor = at->cursor;
		if (is_asked_alone(reading, err, at))
			add_question(g, &g->singly, question, false);
		else
			book_on_service(g->config.book, &question->shard, question->number, err,
					&cursor, ours, clock_boot_ms());
	}
	free(reading);
	ask_singly(g);
}

static void
read_checkpoints(struct group *g, const struct question *questions, size_t n, bool all)
{
	struct reading *reading = xcalloc(1, sizeof(*reading) + n * sizeof(*questions));
	reading->group = g;
	reading->all = all;
	reading->n = n;
	memcpy(reading->questions, questions, n * sizeof(*questions));
	TAILQ_INSERT_TAIL(&g->readings, reading, link);
	g->n_reading += !all;
	lts_api_read_checkpoints(g->config.api, all ? NULL : &questions[0].shard, on_reading,
				 reading);
}

static void
ask_singly(struct group *g)
{
	size_t n = 0;
	for (; n < g->singly.n && g->n_reading < GROUP_SINGLES; n++)
		if (lease_book_has(g->config.book, &g->singly.list[n].shard))
			read_checkpoints(g, &g->singly.list[n], 1, false);
	if (!n)
		return;
	g->singly.n -= n;
	if (g->singly.n) /* else there may be no list */
		memmove(g->singly.list, g->singly.list + n,
			g->singly.n * sizeof(*g->singly.list));
}

static void
on_ask(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	struct group *g = timer->data;
	if (g->asked.n > GROUP_ASK_SINGLY)
		read_checkpoints(g, g->asked.list, g->asked.n, true);
	else
		for (size_t i = 0; i < g->asked.n; i++)
			add_question(g, &g->singly, &g->asked.list[i], false);
	g->asked.n = 0;
	ask_singly(g);
}

/* A shard that no list has is asked for alone, and first: its worker waits for nothing else. */
void
group_ask_service(struct group *g, const struct shard_id *shard, uint64_t number, bool again)
{
	add_question(g, again ? &g->singly : &g->asked, &(struct question){ *shard, number },
		     again);
	ev_timer_start(g->config.loop, &g->ask);
}

/* ---- writing ---- */

struct writing {
	TAILQ_ENTRY(writing) link;
	struct group *group;
	bool sent;
	uint32_t home;
	size_t n;
	struct lts_checkpoint list[];
};

static void write_checkpoints(struct group *g, uint32_t home, const struct lts_checkpoint *list,
			      size_t n);
static void write_waiting(struct group *g);

/*
 * What the answer says of the shards that were written. A refusal whose code speaks of the group,
 * the stream or the service itself is none of a shard's, for good: LTS_BADDATA, LTS_UNKNOWN.
 */
static enum lts_err
verdict(const struct lts_answer *answer)
{
	if (answer->err != LTS_INVALID && answer->err != LTS_NOTFOUND)
		return answer->err;
	if (strcmp(answer->code, "LTS.0010") == 0)
		return LTS_UNKNOWN;
	if (strcmp(answer->code, "LTS.0201") == 0 || strcmp(answer->code, "LTS.0208") == 0)
		return LTS_BADDATA;
	return answer->err;
}

static bool
is_refusal(enum lts_err err)
{
	return err == LTS_GONE || err == LTS_NOTFOUND || err == LTS_INVALID || err == LTS_BADDATA;
}

/* One bad shard makes the service refuse a whole write, with whatever code: its halves are
 * written, until it is alone. A service that refuses all is not stormed: the rest waits for the
 * next turn. */
static bool
to_be_split(const struct writing *writing, enum lts_err err)
{
	return writing->n > 1 && writing->group->consumers[writing->home].splits &&
	       is_refusal(err) && err != LTS_BADDATA;
}

static void
write_halves(struct writing *writing)
{
	struct group *g = writing->group;
	size_t n = 0;
	g->consumers[writing->home].splits--;
	for (size_t i = 0; i < writing->n; i++) {
		struct lts_checkpoint at = writing->list[i];
		if (lease_book_may_repeat(g->config.book, &at.shard, clock_boot_ms()))
			writing->list[n++] = at;
		else
			book_on_written(g->config.book, &at.shard, &at.cursor, LTS_AGAIN,
					clock_boot_ms());
	}
	write_checkpoints(g, writing->home, writing->list, n / 2);
	write_checkpoints(g, writing->home, writing->list + n / 2, n - n / 2);
}

static void
on_written(void *arg, struct lts_answer *answer)
{
	struct writing *writing = arg;
	struct group *g = writing->group;
	enum lts_err err = verdict(answer);
	service_clock_learn(&g->clock, answer->service_time_ns, clock_boot_ms());
	g->stats.failures[GROUP_WRITE][err]++;
	if (err)
		log_warn(g->config.log, "checkpoints not published; tried again",
			 LOG_TEXT("consumer", g->consumers[writing->home].name.text),
			 LOG_TEXT("reason", lts_err_name(err)), LOG_INT("status", answer->status),
			 LOG_TEXT("code", answer->code[0] ? answer->code : NULL),
			 LOG_TEXT("text", answer->message),
			 LOG_TEXT("shard", writing->n == 1 ? writing->list[0].shard.text : NULL),
			 LOG_UINT("shards", writing->n));
	TAILQ_REMOVE(&g->writings, writing, link);
	g->n_writing -= writing->n == 1;
	if (to_be_split(writing, answer->err))
		write_halves(writing);
	else
		for (size_t i = 0; i < writing->n; i++)
			book_on_written(g->config.book, &writing->list[i].shard,
					&writing->list[i].cursor,
					writing->n > 1 && is_refusal(err) ? LTS_AGAIN : err,
					clock_boot_ms());
	free(writing);
	write_waiting(g);
}

static void
send_writing(struct writing *writing)
{
	struct group *g = writing->group;
	writing->sent = true;
	g->n_writing += writing->n == 1;
	lts_api_write_checkpoints(g->config.api, &g->consumers[writing->home].name, writing->list,
				  writing->n, on_written, writing);
}

static struct writing *
first_waiting(struct group *g)
{
	struct writing *writing;
	TAILQ_FOREACH(writing, &g->writings, link)
		if (!writing->sent)
			break;
	return writing;
}

/* What has waited is written only if its grant is in force still. */
static void
write_waiting(struct group *g)
{
	struct writing *writing;
	while (g->n_writing < GROUP_SINGLES && (writing = first_waiting(g))) {
		struct lts_checkpoint at = writing->list[0];
		if (lease_book_may_repeat(g->config.book, &at.shard, clock_boot_ms())) {
			send_writing(writing);
			continue;
		}
		TAILQ_REMOVE(&g->writings, writing, link);
		free(writing);
		book_on_written(g->config.book, &at.shard, &at.cursor, LTS_AGAIN,
				clock_boot_ms());
	}
}

static void
write_checkpoints(struct group *g, uint32_t home, const struct lts_checkpoint *list, size_t n)
{
	if (!n)
		return;
	struct writing *writing = xcalloc(1, sizeof(*writing) + n * sizeof(*list));
	writing->group = g;
	writing->home = home;
	writing->n = n;
	memcpy(writing->list, list, n * sizeof(*list));
	TAILQ_INSERT_TAIL(&g->writings, writing, link);
	if (n > 1 || g->n_writing < GROUP_SINGLES)
		send_writing(writing);
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
	if (n > 1)
		g->consumers[home].splits = GROUP_SPLITS;
	write_checkpoints(g, home, list, n);
	free(list);
}

/* ---- the group's ---- */

void
group_checkpoints_init(struct group *g)
{
	TAILQ_INIT(&g->readings);
	TAILQ_INIT(&g->writings);
	ev_timer_init(&g->ask, on_ask, 0, 0);
	g->ask.data = g;
}

void
group_checkpoints_fini(struct group *g)
{
	ev_timer_stop(g->config.loop, &g->ask);
	for (struct reading *r; (r = TAILQ_FIRST(&g->readings)); free(r))
		TAILQ_REMOVE(&g->readings, r, link);
	for (struct writing *w; (w = TAILQ_FIRST(&g->writings)); free(w))
		TAILQ_REMOVE(&g->writings, w, link);
	free(g->asked.list);
	free(g->singly.list);
}
