/*
 * test_control.c - holds supervisor/control.c to what its header says, with peers that mean well
 * and others.
 */
#include "supervisor/control.h"

#include <check.h>
#include <errno.h>
#include <ev.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/handoff.h"
#include "common/xalloc.h"
#include "tests/suites.h"
#include "tests/support/patience.h"
#include "tests/support/tmpdir.h"

enum { ASK_MS = 300, MANY = 2 * CONTROL_PEERS };

static struct ev_loop *loop;
static struct control *control;
static char *dir, *path;
static struct buf asked; /* the lines that came, each with its end */
static struct control_peer *peers[MANY];
static size_t n_asked, n_gone;

static void
on_request(void *arg, struct control_peer *peer, const char *line, size_t len)
{
	ck_assert_uint_eq(strlen(line), len);
	ck_assert_int_eq(buf_printf(&asked, "%.100s\n", line), LTS_OK);
	peers[n_asked++] = peer;
	ck_assert_uint_eq(control_uid(peer), geteuid());
	if (strcmp(line, "later") == 0)
		return;
	control_say(peer, "one");
	control_say(peer, "two");
	control_end(peer);
}

static void
on_gone(void *arg, struct control_peer *peer)
{
	n_gone++;
}

static enum lts_err
start(void)
{
	return control_create(&(struct control_config){ .loop = loop,
							.state_dir = dir,
							.ask_ms = ASK_MS,
							.request = on_request,
							.gone = on_gone },
			      &control);
}

static void
setup(void)
{
	loop = ev_loop_new(0);
	dir = tmpdir_make();
	path = tmpdir_path(dir, CONTROL_SOCKET);
	buf_init(&asked, 0);
	ck_assert_int_eq(start(), LTS_OK);
}

static void
teardown(void)
{
	control_destroy(&control);
	control_destroy(&control); /* NULL-safe */
	buf_fini(&asked);
	free(path);
	tmpdir_remove(&dir);
	ev_loop_destroy(loop);
}

static bool
turn(void)
{
	ev_run(loop, EVRUN_NOWAIT);
	return true;
}

static int
connect_peer(void)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_uint_lt(strlen(path), sizeof(un.sun_path));
	memcpy(un.sun_path, path, strlen(path) + 1);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	return fd;
}

static void
say(int fd, const char *text)
{
	ck_assert_int_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* All that comes until the end of file, or that the connection is lost. */
static char *
hear(int fd)
{
	struct buf heard;
	char piece[65536];
	ssize_t n;
	buf_init(&heard, 0);
	while (turn() && (n = recv(fd, piece, sizeof(piece), MSG_DONTWAIT)) != 0) {
		if (n > 0)
			ck_assert_int_eq(buf_put(&heard, piece, (size_t)n), LTS_OK);
		else if (errno == EAGAIN)
			usleep(500);
		else
			break;
	}
	ck_assert_int_eq(buf_put(&heard, "", 1), LTS_OK);
	close(fd);
	return heard.data;
}

static void
expect_heard(int fd, const char *expected)
{
	char *text = hear(fd);
	ck_assert_str_eq(text, expected);
	free(text);
}

static void
expect_asked(const char *lines)
{
	ck_assert_str_eq(asked.data ? asked.data : "", lines);
}

START_TEST(line_is_answered_up_to_the_end_of_file)
{
	int fd = connect_peer();
	say(fd, "hello\n");
	expect_heard(fd, "one\ntwo\n");
	expect_asked("hello\n");
	ck_assert_uint_eq(n_gone, 0);
}
END_TEST

START_TEST(socket_is_for_this_user_alone_and_gone_at_the_end)
{
	struct stat st;
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert(S_ISSOCK(st.st_mode));
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	control_destroy(&control);
	ck_assert_int_ne(stat(path, &st), 0);
}
END_TEST

START_TEST(umask_is_left_as_it_was)
{
	control_destroy(&control);
	umask(0);
	ck_assert_int_eq(start(), LTS_OK);
	struct stat st;
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0600);
	ck_assert_uint_eq(umask(022), 0);
}
END_TEST

START_TEST(line_in_pieces_is_one_and_what_follows_it_is_not_looked_at)
{
	int fd = connect_peer();
	say(fd, "he");
	for (int i = 0; i < 5; i++)
		turn();
	expect_asked("");
	say(fd, "llo\nmore\nand more");
	expect_heard(fd, "one\ntwo\n");
	expect_asked("hello\n");
}
END_TEST

START_TEST(line_that_is_too_long_ends_the_connection)
{
	char *much = xcalloc(1, 65537);
	memset(much, 'x', 65536);
	int fd = connect_peer();
	ssize_t n = 0;
	until("it is closed",
	      turn() && (n = send(fd, much, 65536, MSG_NOSIGNAL | MSG_DONTWAIT)) < 0 &&
		      errno != EAGAIN);
	expect_heard(fd, "");
	expect_asked("");
	free(much);
}
END_TEST

START_TEST(peer_that_asks_nothing_is_sent_away)
{
	int fd = connect_peer();
	say(fd, "hel");
	expect_heard(fd, "");
	expect_asked("");
	ck_assert_uint_eq(n_gone, 0);
}
END_TEST

START_TEST(answer_that_takes_long_is_waited_for)
{
	int fd = connect_peer();
	say(fd, "later\n");
	until("it has asked", turn() && n_asked == 1);
	ev_tstamp from = ev_time();
	until("longer than it might have asked",
	      turn() && ev_time() - from > 2 * ASK_MS / 1e3);
	control_say(peers[0], "there");
	control_end(peers[0]);
	expect_heard(fd, "there\n");
	ck_assert_uint_eq(n_gone, 0);
}
END_TEST

START_TEST(peer_that_goes_away_before_its_answer_is_told_of)
{
	int fd = connect_peer();
	say(fd, "later\n");
	until("it has asked", turn() && n_asked == 1);
	close(fd);
	until("it is gone", turn() && n_gone == 1);
}
END_TEST

START_TEST(peer_that_says_no_more_gets_its_answer)
{
	int fd = connect_peer();
	say(fd, "later\n");
	ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
	until("it has asked", turn() && n_asked == 1);
	for (int i = 0; i < 20; i++)
		turn();
	ck_assert_uint_eq(n_gone, 0);
	control_say(peers[0], "there");
	control_end(peers[0]);
	expect_heard(fd, "there\n");
}
END_TEST

START_TEST(peer_that_leaves_without_a_whole_line_was_never_there)
{
	int fd = connect_peer();
	say(fd, "hel");
	turn();
	close(fd);
	for (int i = 0; i < 20; i++)
		turn();
	ck_assert_uint_eq(n_gone, 0);
	expect_asked("");
}
END_TEST

START_TEST(more_than_have_room_wait_their_turn)
{
	int fds[MANY];
	for (int i = 0; i < CONTROL_PEERS + 4; i++) {
		fds[i] = connect_peer();
		say(fds[i], "later\n");
		turn();
	}
	until("all places are taken", turn() && n_asked == CONTROL_PEERS);
	for (int i = 0; i < 50; i++)
		turn();
	ck_assert_uint_eq(n_asked, CONTROL_PEERS);
	for (size_t i = 0; i < CONTROL_PEERS + 4; i++) {
		until("it has asked", turn() && n_asked > i);
		control_say(peers[i], "done");
		control_end(peers[i]);
		expect_heard(fds[i], "done\n");
	}
}
END_TEST

static const size_t long_len = 8 << 20;

static void
begin_long_answer(int fd)
{
	char *line = xcalloc(1, 1001);
	memset(line, 'y', 1000);
	say(fd, "later\n");
	until("it has asked", turn() && n_asked == 1);
	for (size_t i = 0; i < long_len / 1001; i++)
		control_say(peers[0], line);
	control_end(peers[0]);
	free(line);
}

START_TEST(long_answer_comes_whole_to_one_that_reads)
{
	int fd = connect_peer();
	begin_long_answer(fd);
	char *text = hear(fd);
	ck_assert_uint_eq(strlen(text), long_len / 1001 * 1001);
	free(text);
}
END_TEST

/* It must not keep its place; nor others waiting meanwhile. */
START_TEST(one_that_does_not_read_its_answer_is_sent_away)
{
	int fd = connect_peer();
	begin_long_answer(fd);
	int other = connect_peer();
	say(other, "hello\n");
	expect_heard(other, "one\ntwo\n");
	char byte;
	ev_tstamp from = ev_time();
	until("its time is over", turn() && ev_time() - from > 2 * ASK_MS / 1e3);
	size_t left = 0;
	while (recv(fd, &byte, 1, MSG_DONTWAIT) == 1 && left < long_len)
		left++;
	ck_assert_uint_lt(left, long_len / 2);
	close(fd);
	ck_assert_uint_eq(n_gone, 0);
}
END_TEST

START_TEST(directory_whose_name_is_longer_than_a_sockets_will_do)
{
	struct stat st;
	control_destroy(&control);
	char *deep = xasprintf("%s/%0100d", dir, 7);
	ck_assert_int_eq(mkdir(deep, 0700), 0);
	char *shallow = dir, *socket_path = xasprintf("%s/" CONTROL_SOCKET, deep);
	dir = deep;
	ck_assert_int_eq(start(), LTS_OK);
	ck_assert_int_eq(stat(socket_path, &st), 0);
	control_destroy(&control);
	ck_assert_int_ne(stat(socket_path, &st), 0);
	dir = shallow;
	free(deep);
	free(socket_path);
}
END_TEST

START_TEST(socket_of_a_former_life_is_replaced)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	control_destroy(&control);
	memcpy(un.sun_path, path, strlen(path) + 1);
	int dead = socket(AF_UNIX, SOCK_STREAM, 0);
	ck_assert_int_eq(bind(dead, (struct sockaddr *)&un, sizeof(un)), 0);
	close(dead);
	ck_assert_int_eq(start(), LTS_OK);
	int fd = connect_peer();
	say(fd, "hello\n");
	expect_heard(fd, "one\ntwo\n");
}
END_TEST

START_TEST(directory_that_is_not_there_is_an_error)
{
	control_destroy(&control);
	char *here = dir;
	dir = "/no/such/dir";
	ck_assert_int_eq(start(), LTS_SYS);
	ck_assert_int_eq(errno, ENOENT);
	dir = here;
}
END_TEST

START_TEST(destroyed_with_peers_it_tells_nobody)
{
	int fd = connect_peer(), silent = connect_peer();
	say(fd, "later\n");
	until("it has asked", turn() && n_asked == 1);
	control_destroy(&control);
	expect_heard(fd, "");
	expect_heard(silent, "");
	ck_assert_uint_eq(n_gone, 0);
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
	ev_timer_init(&tick, on_tick, 0.05, 0.05);
	ev_timer_start(loop, &tick);
	int fd = connect_peer();
	say(fd, "hello\n");
	struct rlimit before = use_up_descriptors();
	ck_assert_uint_lt(count_turns(1000), 60);
	ck_assert_uint_eq(n_asked, 0);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
	until("it is answered", turn() && n_asked == 1);
	ev_timer_stop(loop, &tick);
	close(fd);
}
END_TEST

Suite *
suite_control(void)
{
	Suite *suite = suite_create("control");
	TCase *tc = tcase_create("control");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 30);
	tcase_add_test(tc, line_is_answered_up_to_the_end_of_file);
	tcase_add_test(tc, socket_is_for_this_user_alone_and_gone_at_the_end);
	tcase_add_test(tc, umask_is_left_as_it_was);
	tcase_add_test(tc, line_in_pieces_is_one_and_what_follows_it_is_not_looked_at);
	tcase_add_test(tc, line_that_is_too_long_ends_the_connection);
	tcase_add_test(tc, peer_that_asks_nothing_is_sent_away);
	tcase_add_test(tc, answer_that_takes_long_is_waited_for);
	tcase_add_test(tc, peer_that_goes_away_before_its_answer_is_told_of);
	tcase_add_test(tc, peer_that_says_no_more_gets_its_answer);
	tcase_add_test(tc, peer_that_leaves_without_a_whole_line_was_never_there);
	tcase_add_test(tc, more_than_have_room_wait_their_turn);
	tcase_add_test(tc, long_answer_comes_whole_to_one_that_reads);
	tcase_add_test(tc, one_that_does_not_read_its_answer_is_sent_away);
	tcase_add_test(tc, directory_whose_name_is_longer_than_a_sockets_will_do);
	tcase_add_test(tc, socket_of_a_former_life_is_replaced);
	tcase_add_test(tc, directory_that_is_not_there_is_an_error);
	tcase_add_test(tc, destroyed_with_peers_it_tells_nobody);
	tcase_add_test(tc, peer_for_whom_there_is_no_descriptor_waits_and_costs_no_core);
	suite_add_tcase(suite, tc);
	return suite;
}
