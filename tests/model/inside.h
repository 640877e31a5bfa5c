/*
 * inside.h - what the model's own files share and the rest need not see: turns, and the
 * places where the world's parts meet.
 */
#ifndef TESTS_MODEL_INSIDE_H
#define TESTS_MODEL_INSIDE_H

#include "state/schema.h"
#include "tests/model/world.h"

struct lts_request;
struct board;

/* Of the queue: a task's turn, or an event. */
struct item {
	int64_t due_us;
	uint64_t order;
	struct task *task; /* NULL: an event */
	uint64_t ticket;   /* of the task's wait; an old one is void */
	void (*fire)(void *arg);
	void *arg;
};

void world_push(struct item item);
void processes_end(void);
/* It is dead: everything of it goes. */
void process_bury(struct process *process);

void task_turn(struct task *task, uint64_t ticket);
void task_drop(struct task *task);
bool task_is_done(const struct task *task);
_Noreturn void task_end(void);
/* main.c: the last line, and exit code 1. */
_Noreturn void model_failed(void);

/* ---- loop.c ---- */
/* An answer has come for the process. */
void loop_answer(struct process *process, struct lts_request *request);
/* It was cancelled. */
void loop_forget(struct process *process, const struct lts_request *request);

/* ---- channel.c ---- */
void boards_end(void);
struct board *board_of(int fd);
struct end *end_of(struct process *process, int fd);
bool end_is_readable(const struct end *end);
int64_t end_due_us(const struct end *end);
void end_close(struct process *process, int fd);
void ends_close(struct process *process);
/* Hands the supervisor's descriptor to a worker, as fork and exec do. */
void end_hand_over(struct process *from, int fd, struct process *to, int as);

/* ---- store.c ---- */
void store_begin(int hosts);
void store_end(void);
/* The write lock goes back when its holder dies. */
void store_owner_died(struct process *process);
/* What is committed of a shard on a host; false: nothing. */
bool store_committed(int host, int shard, struct checkpoint_record *out);
/* Another holder's take, as if by a second supervisor. */
void store_usurp(int host, int shard);

/* ---- sink.c ---- */
void sink_begin(void);
void sinks_closed(struct process *process);
/* Power loss: what was not made durable is gone. */
void sink_power_loss(int host);
/* Which worker of the host has the shard open; NULL: none. */
struct process *sink_holder(int host, int shard);
uint64_t sink_durable(int host, int shard);

/* ---- truth.c: what must hold ---- */
void truth_begin(void);
void truth_on_commit(int host, int shard, const struct checkpoint_record *was,
		     const struct checkpoint_record *is, int64_t began_us);
/* Nobody of the host may commit before it has taken the shard anew. */
void truth_on_usurp(int host, int shard);
void truth_on_publish(int host, int shard, uint64_t cursor);
/* Everything below has been committed on some host. */
uint64_t truth_covered(int shard);

uint64_t cursor_number(const struct cursor *cursor);
int shard_number(const struct shard_id *shard);

/* ---- host.c ---- */
void host_start(int host, int workers, int64_t timeout_ms);
int host_workers(int host); /* that its configuration asks for by now */

/* ---- faults.c ---- */
void faults_begin(int64_t timeout_ms);
void faults_stop(void);

#endif
