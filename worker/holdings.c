/*
 * holdings.c - the shards that this worker holds.
 *
 * Runs on the worker's loop. Owns the leases, the shard machines and their watchers, and the byte
 * budget. Must never free a lease before the delivery thread's last completion for it. Decides
 * nothing about a shard: that is worker/shard.c. Held by the scenarios.
 */
#include "worker/holdings_inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/xalloc.h"

static struct delivery_order *
new_order(struct holding *holding, enum delivery_kind kind)
{
	struct delivery_order *order = xcalloc(1, sizeof(*order));
	order->kind = kind;
	order->lease = &holding->lease;
	return order;
}

/* ---- what the machines want ---- */

static void
op_take(void *arg, struct shard *shard, const struct cursor *start, enum lease_origin ahead)
{
	static const char *const fates[] = {
		[FATE_KILLED] = "killed",
		[FATE_DIED] = "died",
	};
	struct holdings *h = arg;
	struct holding *holding = holding_of(shard);
	const struct message_assign *assign = &holding->assign;
	struct delivery_order *order = new_order(holding, DELIVERY_TAKE);
	order->take = (struct lease_take){
		.shard = assign->shard,
		.epoch = assign->epoch,
		.slot = h->config.slot,
		.home = assign->home,
		.pid = (uint32_t)getpid(),
		.service = assign->service,
		.service_is_ours = assign->service_is_ours,
		.unbroken = assign->unbroken,
		.reset = assign->reset,
		.reset_first = assign->reset_first,
		.ahead = ahead,
		.start = *start,
		.start_ns = assign->start_ns,
		.now_ns = clock_wall_ns(),
	};
	if (assign->fate == FATE_KILLED || assign->fate == FATE_DIED) {
		int len = snprintf(order->text, sizeof(order->text), "worker %u %s",
				   assign->fate_slot, fates[assign->fate]);
		if (assign->suspect.attempts)
			snprintf(order->text + len, sizeof(order->text) - (size_t)len,
				 "; suspect: the batch at cursor %s, records=%u attempts=%u",
				 assign->suspect.cursor.text, assign->suspect.count,
				 assign->suspect.attempts);
	}
	delivery_put(h->config.delivery, order);
}

static void
leave_queue(struct holdings *h, struct holding *holding)
{
	if (holding->waits_for_room)
		TAILQ_REMOVE(&h->no_room, holding, no_room);
	holding->waits_for_room = false;
}

static void
op_cancel_fetch(void *arg, struct shard *shard)
{
	struct holdings *h = arg;
	struct holding *holding = holding_of(shard);
	fetch_cancel(&holding->fetches[holding->turn]);
	ev_timer_stop(h->config.loop, &holding->timer);
	leave_queue(h, holding);
}

static void
op_submit(void *arg, struct shard *shard, struct batch *batch)
{
	struct holdings *h = arg;
	struct holding *holding = holding_of(shard);
	struct delivery_order *order = new_order(holding, DELIVERY_BATCH);
	holding->troubles = 0;
	order->batch = batch;
	board_add(batch->n_records ? &h->config.board->counters.batches
				   : &h->config.board->counters.empty_batches,
		  1);
	delivery_put(h->config.delivery, order);
}

static void
op_close(void *arg, struct shard *shard, enum lease_state state, int64_t end_ns)
{
	struct holdings *h = arg;
	struct delivery_order *order = new_order(holding_of(shard), DELIVERY_CLOSE);
	order->close = state;
	order->end_ns = end_ns;
	delivery_put(h->config.delivery, order);
}

static void
op_forget(void *arg, struct shard *shard)
{
	struct holdings *h = arg;
	delivery_put(h->config.delivery, new_order(holding_of(shard), DELIVERY_FORGET));
}

static void
start_timer(const struct holdings *h, struct ev_timer *timer, int64_t delay_ms)
{
	ev_timer_stop(h->config.loop, timer);
	ev_timer_set(timer, (double)delay_ms / 1e3, 0);
	ev_timer_start(h->config.loop, timer);
}

static void
op_wait(void *arg, struct shard *shard, int64_t delay_ms)
{
	start_timer(arg, &holding_of(shard)->timer, delay_ms);
}

static void
op_linger(void *arg, struct shard *shard, int64_t delay_ms)
{
	start_timer(arg, &holding_of(shard)->linger, delay_ms);
}

static bool
op_reserve(void *arg, struct shard *shard, size_t bytes)
{
	struct holdings *h = arg;
	struct holding *holding = holding_of(shard), *other;
	/* One batch may always exceed the budget, else a large one would never come. */
	bool room = !h->used_bytes || h->used_bytes + bytes <= h->budget_bytes;
	if (room && (h->serving || TAILQ_EMPTY(&h->no_room))) {
		h->used_bytes += bytes;
		return true;
	}
	holding->waits_for_room = true;
	TAILQ_FOREACH(other, &h->all, all)
	shard_press(other->shard);
	if (!h->serving)
		TAILQ_INSERT_TAIL(&h->no_room, holding, no_room);
	else /* the first stays it, or a need for much is never met */
		TAILQ_INSERT_HEAD(&h->no_room, holding, no_room);
	return false;
}

static void
op_charge(void *arg, struct shard *shard, size_t bytes)
{
	struct holdings *h = arg;
	h->used_bytes += bytes;
}

static void
op_release(void *arg, struct shard *shard, size_t bytes)
{
	struct holdings *h = arg;
	h->used_bytes -= bytes;
	h->releases++;
	if (!TAILQ_EMPTY(&h->no_room))
		ev_timer_start(h->config.loop, &h->room);
}

static void
op_drop(void *arg, struct shard *shard, struct batch *batch)
{
	struct holdings *h = arg;
	board_add(&h->config.board->counters.dropped_records, batch->n_records - batch->counted);
	lag_on_dropped(&holding_of(shard)->lag, batch);
	op_release(arg, shard, batch->bytes);
	batch_destroy(&batch);
}

static void
op_report(void *arg, struct shard *shard, enum message_type type, enum lts_err err,
	  const char *text)
{
	struct holdings *h = arg;
	struct lease *lease = shard_lease(shard);
	struct message message = { .type = type };
	message.lease.shard = lease->shard;
	message.lease.epoch = lease->epoch;
	message.lease.err = err;
	snprintf(message.lease.text, sizeof(message.lease.text), "%s", text ? text : "");
	log_at(h->config.log, type == MSG_STUCK ? LOG_LEVEL_ERROR : LOG_LEVEL_DEBUG,
	       type == MSG_STUCK ? "shard stopped" : "shard",
	       LOG_TEXT("shard", lease->shard.text),
	       LOG_TEXT("state", shard_state_name(shard_state(shard))),
	       LOG_TEXT("message", message_name(type)), LOG_UINT("epoch", lease->epoch.value),
	       LOG_TEXT("reason", err ? lts_err_name(err) : NULL),
	       LOG_TEXT("text", message.lease.text[0] ? message.lease.text : NULL));
	h->config.send(h->config.arg, &message);
	if (type != MSG_STUCK)
		return;
	struct delivery_order *order = new_order(holding_of(shard), DELIVERY_STUCK);
	memcpy(order->text, message.lease.text, sizeof(order->text));
	delivery_put(h->config.delivery, order);
}

static void
op_trouble(void *arg, struct shard *shard, enum lts_err err, const char *text, int64_t retry_ms)
{
	struct holdings *h = arg;
	struct holding *holding = holding_of(shard);
	board_add(&h->config.board->counters.retries, 1);
	board_add(&h->config.board->counters.retried[err], 1);
	lag_on_failure(&holding->lag);
	if (err == LTS_BADDATA)
		board_add(&h->config.board->counters.refused, 1);
	/* The first, second, fourth, eighth, ... in a row. */
	unsigned n = ++holding->troubles;
	snprintf(holding->trouble, sizeof(holding->trouble), "%s: %s", lts_err_name(err), text);
	if (n & (n - 1))
		return;
	log_warn(h->config.log, "fetch failed", LOG_TEXT("shard", holding->lease.shard.text),
		 LOG_TEXT("reason", lts_err_name(err)), LOG_TEXT("text", text),
		 LOG_UINT("in_a_row", n), LOG_INT("retry_ms", retry_ms));
}

static const struct shard_ops holding_ops = {
	.take = op_take,
	.fetch_cursor = holding_fetch_cursor,
	.fetch_batch = holding_fetch_batch,
	.cancel_fetch = op_cancel_fetch,
	.fetch_early = holding_fetch_early,
	.take_early = holding_take_early,
	.cancel_early = holding_cancel_early,
	.submit = op_submit,
	.close = op_close,
	.forget = op_forget,
	.wait = op_wait,
	.linger = op_linger,
	.reserve = op_reserve,
	.charge = op_charge,
	.release = op_release,
	.drop = op_drop,
	.report = op_report,
	.trouble = op_trouble,
};

/* ---- what the machines hear ---- */

static void
on_timer(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	struct holding *holding = timer->data;
	shard_on_timer(holding->shard, clock_boot_ms());
}

static void
on_linger(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	struct holding *holding = timer->data;
	shard_on_linger(holding->shard, clock_boot_ms());
}

static void
on_room(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	struct holdings *h = timer->data;
	struct holding *first;
	h->serving = true;
	while ((first = TAILQ_FIRST(&h->no_room))) {
		leave_queue(h, first);
		shard_on_room(first->shard, clock_boot_ms());
		if (first->waits_for_room)
			break;
	}
	h->serving = false;
}

static struct holding *
find(struct holdings *h, struct epoch epoch)
{
	struct holding *holding;
	TAILQ_FOREACH(holding, &h->all, all)
	if (epoch_equal(holding->lease.epoch, epoch))
		return holding;
	return NULL;
}

void
holdings_assign(struct holdings *h, const struct message_assign *assign)
{
	struct holding *holding = xcalloc(1, sizeof(*holding));
	holding->owner = h;
	holding->assign = *assign;
	holding->lease.shard = assign->shard;
	holding->lease.epoch = assign->epoch;
	holding->lease.suspect = assign->suspect;
	atomic_store(&holding->lease.deadline_ms, assign->deadline_ms);
	holding_init_fetches(h, holding);
	lag_begin(&holding->lag, h->config.board, &holding->lease);
	ev_init(&holding->timer, on_timer);
	ev_init(&holding->linger, on_linger);
	holding->timer.data = holding->linger.data = holding;
	h->clock.told_ns = assign->certain_ahead_ns;
	holding->shard =
		shard_create(&h->config.shard, &holding_ops, h, &holding->lease, assign,
			     assign->epoch.value * 0x9e3779b97f4a7c15u + (uint64_t)getpid());
	holding->lease.loop_side = holding->shard;
	TAILQ_INSERT_TAIL(&h->all, holding, all);
	h->count++;
	shard_start(holding->shard);
	if (h->draining)
		shard_on_revoke(holding->shard, LEASE_PAUSED, clock_boot_ms());
}

void
holdings_revoke(struct holdings *h, struct epoch epoch)
{
	struct holding *holding = find(h, epoch);
	if (holding) /* else: RELEASED is on its way already */
		shard_on_revoke(holding->shard, LEASE_RELEASED, clock_boot_ms());
}

void
holdings_renew(struct holdings *h, const struct message_renew *renew)
{
	h->clock.told_ns = renew->certain_ahead_ns;
	for (uint32_t i = 0; i < renew->count; i++) {
		struct holding *holding = find(h, message_renew_epoch(renew, i));
		if (holding)
			atomic_store(&holding->lease.deadline_ms, renew->deadline_ms);
	}
}

void
holdings_published(struct holdings *h, const struct message_lease *published)
{
	struct holding *holding = find(h, published->epoch);
	if (!holding || shard_state(holding->shard) == SHARD_DONE)
		return;
	struct delivery_order *order = new_order(holding, DELIVERY_PUBLISHED);
	order->cursor = published->cursor;
	delivery_put(h->config.delivery, order);
}

void
holdings_try_again(struct holdings *h)
{
	struct holding *holding;
	TAILQ_FOREACH(holding, &h->all, all)
	if (holding->troubles && ev_is_active(&holding->timer)) {
		ev_timer_stop(h->config.loop, &holding->timer);
		ev_timer_set(&holding->timer, 0, 0);
		ev_timer_start(h->config.loop, &holding->timer);
	}
}

void
holdings_drain(struct holdings *h)
{
	struct holding *holding, *next;
	h->draining = true;
	for (holding = TAILQ_FIRST(&h->all); holding; holding = next) {
		next = TAILQ_NEXT(holding, all);
		shard_on_revoke(holding->shard, LEASE_PAUSED, clock_boot_ms());
	}
	if (!h->count)
		h->config.empty(h->config.arg);
}

static void
free_holding(struct holdings *h, struct holding *holding)
{
	op_cancel_fetch(h, holding->shard);
	holding_cancel_early(h, holding->shard);
	ev_timer_stop(h->config.loop, &holding->linger);
	TAILQ_REMOVE(&h->all, holding, all);
	shard_destroy(&holding->shard);
	lag_end(&holding->lag);
	free(holding);
	h->count--;
}

static void
on_delivered(struct holdings *h, struct holding *holding, struct delivery_done *done)
{
	struct batch *batch = done->batch;
	if (!done->err) {
		bool rest = cursor_is_none(&batch->rollback); /* else it is dropped */
		board_add(&h->config.board->counters.delivered_records,
			  rest ? batch->n_records - batch->counted : 0);
		for (const struct batch *one = batch; one; one = one->joined)
			board_add(&h->config.board->counters.delivered_bytes, one->body.len);
		if (rest)
			lag_on_delivered(&holding->lag, batch, clock_boot_ms());
		if (!batch->unsaved) {
			holding->uncommitted = true;
			holding->commits = done->commits;
		}
	}
	shard_on_delivered(holding->shard, batch, done->err, done->why, clock_boot_ms());
}

void
holdings_on_done(struct holdings *h, struct delivery_done *done)
{
	struct holding *holding = holding_of_lease(done->lease);
	int64_t now_ms = clock_boot_ms();
	switch (done->kind) {
	case DELIVERY_TAKE:
		holding_goes_on(h, holding);
		shard_on_taken(holding->shard, done->err, &done->taken, done->why, now_ms);
		break;
	case DELIVERY_BATCH:
		holding_goes_on(h, holding);
		on_delivered(h, holding, done);
		break;
	case DELIVERY_CLOSE:
		shard_on_closed(holding->shard, done->err, &done->back, done->why, now_ms);
		break;
	case DELIVERY_BACK:
		shard_on_back(holding->shard, &done->back, now_ms);
		break;
	case DELIVERY_GONE:
		shard_on_gone(holding->shard, now_ms);
		break;
	case DELIVERY_BLOCKED:
		holding_waits(h, holding, done);
		break;
	case DELIVERY_FORGET:
		free_holding(h, holding);
		if (h->draining && !h->count)
			h->config.empty(h->config.arg);
		break;
	default:
		abort(); /* the others name no lease */
	}
}

bool
holdings_check_deadlines(struct holdings *h, int64_t now_ms)
{
	struct holding *holding, *next;
	struct board_place place = board_place(h->config.board);
	for (holding = TAILQ_FIRST(&h->all); holding; holding = next) {
		next = TAILQ_NEXT(holding, all);
		if (atomic_load(&holding->lease.deadline_ms) > now_ms)
			continue;
		if ((place.stage == BOARD_SUBMIT || place.stage == BOARD_WRITE) &&
		    shard_id_equal(&place.shard, &holding->lease.shard))
			return false;
		shard_on_gone(holding->shard, now_ms);
	}
	return true;
}

size_t
holdings_count(const struct holdings *h)
{
	return h->count;
}

struct holdings *
holdings_create(const struct holdings_config *config)
{
	struct holdings *h = xcalloc(1, sizeof(*h));
	h->config = *config;
	h->budget_bytes = config->budget_bytes;
	h->most_records = config->shard.batch_size;
	service_clock_init(&h->clock);
	h->config.shard.clock = &h->clock;
	h->config.shard.pace = &h->pace;
	h->fetch_env = (struct fetch_env){
		.api = config->api, .board = config->board, .clock = &h->clock
	};
	batch_scan_init(&h->fetch_env.scan);
	TAILQ_INIT(&h->all);
	TAILQ_INIT(&h->no_room);
	ev_timer_init(&h->room, on_room, 0, 0);
	h->room.data = h;
	return h;
}

void
holdings_destroy(struct holdings **holdings)
{
	struct holdings *h = *holdings;
	if (!h)
		return;
	while (!TAILQ_EMPTY(&h->all))
		free_holding(h, TAILQ_FIRST(&h->all));
	ev_timer_stop(h->config.loop, &h->room);
	batch_scan_fini(&h->fetch_env.scan);
	free(h);
	*holdings = NULL;
}
