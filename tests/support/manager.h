/*
 * manager.h - a stand-in for the service manager: the socket of sd_notify(3).
 */
#ifndef TESTS_SUPPORT_MANAGER_H
#define TESTS_SUPPORT_MANAGER_H

#include <stdbool.h>
#include <stddef.h>

struct manager {
	int fd;
	char last[512]; /* the last datagram; "" at first */
};

/* Listens, and names itself in the environment of this process: NOTIFY_SOCKET. */
void manager_begin(struct manager *manager);
void manager_end(struct manager *manager);
/* Takes the next datagram into `last`; false, and "" there, when there is none. */
bool manager_hears(struct manager *manager);
/* Takes what there is, up to one that begins so. */
bool manager_has_heard(struct manager *manager, const char *text);

#endif
