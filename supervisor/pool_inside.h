/*
 * pool_inside.h - the worker pool's inside, for its own files: worker_pool.c (starting
 * and watching), pool_channel.c (talking), pool_reap.c (burying), pool_thrift.c and pool_why.c.
 */
#ifndef SUPERVISOR_POOL_INSIDE_H
#define SUPERVISOR_POOL_INSIDE_H

#include <ev.h>
#include <sys/types.h>

#include "common/channel.h"
#include "supervisor/assign.h"
#include "supervisor/strays.h"
#include "supervisor/worker_pool.h"

struct pool_slot {
	struct worker_slot slot;
	struct worker_pool *pool;
	pid_t pid;   /* 0: none */
	bool exited; /* reaped; its descendants may be left */
	bool we_killed;
	bool hung;    /* and that was because of process_timeout */
	bool stopped; /* SIGCHLD said so */
	bool retired; /* its board is part of the pool's totals, or blank */
	bool begun;   /* it had a life before, that ended so: */
	enum worker_end end;
	enum worker_end killed_for; /* if we kill it now, or did */
	int64_t closed_ms;          /* when it closed its end of the channel; 0: it has not */
	struct slot_exit exit;
	uint8_t thrift;    /* see message_config */
	int64_t thrift_ms; /* since when it is that */
	char why[200];     /* it did not start, or how its life ended: pool_why.c */
	int64_t why_ms;    /* the first such of those in a row; 0: it works */
	struct channel *channel;
	struct board *board;
	int board_fd;
	struct ev_io read, write;
	struct ev_timer timer;
};

struct worker_pool {
	struct worker_pool_config config;
	char *program;
	struct pool_slot
		*slots;  /* room for ASSIGN_WORKERS_MAX; config.count of them are in use */
	uint32_t wanted; /* the first so many */
	struct ev_signal child;
	struct ev_timer check, reap_again;
	int64_t checked_ms;
	struct board_totals retired; /* of lives that are over */
	uint64_t restarts[WORKER_ENDS];
	pid_t spared; /* 0: none */
	struct strays *strays;
	uint64_t memory_kills; /* by the kernel, as far as they are known */
};

/* pool_channel.c */
void pool_on_readable(struct ev_loop *loop, struct ev_io *io, int events);
void pool_on_writable(struct ev_loop *loop, struct ev_io *io, int events);
void pool_send_to(struct pool_slot *s, const struct message *message);
void pool_send_config(struct pool_slot *s);

/* pool_thrift.c: its life is over, true: for want of memory; it lives. */
bool pool_thrift_on_end(struct pool_slot *s, int64_t now_ms);
void pool_thrift_look(struct pool_slot *s, int64_t now_ms);

/* pool_why.c: it could not be started; its life is over. */
void pool_why_not_started(struct pool_slot *s, const char *text);
void pool_why_on_end(struct pool_slot *s, bool no_memory, int64_t now_ms);
void pool_why_look(struct pool_slot *s, int64_t now_ms);

/* pool_reap.c */
void pool_on_signal_child(struct ev_loop *loop, struct ev_signal *watcher, int events);
void pool_on_reap_again(struct ev_loop *loop, struct ev_timer *timer, int events);
void pool_check_all_ended(struct worker_pool *pool);
/* Learns which of our children are somebody else's. */
void pool_look_at_children(struct worker_pool *pool);
/* Forgets the dead process: its channel, its note beside the lock. */
void pool_let_go_of(struct pool_slot *s);

#endif
