/*
 * group.c - the consumer-group protocol, for all consumers of this host: their heartbeats.
 *
 * Runs on the supervisor's loop. Owns the consumers' timers and requests. Must never have
 * two heartbeats of one consumer in flight, nor put one off for longer than a sixth of
 * the service's timeout. Held by the scenarios.
 */
#include "supervisor/group_inside.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/xalloc.h"
#include "supervisor/assign.h"

enum {
	GROUP_CLOSING_MS = 20,
	GROUP_REFUSALS = 2,   /* of its first list, in a row: then it is not sent again */
	GROUP_CLOCK_MS = 200, /* between the first heartbeats, which tell the time */
	GROUP_CLOCK_OFF_S = 60,
	GROUP_CLOCK_OFF_TIMES = 5, /* one odd Date is nothing */
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

/* Some services refuse (400) the list of a member that they do not know, as after a time-out.
 * Nothing is held yet, so that an empty one gives nothing away but the wish to keep what was
 * ours; twice, since that is not for one bad answer to decide. A group or stream that is missing
 * is another matter (LTS_NOTFOUND), and a member that holds shards lists them until their leases
 * end. */
static void
on_refused_list(struct consumer *c, const struct lts_answer *answer)
{
	bool refused = answer->err == LTS_INVALID && !c->answered && c->n_listed;
	c->refusals = refused ? c->refusals + 1 : 0;
	if (c->forgotten || c->refusals < GROUP_REFUSALS)
		return;
	c->forgotten = true;
	log_warn(c->group->config.log, "the service refuses the list of what we held; joins anew",
		 LOG_TEXT("consumer", c->name.text), LOG_UINT("shards", c->n_listed));
}

/* What people must mend: waiting alone does not help. */
static const char *
causes_of(enum lts_err err)
{
	if (err == LTS_DENIED)
		return "the service refuses these keys: " GROUP_DENIED_CAUSES;
	if (err == LTS_NOTFOUND)
		return "the service does not know this consumer group: project_id, group_id, "
		       "stream_id or consumer_group_name is wrong, one of them was deleted, or "
		       "the endpoint is another region's";
	return NULL;
}

const char *
group_refusal(const struct group *g)
{
	for (uint32_t i = 0; i < g->config.consumers; i++)
		if (g->consumers[i].failures && causes_of(g->consumers[i].err))
			return causes_of(g->consumers[i].err);
	return NULL;
}

/* A name of before may be what a service refuses that knows UUIDs only. It is given up when
 * nothing can be held under it: that name is another member. */
static void
on_refused_name(struct consumer *c, const struct lts_answer *answer)
{
	struct group *g = c->group;
	struct consumer_name uuid = names_uuid(g->config.identity, c->index);
	bool holds = c->answered ? clock_boot_ms() - c->heard_ms <= g->config.timeout_ms
				 : c->n_listed && !c->forgotten;
	bool refused = answer->err == LTS_INVALID && !holds && strcmp(c->name.text, uuid.text) != 0;
	c->name_refusals = refused ? c->name_refusals + 1 : 0;
	if (c->name_refusals < GROUP_REFUSALS)
		return;
	log_warn(g->config.log, "the service refuses the consumer's name; joins under another",
		 LOG_TEXT("consumer", c->name.text), LOG_TEXT("name", uuid.text));
	c->name = uuid;
	c->forgotten = false; /* whether that name is known is to be seen */
	c->refusals = c->name_refusals = 0;
}

static void
on_failure(struct consumer *c, const struct lts_answer *answer)
{
	struct group *g = c->group;
	on_refused_name(c, answer);
	on_refused_list(c, answer);
	int64_t longest_ms = g->config.timeout_ms / 6;
	int64_t delay_ms = backoff_next_ms(&c->backoff, answer->retry_after_ms);
	if (answer->err == LTS_DENIED || answer->err == LTS_NOTFOUND || delay_ms > longest_ms)
		delay_ms = longest_ms;
	unsigned n = ++c->failures;
	c->err = answer->err;
	g->stats.err = answer->err;
	g->stats.status = answer->status;
	snprintf(g->stats.text, sizeof(g->stats.text), "%s", answer->message);
	g->stats.failures[GROUP_HEARTBEAT][answer->err]++;
	if ((n & (n - 1)) == 0)
		log_at(
			g->config.log, causes_of(c->err) ? LOG_LEVEL_ERROR : LOG_LEVEL_WARN,
			"heartbeat failed", LOG_TEXT("consumer", c->name.text),
			LOG_TEXT("reason", lts_err_name(answer->err)),
			LOG_INT("status", answer->status),
			LOG_TEXT("code", answer->code[0] ? answer->code : NULL),
			LOG_TEXT("text", answer->message),
			LOG_TEXT("request_id", answer->request_id[0] ? answer->request_id : NULL),
			LOG_UINT("in_a_row", n), LOG_INT("retry_ms", delay_ms),
			LOG_TEXT("causes", causes_of(c->err)));
	if (answer->err == LTS_DENIED)
		g->config.events->denied(g->config.arg);
	schedule(c, delay_ms);
}

/* What time it is takes several answers, some time apart; one consumer gets them. */
static int64_t
pace_ms(const struct consumer *c)
{
	const struct group *g = c->group;
	bool soon = g->config.asks_the_time && c->index == 0 &&
		    g->clock.heard + g->clock.silent < SERVICE_CLOCK_ENOUGH &&
		    g->config.interval_ms > GROUP_CLOCK_MS;
	return soon ? GROUP_CLOCK_MS : g->config.interval_ms;
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
	c->forgotten = false;
	c->heard_ms = c->sent_ms;
	backoff_reset(&c->backoff);
	schedule(c, c->hurry ? 0 : pace_ms(c));
	if (!g->joined)
		g->joined = g->config.events->joined(g->config.arg, &g->clock);
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

/* For people: what is decided by the time looks at all answers. */
static void
compare_clocks(struct group *g, const struct lts_answer *answer)
{
	int64_t ahead_s = (clock_wall_ns() - answer->service_time_ns) / 1000000000;
	bool off = llabs(ahead_s) >= GROUP_CLOCK_OFF_S;
	if (!answer->service_time_ns)
		return;
	g->clock_off = off ? g->clock_off + 1 : 0;
	if (g->clock_off == GROUP_CLOCK_OFF_TIMES && !g->clock_was_said) {
		g->clock_was_said = true;
		log_warn(g->config.log, "this host's clock is not the service's: set it right",
			 LOG_INT("ahead_s", ahead_s));
	} else if (!off && g->clock_was_said) {
		g->clock_was_said = false;
		log_info(g->config.log, "this host's clock is the service's again");
	}
}

static void
on_heartbeat(void *arg, struct lts_answer *answer)
{
	struct consumer *c = arg;
	c->request = NULL;
	group_name_odd(c->group, GROUP_HEARTBEAT, answer);
	service_clock_learn(&c->group->clock, answer->service_time_ns, clock_boot_ms());
	compare_clocks(c->group, answer);
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
	c->request = lts_api_heartbeat(g->config.api, &c->name, c->listed,
				       c->forgotten ? 0 : c->n_listed, on_heartbeat, c);
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

/* ---- the group ---- */

static void
init_consumer(struct group *g, uint32_t index)
{
	struct consumer *c = &g->consumers[index];
	c->group = g;
	c->index = index;
	c->name = names_at_service(g->config.identity, index);
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
	service_clock_init(&g->clock);
	g->consumers = xcalloc(ASSIGN_WORKERS_MAX, sizeof(*g->consumers));
	g->own_names = own_names_create(config->identity);
	for (uint32_t i = 0; i < config->consumers; i++)
		init_consumer(g, i);
	group_checkpoints_init(g);
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
	group_checkpoints_fini(g);
	own_names_destroy(&g->own_names);
	free(g->consumers);
	free(g);
	*group = NULL;
}
