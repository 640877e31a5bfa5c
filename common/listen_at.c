/*
 * listen_at.c - where to listen: a port of an address, or a socket in a directory.
 *
 * In every process. Pure. Must never guess an address: what other machines reach is written out.
 * Held by tests/common/test_listen_at.c.
 */
#include "common/listen_at.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

static bool
parse_unix(const char *path, struct listen_at *out)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	size_t len = strlen(path);
	if (!len || len >= sizeof(un.sun_path))
		return false;
	memcpy(un.sun_path, path, len + 1);
	memcpy(&out->address, &un, sizeof(un));
	out->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + 1);
	return true;
}

static bool
parse_port(const char *text, in_port_t *out)
{
	size_t len = strlen(text);
	if (!len || len > 5 || strspn(text, "0123456789") != len)
		return false;
	long port = strtol(text, NULL, 10);
	*out = htons((uint16_t)port);
	return port <= UINT16_MAX;
}

static bool
parse_v6(const char *host, in_port_t port, struct listen_at *out)
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = port };
	if (inet_pton(AF_INET6, host, &v6.sin6_addr) != 1)
		return false;
	memcpy(&out->address, &v6, sizeof(v6));
	out->len = sizeof(v6);
	return true;
}

static bool
parse_v4(const char *host, in_port_t port, struct listen_at *out)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = port };
	if (strcmp(host, "localhost") == 0)
		host = "127.0.0.1";
	if (inet_pton(AF_INET, host, &v4.sin_addr) != 1)
		return false;
	memcpy(&out->address, &v4, sizeof(v4));
	out->len = sizeof(v4);
	return true;
}

bool
listen_at_parse(const char *text, struct listen_at *out, const char **why_out)
{
	struct listen_at found = { .len = 0 };
	const char *colon = strrchr(text, ':');
	char host[64];
	in_port_t port;
	*why_out =
		"must be ADDRESS:PORT, as 127.0.0.1:9464, or [::1]:9464, which this machine alone "
		"reaches, or 0.0.0.0:9464, which others do; or unix:PATH of at most 107 bytes";
	if (strncmp(text, "unix:", 5) == 0) {
		if (!parse_unix(text + 5, &found))
			return false;
		*out = found;
		return true;
	}
	if (!colon || (size_t)(colon - text) >= sizeof(host) || !parse_port(colon + 1, &port))
		return false;
	bool v6 = text[0] == '[' && colon[-1] == ']';
	size_t len = (size_t)(colon - text) - 2 * v6;
	memcpy(host, text + v6, len);
	host[len] = '\0';
	if (!(v6 ? parse_v6(host, port, &found) : parse_v4(host, port, &found)))
		return false;
	*out = found;
	return true;
}
