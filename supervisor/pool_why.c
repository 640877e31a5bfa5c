/*
 * pool_why.c - why a worker does not work: it could not be started, or its lives end.
 *
 * Runs on the supervisor's loop. Owns each slot's text, which is told until a life has committed
 * something or lasts. Must never say a cause that it only guesses. Held by
 * tests/scenario/used_up_starts.c.
 */
#include "supervisor/pool_inside.h"

#include <stdio.h>

#include "common/board_wait.h"
#include "common/buf.h"
#include "common/clock.h"
#include "common/memory_limit.h"

enum { WHY_LASTS_MS = 10 * 1000 };

static void
put(struct pool_slot *s, const char *text, int64_t now_ms)
{
	snprintf(s->why, sizeof(s->why), "%s", text);
	if (!s->why_ms)
		s->why_ms = now_ms;
}

void
pool_why_not_started(struct pool_slot *s, const char *text)
{
	char why[sizeof(s->why)];
	snprintf(why, sizeof(why), "it cannot be started: %s", text);
	put(s, why, clock_boot_ms());
}

static void
put_no_memory(struct pool_slot *s, int64_t now_ms)
{
	struct buf why;
	buf_init(&why, 0);
	(void)!buf_printf(&why, "it ran out of memory and gets fewer records at a time, step %u: ",
			  s->thrift);
	memory_limit_explain(&why);
	put(s, why.data, now_ms);
	buf_fini(&why);
}

/* Its own last word, if it had one, is on its board. What a signal ended had none. */
void
pool_why_on_end(struct pool_slot *s, bool no_memory, int64_t now_ms)
{
	struct board_waits last;
	char why[sizeof(s->why)];
	if (no_memory) {
		put_no_memory(s, now_ms);
	} else if (!s->exit.blamed && s->exit.code > EXIT_DONE) {
		bool said = board_waits_for(s->board, BOARD_WANT_LIFE, &last);
		snprintf(why, sizeof(why), "it ended with %d: %.150s", s->exit.code,
			 said ? last.text : "the log says why");
		put(s, why, now_ms);
	}
}

void
pool_why_look(struct pool_slot *s, int64_t now_ms)
{
	if (s->slot.state == SLOT_LIVE && (atomic_load(&s->board->counters.commits) ||
					   now_ms - s->slot.since_ms > WHY_LASTS_MS))
		s->why_ms = 0;
}

bool
worker_pool_why(const struct worker_pool *pool, uint32_t slot, struct board_waits *out)
{
	const struct pool_slot *s = &pool->slots[slot];
	if (!s->why_ms || !s->slot.wanted)
		return false;
	out->since_ms = s->why_ms;
	snprintf(out->text, sizeof(out->text), "%s", s->why);
	return true;
}
