/*
 * child_env.c - what a worker, or a command of the user's, hears of our environment.
 *
 * In the supervisor (workers) and in workers (commands). Owns nothing. Must never pass on a key,
 * nor what would let a child speak to the service manager in our name; but what the user has set
 * for the user's own commands goes through. Held by tests/common/test_child_env.c.
 */
#include "common/child_env.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "common/xalloc.h"

extern char **environ;

static bool
is_ours_alone(const char *entry)
{
	static const char *const starts[] = {
		"HUAWEICLOUD_",
		"LTS_AK=",
		"LTS_SK=",
		"LTS_SECURITY_TOKEN=",
		"NOTIFY_SOCKET=",
		"WATCHDOG_PID=",
		"WATCHDOG_USEC=",
		"LISTEN_PID=",
		"LISTEN_FDS=",
		"LISTEN_FDNAMES=",
		"CREDENTIALS_DIRECTORY=",
	};
	for (size_t i = 0; i < sizeof(starts) / sizeof(*starts); i++) {
		if (strncmp(entry, starts[i], strlen(starts[i])) == 0)
			return true;
	}
	return false;
}

static bool
is_named_in(const char *entry, const char *const *list)
{
	size_t len = strcspn(entry, "=");
	for (; list && *list; list++) {
		if (strncmp(*list, entry, len) == 0 && (*list)[len] == '=')
			return true;
	}
	return false;
}

char **
child_env(const char *const *first)
{
	size_t n = 0, room = 1;
	for (const char *const *e = first; e && *e; e++)
		room++;
	for (char **e = environ; *e; e++)
		room++;
	char **env = xcalloc(room, sizeof(*env));
	for (const char *const *e = first; e && *e; e++)
		env[n++] = (char *)(uintptr_t)*e;
	for (char **e = environ; *e; e++) {
		if (!is_ours_alone(*e) && !is_named_in(*e, first))
			env[n++] = *e;
	}
	return env;
}
