/*
 * pool_thrift.c - a worker for which there was too little memory gets a smaller share.
 *
 * Runs on the supervisor's loop. Owns each slot's share, which outlives its workers. Must never
 * blame memory for another end, nor keep a share small when there is memory again: it grows back
 * by steps. Held by tests/scenario/limits.c.
 */
#include <signal.h>

#include "common/memory_limit.h"
#include "supervisor/pool_inside.h"

enum { THRIFT_MOST = 4, THRIFT_GROW_MS = 60 * 1000 };

/* Its own word, or the kernel's. */
static bool
had_no_memory(struct pool_slot *s)
{
	struct worker_pool *pool = s->pool;
	if (s->exit.code == EXIT_NO_MEMORY)
		return true;
	if (s->exit.signal != SIGKILL || s->exit.ours)
		return false;
	uint64_t before = pool->memory_kills;
	pool->memory_kills = memory_limit_kills();
	return pool->memory_kills > before;
}

bool
pool_thrift_on_end(struct pool_slot *s, int64_t now_ms)
{
	struct buf limits;
	if (!had_no_memory(s))
		return false;
	if (s->thrift < THRIFT_MOST)
		s->thrift++;
	s->thrift_ms = now_ms;
	buf_init(&limits, 0);
	memory_limit_explain(&limits);
	log_error(s->pool->config.log, "out of memory: the worker gets fewer records at a time",
		  LOG_UINT("worker", s->slot.index), LOG_UINT("step", s->thrift),
		  LOG_TEXT("limits", limits.len ? limits.data : "none but the host's"));
	buf_fini(&limits);
	return true;
}

void
pool_thrift_look(struct pool_slot *s, int64_t now_ms)
{
	if (!s->thrift || s->slot.state != SLOT_LIVE || now_ms - s->thrift_ms < THRIFT_GROW_MS)
		return;
	s->thrift--;
	s->thrift_ms = now_ms;
	log_info(s->pool->config.log, "the worker gets more records at a time again",
		 LOG_UINT("worker", s->slot.index), LOG_UINT("step", s->thrift));
	pool_send_config(s);
}
