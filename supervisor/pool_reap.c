/*
 * pool_reap.c - SIGCHLD: who stopped, who died, and what they left behind.
 *
 * Runs on the supervisor's loop. Must never say that a worker is gone before it is reaped
 * with all its descendants: that is the fence; nor kill a child that is somebody else's. Held
 * by the kill scenarios and tests/supervisor/test_worker_pool.c.
 */
#include "supervisor/pool_inside.h"

#include <signal.h>
#include <sys/wait.h>

#include "common/clock.h"
#include "supervisor/blame.h"

enum { POOL_REAP_AGAIN_MS = 5 };

const char *
worker_end_name(enum worker_end end)
{
	static const char *const names[WORKER_ENDS] = {
		[END_DRAINED] = "reload",
		[END_EXIT] = "exit",
		[END_SIGNAL] = "signal",
		[END_NOT_READY] = "not_ready",
		[END_CHANNEL] = "channel",
		[END_BEAT] = "no_beat",
		[END_PROCESS_TIMEOUT] = "process_timeout",
		[END_STOPPED] = "stopped",
		[END_OVERDUE] = "overdue",
	};
	return names[end];
}

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
	if (pid == pool->spared && !WIFSTOPPED(status))
		pool->spared = 0; /* the number may be another's from now on */
	if (!s) { /* a descendant of a dead worker, or somebody else's */
		if (!WIFSTOPPED(status))
			strays_forget(pool->strays, pid);
		return;
	}
	if (WIFSTOPPED(status)) {
		s->stopped = true;
		return;
	}
	s->exited = true;
	s->exit = (struct slot_exit){
		.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1,
		.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0,
		.ours = s->we_killed && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
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

/* The processes that we started and that are not reaped. */
static size_t
list_own(const struct worker_pool *pool, pid_t own[ASSIGN_WORKERS_MAX + 1])
{
	size_t n = 0;
	if (pool->spared)
		own[n++] = pool->spared;
	for (uint32_t i = 0; i < pool->config.count; i++)
		if (pool->slots[i].pid && !pool->slots[i].exited)
			own[n++] = pool->slots[i].pid;
	return n;
}

void
pool_look_at_children(struct worker_pool *pool)
{
	pid_t own[ASSIGN_WORKERS_MAX + 1];
	for (uint32_t i = 0; i < pool->config.count; i++)
		if (pool->slots[i].exited)
			return; /* its descendants are among them */
	strays_look(pool->strays, own, list_own(pool, own));
}

/* The descendants of dead workers have come to us, their subreaper. Returns how many are
 * left. */
static size_t
end_strays(struct worker_pool *pool)
{
	pid_t own[ASSIGN_WORKERS_MAX + 1];
	return strays_kill(pool->strays, own, list_own(pool, own));
}

void
pool_let_go_of(struct pool_slot *s)
{
	struct worker_pool *pool = s->pool;
	ev_io_stop(pool->config.loop, &s->read);
	ev_io_stop(pool->config.loop, &s->write);
	channel_destroy(&s->channel);
	state_dir_note_worker(pool->config.state_dir, s->slot.index, 0);
	s->pid = 0;
	s->exited = s->stopped = s->we_killed = s->hung = false;
	s->closed_ms = 0;
}

static enum worker_end
end_of(const struct pool_slot *s, bool in_order)
{
	if (in_order)
		return END_DRAINED;
	if (s->exit.ours)
		return s->killed_for;
	return s->exit.signal ? END_SIGNAL : END_EXIT;
}

static void
bury(struct pool_slot *s)
{
	struct board_place place = board_place(s->board);
	const struct board_counters *counters = &s->board->counters;
	struct worker_pool *pool = s->pool;
	bool in_order = s->exit.code == EXIT_DONE && s->slot.state == SLOT_DRAINING;
	log_at(pool->config.log, in_order ? LOG_LEVEL_INFO : LOG_LEVEL_WARN, "worker ended",
	       LOG_UINT("worker", s->slot.index), LOG_INT("pid", s->pid),
	       LOG_TEXT("state", slot_state_name(s->slot.state)),
	       LOG_INT(s->exit.signal ? "signal" : "exit",
		       s->exit.signal ? s->exit.signal : s->exit.code),
	       LOG_TEXT("killed_by_us", s->exit.ours ? "true" : NULL),
	       LOG_UINT("fetched", counters->fetched_records),
	       LOG_UINT("delivered", counters->delivered_records),
	       LOG_UINT("dead_letters", counters->dead_letters),
	       LOG_UINT("attempts", counters->attempts),
	       LOG_UINT("dropped", counters->dropped_records),
	       LOG_UINT("in_flight", board_in_flight(s->board)),
	       LOG_TEXT("stage", in_order ? NULL : board_stage_name(place.stage)),
	       LOG_TEXT("shard", in_order || !place.shard.text[0] ? NULL : place.shard.text),
	       LOG_TEXT("cursor", in_order || !place.cursor.text[0] ? NULL : place.cursor.text));
	board_totals_add(&pool->retired, s->board);
	s->retired = s->begun = true;
	s->end = end_of(s, in_order);
	enum fate fate = in_order ? FATE_RELEASED : s->exit.ours ? FATE_KILLED : FATE_DIED;
	s->exit.blamed =
		blame_batch(&s->exit, s->hung, atomic_load(&s->board->fault_thread), &place);
	if (s->exit.blamed)
		pool->config.events->blamed(pool->config.arg, s->slot.index, &place);
	bool no_memory = pool_thrift_on_end(s, clock_boot_ms());
	if (!in_order)
		pool_why_on_end(s, no_memory, clock_boot_ms());
	pool_let_go_of(s);
	pool->config.events->gone(pool->config.arg, s->slot.index, fate);
	worker_slot_exited(&s->slot, s->exit, clock_boot_ms());
}

void
pool_check_all_ended(struct worker_pool *pool)
{
	for (uint32_t i = 0; i < pool->config.count; i++)
		if (pool->slots[i].slot.state != SLOT_ENDED &&
		    pool->slots[i].slot.state != SLOT_REFUSED)
			return;
	pool->config.events->all_ended(pool->config.arg);
}

static void
pool_settle(struct worker_pool *pool)
{
	bool some = false;
	reap(pool);
	for (uint32_t i = 0; i < pool->config.count; i++) {
		struct pool_slot *s = &pool->slots[i];
		if (s->stopped && !s->exited && !s->we_killed) {
			s->killed_for = END_STOPPED;
			worker_slot_step(&s->slot, SLOT_OVERDUE, clock_boot_ms());
		}
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
	pool_check_all_ended(pool);
}

void
pool_on_signal_child(struct ev_loop *loop, struct ev_signal *watcher, int events)
{
	pool_settle(watcher->data);
}

void
pool_on_reap_again(struct ev_loop *loop, struct ev_timer *timer, int events)
{
	pool_settle(timer->data);
}
