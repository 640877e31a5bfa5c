/*
 * tell_behind.h - how far behind every shard is, for who asks on the control socket.
 */
#ifndef SUPERVISOR_TELL_BEHIND_H
#define SUPERVISOR_TELL_BEHIND_H

#include <stdbool.h>
#include <stddef.h>

struct control_peer;
struct metrics;

/* Answers the peer, with all of common/handoff.h's lines. False: its line asks for something
 * else, and nothing is said. */
bool tell_behind(struct metrics *metrics, struct control_peer *peer, const char *line,
		 size_t len);

#endif
