/*
 * sim_server.c - reads requests, has them served, and turns the loop.
 *
 * In lts-sim. Owns the daemon and every exchange. One thread: the world needs no lock.
 * Must never look into a request: that is sim_serve's. A suspended connection is resumed
 * before the daemon stops. Held by tests/scenario.
 */
#include "tests/sim/sim_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/clock.h"
#include "common/xalloc.h"
#include "tests/sim/sim_exchange.h"

enum {
	BODY_MAX = 32 * 1024 * 1024,
	CONNECTIONS_MAX = 4096,
	CONNECTION_MEMORY = 128 * 1024, /* a paced body's piece must fit too */
	IDLE_S = 300,
};

#define NS_PER_MS 1000000

struct sim_server {
	struct sim *sim;
	struct MHD_Daemon *daemon;
	uint16_t port;
	struct sim_waiting waiting;
};

static void *
on_target(void *arg, const char *target, struct MHD_Connection *connection)
{
	struct sim_server *server = arg;
	struct sim_exchange *exchange = xcalloc(1, sizeof(*exchange));
	exchange->waiting = &server->waiting;
	exchange->connection = connection;
	exchange->target = xstrdup(target);
	buf_init(&exchange->body, BODY_MAX);
	sim_answer_init(&exchange->answer);
	return exchange;
}

static void
on_completed(void *arg, struct MHD_Connection *connection, void **state,
	     enum MHD_RequestTerminationCode code)
{
	struct sim_exchange *exchange = *state;
	if (!exchange)
		return;
	if (exchange->is_waiting)
		TAILQ_REMOVE(&exchange->waiting->list, exchange, link);
	free(exchange->target);
	buf_fini(&exchange->body);
	sim_answer_fini(&exchange->answer);
	free(exchange);
	*state = NULL;
}

static const char *
header(struct MHD_Connection *connection, const char *name)
{
	return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

/* Of ours, that the client came to. */
static void
put_local_address(struct MHD_Connection *connection, char out[INET_ADDRSTRLEN])
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	struct sockaddr_in in;
	socklen_t len = sizeof(in);
	out[0] = '\0';
	if (info && getsockname(info->connect_fd, (struct sockaddr *)&in, &len) == 0)
		(void)inet_ntop(AF_INET, &in.sin_addr, out, INET_ADDRSTRLEN);
}

static void
serve(struct sim_server *server, struct sim_exchange *exchange, const char *method)
{
	struct MHD_Connection *connection = exchange->connection;
	char address[INET_ADDRSTRLEN];
	put_local_address(connection, address);
	const struct sim_request request = {
		.method = method,
		.target = exchange->target,
		.address = address,
		.date = header(connection, "X-Sdk-Date"),
		.authorization = header(connection, "Authorization"),
		.content_type = header(connection, "Content-Type"),
		.content_encoding = header(connection, "Content-Encoding"),
		.security_token = header(connection, "SecurityToken"),
		.body = exchange->body.data,
		.body_len = exchange->body.len,
	};
	const struct sim_time now = { clock_mono_ms(), clock_wall_ns() };
	if (exchange->is_too_big)
		sim_answer_error(&exchange->answer, 413, "LTS.0009", "The body is too big");
	else
		sim_serve(server->sim, &request, now, &exchange->answer);
	exchange->is_served = true;
}

static enum MHD_Result
on_request(void *arg, struct MHD_Connection *connection, const char *url, const char *method,
	   const char *version, const char *data, size_t *data_len, void **state)
{
	struct sim_server *server = arg;
	struct sim_exchange *exchange = *state;
	if (!exchange || server->waiting.is_stopping)
		return MHD_NO;
	if (!exchange->is_opened) {
		exchange->is_opened = true; /* the headers are here, the body is yet to come */
		return MHD_YES;
	}
	if (*data_len) {
		exchange->is_too_big |= buf_put(&exchange->body, data, *data_len) != LTS_OK;
		*data_len = 0;
		return MHD_YES;
	}
	if (!exchange->is_served) {
		serve(server, exchange, method);
		if (exchange->answer.latency_ms) {
			sim_exchange_wait(exchange,
					  clock_mono_ns() +
						  exchange->answer.latency_ms * NS_PER_MS);
			return MHD_YES;
		}
	}
	return sim_exchange_reply(exchange);
}

/* Nobody but this machine. */
static enum MHD_Result
on_connect(void *arg, const struct sockaddr *peer, socklen_t len)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)peer;
	return ntohl(in->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET ? MHD_YES : MHD_NO;
}

static struct MHD_Daemon *
start_daemon(struct sim_server *server, const struct sim_tls *tls, uint16_t port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr =
			htonl(server->sim->options->address ? INADDR_ANY : INADDR_LOOPBACK),
	};
	struct MHD_OptionItem tls_items[] = {
		{ MHD_OPTION_HTTPS_MEM_CERT, 0, tls ? tls->certificate.data : NULL },
		{ MHD_OPTION_HTTPS_MEM_KEY, 0, tls ? tls->key.data : NULL },
		{ MHD_OPTION_HTTPS_PRIORITIES, 0,
		  tls ? (void *)(uintptr_t)tls->priorities : NULL },
		{ MHD_OPTION_END, 0, NULL },
	};
	struct MHD_OptionItem *plain_items = &tls_items[3];
	unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME |
			 MHD_USE_SUPPRESS_DATE_NO_CLOCK | (tls ? MHD_USE_TLS : 0U);
	return MHD_start_daemon(flags, port, on_connect, NULL, on_request, server, MHD_OPTION_ARRAY,
				tls ? tls_items : plain_items, MHD_OPTION_SOCK_ADDR,
				(struct sockaddr *)&address, MHD_OPTION_LISTENING_ADDRESS_REUSE,
				1U, MHD_OPTION_URI_LOG_CALLBACK, on_target, server,
				MHD_OPTION_NOTIFY_COMPLETED, on_completed, server,
				MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
				MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
				MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S, MHD_OPTION_END);
}

enum lts_err
sim_server_create(struct sim *sim, const struct sim_tls *tls, uint16_t port,
		  struct sim_server **server_out)
{
	struct sim_server *server = xcalloc(1, sizeof(*server));
	server->sim = sim;
	TAILQ_INIT(&server->waiting.list);
	server->daemon = start_daemon(server, tls, port);
	if (!server->daemon) {
		free(server);
		return LTS_SYS;
	}
	server->port = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_BIND_PORT)->port;
	*server_out = server;
	return LTS_OK;
}

uint16_t
sim_server_port(const struct sim_server *server)
{
	return server->port;
}

/* How long the loop may sleep: until a connection wakes up, or libmicrohttpd wants to be
 * called. */
static struct timespec
time_to_sleep(struct sim_server *server, int64_t next_ns, int64_t now_ns)
{
	int64_t sleep_ns = next_ns == INT64_MAX ? 1000 * (int64_t)NS_PER_MS : next_ns - now_ns;
	MHD_UNSIGNED_LONG_LONG daemon_ms;
	if (MHD_get_timeout(server->daemon, &daemon_ms) == MHD_YES &&
	    daemon_ms < (uint64_t)sleep_ns / NS_PER_MS)
		sleep_ns = (int64_t)daemon_ms * NS_PER_MS;
	return (struct timespec){ sleep_ns / 1000000000, sleep_ns % 1000000000 };
}

void
sim_server_run(struct sim_server *server, int stop_fd)
{
	struct pollfd fds[] = {
		{ .fd = stop_fd, .events = POLLIN },
		{ .fd = MHD_get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd,
		  .events = POLLIN },
	};
	while (!fds[0].revents) {
		int64_t now_ns = clock_mono_ns();
		int64_t next_ns = sim_waiting_resume(&server->waiting, now_ns);
		const struct timespec sleep = time_to_sleep(server, next_ns, now_ns);
		if (ppoll(fds, 2, &sleep, NULL) < 0 && errno != EINTR)
			abort();
		MHD_run(server->daemon);
	}
}

void
sim_server_destroy(struct sim_server **serverp)
{
	struct sim_server *server = *serverp;
	*serverp = NULL;
	if (!server)
		return;
	server->waiting.is_stopping = true;
	sim_waiting_resume(&server->waiting, 0);
	MHD_run(server->daemon);
	MHD_stop_daemon(server->daemon);
	free(server);
}
