/*
 * manager.c - a stand-in for the service manager.
 *
 * In the tests. Owns a datagram socket with a name in the abstract namespace. Never answers:
 * the protocol has no answers.
 */
#include "tests/support/manager.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void
manager_begin(struct manager *manager)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char name[64];
	int len = snprintf(name, sizeof(name), "@lts-test-manager-%d", getpid());
	memcpy(address.sun_path + 1, name + 1, (size_t)len - 1);
	*manager = (struct manager){ .fd = socket(AF_UNIX,
						  SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0) };
	ck_assert_int_eq(bind(manager->fd, (struct sockaddr *)&address,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)len)),
			 0);
	setenv("NOTIFY_SOCKET", name, 1);
}

void
manager_end(struct manager *manager)
{
	close(manager->fd);
}

bool
manager_hears(struct manager *manager)
{
	ssize_t len = recv(manager->fd, manager->last, sizeof(manager->last) - 1, 0);
	manager->last[len > 0 ? len : 0] = '\0';
	return len > 0;
}

bool
manager_has_heard(struct manager *manager, const char *text)
{
	while (manager_hears(manager))
		if (strncmp(manager->last, text, strlen(text)) == 0)
			return true;
	return false;
}
