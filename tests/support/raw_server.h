/*
 * raw_server.h - a listener on 127.0.0.1 that answers with exactly the bytes it is told.
 *
 * For what no honest HTTP library would send. Runs in a thread of the test; the n-th
 * request it reads, over all connections, gets the n-th reply, and further ones the last.
 */
#ifndef TESTS_SUPPORT_RAW_SERVER_H
#define TESTS_SUPPORT_RAW_SERVER_H

#include <stddef.h>

struct raw_server;

enum raw_then {
	RAW_KEEP,  /* the connection goes on */
	RAW_CLOSE, /* it is closed */
	RAW_RESET, /* it is reset */
	RAW_HOLD,  /* it stays open, and silent for ever */
};

struct raw_reply {         /* borrowed until raw_server_stop */
	const char *bytes; /* NULL: nothing */
	size_t len;        /* 0: strlen(bytes) */
	const char *again; /* sent `times` times after bytes; NULL: nothing */
	size_t again_len;  /* 0: strlen(again) */
	size_t times;
	enum raw_then then;
};

struct raw_server *raw_server_start(const struct raw_reply *replies, size_t n);
/* On another address of this machine; port 0: a free one. */
struct raw_server *raw_server_start_at(const char *address, unsigned port,
				       const struct raw_reply *replies, size_t n);
/* NULL-safe. */
void raw_server_stop(struct raw_server **server);
unsigned raw_server_port(const struct raw_server *server);
/* How many requests were read whole, and connections accepted, so far. */
size_t raw_server_requests(struct raw_server *server);
size_t raw_server_connections(struct raw_server *server);
/* The n-th request as it came, head and body; "" when there was none. Caller frees. */
char *raw_server_request(struct raw_server *server, size_t n);
/* A port of 127.0.0.1 on which nobody listens. */
unsigned raw_server_closed_port(void);

#endif
