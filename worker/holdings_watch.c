/*
 * holdings_watch.c - that no shard of this worker waits for ever without a word.
 *
 * Runs on the worker's loop, with each beat. Owns nothing. Deadlines and steps are
 * common/stage_clock.c's. Must never call stuck what the sink is working on: that is
 * process_timeout's, and the supervisor's. Held by tests/scenario/slow.c.
 */
#include <stdio.h>

#include "common/board_wait.h"
#include "common/descriptors.h"
#include "common/used_up.h"
#include "worker/holdings_inside.h"
#include "worker/shard_waits.h"

enum {
	LEAST_RECORDS = 10,     /* the service takes no smaller limit */
	OTHER_DESCRIPTORS = 96, /* 64 connections, and what a worker starts with */
};

/* The delivery thread owes an answer: what is it doing instead? */
static enum stage
delivery_stage(const struct holding *holding, const struct shard_waits *waits,
	       const struct board_place *place)
{
	if (waits->delivery == STAGE_IDLE)
		return STAGE_IDLE;
	if (holding->blocked)
		return STAGE_PARKED;
	if (place->stage == BOARD_WAIT_LOCK)
		return STAGE_LOCK;
	if (waits->delivery == STAGE_CLOSE)
		return STAGE_CLOSE;
	return place->stage == BOARD_IDLE ? STAGE_QUEUE : STAGE_IDLE;
}

/* The log hears of the first shard: they have it from the same cause. */
void
holding_waits(struct holdings *h, struct holding *holding, const struct delivery_done *done)
{
	holding->blocked = true;
	if (!done->why[0])
		return;
	holding->waits = done->err;
	log_at(h->config.log, h->waiting[done->err]++ ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARN,
	       done->err == LTS_NOSPACE ? "no room: deliveries pause until there is"
					: "deliveries wait",
	       LOG_TEXT("shard", holding->lease.shard.text), LOG_TEXT("what", done->why));
}

void
holding_goes_on(struct holdings *h, struct holding *holding)
{
	enum lts_err err = holding->waits;
	holding->blocked = false;
	holding->waits = LTS_OK;
	if (!err)
		return;
	if (!--h->waiting[err])
		log_info(h->config.log, "deliveries go on",
			 LOG_TEXT("shard", holding->lease.shard.text));
}

static void
tell(struct holdings *h, struct holding *holding, const struct stage_news *news)
{
	log_at(h->config.log, news->goes_on ? LOG_LEVEL_INFO : LOG_LEVEL_WARN,
	       news->goes_on ? "shard goes on" : "shard stalled",
	       LOG_TEXT("shard", holding->lease.shard.text),
	       LOG_TEXT("stage", stage_name(news->stage)), LOG_INT("ms", news->for_ms),
	       LOG_TEXT("next", news->goes_on ? NULL : stage_step_name(news->step)),
	       LOG_UINT("epoch", holding->lease.epoch.value));
	if (news->goes_on)
		return;
	if (news->step == STEP_REFETCH)
		shard_refetch(holding->shard);
	else if (news->step == STEP_RESTART)
		h->config.restart(h->config.arg);
}

static void
look(struct holdings *h, struct holding *holding, int clock, enum stage stage, uint64_t token,
     int64_t now_ms)
{
	struct stage_news news;
	if (stage_clock_look(&holding->clocks[clock], stage, token, &h->config.limits, now_ms,
			     &news))
		tell(h, holding, &news);
}

static void
watch(struct holdings *h, struct holding *holding, bool space, int64_t now_ms)
{
	struct board_place place = board_place(h->config.board);
	uint64_t commits = atomic_load(&h->config.board->counters.commits);
	struct shard_waits waits = shard_waits(holding->shard);
	if (!waits.failing)
		holding->troubles = 0;
	if (!holding->troubles)
		holding->trouble_ms = 0;
	else if (!holding->trouble_ms)
		holding->trouble_ms = now_ms;
	enum stage delivery = delivery_stage(holding, &waits, &place);
	uint64_t token = waits.orders;
	/* Whatever the thread does is progress, but for trying what has no space. */
	if (delivery == STAGE_QUEUE || delivery == STAGE_LOCK)
		token += (uint64_t)place.since_ms;
	if (waits.fetch == STAGE_ROOM && !space)
		waits.fetch = STAGE_IDLE; /* those that hold the bytes are named */
	look(h, holding, CLOCK_FETCH, waits.fetch,
	     waits.fetch == STAGE_ROOM ? h->releases : waits.answers, now_ms);
	look(h, holding, CLOCK_ERRORS, waits.failing ? STAGE_ERRORS : STAGE_IDLE, 0, now_ms);
	look(h, holding, CLOCK_DELIVERY, delivery, token, now_ms);
	holding->uncommitted &= holding->commits == commits;
	look(h, holding, CLOCK_COMMIT, holding->uncommitted ? STAGE_COMMIT : STAGE_IDLE, commits,
	     now_ms);
}

/* Each shard may have a file open, and the service's connections are as many again. */
static void
reckon(struct holdings *h)
{
	uint64_t needs = h->count + OTHER_DESCRIPTORS, limit = descriptors_limit();
	if (h->warned || needs <= limit)
		return;
	h->warned = true;
	log_warn(h->config.log, "the limit of descriptors may be too low for so many shards",
		 LOG_UINT("shards", h->count), LOG_UINT("needs", needs),
		 LOG_UINT("RLIMIT_NOFILE", limit));
}

/* Fetches that fail for want of descriptors are named at once: it is no fault of the service's. */
static void
say_used_up(struct holdings *h, const struct holding *worst, int64_t now_ms)
{
	int error = worst ? descriptors_lack(1) : 0;
	struct buf text;
	if (!error) {
		board_go_on(h->config.board, BOARD_WANT_LOOP);
		return;
	}
	buf_init(&text, 0);
	(void)!buf_printf(&text, "shard %s cannot be fetched: ", worst->lease.shard.text);
	used_up_explain(error, &text);
	board_wait(h->config.board, BOARD_WANT_LOOP, text.data, now_ms);
	buf_fini(&text);
}

/* Of the shard that has had nothing but errors for longest. */
static void
say_trouble(struct holdings *h, int64_t now_ms)
{
	struct holding *holding, *worst = NULL;
	char text[300];
	TAILQ_FOREACH(holding, &h->all, all)
	if (holding->trouble_ms && (!worst || holding->trouble_ms < worst->trouble_ms))
		worst = holding;
	say_used_up(h, worst, now_ms);
	if (!worst || now_ms - worst->trouble_ms < h->config.limits.heartbeat_ms / 2) {
		board_go_on(h->config.board, BOARD_WANT_FETCH);
		return;
	}
	snprintf(text, sizeof(text), "shard %s: fetch failed: %s", worst->lease.shard.text,
		 worst->trouble);
	board_wait(h->config.board, BOARD_WANT_FETCH, text, worst->trouble_ms);
}

void
holdings_watch(struct holdings *h, int64_t now_ms)
{
	struct holding *holding;
	bool space = true;
	reckon(h);
	TAILQ_FOREACH(holding, &h->all, all)
	space &= !holding->blocked;
	TAILQ_FOREACH(holding, &h->all, all)
	watch(h, holding, space, now_ms);
	say_trouble(h, now_ms);
}

/* One batch may always exceed the budget, so that with none left it is one at a time. */
void
holdings_set_thrift(struct holdings *h, unsigned thrift)
{
	unsigned records = h->most_records >> 2 * thrift;
	h->budget_bytes = h->config.budget_bytes >> 2 * thrift;
	h->config.shard.batch_size = records > LEAST_RECORDS ? records : LEAST_RECORDS;
}
