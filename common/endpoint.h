/*
 * endpoint.h - where the service is, as people write it: a URL, or host[:port].
 *
 * https unless said otherwise, and plain http only to this machine. A URL without a port
 * has its scheme's (443, 80); a bare host has the service's, 8102. No user, no path.
 */
#ifndef COMMON_ENDPOINT_H
#define COMMON_ENDPOINT_H

#include <stdbool.h>
#include <stddef.h>

struct endpoint {
	char host[256]; /* without brackets, lower case */
	unsigned port;
	bool tls;
	bool v6;
};

/* False: nothing stored, and `why_out` says what is allowed (static text). */
bool endpoint_parse(const char *text, struct endpoint *out, const char **why_out);
/* "https://host:port"; caller frees. */
char *endpoint_url(const struct endpoint *endpoint);
/* The region in a host lts-access.REGION.domain; false when it is not one or does not
 * fit. */
bool endpoint_region(const struct endpoint *endpoint, char *out, size_t size);

#endif
