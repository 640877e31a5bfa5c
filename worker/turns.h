/*
 * turns.h - one at a time, over processes: a lock on a file, asked for without waiting, and
 * fair: who gives it back does not get it again before one that waits.
 *
 * Whoever opens the same file takes part. A process that dies gives its turn back, once those that
 * inherited turns_fd and still live are dead as well. One thread at a time.
 */
#ifndef WORKER_TURNS_H
#define WORKER_TURNS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"

struct turns;

/* The file is batch.lock in that directory, made with mode 0600 if it is not there. LTS_SYS:
 * errno. */
enum lts_err turns_open(const char *dir, struct turns **out) LTS_MUST_USE;
/* The same over a file that was inherited, whose locks are this process's own from now on. */
enum lts_err turns_adopt(int fd, struct turns **out) LTS_MUST_USE;
/* Somebody has opened it, now or before. */
bool turns_are_used(const char *dir);
/* NULL-safe; gives back what it has. */
void turns_close(struct turns **turns);

/* Whether it is our turn, until turns_put. If not, turns_due_ms says when to ask again. */
bool turns_take(struct turns *turns, int64_t now_ms) LTS_MUST_USE;
/* The same, before it is time to ask again. */
bool turns_try(struct turns *turns, int64_t now_ms) LTS_MUST_USE;
/* Why the last question had no answer: an errno (no locks on this file system, ...); 0: it had. */
int turns_error(const struct turns *turns);
/* Gives the turn back, or the wish for it. */
void turns_put(struct turns *turns);
/* CLOCK_MONOTONIC milliseconds; in the past when nothing was asked for yet. */
int64_t turns_due_ms(const struct turns *turns);
/* Borrowed. A child that keeps it keeps our turn while it lives, if we die before turns_put. */
int turns_fd(const struct turns *turns);

#endif
