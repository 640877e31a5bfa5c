/*
 * control.h - the socket in state_dir by which people, through lts-state, ask a running agent
 * for something.
 *
 * STATE_DIR/control, mode 0600, so for the agent's own user and root. A peer sends one line of
 * JSON and gets lines of JSON until the end of file. On the supervisor's loop. What the lines
 * mean is common/handoff.h's.
 */
#ifndef SUPERVISOR_CONTROL_H
#define SUPERVISOR_CONTROL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/buf.h"
#include "common/err.h"

struct ev_loop;
struct control;
struct control_peer;

enum {
	CONTROL_PEERS = 8,
	CONTROL_LINE_MAX = 512 * 1024, /* 4,096 shards of 64 bytes have room */
	CONTROL_ASK_MS = 10000,        /* to send the line; to take some of the answer */
};

struct control_config { /* pointers are borrowed for its life */
	struct ev_loop *loop;
	const char *state_dir;
	int64_t ask_ms; /* CONTROL_ASK_MS, but for tests */
	/* A line came. control_say and control_end follow, now or later; `line` is NUL-terminated
	 * and good until it returns. */
	void (*request)(void *arg, struct control_peer *peer, const char *line, size_t len);
	/* The peer went away before control_end, and is nothing to be said to any more. */
	void (*gone)(void *arg, struct control_peer *peer);
	void *arg;
};

/* Replaces what a former life has left there: the caller has the lock of state_dir. LTS_SYS:
 * errno. */
enum lts_err control_create(const struct control_config *config,
			    struct control **out) LTS_MUST_USE;
/* Nobody is told that peers go. NULL-safe. */
void control_destroy(struct control **control);

/* Never calls back. The text is a line without its end. */
void control_say(struct control_peer *peer, const char *text);
/* No more is said: what was goes out, then the end of file. The peer is not the caller's any
 * more. */
void control_end(struct control_peer *peer);
uid_t control_uid(const struct control_peer *peer);

#endif
