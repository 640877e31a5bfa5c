/*
 * listen_at.h - where to listen, as people write it: ADDRESS:PORT or unix:PATH.
 */
#ifndef COMMON_LISTEN_AT_H
#define COMMON_LISTEN_AT_H

#include <stdbool.h>
#include <sys/socket.h>

struct listen_at {
	struct sockaddr_storage address; /* AF_INET, AF_INET6 or AF_UNIX */
	socklen_t len;
};

/* No names are resolved but localhost, which is 127.0.0.1. Port 0: whichever is free. False:
 * nothing stored, and `why_out` says what is allowed (static text). */
bool listen_at_parse(const char *text, struct listen_at *out, const char **why_out);

#endif
