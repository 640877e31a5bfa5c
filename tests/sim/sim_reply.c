/*
 * sim_reply.c - sends an answer: at once, late, slowly, in part, or not at all.
 *
 * In lts-sim. Owns the timers of suspended connections. Must never sleep: a slow answer
 * leaves all others as fast as they were. Held by tests/scenario (faults).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "common/clock.h"
#include "tests/sim/sim_exchange.h"
#include "tests/sim/sim_pace.h"

enum {
	STALL_LOOK_NS = 100 * 1000000 /* how often a stalled answer looks whether the peer
					 is still there */
};

void
sim_exchange_wait(struct sim_exchange *exchange, int64_t due_ns)
{
	exchange->due_ns = due_ns;
	exchange->is_waiting = true;
	TAILQ_INSERT_TAIL(&exchange->waiting->list, exchange, link);
	MHD_suspend_connection(exchange->connection);
}

int64_t
sim_waiting_resume(struct sim_waiting *waiting, int64_t now_ns)
{
	int64_t next_ns = INT64_MAX;
	struct sim_exchange *exchange = TAILQ_FIRST(&waiting->list);
	while (exchange) {
		struct sim_exchange *following = TAILQ_NEXT(exchange, link);
		if (exchange->due_ns <= now_ns || waiting->is_stopping) {
			TAILQ_REMOVE(&waiting->list, exchange, link);
			exchange->is_waiting = false;
			MHD_resume_connection(exchange->connection);
			next_ns = now_ns; /* libmicrohttpd looks at it only when called */
		} else if (exchange->due_ns < next_ns) {
			next_ns = exchange->due_ns;
		}
		exchange = following;
	}
	return next_ns;
}

static int
socket_of(struct sim_exchange *exchange)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(exchange->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	return info ? info->connect_fd : -1;
}

/* A TCP socket that is connected to nothing sends an RST to where it was connected
 * before. */
static void
reset_connection(struct sim_exchange *exchange)
{
	const struct sockaddr nowhere = { .sa_family = AF_UNSPEC };
	if (connect(socket_of(exchange), &nowhere, sizeof(nowhere)) < 0 && errno != ENOTCONN)
		abort();
}

static bool
is_peer_gone(struct sim_exchange *exchange)
{
	char byte;
	ssize_t got = recv(socket_of(exchange), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	return got == 0 || (got < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

static ssize_t
on_body_wanted(void *arg, uint64_t at, char *out, size_t room)
{
	struct sim_exchange *exchange = arg;
	const struct sim_answer *answer = &exchange->answer;
	int64_t now_ns = clock_mono_ns();
	uint64_t end = answer->body.len;
	if (exchange->opened_ns == 0)
		exchange->opened_ns = now_ns;
	if (answer->has_truncate && (uint64_t)answer->truncate < end)
		end = (uint64_t)answer->truncate;
	bool is_stalled = answer->stall;
	if (at >= end || exchange->waiting->is_stopping || (is_stalled && is_peer_gone(exchange)))
		return MHD_CONTENT_READER_END_WITH_ERROR;
	int64_t elapsed_ns = now_ns - exchange->opened_ns;
	uint64_t allowed = is_stalled ? 0 : sim_pace_allowed(answer->bandwidth, elapsed_ns);
	uint64_t block = sim_pace_block(at, end);
	/* Less than a block goes only after a wait: else each byte would go by itself. */
	if (allowed <= at || (allowed - at < block && !exchange->has_paced)) {
		int64_t due_ns =
			is_stalled ? elapsed_ns + STALL_LOOK_NS
				   : sim_pace_due_ns(answer->bandwidth, elapsed_ns, at, end);
		exchange->has_paced = true;
		sim_exchange_wait(exchange, exchange->opened_ns + due_ns);
		return 0;
	}
	exchange->has_paced = false;
	uint64_t take = (allowed < end ? allowed : end) - at;
	take = take < room ? take : room;
	memcpy(out, answer->body.data + at, take);
	return (ssize_t)take;
}

static void
add_header(struct MHD_Response *response, const char *name, const char *value)
{
	if (value && value[0] && MHD_add_response_header(response, name, value) != MHD_YES)
		abort(); /* values are our own, or were checked */
}

static void
add_date(struct MHD_Response *response, const struct sim_answer *answer)
{
	char text[64];
	struct tm tm;
	time_t at = (time_t)(clock_wall_ns() / 1000000000 + answer->date_s);
	gmtime_r(&at, &tm);
	strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &tm);
	add_header(response, "Date", answer->no_date ? NULL : text);
}

/* The usual answer gives its body away; a paced one keeps it and is asked for pieces. */
static struct MHD_Response *
make_response(struct sim_exchange *exchange)
{
	struct sim_answer *answer = &exchange->answer;
	if (answer->body.len && (answer->stall || answer->bandwidth || answer->has_truncate))
		return MHD_create_response_from_callback(answer->body.len, SIM_PACE_BLOCK_BYTES,
							 on_body_wanted, exchange, NULL);
	if (answer->body.len == 0)
		return MHD_create_response_from_buffer(0, "", MHD_RESPMEM_PERSISTENT);
	struct MHD_Response *response = MHD_create_response_from_buffer(
		answer->body.len, answer->body.data, MHD_RESPMEM_MUST_FREE);
	if (response)
		buf_init(&answer->body, 0);
	return response;
}

enum MHD_Result
sim_exchange_reply(struct sim_exchange *exchange)
{
	struct sim_answer *answer = &exchange->answer;
	if (answer->reset) {
		reset_connection(exchange);
		return MHD_NO;
	}
	struct MHD_Response *response = make_response(exchange);
	if (!response)
		return MHD_NO;
	add_header(response, "Content-Type", answer->content_type);
	add_header(response, "Content-Encoding", answer->content_encoding);
	add_header(response, "X-Request-Id", answer->request_id);
	add_header(response, "Retry-After", answer->retry_after);
	add_header(response, "Location", answer->location);
	add_date(response, answer);
	enum MHD_Result queued =
		MHD_queue_response(exchange->connection, (unsigned)answer->status, response);
	MHD_destroy_response(response);
	return queued;
}
