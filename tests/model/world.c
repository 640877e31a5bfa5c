/*
 * world.c - time, chance, and the queue of what happens next.
 *
 * In lts-model. Owns the clock that the programs see (common/clock.c is not linked), the
 * heap of pending turns and events, and the last events in words. Must never depend on
 * anything but the seed: no address, no real time, no environment.
 */
#include "tests/model/world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "tests/model/inside.h"

enum { TRACE_LINES = 60, TRACE_BYTES = 400 };

static struct world world_now;
struct world *the_world = &world_now;
static char trace_lines[TRACE_LINES][TRACE_BYTES];
static uint64_t n_traced;

/* 2023-11-14; what the wall clock shows at the beginning. */
static const int64_t EPOCH_NS = 1700000000000000000;

int64_t
clock_boot_ms(void)
{
	return the_world->now_us / 1000;
}

int64_t
clock_mono_ms(void)
{
	return the_world->now_us / 1000;
}

int64_t
clock_mono_ns(void)
{
	return the_world->now_us * 1000;
}

int64_t
clock_wall_ns(void)
{
	return EPOCH_NS + the_world->now_us * 1000;
}

uint32_t
draw(uint32_t below)
{
	uint64_t x = the_world->random += 0x9e3779b97f4a7c15u;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
	x = (x ^ x >> 27) * 0x94d049bb133111ebu;
	return (uint32_t)((x ^ x >> 31) >> 32) % below;
}

bool
once_in(uint32_t n)
{
	return !the_world->calm && !the_world->gentle && draw(n) == 0;
}

int64_t
some_time(int64_t least_us, int64_t most_us)
{
	int64_t span = most_us - least_us;
	if (draw(4))
		span /= 8;
	return least_us + (span > 0 ? (int64_t)draw((uint32_t)span) : 0);
}

/* ---- the heap ---- */

static bool
before(const struct item *a, const struct item *b)
{
	return a->due_us < b->due_us || (a->due_us == b->due_us && a->order < b->order);
}

void
world_push(struct item item)
{
	struct world *w = the_world;
	if (w->n_items == w->items_cap) {
		w->items_cap = w->items_cap ? 2 * w->items_cap : 256;
		w->heap = world_more(w->heap, w->items_cap * sizeof(*w->heap));
	}
	item.order = ++w->order;
	size_t at = w->n_items++;
	for (; at && before(&item, &w->heap[(at - 1) / 2]); at = (at - 1) / 2)
		w->heap[at] = w->heap[(at - 1) / 2];
	w->heap[at] = item;
}

static struct item
pop(void)
{
	struct world *w = the_world;
	struct item top = w->heap[0], last = w->heap[--w->n_items];
	size_t at = 0, child;
	while ((child = 2 * at + 1) < w->n_items) {
		if (child + 1 < w->n_items && before(&w->heap[child + 1], &w->heap[child]))
			child++;
		if (!before(&w->heap[child], &last))
			break;
		w->heap[at] = w->heap[child];
		at = child;
	}
	w->heap[at] = last;
	return top;
}

void
world_after(int64_t delay_us, void (*fire)(void *arg), void *arg)
{
	world_push((struct item){
		.due_us = the_world->now_us + delay_us, .fire = fire, .arg = arg });
}

bool
world_turn(void)
{
	if (!the_world->n_items)
		return false;
	struct item item = pop();
	if (item.due_us > the_world->now_us)
		the_world->now_us = item.due_us;
	if (item.task) {
		task_turn(item.task, item.ticket);
	} else {
		the_world->step++;
		item.fire(item.arg);
	}
	return true;
}

void
world_begin(uint64_t seed, uint64_t step)
{
	n_traced = 0;
	*the_world = (struct world){
		.seed = seed,
		.random = seed * 0xd1342543de82ef95u + 1,
		.step = step,
		.now_us = 1000 * SECOND,
		.next_pid = 1 << 23, /* above any real one */
		.next_fd = 1000,
	};
}

void
world_end(void)
{
	processes_end();
	world_free(the_world->heap);
	the_world->heap = NULL;
	the_world->n_items = 0;
}

/* ---- words ---- */

void
trace(const char *fmt, ...)
{
	char *line = trace_lines[n_traced++ % TRACE_LINES];
	const struct process *p = the_world->running;
	va_list ap;
	int n = snprintf(line, TRACE_BYTES, "%10llu %9.3f s  ",
			 (unsigned long long)the_world->step, (double)the_world->now_us / 1e6);
	if (p && p->slot < 0)
		n += snprintf(line + n, TRACE_BYTES - (size_t)n, "host %d supervisor: ", p->host);
	else if (p)
		n += snprintf(line + n, TRACE_BYTES - (size_t)n, "host %d worker %d: ", p->host,
			      p->slot);
	va_start(ap, fmt);
	vsnprintf(line + n, TRACE_BYTES - (size_t)n, fmt, ap);
	va_end(ap);
	if (the_world->aloud)
		fprintf(stderr, "%s\n", line);
}

_Noreturn void
violated(const char *fmt, ...)
{
	va_list ap;
	uint64_t first = n_traced > TRACE_LINES ? n_traced - TRACE_LINES : 0;
	if (the_world->aloud)
		first = n_traced;
	fprintf(stderr, "lts-model: the last of what happened (step, time, who, what):\n");
	for (uint64_t i = first; i < n_traced; i++)
		fprintf(stderr, "%s\n", trace_lines[i % TRACE_LINES]);
	fprintf(stderr,
		"lts-model: VIOLATED at step %llu: ", (unsigned long long)the_world->step);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\n");
	model_failed();
}
