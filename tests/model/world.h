/*
 * world.h - the simulated machine room that the real programs run in: time, chance,
 * processes and what is remembered of both.
 *
 * One world at a time in this process, behind `the_world`: what stands in for the system's
 * calls (clock_boot_ms, kill, pthread_create, ev_run, ...) has no argument to find it by.
 * Memory from world_new outlives simulated processes; what they get from xcalloc dies with
 * them.
 */
#ifndef TESTS_MODEL_WORLD_H
#define TESTS_MODEL_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HOSTS_MAX = 3, WORKERS_MAX = 3, SHARDS_MAX = 7, ENDS_MAX = 16 };

#define NEVER INT64_MAX
#define MS 1000LL
#define SECOND 1000000LL

struct task;
struct ev_loop;
struct end;
struct store;

/* A simulated process: a supervisor (slot -1) or a worker. */
struct process {
	struct process *next;
	int pid, host, slot;
	struct process *parent; /* NULL: the world started it, or the parent is gone */
	struct task *main, *thread;
	struct block *memory;
	struct ev_loop *loop;
	struct end *ends[ENDS_MAX]; /* its descriptors: those of spawn_fds, or from 1000 on */
	struct board *board;        /* a worker's */
	bool dying, dead, stopped;
	bool told_stop, told_death; /* the parent's waitpid has had it */
	int status;                 /* as waitpid has it */
	int64_t held_up_us;         /* until then a thread of it stood still */
};

struct world {
	uint64_t seed, random, step;
	int64_t now_us;
	uint64_t order, ticket;
	struct item *heap;
	size_t n_items, items_cap;
	struct process *processes;
	struct process *running; /* NULL: the world itself */
	struct task *task;       /* that runs now */
	struct task *tasks;      /* all, in use or not */
	int next_pid, next_fd;
	int shards, hosts;
	bool calm;   /* nothing is lost, late or killed */
	bool aloud;  /* all that happens goes to stderr */
	bool gentle; /* only planned moves: nothing may be repeated */
	bool churn;  /* the service moves shards a lot, over a bad network */
	uint64_t deaths, moves;
};

extern struct world *the_world;

void world_begin(uint64_t seed, uint64_t step);
void world_end(void);
/* Does the next thing; false: nothing is left to do, ever. */
bool world_turn(void);

/* Zeroed memory of the world; world_free takes NULL. */
void *world_new(size_t size);
void *world_more(void *old, size_t size);
void world_free(void *memory);

/* 0 .. below-1; true once in n, never when it is calm. */
uint32_t draw(uint32_t below);
bool once_in(uint32_t n);
/* Something between, mostly short. */
int64_t some_time(int64_t least_us, int64_t most_us);
void world_after(int64_t delay_us, void (*fire)(void *arg), void *arg);

/* ---- tasks: a process' main thread, and its delivery thread ---- */
struct task *task_start(struct process *process, void (*run)(void *arg), void *arg);
/* The running task waits; it may be woken early, or for nothing. */
void task_wait(int64_t until_us);
void task_sleep(int64_t time_us);
void task_wake(struct task *task);
/* Its next turns come no earlier. */
void task_hang(struct task *task, int64_t until_us);
bool task_is_hung(const struct task *task);

/* ---- processes ---- */
struct process *process_start(int host, int slot, struct process *parent, void (*run)(void *arg),
			      void *arg);
/* SIGKILL: it is dead some time later, and keeps running until then. */
void process_kill(struct process *process, int64_t delay_us);
void process_stop(struct process *process);
void process_resume(struct process *process);
/* A signal that has a watcher. */
void process_signal(struct process *process, int signum);
struct process *process_of(int host, int slot); /* alive; or NULL */

/* ---- what is broken ---- */
/* One of the last things that happened, in words. */
void trace(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Prints seed, step and the last things that happened, and ends with code 1. */
_Noreturn void violated(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
