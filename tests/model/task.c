/*
 * task.c - threads as coroutines: one runs until it waits.
 *
 * In lts-model. Owns the tasks and their stacks, which are used again; a task whose process
 * died is simply never gone on with. Must never switch from one task to another but through
 * the world. Stands in for the pthread calls of worker/delivery.c (see the Makefile's --wrap).
 */
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "tests/model/inside.h"

enum { STACK_BYTES = 256 * 1024 };

struct task {
	struct task *next;
	struct process *process; /* NULL: free */
	ucontext_t context;
	char *stack;
	void (*run)(void *arg);
	void *arg;
	uint64_t ticket; /* of the present wait */
	int64_t wake_us; /* when it is queued to go on; NEVER: it is not */
	int64_t hung_until_us;
	bool done;
};

static ucontext_t world_context;
static struct task *all_tasks; /* stacks outlive worlds */

/* To the world; comes back when the task's turn comes. */
static void
leave(struct task *t)
{
	swapcontext(&t->context, &world_context);
}

static void
enter(void)
{
	struct task *t = the_world->task;
	t->run(t->arg);
	t->done = true;
	t->ticket = 0;
	leave(t);
	abort();
}

static struct task *
spare(void)
{
	for (struct task *t = all_tasks; t; t = t->next)
		if (!t->process)
			return t;
	struct task *t = world_new(sizeof(*t));
	t->stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			-1, 0);
	if (t->stack == MAP_FAILED)
		abort();
	t->next = all_tasks;
	all_tasks = t;
	return t;
}

/* Scheduling is late by a little, and now and then by much. */
static void
queue(struct task *t, int64_t due_us)
{
	if (due_us < the_world->now_us)
		due_us = the_world->now_us;
	if (due_us == NEVER || due_us >= t->wake_us)
		return;
	t->wake_us = due_us;
	due_us += once_in(400) ? some_time(0, 400 * MS) : draw(200);
	world_push((struct item){ .due_us = due_us, .task = t, .ticket = t->ticket });
}

static __attribute__((noinline)) void
prepare(ucontext_t *context, char *stack)
{
	getcontext(context);
	context->uc_stack.ss_sp = stack;
	context->uc_stack.ss_size = STACK_BYTES;
	context->uc_link = NULL;
	makecontext(context, enter, 0);
}

struct task *
task_start(struct process *process, void (*run)(void *), void *arg)
{
	struct task *t = spare();
	t->process = process;
	t->run = run;
	t->arg = arg;
	t->done = false;
	t->hung_until_us = 0;
	t->wake_us = NEVER;
	t->ticket = ++the_world->ticket;
	prepare(&t->context, t->stack);
	queue(t, the_world->now_us);
	return t;
}

/* Its process is dead: what it was about to do will not be done. */
void
task_drop(struct task *t)
{
	t->process = NULL;
	t->ticket = 0;
}

bool
task_is_done(const struct task *t)
{
	return t->done;
}

void
task_turn(struct task *t, uint64_t ticket)
{
	struct world *w = the_world;
	struct process *p = t->process;
	if (!p || t->ticket != ticket || t->done)
		return;
	t->wake_us = NEVER;
	if (p->stopped)
		return; /* going on wakes it */
	if (w->now_us < t->hung_until_us) {
		queue(t, t->hung_until_us);
		return;
	}
	w->step++;
	w->running = p;
	w->task = t;
	swapcontext(&world_context, &t->context);
	w->running = NULL;
	w->task = NULL;
	if (p->dying)
		process_bury(p);
}

void
task_wait(int64_t until_us)
{
	struct task *t = the_world->task;
	t->ticket = ++the_world->ticket;
	t->wake_us = NEVER;
	queue(t, until_us);
	leave(t);
}

void
task_sleep(int64_t time_us)
{
	int64_t until_us = the_world->now_us + time_us;
	while (the_world->now_us < until_us)
		task_wait(until_us);
}

void
task_wake(struct task *t)
{
	if (t && t->process && t != the_world->task && !t->done)
		queue(t, the_world->now_us);
}

void
task_hang(struct task *t, int64_t until_us)
{
	t->hung_until_us = until_us;
	if (t->process->held_up_us < until_us)
		t->process->held_up_us = until_us;
}

bool
task_is_hung(const struct task *t)
{
	return t->hung_until_us > the_world->now_us;
}

_Noreturn void
task_end(void)
{
	leave(the_world->task);
	__builtin_unreachable();
}

/* ---- what worker/delivery.c calls ---- */

struct thread_start {
	void *(*run)(void *);
	void *arg;
};

static void
run_thread(void *arg)
{
	struct thread_start *start = arg;
	start->run(start->arg);
	world_free(start);
}

int
__wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *),
		      void *arg)
{
	struct process *p = the_world->running;
	struct thread_start *start = world_new(sizeof(*start));
	*start = (struct thread_start){ run, arg };
	p->thread = task_start(p, run_thread, start);
	*thread = 0;
	return 0;
}

int
__wrap_pthread_join(pthread_t thread, void **result)
{
	while (!task_is_done(the_world->running->thread))
		task_sleep(MS);
	return 0;
}

/* A task is never interrupted, so it needs no lock. */
int
__wrap_pthread_mutex_lock(pthread_mutex_t *mutex)
{
	return 0;
}

int
__wrap_pthread_mutex_unlock(pthread_mutex_t *mutex)
{
	return 0;
}

int
__wrap_pthread_cond_signal(pthread_cond_t *cond)
{
	task_wake(the_world->running->thread);
	return 0;
}

int
__wrap_pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex)
{
	task_wait(NEVER);
	return 0;
}

int
__wrap_pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex,
			      const struct timespec *until)
{
	task_wait((int64_t)until->tv_sec * SECOND + until->tv_nsec / 1000);
	return 0;
}
