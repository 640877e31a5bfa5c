/*
 * process_later.c - records that the user's code puts off, again and again: who waits, and why.
 *
 * In a worker's delivery thread, part of worker/process.h. Owns what the board says of it. Must
 * never count an attempt for it, nor call a short pause a wait: a pause may be how the user's code
 * keeps a pace. Held by tests/scenario/exhausted.c.
 */
#include "worker/process_inside.h"

#include <stdio.h>

#include "common/board_wait.h"
#include "common/clock.h"

enum { PUT_OFF_SAY_MS = 5000 };

void
process_put_off(struct committer *c, struct track *t, const char *why)
{
	struct process *p = t->process;
	const char *shard = t->lease->shard.text;
	int64_t now_ms = clock_boot_ms();
	char text[300];
	if (!p->later_ms)
		p->later_ms = now_ms;
	if (now_ms - p->later_ms < PUT_OFF_SAY_MS)
		return;
	if (!why[0])
		why = "it gives no reason";
	snprintf(text, sizeof(text), "shard %s: the sink puts records off: %s", shard, why);
	board_wait(c->config.board, BOARD_WANT_CODE, text, p->later_ms);
	if (p->waits)
		return;
	p->waits = true;
	c->n_put_off++;
	log_warn(c->config.log, "the sink puts its records off: they wait until it takes them",
		 LOG_TEXT("shard", shard), LOG_TEXT("text", why),
		 LOG_INT("for_ms", now_ms - p->later_ms));
}

void
process_goes_on(struct committer *c, struct track *t)
{
	struct process *p = t->process;
	p->later_ms = 0;
	if (!p->waits)
		return;
	p->waits = false;
	log_info(c->config.log, "the sink takes records again",
		 LOG_TEXT("shard", t->lease->shard.text));
	if (!--c->n_put_off)
		board_go_on(c->config.board, BOARD_WANT_CODE);
}
