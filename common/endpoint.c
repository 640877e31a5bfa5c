/*
 * endpoint.c - where the service is, as people write it: a URL, or host[:port].
 *
 * In every process. Pure; owns nothing. Must never take a host that a URL parser could
 * read as another one (user@host, a path, a blank), nor send secrets in plain text to
 * another machine. Held by tests/common/test_options_value.c.
 */
#include "common/endpoint.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "common/xalloc.h"

enum { PORT_SERVICE = 8102, PORT_HTTPS = 443, PORT_HTTP = 80, PORT_MAX = 65535 };

static bool
parse_port(const char *text, unsigned *port_out)
{
	unsigned port = 0;

	if (!*text || strlen(text) > 5)
		return false;
	for (; *text; text++) {
		if (!isdigit((unsigned char)*text))
			return false;
		port = port * 10 + (unsigned)(*text - '0');
	}
	if (port < 1 || port > PORT_MAX)
		return false;
	*port_out = port;
	return true;
}

/* Letters, digits, - _ and dots that stand between them. */
static bool
is_host_name(const char *host)
{
	bool at_label = true;

	for (; *host; host++) {
		if (*host == '.') {
			if (at_label)
				return false;
			at_label = true;
		} else if (isalnum((unsigned char)*host) || *host == '_' ||
			   (*host == '-' && !at_label)) {
			at_label = false;
		} else {
			return false;
		}
	}
	return !at_label;
}

static bool
is_loopback(const struct endpoint *endpoint)
{
	struct in6_addr v6;
	struct in_addr v4;

	if (endpoint->v6)
		return inet_pton(AF_INET6, endpoint->host, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
	if (strcmp(endpoint->host, "localhost") == 0)
		return true;
	return inet_pton(AF_INET, endpoint->host, &v4) == 1 && (ntohl(v4.s_addr) >> 24) == 127;
}

/* Cuts "host", "host:port", "[v6]", "[v6]:port"; `port_text_out` is NULL when there is
 * none. */
static bool
split_host(const char *text, struct endpoint *out, const char **port_text_out)
{
	struct in6_addr v6;
	const char *end;

	out->v6 = *text == '[';
	if (out->v6)
		text++;
	end = out->v6 ? strchr(text, ']') : text + strcspn(text, ":");
	if (!end || end == text || (size_t)(end - text) >= sizeof(out->host))
		return false;
	for (size_t i = 0; i < (size_t)(end - text); i++)
		out->host[i] = (char)tolower((unsigned char)text[i]);
	out->host[end - text] = '\0';
	if (out->v6)
		end++;
	if (*end && *end != ':')
		return false;
	*port_text_out = *end ? end + 1 : NULL;
	return out->v6 ? inet_pton(AF_INET6, out->host, &v6) == 1 : is_host_name(out->host);
}

bool
endpoint_parse(const char *text, struct endpoint *out, const char **why_out)
{
	struct endpoint found = { .tls = true };
	const char *port_text;
	char host[300] = "";
	size_t len;
	bool url = true;

	if (strncasecmp(text, "https://", 8) == 0) {
		text += 8;
	} else if (strncasecmp(text, "http://", 7) == 0) {
		found.tls = false;
		text += 7;
	} else {
		url = false;
	}
	*why_out = "must be a URL or host[:port], https or http, without user and path";
	len = strlen(text);
	if (url && len && text[len - 1] == '/')
		len--;
	if (len >= sizeof(host))
		return false;
	memcpy(host, text, len);
	host[len] = '\0';
	if (!split_host(host, &found, &port_text))
		return false;
	found.port = !url ? PORT_SERVICE : found.tls ? PORT_HTTPS : PORT_HTTP;
	if (port_text && !parse_port(port_text, &found.port)) {
		*why_out = "its port must be 1 to 65535";
		return false;
	}
	if (!found.tls && !is_loopback(&found)) {
		*why_out = "plain http is allowed only to this machine (localhost, "
			   "127.0.0.0/8, [::1]); "
			   "use https";
		return false;
	}
	*out = found;
	return true;
}

char *
endpoint_url(const struct endpoint *endpoint)
{
	return xasprintf("%s://%s%s%s:%u", endpoint->tls ? "https" : "http",
			 endpoint->v6 ? "[" : "", endpoint->host, endpoint->v6 ? "]" : "",
			 endpoint->port);
}

bool
endpoint_region(const struct endpoint *endpoint, char *out, size_t size)
{
	static const char prefix[] = "lts-access.";
	const char *region = endpoint->host + sizeof(prefix) - 1;

	if (endpoint->v6 || strncmp(endpoint->host, prefix, sizeof(prefix) - 1) != 0)
		return false;
	const char *end = strchr(region, '.');
	if (!end || end == region || (size_t)(end - region) >= size)
		return false;
	memcpy(out, region, (size_t)(end - region));
	out[end - region] = '\0';
	return true;
}
