/*
 * channel.h - one end of the SOCK_SEQPACKET pair between the supervisor and a worker.
 *
 * Never waits. What the socket has no room for is queued, up to a ceiling; a peer that
 * lets it fill is treated as gone. The caller watches the descriptor: always for reading,
 * for writing while channel_wants_write says so.
 */
#ifndef COMMON_CHANNEL_H
#define COMMON_CHANNEL_H

#include <stdbool.h>

#include "common/message.h"

struct channel;

/* Two connected descriptors, non-blocking and close-on-exec; LTS_SYS with errno. */
enum lts_err channel_pair(int *ours_out, int *theirs_out) LTS_MUST_USE;
/* Takes the descriptor. */
struct channel *channel_create(int fd);
void channel_destroy(struct channel **channel);
int channel_fd(const struct channel *channel);

/* LTS_CLOSED: the peer is gone, or does not read. */
enum lts_err channel_send(struct channel *channel, const struct message *message) LTS_MUST_USE;
/* Sends what is queued, as far as there is room. */
enum lts_err channel_flush(struct channel *channel) LTS_MUST_USE;
bool channel_wants_write(const struct channel *channel);
/* LTS_AGAIN: nothing there now. LTS_CLOSED: the peer is gone. LTS_BADDATA: the peer is
 * broken. The message and its descriptors are borrowed until the next receive. */
enum lts_err channel_receive(struct channel *channel, struct message *out) LTS_MUST_USE;
/* Leaves nothing of the message received last, which had secrets in it. */
void channel_wipe(struct channel *channel);

#endif
