/*
 * worker_pool.h - the worker processes: started, watched, killed, reaped, started again.
 *
 * Runs on the supervisor's loop. Turns SIGCHLD, boards, channels and timers into the
 * slots' events.
 */
#ifndef SUPERVISOR_WORKER_POOL_H
#define SUPERVISOR_WORKER_POOL_H

#include "common/board_totals.h"
#include "common/board_wait.h"
#include "common/log.h"
#include "common/message.h"
#include "supervisor/state_dir.h"
#include "supervisor/worker_slot.h"

struct ev_loop;
struct worker_pool;

/* Why a worker's life ended: a restart's reason. */
enum worker_end {
	END_DRAINED, /* as asked, to be started anew: a reload */
	END_EXIT,
	END_SIGNAL,
	/* killed by us, because */
	END_NOT_READY,
	END_CHANNEL, /* it closed it, did not read or talked nonsense */
	END_BEAT,
	END_PROCESS_TIMEOUT,
	END_STOPPED,
	END_OVERDUE, /* it did not let go, or did not end */
	WORKER_ENDS,
};

struct worker_pool_events {
	void (*message)(void *arg, uint32_t slot, const struct message *message);
	void (*live)(void *arg, uint32_t slot);
	/* Comes before `gone`: the death counts against the batch that stands there. */
	void (*blamed)(void *arg, uint32_t slot, const struct board_place *place);
	/* Dead and reaped, with all its descendants: its shards may move. */
	void (*gone)(void *arg, uint32_t slot, enum fate fate);
	/* Every slot is ENDED or REFUSED. */
	void (*all_ended)(void *arg);
	/* The bytes of CONFIG for this slot; text is borrowed until the call returns. */
	void (*fill_config)(void *arg, uint32_t slot, struct message_config *out);
};

struct worker_pool_config { /* pointers are borrowed for the pool's life */
	struct ev_loop *loop;
	struct log *log;
	const struct state_dir *state_dir;
	uint32_t count;
	int64_t beat_timeout_ms, process_timeout_ms;
	const struct worker_pool_events *events;
	void *arg;
};

/* LTS_SYS: no program to run, or no memory file; `why_out` has a line. */
enum lts_err worker_pool_create(const struct worker_pool_config *config, struct worker_pool **out,
				struct buf *why_out) LTS_MUST_USE;
/* Kills and reaps what is left. */
void worker_pool_destroy(struct worker_pool **pool);

void worker_pool_start(struct worker_pool *pool);
/* What so many workers need here. LTS_SYS, errno: not so many; nothing has changed. */
enum lts_err worker_pool_reserve(struct worker_pool *pool, uint32_t count) LTS_MUST_USE;
/* From now on so many, reserved before: more are started, or those behind them drain and end. */
void worker_pool_set_count(struct worker_pool *pool, uint32_t count);
void worker_pool_set_timeouts(struct worker_pool *pool, int64_t beat_ms, int64_t process_ms);
/* The same, but the longer of these and the present ones: workers of both are at work. */
void worker_pool_raise_timeouts(struct worker_pool *pool, int64_t beat_ms, int64_t process_ms);
/* This one drains, and is started anew with the configuration of then. False: it has no process
 * that would have to. */
bool worker_pool_renew(struct worker_pool *pool, uint32_t slot);
void worker_pool_drain(struct worker_pool *pool);
void worker_pool_kill(struct worker_pool *pool);
/* One that takes too long over its end. */
void worker_pool_kill_one(struct worker_pool *pool, uint32_t slot, const char *why);
/* One that does not let go of a shard though its delivery thread has nothing to do. */
void worker_pool_kill_idle(struct worker_pool *pool, uint32_t slot);
/* CONFIG again, to every worker that lives. */
void worker_pool_configure(struct worker_pool *pool);
/* To a worker that is live; otherwise nothing is sent, and its `gone` follows or came. */
void worker_pool_send(struct worker_pool *pool, uint32_t slot, const struct message *message);
bool worker_pool_is_live(const struct worker_pool *pool, uint32_t slot);
/* Of all slots that are in use, of workers not wanted any more, too. */
uint32_t worker_pool_count(const struct worker_pool *pool);
uint32_t worker_pool_live_count(const struct worker_pool *pool);
bool worker_pool_all_refused(const struct worker_pool *pool);
/* Some slot's last process ended with EXIT_UNREAD; each one's did with EXIT_DAMAGED. */
bool worker_pool_is_unread(const struct worker_pool *pool);
bool worker_pool_all_damaged(const struct worker_pool *pool);
const struct worker_slot *worker_pool_slot(const struct worker_pool *pool, uint32_t slot);
pid_t worker_pool_pid(const struct worker_pool *pool, uint32_t slot);
/* What all workers have done, over all lives. Never less than before. */
void worker_pool_totals(const struct worker_pool *pool, struct board_totals *out);
/* Records that those who live have fetched and are not done with. */
uint64_t worker_pool_in_flight(const struct worker_pool *pool);
/* Started again, after such an end. */
uint64_t worker_pool_restarts(const struct worker_pool *pool, enum worker_end end);
const char *worker_end_name(enum worker_end end);
/* A child of this process that no worker has left behind: it is not killed with a dead worker's
 * descendants. One at a time; until it is reaped, which the pool does. */
void worker_pool_spare(struct worker_pool *pool, pid_t pid);
/* After its end that one's, until it is started again. */
const struct board *worker_pool_board(const struct worker_pool *pool, uint32_t slot);
/* Why it does not work, though it is wanted; false: it does, or nobody knows. */
bool worker_pool_why(const struct worker_pool *pool, uint32_t slot, struct board_waits *out);

#endif
