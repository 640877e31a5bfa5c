/*
 * control_address.h - where the control socket of a state_dir is: common/handoff.h.
 */
#ifndef COMMON_CONTROL_ADDRESS_H
#define COMMON_CONTROL_ADDRESS_H

#include <sys/un.h>

/* For bind and connect, while the descriptor that it returns is open: the path of a socket may
 * have 107 bytes, that of a directory more, so it leads through that. -1: errno. */
int control_address(const char *state_dir, struct sockaddr_un *out);

#endif
