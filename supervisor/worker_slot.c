/*
 * worker_slot.c - the life of one worker process, as a table.
 *
 * Runs in the supervisor. Owns the slot's state and backoff. Never forks, kills or reads
 * the clock: actions go out through slot_ops, time comes in as now_ms. Held by
 * tests/supervisor/test_worker_slot.c.
 */
#include "supervisor/worker_slot.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/handoff.h"

enum {
	SLOT_BACKOFF_FIRST_MS = 100,
	SLOT_BACKOFF_MAX_MS = 30000,
	SLOT_HEALTHY_MS = 60000,
	SLOT_BLAMED_MS = 100, /* many records may have to be told apart by deaths */
};

const char *
slot_state_name(enum slot_state state)
{
	static const char *const names[SLOT_STATES] = {
		[SLOT_IDLE] = "IDLE",       [SLOT_STARTING] = "STARTING",
		[SLOT_LIVE] = "LIVE",       [SLOT_DRAINING] = "DRAINING",
		[SLOT_KILLED] = "KILLED",   [SLOT_BACKOFF] = "BACKOFF",
		[SLOT_REFUSED] = "REFUSED", [SLOT_ENDED] = "ENDED",
	};
	return names[state];
}

const char *
slot_event_name(enum slot_event event)
{
	static const char *const names[SLOT_EVENTS] = {
		[SLOT_START] = "START", [SLOT_READY] = "READY", [SLOT_OVERDUE] = "OVERDUE",
		[SLOT_STOP] = "STOP",   [SLOT_RENEW] = "RENEW", [SLOT_EXITED] = "EXITED",
		[SLOT_TIMER] = "TIMER",
	};
	return names[event];
}

bool
slot_state_has_process(enum slot_state state)
{
	return state == SLOT_STARTING || state == SLOT_LIVE || state == SLOT_DRAINING ||
	       state == SLOT_KILLED;
}

void
worker_slot_init(struct worker_slot *slot, const struct slot_ops *ops, void *arg, uint32_t index,
		 uint64_t seed)
{
	*slot = (struct worker_slot){
		.ops = ops, .arg = arg, .index = index, .first_free = true
	};
	backoff_init(&slot->backoff, SLOT_BACKOFF_FIRST_MS, SLOT_BACKOFF_MAX_MS, seed);
}

static void
enter(struct worker_slot *slot, enum slot_state state, int64_t now_ms)
{
	enum slot_state from = slot->state;
	slot->state = state;
	slot->since_ms = now_ms;
	slot->ops->changed(slot->arg, slot, from,
			   slot_state_has_process(from) && !slot_state_has_process(state)
				   ? &slot->exit
				   : NULL);
}

/* How long until it is started again. */
static int64_t
pause_ms(struct worker_slot *slot)
{
	bool at_once = slot->first_free;
	if (slot->exit.blamed)
		return SLOT_BLAMED_MS;
	slot->first_free = false;
	return at_once ? 0 : backoff_next_ms(&slot->backoff, -1);
}

static void
wait_and_retry(struct worker_slot *slot, int64_t now_ms)
{
	int64_t delay_ms = pause_ms(slot);
	enter(slot, SLOT_BACKOFF, now_ms);
	slot->ops->set_timer(slot->arg, slot, delay_ms);
}

static void
start(struct worker_slot *slot, int64_t now_ms)
{
	if (slot->ops->spawn(slot->arg, slot))
		enter(slot, SLOT_STARTING, now_ms);
	else
		wait_and_retry(slot, now_ms);
}

static void
restart(struct worker_slot *slot, int64_t now_ms)
{
	slot->restarts++;
	start(slot, now_ms);
}

static void
go_live(struct worker_slot *slot, int64_t now_ms)
{
	slot->live_ms = now_ms;
	enter(slot, SLOT_LIVE, now_ms);
}

static void
kill_hard(struct worker_slot *slot, int64_t now_ms)
{
	slot->ops->kill(slot->arg, slot);
	enter(slot, SLOT_KILLED, now_ms);
}

static void
ask_to_drain(struct worker_slot *slot, int64_t now_ms)
{
	slot->ops->ask_to_drain(slot->arg, slot);
	enter(slot, SLOT_DRAINING, now_ms);
}

/* It died though it was wanted. */
static void
punish(struct worker_slot *slot, int64_t now_ms)
{
	bool is_in_vain = slot->exit.code == EXIT_USAGE || slot->exit.code == EXIT_UNREAD;
	if (is_in_vain && !slot->exit.blamed) {
		enter(slot, SLOT_REFUSED, now_ms);
		return;
	}
	if (slot->live_ms && now_ms - slot->live_ms >= SLOT_HEALTHY_MS) {
		backoff_reset(&slot->backoff);
		slot->first_free = true;
	}
	slot->live_ms = 0;
	wait_and_retry(slot, now_ms);
}

static void
bury(struct worker_slot *slot, int64_t now_ms)
{
	enter(slot, SLOT_ENDED, now_ms);
}

/* What was asked to drain is started anew at once; one that failed even at that waits. */
static void
after_drain(struct worker_slot *slot, int64_t now_ms)
{
	if (!slot->wanted)
		bury(slot, now_ms);
	else if (slot->exit.code == EXIT_DONE)
		start(slot, now_ms);
	else
		punish(slot, now_ms);
}

static void
after_kill(struct worker_slot *slot, int64_t now_ms)
{
	if (slot->wanted)
		punish(slot, now_ms);
	else
		bury(slot, now_ms);
}

static void
ignore(struct worker_slot *slot, int64_t now_ms)
{
}

typedef void slot_action(struct worker_slot *slot, int64_t now_ms);

static slot_action *const transitions[SLOT_STATES][SLOT_EVENTS] = {
	[SLOT_IDLE] = { [SLOT_START] = start,
			[SLOT_STOP] = bury,
			[SLOT_RENEW] = ignore,
			[SLOT_TIMER] = ignore },
	[SLOT_STARTING] = { [SLOT_READY] = go_live,
			    [SLOT_OVERDUE] = kill_hard,
			    [SLOT_STOP] = ask_to_drain,
			    [SLOT_RENEW] = ask_to_drain,
			    [SLOT_EXITED] = punish,
			    [SLOT_TIMER] = ignore },
	[SLOT_LIVE] = { [SLOT_OVERDUE] = kill_hard,
			[SLOT_STOP] = ask_to_drain,
			[SLOT_RENEW] = ask_to_drain,
			[SLOT_EXITED] = punish,
			[SLOT_TIMER] = ignore },
	[SLOT_DRAINING] = { [SLOT_START] = ignore,
			    [SLOT_READY] = ignore,
			    [SLOT_OVERDUE] = kill_hard,
			    [SLOT_STOP] = ignore,
			    [SLOT_RENEW] = ignore,
			    [SLOT_EXITED] = after_drain,
			    [SLOT_TIMER] = ignore },
	[SLOT_KILLED] = { [SLOT_START] = ignore,
			  [SLOT_READY] = ignore,
			  [SLOT_OVERDUE] = ignore,
			  [SLOT_STOP] = ignore,
			  [SLOT_RENEW] = ignore,
			  [SLOT_EXITED] = after_kill,
			  [SLOT_TIMER] = ignore },
	[SLOT_BACKOFF] = { [SLOT_TIMER] = restart, [SLOT_STOP] = bury, [SLOT_RENEW] = ignore },
	[SLOT_REFUSED] = { [SLOT_STOP] = bury, [SLOT_RENEW] = start, [SLOT_TIMER] = ignore },
	[SLOT_ENDED] = { [SLOT_STOP] = ignore,
			 [SLOT_RENEW] = ignore,
			 [SLOT_TIMER] = ignore,
			 [SLOT_START] = start },
};

void
worker_slot_step(struct worker_slot *slot, enum slot_event event, int64_t now_ms)
{
	slot_action *action = transitions[slot->state][event];
	if (!action) {
		fprintf(stderr, "worker_slot: %s in %s is impossible\n", slot_event_name(event),
			slot_state_name(slot->state));
		abort();
	}
	if (event == SLOT_START || event == SLOT_STOP)
		slot->wanted = event == SLOT_START;
	action(slot, now_ms);
}

void
worker_slot_exited(struct worker_slot *slot, struct slot_exit exit, int64_t now_ms)
{
	slot->exit = exit;
	worker_slot_step(slot, SLOT_EXITED, now_ms);
}
