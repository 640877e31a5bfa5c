/*
 * loop.c - libev in virtual time: timers, descriptors, signals, wake-ups and answers.
 *
 * In lts-model, in place of libev. One loop per simulated process; what is ready is done in
 * an order that changes from turn to turn, as nobody may count on one. Must never call back
 * from inside a start or a stop.
 */
#include <ev.h>
#include <stdlib.h>
#include <string.h>

#include "tests/model/inside.h"
#include "tests/model/service.h"

enum { WATCHERS_MAX = 128, ANSWERS_MAX = 256 };

struct ev_loop { /* in the process' memory */
	struct process *process;
	struct ev_timer *timers[WATCHERS_MAX];
	struct ev_io *ios[WATCHERS_MAX];
	struct ev_signal *signals[16];
	struct ev_async *async;
	int n_timers, n_ios, n_signals;
	struct lts_request *answers[ANSWERS_MAX];
	int n_answers;
	uint64_t raised; /* signals */
	bool is_sent;    /* the async */
	bool broken;
};

static double
seconds_now(void)
{
	return (double)the_world->now_us / 1e6;
}

static int64_t
due_us(const struct ev_timer *timer)
{
	return (int64_t)(timer->at * 1e6 + 0.5);
}

struct ev_loop *
ev_loop_new(unsigned flags)
{
	struct process *p = the_world->running;
	if (!p->loop)
		p->loop = world_new(sizeof(*p->loop));
	p->loop->process = p;
	return p->loop;
}

struct ev_loop *
ev_default_loop(unsigned flags)
{
	return ev_loop_new(flags);
}

void
ev_loop_destroy(struct ev_loop *loop)
{
}

void
ev_timer_start(struct ev_loop *loop, struct ev_timer *timer)
{
	if (timer->active)
		return;
	if (loop->n_timers == WATCHERS_MAX)
		abort();
	timer->at += seconds_now();
	loop->timers[loop->n_timers++] = timer;
	timer->active = loop->n_timers;
}

void
ev_timer_stop(struct ev_loop *loop, struct ev_timer *timer)
{
	if (!timer->active)
		return;
	struct ev_timer *last = loop->timers[--loop->n_timers];
	loop->timers[timer->active - 1] = last;
	last->active = timer->active;
	timer->active = 0;
	timer->at -= seconds_now(); /* what was left; none once it has fired */
}

void
ev_timer_again(struct ev_loop *loop, struct ev_timer *timer)
{
	ev_timer_stop(loop, timer);
	timer->at = timer->repeat;
	if (timer->repeat > 0)
		ev_timer_start(loop, timer);
}

void
ev_io_start(struct ev_loop *loop, struct ev_io *io)
{
	if (io->active)
		return;
	if (loop->n_ios == WATCHERS_MAX)
		abort();
	loop->ios[loop->n_ios++] = io;
	io->active = loop->n_ios;
}

void
ev_io_stop(struct ev_loop *loop, struct ev_io *io)
{
	if (!io->active)
		return;
	struct ev_io *last = loop->ios[--loop->n_ios];
	loop->ios[io->active - 1] = last;
	last->active = io->active;
	io->active = 0;
}

void
ev_signal_start(struct ev_loop *loop, struct ev_signal *watcher)
{
	loop->signals[loop->n_signals++] = watcher;
}

void
ev_signal_stop(struct ev_loop *loop, struct ev_signal *watcher)
{
	for (int i = 0; i < loop->n_signals; i++)
		if (loop->signals[i] == watcher)
			loop->signals[i--] = loop->signals[--loop->n_signals];
}

void
ev_async_start(struct ev_loop *loop, struct ev_async *watcher)
{
	loop->async = watcher;
}

void
ev_async_send(struct ev_loop *loop, struct ev_async *watcher)
{
	loop->is_sent = true;
	task_wake(loop->process->main);
}

void
ev_break(struct ev_loop *loop, int how)
{
	loop->broken = true;
}

void
process_signal(struct process *p, int signum)
{
	if (!p->loop)
		return;
	p->loop->raised |= 1u << signum;
	task_wake(p->main);
}

void
loop_answer(struct process *p, struct lts_request *request)
{
	if (p->loop->n_answers == ANSWERS_MAX)
		violated("%d answers wait for one process", ANSWERS_MAX);
	p->loop->answers[p->loop->n_answers++] = request;
	task_wake(p->main);
}

void
loop_forget(struct process *p, const struct lts_request *request)
{
	struct ev_loop *loop = p->loop;
	for (int i = 0; i < loop->n_answers; i++) {
		if (loop->answers[i] != request)
			continue;
		memmove(&loop->answers[i], &loop->answers[i + 1],
			(size_t)(--loop->n_answers - i) * sizeof(*loop->answers));
		return;
	}
}

/* ---- a turn ---- */

static bool
do_signal(struct ev_loop *loop)
{
	for (int i = 0; i < loop->n_signals; i++) {
		struct ev_signal *watcher = loop->signals[i];
		uint64_t bit = 1u << watcher->signum;
		if (!(loop->raised & bit))
			continue;
		loop->raised &= ~bit;
		watcher->cb(loop, watcher, EV_SIGNAL);
		return true;
	}
	return false;
}

static bool
do_async(struct ev_loop *loop)
{
	if (!loop->is_sent || !loop->async)
		return false;
	loop->is_sent = false;
	loop->async->cb(loop, loop->async, EV_ASYNC);
	return true;
}

static bool
do_io(struct ev_loop *loop)
{
	for (int i = 0; i < loop->n_ios; i++) {
		struct ev_io *io = loop->ios[i];
		struct end *end = io->events & EV_READ ? end_of(loop->process, io->fd) : NULL;
		if (!end || !end_is_readable(end))
			continue;
		io->cb(loop, io, EV_READ);
		return true;
	}
	return false;
}

static bool
do_timer(struct ev_loop *loop)
{
	struct ev_timer *first = NULL;
	for (int i = 0; i < loop->n_timers; i++)
		if (!first || loop->timers[i]->at < first->at)
			first = loop->timers[i];
	if (!first || due_us(first) > the_world->now_us)
		return false;
	if (first->repeat > 0) {
		first->at += first->repeat;
		if (first->at < seconds_now())
			first->at = seconds_now();
	} else {
		ev_timer_stop(loop, first);
	}
	first->cb(loop, first, EV_TIMER);
	return true;
}

static bool
do_answer(struct ev_loop *loop)
{
	if (!loop->n_answers)
		return false;
	struct lts_request *request = loop->answers[0];
	memmove(loop->answers, loop->answers + 1,
		(size_t)--loop->n_answers * sizeof(*loop->answers));
	request_finish(request);
	return true;
}

static bool
do_something(struct ev_loop *loop)
{
	static bool (*const all[])(struct ev_loop *) = { do_signal, do_async, do_io, do_timer,
							 do_answer };
	uint32_t first = draw(5);
	for (uint32_t i = 0; i < 5; i++)
		if (all[(first + i) % 5](loop))
			return true;
	return false;
}

static int64_t
next_due_us(const struct ev_loop *loop)
{
	int64_t next_us = NEVER;
	for (int i = 0; i < loop->n_timers; i++)
		if (due_us(loop->timers[i]) < next_us)
			next_us = due_us(loop->timers[i]);
	for (int i = 0; i < loop->n_ios; i++) {
		const struct end *end = end_of(loop->process, loop->ios[i]->fd);
		if (end && end_due_us(end) < next_us)
			next_us = end_due_us(end);
	}
	return next_us;
}

int
ev_run(struct ev_loop *loop, int flags)
{
	while (!loop->broken) {
		if (!do_something(loop))
			task_wait(next_due_us(loop));
		else if (once_in(8))
			task_wait(the_world->now_us); /* others come in between */
		else
			the_world->step++;
	}
	return 0;
}
