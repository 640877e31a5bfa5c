/*
 * worker_pool.c - the worker processes.
 *
 * Runs on the supervisor's loop. Owns the slots, their channels, boards and watchers.
 * Must never say that a worker is gone before it is reaped with all its descendants: that
 * is the fence. What state a slot is in is decided in worker_slot.c. Held by the kill and
 * stop scenarios.
 */
#include "supervisor/worker_pool.h"

#include <errno.h>
#include <ev.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/channel.h"
#include "common/clock.h"
#include "common/xalloc.h"
#include "supervisor/spawn.h"

enum {
	POOL_CHECK_MS = 100,
	POOL_READY_MS = 10000, /* a worker opens no state before READY: only a broken one
				  is later */
	POOL_LATE_MS = 1000,
	POOL_REAP_AGAIN_MS = 5,
};

struct pool_slot {
	struct worker_slot slot;
	struct worker_pool *pool;
	pid_t pid;   /* 0: none */
	bool exited; /* reaped; its descendants may be left */
	bool we_killed;
	bool stopped; /* SIGCHLD said so */
	struct slot_exit exit;
	struct channel *channel;
	struct board *board;
	int board_fd;
	struct ev_io read, write;
	struct ev_timer timer;
};

struct worker_pool {
	struct worker_pool_config config;
	char *program;
	struct pool_slot *slots;
	struct ev_signal child;
	struct ev_timer check, reap_again;
	int64_t checked_ms;
};

/* ---- reaping ---- */

static struct pool_slot *
slot_of_pid(struct worker_pool *pool, pid_t pid)
{
	for (uint32_t i = 0; i < pool->config.count; i++)
		if (pool->slots[i].pid == pid)
			return &pool->slots[i];
	return NULL;
}

static void
note_status(struct worker_pool *pool, pid_t pid, int status)
{
	struct pool_slot *s = slot_of_pid(pool, pid);
	if (!s)
		return; /* a descendant of a dead worker */
	if (WIFSTOPPED(status)) {
		s->stopped = true;
		return;
	}
	s->exited = true;
	s->exit = (struct slot_exit){
		.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1,
		.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0,
		.ours = s->we_killed && WIFSIGNALED(status) &&
			WTERMSIG(status) == SIGKILL,
	};
}

static void
reap(struct worker_pool *pool)
{
	int status;
	pid_t pid;
	while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED)) > 0)
		note_status(pool, pid, status);
}

/* The descendants of dead workers have come to us, their subreaper. Returns how many are
 * left. */
static size_t
end_strays(struct worker_pool *pool)
{
	pid_t known[256];
	size_t n = 0;
	for (uint32_t i = 0; i < pool->config.count; i++)
		if (pool->slots[i].pid && !pool->slots[i].exited)
			known[n++] = pool->slots[i].pid;
	return spawn_kill_strays(known, n);
}

static void
let_go_of(struct pool_slot *s)
{
	struct worker_pool *pool = s->pool;
	ev_io_stop(pool->config.loop, &s->read);
	ev_io_stop(pool->config.loop, &s->write);
	channel_destroy(&s->channel);
	state_dir_note_worker(pool->config.state_dir, s->slot.index, 0);
	s->pid = 0;
	s->exited = s->stopped = s->we_killed = false;
}

static void
bury(struct pool_slot *s)
{
	struct board_place place = board_place(s->board);
	struct worker_pool *pool = s->pool;
	bool in_order = s->exit.code == EXIT_DONE && s->slot.state == SLOT_DRAINING;
	log_at(pool->config.log, in_order ? LOG_LEVEL_INFO : LOG_LEVEL_WARN,
	       "worker ended", LOG_UINT("worker", s->slot.index), LOG_INT("pid", s->pid),
	       LOG_TEXT("state", slot_state_name(s->slot.state)),
	       LOG_INT(s->exit.signal ? "signal" : "exit",
		       s->exit.signal ? s->exit.signal : s->exit.code),
	       LOG_TEXT("killed_by_us", s->exit.ours ? "true" : NULL),
	       LOG_TEXT("stage", in_order ? NULL : board_stage_name(place.stage)),
	       LOG_TEXT("shard",
			in_order || !place.shard.text[0] ? NULL : place.shard.text),
	       LOG_TEXT("cursor",
			in_order || !place.cursor.text[0] ? NULL : place.cursor.text));
	enum fate fate = in_order	? FATE_RELEASED
			 : s->exit.ours ? FATE_KILLED
					: FATE_DIED;
	let_go_of(s);
	pool->config.events->gone(pool->config.arg, s->slot.index, fate);
	worker_slot_exited(&s->slot, s->exit, clock_boot_ms());
}

static void
check_all_ended(struct worker_pool *pool)
{
	for (uint32_t i = 0; i < pool->config.count; i++)
		if (pool->slots[i].slot.state != SLOT_ENDED &&
		    pool->slots[i].slot.state != SLOT_REFUSED)
			return;
	pool->config.events->all_ended(pool->config.arg);
}

static void
settle(struct worker_pool *pool)
{
	bool some = false;
	reap(pool);
	for (uint32_t i = 0; i < pool->config.count; i++) {
		struct pool_slot *s = &pool->slots[i];
		if (s->stopped && !s->exited && !s->we_killed)
			worker_slot_step(&s->slot, SLOT_OVERDUE, clock_boot_ms());
		some |= s->exited;
	}
	if (!some)
		return;
	if (end_strays(pool)) {
		ev_timer_stop(pool->config.loop, &pool->reap_again);
		ev_timer_set(&pool->reap_again, POOL_REAP_AGAIN_MS / 1e3, 0);
		ev_timer_start(pool->config.loop, &pool->reap_again);
		return;
	}
	for (uint32_t i = 0; i < pool->config.count; i++)
		if (pool->slots[i].exited)
			bury(&pool->slots[i]);
	check_all_ended(pool);
}

static void
on_signal_child(struct ev_loop *loop, struct ev_signal *watcher, int events)
{
	settle(watcher->data);
}

static void
on_reap_again(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	settle(timer->data);
}

/* ---- channels ---- */

static void
watch_writes(struct pool_slot *s)
{
	if (s->channel && channel_wants_write(s->channel))
		ev_io_start(s->pool->config.loop, &s->write);
	else
		ev_io_stop(s->pool->config.loop, &s->write);
}

/* A worker that does not read, or talks nonsense, is of no use. One that closed is dying;
 * SIGCHLD follows. */
static void
on_channel_error(struct pool_slot *s, enum lts_err err)
{
	ev_io_stop(s->pool->config.loop, &s->read);
	ev_io_stop(s->pool->config.loop, &s->write);
	if (s->slot.state == SLOT_KILLED)
		return;
	log_debug(s->pool->config.log, "channel closed",
		  LOG_UINT("worker", s->slot.index),
		  LOG_TEXT("reason", lts_err_name(err)));
	if (s->slot.state == SLOT_DRAINING && err == LTS_CLOSED)
		return; /* on its way out in order */
	worker_slot_step(&s->slot, SLOT_OVERDUE, clock_boot_ms());
}

static void
on_message(struct pool_slot *s, const struct message *message)
{
	struct worker_pool *pool = s->pool;
	if (message->type == MSG_READY)
		worker_slot_step(&s->slot, SLOT_READY, clock_boot_ms());
	else
		pool->config.events->message(pool->config.arg, s->slot.index, message);
}

static void
on_readable(struct ev_loop *loop, struct ev_io *io, int events)
{
	struct pool_slot *s = io->data;
	struct message message;
	enum lts_err err = LTS_OK;
	while (s->channel && !(err = channel_receive(s->channel, &message)))
		on_message(s, &message);
	if (err && err != LTS_AGAIN)
		on_channel_error(s, err);
}

static void
on_writable(struct ev_loop *loop, struct ev_io *io, int events)
{
	struct pool_slot *s = io->data;
	enum lts_err err = channel_flush(s->channel);
	watch_writes(s);
	if (err)
		on_channel_error(s, err);
}

static void
send_to(struct pool_slot *s, const struct message *message)
{
	if (!s->channel)
		return;
	enum lts_err err = channel_send(s->channel, message);
	watch_writes(s);
	if (err)
		log_warn(s->pool->config.log, "message not sent",
			 LOG_UINT("worker", s->slot.index),
			 LOG_TEXT("message", message_name(message->type)),
			 LOG_TEXT("reason", lts_err_name(err)));
	if (err && err != LTS_CLOSED && s->slot.state != SLOT_KILLED)
		on_channel_error(s, err);
}

static void
send_config(struct pool_slot *s)
{
	struct worker_pool *pool = s->pool;
	struct message message = { .type = MSG_CONFIG };
	pool->config.events->fill_config(pool->config.arg, s->slot.index,
					 &message.config);
	send_to(s, &message);
}

/* ---- the slots' actions ---- */

static bool
op_spawn(void *arg, struct worker_slot *slot)
{
	struct worker_pool *pool = arg;
	struct pool_slot *s = &pool->slots[slot->index];
	struct message_config who = { 0 };
	int theirs, ours;
	pool->config.events->fill_config(pool->config.arg, slot->index, &who);
	if (channel_pair(&ours, &theirs))
		return false;
	memset(s->board, 0, sizeof(*s->board));
	atomic_store(&s->board->beat_ms, clock_boot_ms());
	struct spawn_fds fds = { theirs, s->board_fd,
				 pool->config.state_dir->generation_fd,
				 pool->config.state_dir->stdout_fd };
	enum lts_err err = spawn_worker(pool->program, who.name.text, &fds, &s->pid);
	close(theirs);
	if (err) {
		log_error(pool->config.log, "cannot start a worker",
			  LOG_UINT("worker", slot->index),
			  LOG_TEXT("text", strerror(errno)));
		close(ours);
		s->pid = 0;
		return false;
	}
	s->exited = s->stopped = s->we_killed = false;
	state_dir_note_worker(pool->config.state_dir, slot->index, s->pid);
	s->channel = channel_create(ours);
	ev_io_set(&s->read, ours, EV_READ);
	ev_io_set(&s->write, ours, EV_WRITE);
	ev_io_start(pool->config.loop, &s->read);
	send_config(s);
	return true;
}

static void
op_kill(void *arg, struct worker_slot *slot)
{
	struct worker_pool *pool = arg;
	struct pool_slot *s = &pool->slots[slot->index];
	s->we_killed = true;
	kill(-s->pid, SIGKILL); /* its process group, */
	kill(s->pid, SIGKILL);	/* and itself should it not have made one yet */
}

static void
op_ask_to_drain(void *arg, struct worker_slot *slot)
{
	struct worker_pool *pool = arg;
	send_to(&pool->slots[slot->index], &(struct message){ .type = MSG_DRAIN });
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
	log_at(pool->config.log,
	       slot->state == SLOT_REFUSED ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO, "worker",
	       LOG_UINT("worker", slot->index), LOG_INT("pid", s->pid),
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

/* ---- watching ---- */

/* Dead, hung, stopped, slow: what makes a worker overdue, or NULL. Slow is not dead. */
static const char *
overdue(const struct pool_slot *s, int64_t now_ms)
{
	const struct worker_pool_config *config = &s->pool->config;
	struct board_place place = board_place(s->board);
	if (s->slot.state == SLOT_STARTING && now_ms - s->slot.since_ms > POOL_READY_MS)
		return "not ready in time";
	if (now_ms - atomic_load(&s->board->beat_ms) > config->beat_timeout_ms)
		return "its loop does not beat";
	if (place.stage == BOARD_SUBMIT &&
	    now_ms - place.since_ms > config->process_timeout_ms)
		return "inside one submit for too long";
	return NULL;
}

static void
on_check(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	struct worker_pool *pool = timer->data;
	int64_t now_ms = clock_boot_ms();
	bool late = now_ms - pool->checked_ms > POOL_LATE_MS;
	pool->checked_ms = now_ms;
	if (late)
		return; /* we, or the machine, stood still: let them beat first */
	for (uint32_t i = 0; i < pool->config.count; i++) {
		struct pool_slot *s = &pool->slots[i];
		if (!s->pid || s->exited || s->slot.state == SLOT_KILLED)
			continue;
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

/* ---- the pool ---- */

void
worker_pool_start(struct worker_pool *pool)
{
	for (uint32_t i = 0; i < pool->config.count; i++)
		worker_slot_step(&pool->slots[i].slot, SLOT_START, clock_boot_ms());
}

void
worker_pool_drain(struct worker_pool *pool)
{
	for (uint32_t i = 0; i < pool->config.count; i++)
		worker_slot_step(&pool->slots[i].slot, SLOT_STOP, clock_boot_ms());
	check_all_ended(pool);
}

void
worker_pool_kill(struct worker_pool *pool)
{
	for (uint32_t i = 0; i < pool->config.count; i++)
		if (pool->slots[i].pid && pool->slots[i].slot.state != SLOT_KILLED)
			worker_slot_step(&pool->slots[i].slot, SLOT_OVERDUE,
					 clock_boot_ms());
}

void
worker_pool_configure(struct worker_pool *pool)
{
	for (uint32_t i = 0; i < pool->config.count; i++)
		if (pool->slots[i].channel)
			send_config(&pool->slots[i]);
}

void
worker_pool_send(struct worker_pool *pool, uint32_t slot, const struct message *message)
{
	if (pool->slots[slot].slot.state == SLOT_LIVE ||
	    pool->slots[slot].slot.state == SLOT_DRAINING)
		send_to(&pool->slots[slot], message);
}

bool
worker_pool_is_live(const struct worker_pool *pool, uint32_t slot)
{
	return pool->slots[slot].slot.state == SLOT_LIVE;
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
	for (uint32_t i = 0; i < pool->config.count; i++)
		if (pool->slots[i].slot.state != SLOT_REFUSED)
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
	worker_slot_init(&s->slot, &pool_slot_ops, pool, index,
			 (uint64_t)getpid() * 0x9e3779b97f4a7c15u + index);
	ev_init(&s->read, on_readable);
	ev_init(&s->write, on_writable);
	ev_init(&s->timer, on_slot_timer);
	s->read.data = s->write.data = s->timer.data = s;
	return board_create(&s->board_fd, &s->board);
}

enum lts_err
worker_pool_create(const struct worker_pool_config *config, struct worker_pool **out,
		   struct buf *why_out)
{
	struct worker_pool *pool = xcalloc(1, sizeof(*pool));
	enum lts_err err = LTS_SYS, ignored;
	pool->config = *config;
	pool->slots = xcalloc(config->count, sizeof(*pool->slots));
	pool->program = spawn_find_worker();
	if (!pool->program) {
		ignored = buf_put_text(why_out, "no lts-worker beside lts-supervisor");
		goto out;
	}
	for (uint32_t i = 0; i < config->count; i++) {
		err = init_slot(pool, i);
		if (err) {
			ignored = buf_printf(why_out, "memory file: %s", strerror(errno));
			goto out;
		}
	}
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	ev_signal_init(&pool->child, on_signal_child, SIGCHLD);
	ev_timer_init(&pool->check, on_check, POOL_CHECK_MS / 1e3, POOL_CHECK_MS / 1e3);
	ev_init(&pool->reap_again, on_reap_again);
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
	return err;
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
			let_go_of(s);
		board_unmap(&s->board);
		close(s->board_fd);
	}
	ev_signal_stop(p->config.loop, &p->child);
	ev_timer_stop(p->config.loop, &p->check);
	ev_timer_stop(p->config.loop, &p->reap_again);
	free(p->program);
	free(p->slots);
	free(p);
	*pool = NULL;
}
