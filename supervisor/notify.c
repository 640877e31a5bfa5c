/*
 * notify.c - datagrams to the service manager.
 *
 * Runs in the supervisor. Owns the socket. Must never wait for the manager, nor let its
 * address reach a worker or the user's code. Held by tests/supervisor/test_notify.c and
 * the scenario of the service manager.
 */
#include "supervisor/notify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/xalloc.h"

struct notify {
	int fd; /* -1: there is no manager */
	struct sockaddr_un address;
	socklen_t address_len;
	int64_t alive_every_ms; /* 0: it does not watch */
	int64_t alive_ms;       /* when it was last told */
};

/* A path, or, with an @, a name in the abstract namespace; false: neither. */
static bool
parse_address(struct notify *notify, const char *text)
{
	size_t len = strlen(text);
	if ((text[0] != '/' && text[0] != '@') || len >= sizeof(notify->address.sun_path))
		return false;
	notify->address.sun_family = AF_UNIX;
	memcpy(notify->address.sun_path, text, len + 1);
	notify->address_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + 1);
	if (text[0] == '@') {
		notify->address.sun_path[0] = '\0';
		notify->address_len--;
	}
	return true;
}

static int64_t
env_number(const char *name)
{
	const char *text = getenv(name);
	char *end;
	errno = 0;
	long long value = text ? strtoll(text, &end, 10) : 0;
	return text && !errno && !*end && value > 0 ? value : 0;
}

struct notify *
notify_create(void)
{
	struct notify *notify = xcalloc(1, sizeof(*notify));
	const char *address = getenv("NOTIFY_SOCKET");
	int64_t pid = env_number("WATCHDOG_PID");
	notify->fd = -1;
	if (address && parse_address(notify, address))
		notify->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (notify->fd >= 0 && (!pid || pid == getpid()))
		notify->alive_every_ms = env_number("WATCHDOG_USEC") / 3000;
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	return notify;
}

void
notify_destroy(struct notify **notify)
{
	if (!*notify)
		return;
	if ((*notify)->fd >= 0)
		close((*notify)->fd);
	free(*notify);
	*notify = NULL;
}

void
notify_say(struct notify *notify, const char *text)
{
	if (notify->fd < 0)
		return;
	ssize_t ignored = sendto(notify->fd, text, strlen(text), MSG_NOSIGNAL,
				 (const struct sockaddr *)&notify->address, notify->address_len);
	(void)ignored;
}

void
notify_reloading(struct notify *notify, int64_t mono_ms)
{
	char text[80];
	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%" PRId64, mono_ms * 1000);
	notify_say(notify, text);
}

void
notify_alive(struct notify *notify, int64_t now_ms)
{
	if (!notify->alive_every_ms || now_ms - notify->alive_ms < notify->alive_every_ms)
		return;
	notify->alive_ms = now_ms;
	notify_say(notify, "WATCHDOG=1");
}
