/*
 * tell_behind.h - how far behind every shard is, for who asks on the control socket.
 */
#ifndef SUPERVISOR_TELL_BEHIND_H
#define SUPERVISOR_TELL_BEHIND_H

struct control_peer;
struct metrics;

/* All of the answer: common/handoff.h. */
void tell_behind(struct metrics *metrics, struct control_peer *peer);

#endif
