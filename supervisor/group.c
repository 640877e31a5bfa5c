/*
 * group.c - the consumer-group protocol, for all consumers of this host.
 *
 * Runs on the supervisor's loop. Owns the consumers' timers and requests. Must never have
 * two heartbeats of one consumer in flight, nor put one off for longer than a sixth of
 * the service's timeout. Held by the scenarios.
 */
#include "supervisor/group.h"

#include <ev.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "common/backoff.h"
#include "common/clock.h"
#include "common/xalloc.h"
#include "supervisor/assign.h"

enum {
	GROUP_CLOSING_MS = 20,
	GROUP_ASK_SINGLY = 8, /* more shards than that at once: all in one request */
};

struct consumer {
	struct group *group;
	uint32_t index;
	struct consumer_name name;
	struct ev_timer timer;
	struct lts_request *request; /* NULL: none in flight */
	int64_t sent_ms;
	int64_t heard_ms;        /* when the last one that was answered had been sent */
	struct shard_id *listed; /* by the request in flight; before the first answer,
				    what it once held */
	size_t n_listed;
	struct backoff backoff;
	bool hurry;        /* the next heartbeat lists less, and is not sent yet */
	bool hurried;      /* it is under way: its answer frees a shard for others */
	unsigned failures; /* in a row */
	bool answered;
};

/* Where does the service stand with a shard? */
struct question {
	struct shard_id shard;
	uint64_t number;
};

struct group {
	struct group_config config;
	struct consumer *consumers; /* room for ASSIGN_WORKERS_MAX */
	struct service_clock clock;
	struct ev_timer ask; /* fires once for all shards asked for in one turn */
	struct question *asked;
	size_t n_asked, asked_cap;
	LIST_HEAD(, reading) readings; /* in flight */
	LIST_HEAD(, writing) writings;
	struct group_stats stats;
	bool joined, paused;
};

/* ---- heartbeats ---- */

static void
schedule(struct consumer *c, int64_t delay_ms)
{
	ev_timer_stop(c->group->config.loop, &c->timer);
	if (c->group->paused)
		return;
	ev_timer_set(&c->timer, (double)delay_ms / 1e3, 0);
	ev_timer_start(c->group->config.loop, &c->timer);
}

/* One that has been heard before, and is not waiting for better times. */
static void
beat_now(struct consumer *c)
{
	if (c->answered && !c->failures)
		schedule(c, 0);
}

static void
on_failure(struct consumer *c, const struct lts_answer *answer)
{
	struct group *g = c->group;
	int64_t longest_ms = g->config.timeout_ms / 6;
	int64_t delay_ms = backoff_next_ms(&c->backoff, answer->retry_after_ms);
	if (answer->err == LTS_DENIED || answer->err == LTS_NOTFOUND || delay_ms > longest_ms)
		delay_ms = longest_ms;
	unsigned n = ++c->failures;
	g->stats.err = answer->err;
	g->stats.status = answer->status;
	snprintf(g->stats.text, sizeof(g->stats.text), "%s", answer->message);
	g->stats.failures[GROUP_HEARTBEAT][answer->err]++;
	if ((n & (n - 1)) == 0)
		log_warn(
			g->config.log, "heartbeat failed", LOG_TEXT("consumer", c->name.text),
			LOG_TEXT("reason", lts_err_name(answer->err)),
			LOG_INT("status", answer->status),
			LOG_TEXT("code", answer->code[0] ? answer->code : NULL),
			LOG_TEXT("text", answer->message),
			LOG_TEXT("request_id", answer->request_id[0] ? answer->request_id : NULL),
			LOG_UINT("in_a_row", n), LOG_INT("retry_ms", delay_ms));
	if (answer->err == LTS_DENIED)
		g->config.events->denied(g->config.arg);
	schedule(c, delay_ms);
}

static void
on_success(struct consumer *c, const struct lts_answer *answer)
{
	struct group *g = c->group;
	struct shard_id *listed = c->listed;
	size_t n_listed = c->n_listed;
	int64_t now_ms = clock_boot_ms();
	c->listed = NULL;
	c->n_listed = 0;
	if (c->failures)
		log_info(g->config.log, "heartbeat answered again",
			 LOG_TEXT("consumer", c->name.text), LOG_UINT("failures", c->failures));
	c->failures = 0;
	bool first = !c->answered;
	c->answered = true;
	c->heard_ms = c->sent_ms;
	backoff_reset(&c->backoff);
	schedule(c, c->hurry ? 0 : g->config.interval_ms);
	if (!g->clock.known) /* a service without Date: our own clock must do */
		service_clock_learn(&g->clock, clock_wall_ns(), now_ms);
	if (!g->joined)
		g->config.events->joined(g->config.arg, &g->clock);
	g->joined = true;
	lease_book_set_service_ahead(g->config.book, g->clock.ahead_ns);
	if (first)
		book_on_first_answer(g->config.book, c->index, listed, n_listed, answer->shards,
				     answer->n_shards, c->sent_ms);
	book_on_answer(g->config.book, c->index, listed, n_listed, answer->shards,
		       answer->n_shards, c->sent_ms, now_ms);
	free(listed);
	if (!c->hurried)
		return;
	c->hurried = false;
	for (uint32_t i = 0; i < g->config.consumers; i++)
		if (i != c->index)
			beat_now(&g->consumers[i]);
}

static void
on_heartbeat(void *arg, struct lts_answer *answer)
{
	struct consumer *c = arg;
	c->request = NULL;
	service_clock_learn(&c->group->clock, answer->service_time_ns, clock_boot_ms());
	if (answer->err)
		on_failure(c, answer);
	else
		on_success(c, answer);
}

static void
on_timer(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	struct consumer *c = timer->data;
	struct group *g = c->group;
	if (c->request)
		return;
	int64_t now_ms = clock_boot_ms();
	if (now_ms - c->sent_ms < g->config.timeout_ms / 6 &&
	    lease_book_is_closing(g->config.book, c->index)) {
		schedule(c, GROUP_CLOSING_MS);
		return;
	}
	c->sent_ms = now_ms;
	c->hurried = c->hurry;
	c->hurry = false;
	if (c->answered) {
		free(c->listed);
		c->listed = lease_book_list(g->config.book, c->index, &c->n_listed, c->sent_ms);
	}
	c->request = lts_api_heartbeat(g->config.api, &c->name, c->listed, c->n_listed,
				       on_heartbeat, c);
}

void
group_hurry(struct group *g, uint32_t home)
{
	struct consumer *c = &g->consumers[home];
	c->hurry = true;
	if (!c->request && !c->failures)
		schedule(c, 0); /* else: the request under way still lists it */
}

void
group_remember(struct group *g, uint32_t home, const struct shard_id *shard)
{
	if (home >= g->config.consumers || g->consumers[home].n_listed == LTS_WIRE_SHARDS_MAX)
		return;
	struct consumer *c = &g->consumers[home];
	c->listed = xreallocarray(c->listed, c->n_listed + 1, sizeof(*c->listed));
	c->listed[c->n_listed++] = *shard;
}

void
group_start(struct group *g)
{
	for (uint32_t i = 0; i < g->config.consumers; i++)
		schedule(&g->consumers[i], 0);
}

void
group_pause(struct group *g, bool pause)
{
	if (g->paused == pause)
		return;
	g->paused = pause;
	for (uint32_t i = 0; i < g->config.consumers; i++)
		schedule(&g->consumers[i], 0);
}

bool
group_all_answered(const struct group *g)
{
	for (uint32_t i = 0; i < g->config.consumers; i++)
		if (!g->consumers[i].answered)
			return false;
	return true;
}

void
group_begin_round(struct group *g)
{
	for (uint32_t i = 0; i < g->config.consumers; i++)
		beat_now(&g->consumers[i]);
}

bool
group_all_heard_since(const struct group *g, int64_t since_ms)
{
	for (uint32_t i = 0; i < g->config.consumers; i++)
		if (g->consumers[i].heard_ms <= since_ms)
			return false;
	return true;
}

int64_t
group_heard_ms(const struct group *g, uint32_t consumer)
{
	return g->consumers[consumer].heard_ms;
}

const struct group_stats *
group_stats(const struct group *g)
{
	return &g->stats;
}

const struct service_clock *
group_clock(const struct group *g)
{
	return &g->clock;
}

/* ---- reading checkpoints ---- */

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

static void
on_reading(void *arg, struct lts_answer *answer)
{
	struct reading *reading = arg;
	struct group *g = reading->group;
	service_clock_learn(&g->clock, answer->service_time_ns, clock_boot_ms());
	g->stats.failures[GROUP_READ][answer->err]++;
	if (answer->err)
		log_warn(g->config.log, "checkpoints not read",
			 LOG_TEXT("reason", lts_err_name(answer->err)),
			 LOG_INT("status", answer->status), LOG_TEXT("text", answer->message));
	for (size_t i = 0; i < reading->n; i++) {
		const struct question *question = &reading->questions[i];
		const struct lts_checkpoint *at = checkpoint_of(answer, &question->shard);
		struct cursor cursor = { 0 };
		bool ours = at && identity_owns_name(g->config.identity, &at->writer);
		if (at)
			cursor = at->cursor;
		book_on_service(g->config.book, &question->shard, question->number, answer->err,
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
	if (g->n_asked > GROUP_ASK_SINGLY)
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

/* ---- writing checkpoints ---- */

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

/* ---- the group ---- */

static void
init_consumer(struct group *g, uint32_t index)
{
	struct consumer *c = &g->consumers[index];
	c->group = g;
	c->index = index;
	c->name = identity_consumer_name(g->config.identity, index);
	backoff_init(&c->backoff, g->config.interval_ms, g->config.timeout_ms / 6,
		     (uint64_t)clock_wall_ns() + index);
	ev_init(&c->timer, on_timer);
	c->timer.data = c;
}

void
group_grow(struct group *g, uint32_t consumers)
{
	for (; g->config.consumers < consumers; g->config.consumers++) {
		init_consumer(g, g->config.consumers);
		schedule(&g->consumers[g->config.consumers], 0);
	}
}

void
group_try_again(struct group *g)
{
	for (uint32_t i = 0; i < g->config.consumers; i++)
		if (g->consumers[i].failures && !g->consumers[i].request)
			schedule(&g->consumers[i], 0);
}

void
group_set_interval(struct group *g, int64_t interval_ms)
{
	g->config.interval_ms = interval_ms;
}

struct group *
group_create(const struct group_config *config)
{
	struct group *g = xcalloc(1, sizeof(*g));
	g->config = *config;
	g->consumers = xcalloc(ASSIGN_WORKERS_MAX, sizeof(*g->consumers));
	for (uint32_t i = 0; i < config->consumers; i++)
		init_consumer(g, i);
	ev_timer_init(&g->ask, on_ask, 0, 0);
	g->ask.data = g;
	return g;
}

/* After the client was destroyed: what it had in flight has no callback any more. */
void
group_destroy(struct group **group)
{
	struct group *g = *group;
	if (!g)
		return;
	for (uint32_t i = 0; i < g->config.consumers; i++) {
		ev_timer_stop(g->config.loop, &g->consumers[i].timer);
		free(g->consumers[i].listed);
	}
	ev_timer_stop(g->config.loop, &g->ask);
	for (struct reading *r; (r = LIST_FIRST(&g->readings)); free(r))
		LIST_REMOVE(r, link);
	for (struct writing *w; (w = LIST_FIRST(&g->writings)); free(w))
		LIST_REMOVE(w, link);
	free(g->asked);
	free(g->consumers);
	free(g);
	*group = NULL;
}
