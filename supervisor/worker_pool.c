/*
 * worker_pool.c - the worker processes: started, configured, watched, killed.
 *
 * Runs on the supervisor's loop. Owns the slots, their channels, boards and watchers.
 * What state a slot is in is decided in worker_slot.c. Must never take slow for dead:
 * only a loop without a beat, user code beyond process_timeout or a stop is. Held by the
 * kill and stop scenarios.
 */
#include "supervisor/pool_inside.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/used_up.h"
#include "common/xalloc.h"
#include "supervisor/spawn.h"

enum {
	POOL_CHECK_MS = 100,
	POOL_READY_MS = 10000, /* a worker opens no state before READY: only a broken one
				  is later */
	POOL_CLOSED_MS = 2000,
	POOL_LATE_MS = 1000,
};

static void
say_not_started(struct pool_slot *s)
{
	struct buf why;
	buf_init(&why, 0);
	used_up_explain(errno, &why);
	log_error(s->pool->config.log, "cannot start a worker: tried again in a while",
		  LOG_UINT("worker", s->slot.index), LOG_TEXT("text", why.data));
	pool_why_not_started(s, why.data);
	buf_fini(&why);
}

static bool
op_spawn(void *arg, struct worker_slot *slot)
{
	struct worker_pool *pool = arg;
	struct pool_slot *s = &pool->slots[slot->index];
	struct message_config who = { 0 };
	int theirs, ours;
	pool->config.events->fill_config(pool->config.arg, slot->index, &who);
	if (channel_pair(&ours, &theirs)) {
		say_not_started(s);
		return false;
	}
	board_clear(s->board); /* in the totals by now, if there was a life */
	s->retired = true;
	atomic_store(&s->board->beat_ms, clock_boot_ms());
	struct spawn_fds fds = { theirs, s->board_fd, pool->config.state_dir->generation_fd,
				 pool->config.state_dir->stdout_fd };
	enum lts_err err = spawn_worker(pool->program, who.name.text, &fds, &s->pid);
	int saved = errno;
	close(theirs);
	errno = saved;
	if (err) {
		say_not_started(s);
		close(ours);
		s->pid = 0;
		return false;
	}
	s->exited = s->stopped = s->we_killed = s->hung = s->retired = false;
	s->closed_ms = 0;
	s->killed_for = END_OVERDUE;
	pool->restarts[s->end] += s->begun;
	s->begun = false;
	state_dir_note_worker(pool->config.state_dir, slot->index, s->pid);
	s->channel = channel_create(ours);
	ev_io_set(&s->read, ours, EV_READ);
	ev_io_set(&s->write, ours, EV_WRITE);
	ev_io_start(pool->config.loop, &s->read);
	pool_send_config(s);
	return true;
}

static void
op_kill(void *arg, struct worker_slot *slot)
{
	struct worker_pool *pool = arg;
	struct pool_slot *s = &pool->slots[slot->index];
	if (s->exited)
		return; /* the number may be another process's by now */
	s->we_killed = true;
	kill(-s->pid, SIGKILL); /* its process group, */
	kill(s->pid, SIGKILL);  /* and itself should it not have made one yet */
}

static void
op_ask_to_drain(void *arg, struct worker_slot *slot)
{
	struct worker_pool *pool = arg;
	pool_send_to(&pool->slots[slot->index], &(struct message){ .type = MSG_DRAIN });
}

static void
op_set_timer(void *arg, struct worker_slot *slot, int64_t delay_ms)
{
	struct worker_pool *pool = arg;
	struct pool_slot *s = &pool->slots[slot->index];
	ev_timer_stop(pool->config.loop, &s->timer);
	ev_timer_set(&s->timer, (double)delay_ms / 1e3, 0);
	ev_timer_start(pool->config.loop, &s->timer);
}

static void
op_changed(void *arg, struct worker_slot *slot, enum slot_state from,
	   const struct slot_exit *exit)
{
	struct worker_pool *pool = arg;
	struct pool_slot *s = &pool->slots[slot->index];
	log_at(pool->config.log, slot->state == SLOT_REFUSED ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO,
	       "worker", LOG_UINT("worker", slot->index), LOG_INT("pid", s->pid),
	       LOG_TEXT("from", slot_state_name(from)),
	       LOG_TEXT("state", slot_state_name(slot->state)),
	       LOG_UINT("restarts", slot->restarts));
	if (slot->state == SLOT_LIVE)
		pool->config.events->live(pool->config.arg, slot->index);
}

static const struct slot_ops pool_slot_ops = {
	.spawn = op_spawn,
	.kill = op_kill,
	.ask_to_drain = op_ask_to_drain,
	.set_timer = op_set_timer,
	.changed = op_changed,
};

static void
on_slot_timer(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	struct pool_slot *s = timer->data;
	worker_slot_step(&s->slot, SLOT_TIMER, clock_boot_ms());
}

/* Only user code that runs and does not return. What waits, for a disk too, is not hung: a new
 * worker would wait for the same. */
static bool
is_hung(const struct pool_slot *s, const struct board_place *place, int64_t now_ms)
{
	return place->stage == BOARD_SUBMIT &&
	       now_ms - place->since_ms > s->pool->config.process_timeout_ms;
}

static const char *
kill_for(struct pool_slot *s, enum worker_end end, const char *why)
{
	s->killed_for = end;
	return why;
}

/* Dead, hung, stopped, slow: what makes a worker overdue, or NULL. Slow is not dead. */
static const char *
overdue(struct pool_slot *s, int64_t now_ms)
{
	const struct worker_pool_config *config = &s->pool->config;
	struct board_place place = board_place(s->board);
	if (s->slot.state == SLOT_STARTING && now_ms - s->slot.since_ms > POOL_READY_MS)
		return kill_for(s, END_NOT_READY, "not ready in time");
	if (s->slot.state != SLOT_DRAINING && s->closed_ms &&
	    now_ms - s->closed_ms > POOL_CLOSED_MS)
		return kill_for(s, END_CHANNEL, "it closed its channel and lives");
	if (now_ms - atomic_load(&s->board->beat_ms) > config->beat_timeout_ms)
		return kill_for(s, END_BEAT, "its loop does not beat");
	s->hung = is_hung(s, &place, now_ms);
	return s->hung ? kill_for(s, END_PROCESS_TIMEOUT,
				  "process_timeout: its delivery thread does not come back")
		       : NULL;
}

static void
on_check(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	struct worker_pool *pool = timer->data;
	int64_t now_ms = clock_boot_ms();
	bool late = now_ms - pool->checked_ms > POOL_LATE_MS;
	pool->checked_ms = now_ms;
	pool_look_at_children(pool);
	if (late)
		return; /* we, or the machine, stood still: let them beat first */
	for (uint32_t i = 0; i < pool->config.count; i++) {
		struct pool_slot *s = &pool->slots[i];
		if (!s->pid || s->exited || s->slot.state == SLOT_KILLED)
			continue;
		pool_thrift_look(s, now_ms);
		pool_why_look(s, now_ms);
		const char *why = overdue(s, now_ms);
		if (!why)
			continue;
		struct board_place place = board_place(s->board);
		log_error(pool->config.log, "worker killed", LOG_UINT("worker", i),
			  LOG_INT("pid", s->pid), LOG_TEXT("reason", why),
			  LOG_TEXT("stage", board_stage_name(place.stage)),
			  LOG_TEXT("shard", place.shard.text));
		worker_slot_step(&s->slot, SLOT_OVERDUE, now_ms);
	}
}

void
worker_pool_start(struct worker_pool *pool)
{
	for (uint32_t i = 0; i < pool->config.count; i++)
		worker_slot_step(&pool->slots[i].slot, SLOT_START, clock_boot_ms());
}

void
worker_pool_set_count(struct worker_pool *pool, uint32_t count)
{
	pool->wanted = count;
	for (uint32_t i = 0; i < pool->config.count; i++) {
		struct worker_slot *slot = &pool->slots[i].slot;
		if (slot->wanted != (i < count))
			worker_slot_step(slot, i < count ? SLOT_START : SLOT_STOP,
					 clock_boot_ms());
	}
}

void
worker_pool_set_timeouts(struct worker_pool *pool, int64_t beat_ms, int64_t process_ms)
{
	pool->config.beat_timeout_ms = beat_ms;
	pool->config.process_timeout_ms = process_ms;
}

void
worker_pool_raise_timeouts(struct worker_pool *pool, int64_t beat_ms, int64_t process_ms)
{
	struct worker_pool_config *config = &pool->config;
	worker_pool_set_timeouts(
		pool, beat_ms > config->beat_timeout_ms ? beat_ms : config->beat_timeout_ms,
		process_ms > config->process_timeout_ms ? process_ms
							: config->process_timeout_ms);
}

bool
worker_pool_renew(struct worker_pool *pool, uint32_t slot)
{
	struct worker_slot *s = &pool->slots[slot].slot;
	bool has_old = s->state == SLOT_STARTING || s->state == SLOT_LIVE;
	worker_slot_step(s, SLOT_RENEW, clock_boot_ms());
	return has_old;
}

void
worker_pool_drain(struct worker_pool *pool)
{
	for (uint32_t i = 0; i < pool->config.count; i++)
		worker_slot_step(&pool->slots[i].slot, SLOT_STOP, clock_boot_ms());
	pool_check_all_ended(pool);
}

void
worker_pool_kill(struct worker_pool *pool)
{
	for (uint32_t i = 0; i < pool->config.count; i++)
		if (pool->slots[i].pid && pool->slots[i].slot.state != SLOT_KILLED)
			worker_slot_step(&pool->slots[i].slot, SLOT_OVERDUE, clock_boot_ms());
}

void
worker_pool_kill_one(struct worker_pool *pool, uint32_t slot, const char *why)
{
	struct pool_slot *s = &pool->slots[slot];
	log_error(pool->config.log, "worker killed", LOG_UINT("worker", slot),
		  LOG_INT("pid", s->pid), LOG_TEXT("reason", why));
	worker_slot_step(&s->slot, SLOT_OVERDUE, clock_boot_ms());
}

void
worker_pool_kill_idle(struct worker_pool *pool, uint32_t slot)
{
	struct pool_slot *s = &pool->slots[slot];
	if (s->slot.state == SLOT_LIVE && board_place(s->board).stage == BOARD_IDLE)
		worker_pool_kill_one(pool, slot, "it does not let go of a shard");
}

void
worker_pool_configure(struct worker_pool *pool)
{
	for (uint32_t i = 0; i < pool->config.count; i++)
		if (pool->slots[i].channel)
			pool_send_config(&pool->slots[i]);
}

void
worker_pool_send(struct worker_pool *pool, uint32_t slot, const struct message *message)
{
	if (pool->slots[slot].slot.state == SLOT_LIVE ||
	    pool->slots[slot].slot.state == SLOT_DRAINING)
		pool_send_to(&pool->slots[slot], message);
}

bool
worker_pool_is_live(const struct worker_pool *pool, uint32_t slot)
{
	return pool->slots[slot].slot.state == SLOT_LIVE;
}

uint32_t
worker_pool_count(const struct worker_pool *pool)
{
	return pool->config.count;
}

uint32_t
worker_pool_live_count(const struct worker_pool *pool)
{
	uint32_t live = 0;
	for (uint32_t i = 0; i < pool->config.count; i++)
		live += worker_pool_is_live(pool, i);
	return live;
}

bool
worker_pool_all_refused(const struct worker_pool *pool)
{
	for (uint32_t i = 0; i < pool->wanted; i++)
		if (pool->slots[i].slot.state != SLOT_REFUSED)
			return false;
	return true;
}

bool
worker_pool_is_unread(const struct worker_pool *pool)
{
	for (uint32_t i = 0; i < pool->wanted; i++)
		if (pool->slots[i].slot.exit.code == EXIT_UNREAD)
			return true;
	return false;
}

bool
worker_pool_all_damaged(const struct worker_pool *pool)
{
	for (uint32_t i = 0; i < pool->wanted; i++)
		if (pool->slots[i].slot.exit.code != EXIT_DAMAGED)
			return false;
	return true;
}

const struct worker_slot *
worker_pool_slot(const struct worker_pool *pool, uint32_t slot)
{
	return &pool->slots[slot].slot;
}

pid_t
worker_pool_pid(const struct worker_pool *pool, uint32_t slot)
{
	return pool->slots[slot].pid;
}

void
worker_pool_totals(const struct worker_pool *pool, struct board_totals *out)
{
	*out = pool->retired;
	for (uint32_t i = 0; i < pool->config.count; i++)
		if (!pool->slots[i].retired)
			board_totals_add(out, pool->slots[i].board);
}

uint64_t
worker_pool_in_flight(const struct worker_pool *pool)
{
	uint64_t records = 0;
	for (uint32_t i = 0; i < pool->config.count; i++)
		if (!pool->slots[i].retired)
			records += board_in_flight(pool->slots[i].board);
	return records;
}

uint64_t
worker_pool_restarts(const struct worker_pool *pool, enum worker_end end)
{
	return pool->restarts[end];
}

void
worker_pool_spare(struct worker_pool *pool, pid_t pid)
{
	pool->spared = pid;
}

const struct board *
worker_pool_board(const struct worker_pool *pool, uint32_t slot)
{
	return pool->slots[slot].board;
}

static enum lts_err
init_slot(struct worker_pool *pool, uint32_t index)
{
	struct pool_slot *s = &pool->slots[index];
	s->pool = pool;
	s->retired = true;
	worker_slot_init(&s->slot, &pool_slot_ops, pool, index,
			 (uint64_t)getpid() * 0x9e3779b97f4a7c15u + index);
	ev_init(&s->read, pool_on_readable);
	ev_init(&s->write, pool_on_writable);
	ev_init(&s->timer, on_slot_timer);
	s->read.data = s->write.data = s->timer.data = s;
	return board_create(&s->board_fd, &s->board);
}

static void
fini_slot(struct pool_slot *s)
{
	board_unmap(&s->board);
	close(s->board_fd);
}

enum lts_err
worker_pool_reserve(struct worker_pool *pool, uint32_t count)
{
	uint32_t had = pool->config.count;
	for (; pool->config.count < count; pool->config.count++) {
		if (!init_slot(pool, pool->config.count))
			continue;
		int saved = errno;
		while (pool->config.count > had)
			fini_slot(&pool->slots[--pool->config.count]);
		errno = saved;
		return LTS_SYS;
	}
	return LTS_OK;
}

enum lts_err
worker_pool_create(const struct worker_pool_config *config, struct worker_pool **out,
		   struct buf *why_out)
{
	struct worker_pool *pool = xcalloc(1, sizeof(*pool));
	enum lts_err ignored;
	pool->config = *config;
	pool->config.count = 0;
	pool->wanted = config->count;
	pool->slots = xcalloc(ASSIGN_WORKERS_MAX, sizeof(*pool->slots));
	pool->program = spawn_find_worker();
	if (!pool->program) {
		ignored = buf_put_text(why_out, "no lts-worker beside lts-supervisor");
		goto out;
	}
	if (worker_pool_reserve(pool, config->count)) {
		ignored = buf_printf(why_out, "memory file: %s", strerror(errno));
		goto out;
	}
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	pool->strays = strays_create();
	pool_look_at_children(pool);
	ev_signal_init(&pool->child, pool_on_signal_child, SIGCHLD);
	ev_timer_init(&pool->check, on_check, POOL_CHECK_MS / 1e3, POOL_CHECK_MS / 1e3);
	ev_init(&pool->reap_again, pool_on_reap_again);
	pool->child.data = pool->check.data = pool->reap_again.data = pool;
	ev_signal_start(config->loop, &pool->child);
	ev_timer_start(config->loop, &pool->check);
	*out = pool;
	return LTS_OK;
out:
	(void)ignored;
	free(pool->program);
	free(pool->slots);
	free(pool);
	return LTS_SYS;
}

void
worker_pool_destroy(struct worker_pool **pool)
{
	struct worker_pool *p = *pool;
	if (!p)
		return;
	for (uint32_t i = 0; i < p->config.count; i++) {
		struct pool_slot *s = &p->slots[i];
		ev_timer_stop(p->config.loop, &s->timer);
		if (s->pid && !s->exited) {
			kill(-s->pid, SIGKILL);
			waitpid(s->pid, NULL, 0);
		}
		if (s->pid)
			pool_let_go_of(s);
		fini_slot(s);
	}
	ev_signal_stop(p->config.loop, &p->child);
	ev_timer_stop(p->config.loop, &p->check);
	ev_timer_stop(p->config.loop, &p->reap_again);
	strays_destroy(&p->strays);
	free(p->program);
	free(p->slots);
	free(p);
	*pool = NULL;
}
