/*
 * process.c - simulated processes: memory, life and death, and the system calls that
 * supervisor/worker_pool.c and pool_reap.c make.
 *
 * In lts-model. Owns every process and what it allocated (common/xalloc.c is not linked, and
 * free is wrapped): a kill takes all of it at once, as the kernel does. Must never end a
 * process from inside one of its own turns.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "common/board.h"
#include "common/handoff.h"
#include "common/xalloc.h"
#include "supervisor/spawn.h"
#include "supervisor/strays.h"
#include "supervisor/state_dir.h"
#include "tests/model/inside.h"
#include "tests/model/service.h"
#include "worker/worker.h"

void __real_free(void *memory);

/* ---- memory ---- */

struct block { /* in front of each allocation; 32 bytes keep the alignment */
	struct block *prev, *next;
	struct process *owner;
	size_t size;
};

void *
xmalloc(size_t size)
{
	struct process *p = the_world->running;
	struct block *b = calloc(1, sizeof(*b) + size);
	if (!b)
		abort();
	b->owner = p;
	b->size = size;
	if (p) {
		b->next = p->memory;
		if (b->next)
			b->next->prev = b;
		p->memory = b;
	}
	return b + 1;
}

void
__wrap_free(void *memory)
{
	if (!memory)
		return;
	struct block *b = (struct block *)memory - 1;
	if (b->next)
		b->next->prev = b->prev;
	if (b->prev)
		b->prev->next = b->next;
	else if (b->owner)
		b->owner->memory = b->next;
	__real_free(b);
}

void *
xcalloc(size_t count, size_t size)
{
	return xmalloc(count * size); /* zeroed already */
}

void *
xreallocarray(void *old, size_t count, size_t size)
{
	void *memory = xmalloc(count * size);
	if (old) {
		size_t had = ((struct block *)old - 1)->size;
		memcpy(memory, old, had < count * size ? had : count * size);
		__wrap_free(old);
	}
	return memory;
}

char *
xstrndup(const char *text, size_t len)
{
	size_t n = strnlen(text, len);
	return memcpy(xmalloc(n + 1), text, n);
}

char *
xstrdup(const char *text)
{
	return xstrndup(text, strlen(text));
}

char *
xasprintf(const char *fmt, ...)
{
	char text[4096];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return xstrdup(text);
}

void *
world_new(size_t size)
{
	void *memory = calloc(1, size);
	if (!memory)
		abort();
	return memory;
}

void *
world_more(void *old, size_t size)
{
	void *memory = realloc(old, size);
	if (!memory)
		abort();
	return memory;
}

void
world_free(void *memory)
{
	__real_free(memory);
}

/* ---- life and death ---- */

struct process *
process_start(int host, int slot, struct process *parent, void (*run)(void *), void *arg)
{
	struct process *p = world_new(sizeof(*p));
	*p = (struct process){ .next = the_world->processes,
			       .pid = the_world->next_pid++,
			       .host = host,
			       .slot = slot,
			       .parent = parent };
	the_world->processes = p;
	p->main = task_start(p, run, arg);
	return p;
}

struct process *
process_of(int host, int slot)
{
	for (struct process *p = the_world->processes; p; p = p->next)
		if (!p->dead && p->host == host && p->slot == slot)
			return p;
	return NULL;
}

static void
tell_parent(void *arg)
{
	if (process_of(((struct process *)arg)->host, -1) == arg)
		process_signal(arg, SIGCHLD);
}

/* Frees what nobody will ask for any more. */
static void
forget_dead(void)
{
	struct process **at = &the_world->processes;
	while (*at) {
		struct process *p = *at;
		if (p->dead && p->slot >= 0 && (p->told_death || !p->parent)) {
			*at = p->next;
			world_free(p);
		} else {
			at = &p->next;
		}
	}
}

void
process_bury(struct process *p)
{
	trace("%s %d of host %d is dead, %s %d", p->slot < 0 ? "supervisor" : "worker", p->slot,
	      p->host, WIFSIGNALED(p->status) ? "by signal" : "exit code",
	      WIFSIGNALED(p->status) ? WTERMSIG(p->status) : WEXITSTATUS(p->status));
	p->dying = false;
	p->dead = true;
	p->stopped = false;
	the_world->deaths++;
	task_drop(p->main);
	if (p->thread)
		task_drop(p->thread);
	requests_abandon(p);
	ends_close(p);
	sinks_closed(p);
	store_owner_died(p);
	while (p->memory) {
		struct block *b = p->memory;
		p->memory = b->next;
		__real_free(b);
	}
	world_free(p->loop);
	p->loop = NULL;
	for (struct process *child = the_world->processes; child; child = child->next)
		if (child->parent == p)
			child->parent = NULL;
	if (p->parent)
		tell_parent(p->parent);
	forget_dead();
}

static void
die_now(void *arg)
{
	int pid = (int)(intptr_t)arg;
	for (struct process *p = the_world->processes; p; p = p->next) {
		if (p->pid != pid || p->dead)
			continue;
		p->status = SIGKILL;
		process_bury(p);
		return;
	}
}

void
process_kill(struct process *p, int64_t delay_us)
{
	world_after(delay_us, die_now, (void *)(intptr_t)p->pid);
}

void
process_stop(struct process *p)
{
	trace("%s %d of host %d is stopped", p->slot < 0 ? "supervisor" : "worker", p->slot,
	      p->host);
	p->stopped = true;
	p->told_stop = false;
	if (p->parent)
		tell_parent(p->parent);
}

void
process_resume(struct process *p)
{
	if (!p->stopped)
		return;
	p->stopped = false;
	p->held_up_us = the_world->now_us;
	task_wake(p->main);
	task_wake(p->thread);
}

void
processes_end(void)
{
	while (the_world->processes) {
		struct process *p = the_world->processes;
		if (!p->dead)
			process_bury(p);
		for (struct process **at = &the_world->processes; *at; at = &(*at)->next) {
			if (*at != p)
				continue;
			*at = p->next;
			world_free(p);
			break;
		}
	}
}

/* ---- system calls ---- */

int
__wrap_getpid(void)
{
	return the_world->running ? the_world->running->pid : 1;
}

_Noreturn void
__wrap__exit(int code)
{
	the_world->running->status = code << 8;
	the_world->running->dying = true;
	task_end();
}

_Noreturn void
__wrap_abort(void)
{
	violated("a program aborted: it met what it holds for impossible");
}

int
__wrap_kill(int pid, int signum)
{
	pid = pid < 0 ? -pid : pid;
	for (struct process *p = the_world->processes; p; p = p->next)
		if (p->pid == pid && !p->dead) {
			trace("kills process of worker %d", p->slot);
			/* It may be in the kernel, or the machine busy: it still runs. */
			process_kill(p, some_time(0, 300 * MS));
			return 0;
		}
	errno = ESRCH;
	return -1;
}

int
__wrap_waitpid(int pid, int *status, int options)
{
	struct process *self = the_world->running;
	for (struct process *p = the_world->processes; p; p = p->next) {
		if (p->parent != self || (pid > 0 && p->pid != pid))
			continue;
		if (p->dead && !p->told_death) {
			p->told_death = true;
			*(status ? status : &(int){ 0 }) = p->status;
			return p->pid;
		}
		if (p->stopped && !p->told_stop && options & WUNTRACED) {
			p->told_stop = true;
			*status = SIGSTOP << 8 | 0x7f;
			return p->pid;
		}
	}
	return 0;
}

int
__wrap_close(int fd)
{
	end_close(the_world->running, fd);
	return 0;
}

ssize_t
__wrap_getrandom(void *data, size_t len, unsigned flags)
{
	for (size_t i = 0; i < len; i++)
		((uint8_t *)data)[i] = (uint8_t)draw(256);
	return (ssize_t)len;
}

int
__wrap_prctl(int option, ...)
{
	return 0;
}

/* ---- supervisor/spawn.c and state_dir.c ---- */

char *
spawn_find_worker(void)
{
	return xstrdup("lts-worker");
}

static void
run_worker(void *arg)
{
	__wrap__exit((int)worker_run(false));
}

enum lts_err
spawn_worker(const char *program, const char *name, const struct spawn_fds *fds, pid_t *pid_out)
{
	struct process *self = the_world->running;
	int slot = (int)strtol(strrchr(name, '-') + 1, NULL, 10);
	struct process *p = process_start(self->host, slot, self, run_worker, NULL);
	end_hand_over(self, fds->channel, p, HANDOFF_CHANNEL);
	p->board = board_of(fds->board);
	*pid_out = p->pid;
	return LTS_OK;
}

struct strays *
strays_create(void)
{
	return NULL;
}

void
strays_destroy(struct strays **strays)
{
}

void
strays_look(struct strays *strays, const pid_t *own, size_t n)
{
}

void
strays_forget(struct strays *strays, pid_t pid)
{
}

size_t
strays_kill(struct strays *strays, const pid_t *own, size_t n)
{
	return 0;
}

/* Waits for the workers of the one before us; after a second, ends them. */
enum lts_err
state_dir_open(struct state_dir *dir, const char *path, struct buf *why_out)
{
	int64_t patience_us = the_world->now_us + SECOND;
	bool some = true;
	*dir = (struct state_dir){ .path = path };
	while (some) {
		some = false;
		for (struct process *p = the_world->processes; p; p = p->next) {
			if (p->dead || p->slot < 0 || p->host != the_world->running->host)
				continue;
			some = true;
			if (the_world->now_us >= patience_us)
				process_kill(p, some_time(0, 20 * MS));
		}
		if (some)
			task_sleep(20 * MS);
	}
	return LTS_OK;
}

void
state_dir_close(struct state_dir *dir)
{
}

bool
state_dir_is_ours(const struct state_dir *dir)
{
	return true;
}

void
state_dir_note_worker(const struct state_dir *dir, uint32_t slot, pid_t pid)
{
}
