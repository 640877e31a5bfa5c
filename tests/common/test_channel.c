/*
 * test_channel.c - holds common/channel.c to what its header says, over real socket
 * pairs.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/channel.h"
#include "common/xalloc.h"
#include "tests/suites.h"

/* Both ends of a pair; the fixture makes and ends them. */
static struct channel *ours, *theirs;

static void
setup(void)
{
	int a, b;
	ck_assert_int_eq(channel_pair(&a, &b), LTS_OK);
	ours = channel_create(a);
	theirs = channel_create(b);
}

static void
teardown(void)
{
	channel_destroy(&ours);
	channel_destroy(&theirs);
}

static enum lts_err
send_number(struct channel *channel, uint64_t number)
{
	struct message m = { MSG_HELD, .lease = { .shard = { "0" }, .epoch = { number } } };
	return channel_send(channel, &m);
}

static void
expect_number(struct channel *channel, uint64_t number)
{
	struct message m;
	ck_assert_int_eq(channel_receive(channel, &m), LTS_OK);
	ck_assert_int_eq(m.type, MSG_HELD);
	ck_assert_uint_eq(m.lease.epoch.value, number);
}

START_TEST(descriptors_do_not_block_and_do_not_reach_children)
{
	const struct channel *ends[] = { ours, theirs };
	for (int i = 0; i < 2; i++) {
		int fd = channel_fd(ends[i]);
		ck_assert(fcntl(fd, F_GETFL) & O_NONBLOCK);
		ck_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	}
}
END_TEST

START_TEST(messages_arrive_whole_and_in_order_both_ways)
{
	for (uint64_t i = 0; i < 20; i++) {
		ck_assert_int_eq(send_number(ours, i), LTS_OK);
		ck_assert_int_eq(send_number(theirs, 100 + i), LTS_OK);
	}
	for (uint64_t i = 0; i < 20; i++) {
		expect_number(theirs, i);
		expect_number(ours, 100 + i);
	}
	ck_assert(!channel_wants_write(ours));
}
END_TEST

START_TEST(nothing_there_is_again)
{
	struct message m;
	ck_assert_int_eq(channel_receive(ours, &m), LTS_AGAIN);
	ck_assert_int_eq(send_number(theirs, 1), LTS_OK);
	expect_number(ours, 1);
	ck_assert_int_eq(channel_receive(ours, &m), LTS_AGAIN);
}
END_TEST

START_TEST(full_socket_queues_and_later_flushes_keep_the_order)
{
	uint64_t sent = 0, got = 0;
	while (!channel_wants_write(ours))
		ck_assert_int_eq(send_number(ours, sent++), LTS_OK);
	for (int i = 0; i < 1000; i++)
		ck_assert_int_eq(send_number(ours, sent++), LTS_OK);
	ck_assert_int_eq(channel_flush(ours), LTS_OK);
	ck_assert(channel_wants_write(ours)); /* still full */
	while (got < sent) {
		expect_number(theirs, got++);
		if (sent < 2000) /* there is room now, but what is queued comes first */
			ck_assert_int_eq(send_number(ours, sent++), LTS_OK);
		ck_assert_int_eq(channel_flush(ours), LTS_OK);
	}
	ck_assert(!channel_wants_write(ours));
}
END_TEST

static enum lts_err
send_config(struct channel *channel, int log_fd, int trust_fd)
{
	struct message m = { MSG_CONFIG,
			     .config = { .options = "",
					 .ak = "",
					 .sk = "",
					 .token = "",
					 .log_fd = log_fd,
					 .trust_fd = trust_fd } };
	return channel_send(channel, &m);
}

/* Also where its owner has closed it before there was room. */
START_TEST(descriptors_come_with_their_message_and_go_with_the_next)
{
	struct message m;
	char byte = 'x';
	int ends[2], fd;
	uint64_t sent = 0;
	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	ck_assert_int_eq(send_config(ours, 0, ends[1]), LTS_OK);
	ck_assert_int_eq(channel_receive(theirs, &m), LTS_OK);
	ck_assert_int_eq(m.config.log_fd, 0);
	fd = m.config.trust_fd;
	ck_assert(fd > 0 && fd != ends[1] && fcntl(fd, F_GETFD) == FD_CLOEXEC);
	while (!channel_wants_write(ours))
		ck_assert_int_eq(send_number(ours, sent++), LTS_OK);
	ck_assert_int_eq(send_config(ours, ends[1], ends[0]), LTS_OK);
	close(ends[1]);
	for (uint64_t i = 0; i < sent; i++) {
		expect_number(theirs, i);
		ck_assert_int_eq(channel_flush(ours), LTS_OK);
	}
	ck_assert_int_eq(channel_receive(theirs, &m), LTS_OK);
	ck_assert(m.config.log_fd > 0 && m.config.trust_fd > 0);
	ck_assert_int_eq(write(m.config.log_fd, &byte, 1), 1);
	ck_assert_int_eq(read(m.config.trust_fd, &byte, 1), 1);
	fd = m.config.log_fd;
	ck_assert_int_eq(channel_receive(theirs, &m), LTS_AGAIN);
	ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
	close(ends[0]);
}
END_TEST

START_TEST(peer_that_never_reads_is_gone_at_the_ceiling)
{
	enum lts_err err = LTS_OK;
	unsigned queued = 0;
	for (uint64_t i = 0; i < 100000 && !err; i++) {
		err = send_number(ours, i);
		queued += !err && channel_wants_write(ours);
	}
	ck_assert_int_eq(err, LTS_CLOSED);
	ck_assert_uint_eq(queued, 4 * 4096);
}
END_TEST

START_TEST(closed_peer_is_closed)
{
	struct message m;
	channel_destroy(&theirs);
	ck_assert_int_eq(channel_receive(ours, &m), LTS_CLOSED);
	ck_assert_int_eq(send_number(ours, 1), LTS_CLOSED);
	ck_assert_int_eq(channel_receive(ours, &m), LTS_CLOSED);
}
END_TEST

START_TEST(closed_peer_ends_what_is_queued)
{
	while (!channel_wants_write(ours))
		ck_assert_int_eq(send_number(ours, 1), LTS_OK);
	channel_destroy(&theirs);
	ck_assert_int_eq(channel_flush(ours), LTS_CLOSED);
}
END_TEST

START_TEST(last_words_of_a_peer_are_still_received)
{
	struct message m;
	ck_assert_int_eq(send_number(theirs, 1), LTS_OK);
	ck_assert_int_eq(send_number(theirs, 2), LTS_OK);
	ck_assert_int_eq(send_number(ours, 3), LTS_OK); /* which it leaves unread */
	channel_destroy(&theirs);
	expect_number(ours, 1);
	expect_number(ours, 2);
	ck_assert_int_eq(channel_receive(ours, &m), LTS_CLOSED);
}
END_TEST

START_TEST(what_is_no_message_is_bad_data)
{
	struct message m;
	uint8_t *big = xcalloc(1, HANDOFF_MESSAGE_MAX + 1);
	big[0] = HANDOFF_VERSION;
	big[1] = MSG_READY;
	ck_assert_int_eq(send(channel_fd(theirs), "hello", 5, 0), 5);
	ck_assert_int_eq(channel_receive(ours, &m), LTS_BADDATA);
	/* One byte too long to be read whole: the rest would be cut off. */
	ck_assert_int_eq(send(channel_fd(theirs), big, HANDOFF_MESSAGE_MAX + 1, 0),
			 HANDOFF_MESSAGE_MAX + 1);
	ck_assert_int_eq(channel_receive(ours, &m), LTS_BADDATA);
	ck_assert_int_eq(send_number(theirs, 9), LTS_OK);
	expect_number(ours, 9);
	free(big);
}
END_TEST

START_TEST(largest_message_passes)
{
	struct epoch *many = xcalloc(MESSAGE_MAX_RENEW, sizeof(*many));
	struct message m = { MSG_RENEW, .renew = { .count = MESSAGE_MAX_RENEW, .epochs = many } };
	for (uint32_t i = 0; i < MESSAGE_MAX_RENEW; i++)
		many[i].value = i;
	ck_assert_int_eq(channel_send(ours, &m), LTS_OK);
	ck_assert_int_eq(channel_receive(theirs, &m), LTS_OK);
	for (uint32_t i = 0; i < MESSAGE_MAX_RENEW; i++)
		ck_assert_uint_eq(message_renew_epoch(&m.renew, i).value, i);
	free(many);
}
END_TEST

START_TEST(message_that_does_not_fit_is_not_sent)
{
	struct message m = { MSG_RENEW, .renew = { .count = MESSAGE_MAX_RENEW + 1 } };
	ck_assert_int_eq(channel_send(ours, &m), LTS_TOOBIG);
	ck_assert_int_eq(channel_receive(theirs, &m), LTS_AGAIN);
}
END_TEST

START_TEST(destroying_closes_the_descriptor_and_takes_null)
{
	int fd = channel_fd(ours);
	channel_destroy(&ours);
	ck_assert_ptr_null(ours);
	ck_assert(fcntl(fd, F_GETFD) < 0 && errno == EBADF);
	channel_destroy(&ours);
}
END_TEST

Suite *
suite_channel(void)
{
	Suite *suite = suite_create("channel");
	TCase *tc = tcase_create("channel");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, descriptors_do_not_block_and_do_not_reach_children);
	tcase_add_test(tc, messages_arrive_whole_and_in_order_both_ways);
	tcase_add_test(tc, nothing_there_is_again);
	tcase_add_test(tc, full_socket_queues_and_later_flushes_keep_the_order);
	tcase_add_test(tc, descriptors_come_with_their_message_and_go_with_the_next);
	tcase_add_test(tc, peer_that_never_reads_is_gone_at_the_ceiling);
	tcase_add_test(tc, closed_peer_is_closed);
	tcase_add_test(tc, closed_peer_ends_what_is_queued);
	tcase_add_test(tc, last_words_of_a_peer_are_still_received);
	tcase_add_test(tc, what_is_no_message_is_bad_data);
	tcase_add_test(tc, largest_message_passes);
	tcase_add_test(tc, message_that_does_not_fit_is_not_sent);
	tcase_add_test(tc, destroying_closes_the_descriptor_and_takes_null);
	suite_add_tcase(suite, tc);
	return suite;
}
