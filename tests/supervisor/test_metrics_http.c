/*
 * test_metrics_http.c - holds supervisor/metrics_http.c to what its header says, with peers that
 * mean well and others.
 */
#include "supervisor/metrics_http.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <ev.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/xalloc.h"
#include "tests/suites.h"
#include "tests/support/patience.h"
#include "tests/support/raw_server.h"
#include "tests/support/tmpdir.h"

enum {
	LIFE_MS = 400,
	LONG_LIFE_MS = 3600 * 1000,
	BIG = 48 << 20,
	PEERS = 3 * METRICS_HTTP_CONNECTIONS,
};

static struct ev_loop *loop;
static struct metrics_http *http;
static char *dir, *listen_at;
static int64_t life_ms = LIFE_MS;
static struct sockaddr_storage address;
static socklen_t address_len;

static bool
answer(void *arg, const char *path, struct metrics_reply *out)
{
	if (strcmp(path, "/big") == 0) {
		ck_assert_int_eq(buf_reserve(&out->body, BIG), LTS_OK);
		memset(out->body.data, 'x', BIG);
		out->body.len = BIG;
		return true;
	}
	if (strcmp(path, "/metrics") != 0 && strcmp(path, "/readyz") != 0)
		return false;
	out->status = path[1] == 'm' ? 200 : 503;
	ck_assert_int_eq(buf_put_text(&out->body, "hello\n"), LTS_OK);
	return true;
}

static enum lts_err
start(void)
{
	struct metrics_http_config config = {
		.loop = loop, .listen = listen_at, .answer = answer, .life_ms = life_ms
	};
	struct buf why;
	buf_init(&why, 0);
	enum lts_err err = metrics_http_create(&config, &http, &why);
	ck_assert_msg(!err == !why.len, "%s", why.data);
	buf_fini(&why);
	return err;
}

static void
setup(void)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)raw_server_closed_port()),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	loop = ev_loop_new(0);
	dir = tmpdir_make();
	listen_at = xasprintf("127.0.0.1:%u", ntohs(v4.sin_port));
	memcpy(&address, &v4, sizeof(v4));
	address_len = sizeof(v4);
	ck_assert_int_eq(start(), LTS_OK);
}

static void
teardown(void)
{
	metrics_http_destroy(&http);
	metrics_http_destroy(&http); /* NULL-safe */
	free(listen_at);
	tmpdir_remove(&dir);
	ev_loop_destroy(loop);
}

static int
connect_peer(void)
{
	int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, address_len), 0);
	return fd;
}

static void
say(int fd, const char *text)
{
	ck_assert_int_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* One turn; the peers' deadlines are the server's, so that there is always something to wait for.
 */
static void
turn(void)
{
	ev_run(loop, EVRUN_NOWAIT);
	usleep(500);
}

/* All that comes until the server closes. */
static char *
hear(int fd, size_t *len_out)
{
	struct buf heard;
	char piece[65536];
	ssize_t n;
	buf_init(&heard, 0);
	ck_assert_int_eq(buf_put(&heard, "", 0), LTS_OK);
	while ((n = recv(fd, piece, sizeof(piece), MSG_DONTWAIT)) != 0) {
		if (n > 0)
			ck_assert_int_eq(buf_put(&heard, piece, (size_t)n), LTS_OK);
		else if (errno == EAGAIN)
			turn();
		else
			break;
	}
	if (len_out)
		*len_out = heard.len;
	return heard.data ? heard.data : xstrdup("");
}

static void
expect_answer(const char *request, const char *begins, const char *ends)
{
	int fd = connect_peer();
	say(fd, request);
	char *text = hear(fd, NULL);
	ck_assert_msg(strncmp(text, begins, strlen(begins)) == 0, "%s: %s", request, text);
	size_t len = strlen(text), ends_len = strlen(ends);
	ck_assert_msg(len >= ends_len && strcmp(text + len - ends_len, ends) == 0, "%s: %s",
		      request, text);
	ck_assert_ptr_nonnull(strstr(text, "Connection: close\r\n"));
	free(text);
	close(fd);
}

#define HOST " HTTP/1.1\r\nHost: x\r\n"

START_TEST(path_is_answered_and_the_connection_closed)
{
	expect_answer("GET /metrics" HOST "\r\n", "HTTP/1.1 200 ", "\r\n\r\nhello\n");
	expect_answer("GET /metrics?a=b" HOST "\r\n", "HTTP/1.1 200 ", "\r\n\r\nhello\n");
	expect_answer("GET /readyz" HOST "\r\n", "HTTP/1.1 503 ", "\r\n\r\nhello\n");
	expect_answer("HEAD /metrics" HOST "\r\n", "HTTP/1.1 200 ", "\r\n\r\n");
	/* What is behind the first request is not looked at. */
	expect_answer("GET /metrics" HOST "\r\nGET /nothing" HOST "\r\n", "HTTP/1.1 200 ",
		      "\r\n\r\nhello\n");
}
END_TEST

START_TEST(other_paths_are_404_and_other_methods_405)
{
	static const char *const paths[] = { "/",           "/metrics/", "/METRICS",
					     "/metric%73x", "//metrics", "/../metrics" };
	static const char *const methods[] = { "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "X" };
	char request[128];
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		snprintf(request, sizeof(request), "GET %s" HOST "\r\n", paths[i]);
		expect_answer(request, "HTTP/1.1 404 ", "/readyz\n");
	}
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		snprintf(request, sizeof(request),
			 "%s /metrics" HOST "Content-Length: 3\r\n\r\nabc", methods[i]);
		expect_answer(request, "HTTP/1.1 405 ", "only\n");
	}
}
END_TEST

/* None of these is answered as if it were well. */
START_TEST(nonsense_is_refused_or_closed)
{
	static const char *const requests[] = {
		"\r\n\r\n\r\n", "GET\r\n\r\n", "GET /metrics HTTP/9.9\r\n\r\n",
		"\x16\x03\x01\x02", "GET /metrics HTTP/1.1\r\nContent-Length: x\r\n\r\n"
	};
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		int fd = connect_peer();
		say(fd, requests[i]);
		char *text = hear(fd, NULL);
		ck_assert_msg(strncmp(text, "HTTP/1.1 200", 12) != 0, "%s: %s", requests[i],
			      text);
		free(text);
		close(fd);
	}
}
END_TEST

START_TEST(head_of_a_request_has_a_ceiling)
{
	char *line = xcalloc(1, 64 * 1024);
	int fd = connect_peer();
	memset(line, 'a', 64 * 1024 - 1);
	say(fd, "GET /metrics" HOST "X: ");
	ssize_t ignored = send(fd, line, 64 * 1024 - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
	(void)ignored;
	char *text = hear(fd, NULL);
	ck_assert(strncmp(text, "HTTP/1.1 4", 10) == 0 || !*text);
	free(text);
	free(line);
	close(fd);
}
END_TEST

/* It is never idle, and would never end. */
START_TEST(peer_that_asks_a_byte_at_a_time_is_ended)
{
	int fd = connect_peer();
	int64_t start_ms = clock_mono_ms();
	char c;
	say(fd, "GET /metrics" HOST "X: ");
	while (recv(fd, &c, 1, MSG_DONTWAIT | MSG_PEEK) < 0 && errno == EAGAIN) {
		ssize_t ignored = send(fd, "a", 1, MSG_NOSIGNAL);
		(void)ignored;
		turn();
		ck_assert_msg(clock_mono_ms() - start_ms < 20 * LIFE_MS, "it is still there");
	}
	ck_assert_int_ge(clock_mono_ms() - start_ms, LIFE_MS / 2);
	close(fd);
}
END_TEST

START_TEST(peer_that_reads_a_byte_at_a_time_is_ended)
{
	size_t len;
	int fd = connect_peer();
	int64_t start_ms = clock_mono_ms();
	char c;
	say(fd, "GET /big" HOST "\r\n");
	while (clock_mono_ms() - start_ms < 3 * LIFE_MS) {
		ssize_t ignored = recv(fd, &c, 1, MSG_DONTWAIT);
		(void)ignored;
		turn();
	}
	free(hear(fd, &len)); /* what was on its way */
	ck_assert_uint_lt(len, BIG / 2);
	close(fd);
}
END_TEST

START_TEST(big_answer_comes_whole)
{
	size_t len;
	metrics_http_destroy(&http);
	life_ms = LONG_LIFE_MS; /* 48 MiB take a while on a busy machine */
	ck_assert_int_eq(start(), LTS_OK);
	int fd = connect_peer();
	say(fd, "GET /big" HOST "\r\n");
	char *text = hear(fd, &len);
	const char *body = strstr(text, "\r\n\r\n") + 4;
	ck_assert_uint_eq(len - (size_t)(body - text), BIG);
	free(text);
	close(fd);
}
END_TEST

/* More peers than there are places, who neither ask nor go, or ask and do not read: they give way
 * at once, and those who mean well are served. */
START_TEST(slow_peers_cannot_keep_others_out)
{
	int fds[PEERS];
	metrics_http_destroy(&http);
	life_ms = LONG_LIFE_MS;
	ck_assert_int_eq(start(), LTS_OK);
	for (int i = 0; i < PEERS; i++) {
		fds[i] = connect_peer();
		if (_i)
			say(fds[i], "GET /big" HOST "\r\n");
		turn();
	}
	expect_answer("GET /metrics" HOST "\r\n", "HTTP/1.1 200 ", "hello\n");
	expect_answer("GET /readyz" HOST "\r\n", "HTTP/1.1 503 ", "hello\n");
	for (int i = 0; i < PEERS; i++)
		close(fds[i]);
}
END_TEST

START_TEST(peers_that_vanish_leave_nothing)
{
	struct linger reset = { 1, 0 };
	for (int i = 0; i < PEERS; i++) {
		int fd = connect_peer();
		say(fd, i % 2 ? "GET /big" HOST "\r\n" : "GET /met");
		turn();
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		close(fd);
	}
	expect_answer("GET /metrics" HOST "\r\n", "HTTP/1.1 200 ", "hello\n");
}
END_TEST

START_TEST(port_that_is_taken_is_said)
{
	struct metrics_http *first = http;
	http = NULL;
	ck_assert_int_eq(start(), LTS_BUSY);
	http = first;
}
END_TEST

static void
listen_on_unix(const char *path)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	metrics_http_destroy(&http);
	free(listen_at);
	listen_at = xasprintf("unix:%s", path);
	memcpy(un.sun_path, path, strlen(path) + 1);
	memcpy(&address, &un, sizeof(un));
	address_len = sizeof(un);
}

START_TEST(unix_socket_is_the_groups_at_most_and_gone_at_the_end)
{
	char *path = tmpdir_path(dir, "sock");
	struct stat st;
	listen_on_unix(path);
	ck_assert_int_eq(start(), LTS_OK);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0777, 0660);
	expect_answer("GET /metrics" HOST "\r\n", "HTTP/1.1 200 ", "hello\n");
	metrics_http_destroy(&http);
	ck_assert_int_ne(stat(path, &st), 0);
	free(path);
}
END_TEST

START_TEST(socket_of_a_dead_agent_is_replaced_and_nothing_else)
{
	char *path = tmpdir_path(dir, "sock");
	listen_on_unix(path);
	int dead = socket(AF_UNIX, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(dead, (struct sockaddr *)&address, address_len), 0);
	close(dead);
	ck_assert_int_eq(start(), LTS_OK);
	struct metrics_http *first = http;
	http = NULL;
	ck_assert_int_eq(start(), LTS_BUSY); /* it lives */
	metrics_http_destroy(&first);
	tmpdir_write(dir, "sock", "mine", 4);
	ck_assert_int_eq(start(), LTS_BUSY);
	ck_assert_int_eq(access(path, F_OK), 0);
	free(path);
}
END_TEST

/* As many turns as there are in that time. */
static unsigned
count_turns(int64_t ms)
{
	int64_t until_ms = clock_mono_ms() + ms;
	unsigned before = ev_iteration(loop);
	while (clock_mono_ms() < until_ms)
		ev_run(loop, EVRUN_ONCE);
	return ev_iteration(loop) - before;
}

static void
on_tick(struct ev_loop *ignored, struct ev_timer *timer, int events)
{
}

/* All descriptors that there may be are in use but for those. */
static struct rlimit
use_up_descriptors(void)
{
	struct rlimit before, limit;
	int free_fd = dup(STDOUT_FILENO);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	limit = before;
	limit.rlim_cur = (rlim_t)free_fd;
	close(free_fd);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	return before;
}

START_TEST(peer_for_whom_there_is_no_descriptor_waits_and_costs_no_core)
{
	struct ev_timer tick;
	char text[4096] = "";
	ev_timer_init(&tick, on_tick, 0.05, 0.05);
	ev_timer_start(loop, &tick);
	int fd = connect_peer();
	say(fd, "GET /metrics HTTP/1.0\r\n\r\n");
	struct rlimit before = use_up_descriptors();
	ck_assert_uint_lt(count_turns(1000), 60);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
	until("it is answered", count_turns(1) && recv(fd, text, sizeof(text) - 1,
						       MSG_DONTWAIT) > 0);
	ck_assert_ptr_nonnull(strstr(text, "200"));
	ev_timer_stop(loop, &tick);
	close(fd);
}
END_TEST

Suite *
suite_metrics_http(void)
{
	Suite *suite = suite_create("metrics_http");
	TCase *tc = tcase_create("metrics_http");
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, path_is_answered_and_the_connection_closed);
	tcase_add_test(tc, other_paths_are_404_and_other_methods_405);
	tcase_add_test(tc, nonsense_is_refused_or_closed);
	tcase_add_test(tc, head_of_a_request_has_a_ceiling);
	tcase_add_test(tc, peer_that_asks_a_byte_at_a_time_is_ended);
	tcase_add_test(tc, peer_that_reads_a_byte_at_a_time_is_ended);
	tcase_add_test(tc, big_answer_comes_whole);
	tcase_add_loop_test(tc, slow_peers_cannot_keep_others_out, 0, 2);
	tcase_add_test(tc, peers_that_vanish_leave_nothing);
	tcase_add_test(tc, port_that_is_taken_is_said);
	tcase_add_test(tc, unix_socket_is_the_groups_at_most_and_gone_at_the_end);
	tcase_add_test(tc, socket_of_a_dead_agent_is_replaced_and_nothing_else);
	tcase_add_test(tc, peer_for_whom_there_is_no_descriptor_waits_and_costs_no_core);
	suite_add_tcase(suite, tc);
	return suite;
}
