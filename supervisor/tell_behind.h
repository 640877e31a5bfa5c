/*
 * tell_behind.h - how far behind every shard is, where the service stands with it, and what the
 * agent waits for, for who asks on the control socket.
 */
#ifndef SUPERVISOR_TELL_BEHIND_H
#define SUPERVISOR_TELL_BEHIND_H

#include <stdint.h>

struct control_peer;
struct lease_book;
struct metrics;
struct worker_pool;

/* All of the answer: common/handoff.h. */
void tell_behind(struct metrics *metrics, struct control_peer *peer);
void tell_heard(const struct lease_book *book, int64_t now_ms, struct control_peer *peer);
void tell_waits(struct metrics *metrics, const struct worker_pool *pool, int64_t now_ms,
		struct control_peer *peer);

#endif
