/*
 * keys.h - the credentials while the agent runs: looked at again when their file changes, when
 * the service refuses them, and before they expire.
 *
 * On the supervisor's loop. What HUP does with them is supervisor_reload.c's.
 */
#ifndef SUPERVISOR_KEYS_H
#define SUPERVISOR_KEYS_H

#include "common/credentials.h"
#include "common/log.h"
#include "common/options.h"

struct ev_loop;
struct keys;

struct keys_config { /* pointers are borrowed for its life */
	struct ev_loop *loop;
	struct log *log;
	const struct options *options;
	struct credentials *credentials; /* in force; all zero: those of the agency */
	/* There are others in `credentials` now: LTS_INVALID, they cannot be used. */
	enum lts_err (*changed)(void *arg);
	void *arg;
};

struct keys *keys_create(const struct keys_config *config);
void keys_destroy(struct keys **keys);
/* Before the loop runs: waits for the agency's, if those are wanted. LTS_AGAIN: none came. */
enum lts_err keys_await_first(struct keys *keys, struct buf *why_out) LTS_MUST_USE;
/* 401 or 403: they may have been replaced; looked at once a minute. */
void keys_on_denied(struct keys *keys, int64_t now_ms);
/* They came from a file, and not from where they rank above all files and are wiped, nor from the
 * agency. */
bool keys_can_be_read(const struct keys *keys);
/* The options may name another file. */
void keys_watch_again(struct keys *keys);

#endif
