/*
 * test_holdings.c - what a worker does about a lease that ends under it: with a real delivery
 * thread that has done what it was told, and a board that says where it stands.
 */
#include "worker/holdings.h"

#include <check.h>
#include <ev.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/xalloc.h"
#include "tests/suites.h"
#include "tests/worker/commit_bed.h"

enum { DEADLINE_MS = 1000000000 };

static struct commit_bed bed;
static struct delivery *delivery;
static struct holdings *holdings;
static struct ev_loop *loop;
static int wake_fd;
static struct lease *lease;

static void
on_wake(void *arg)
{
	ck_assert_int_eq(eventfd_write(wake_fd, 1), 0);
}

static void
ignore_message(void *arg, const struct message *message)
{
}

static void
ignore(void *arg)
{
}

static struct lease *
await(enum delivery_kind kind)
{
	struct delivery_done done;
	while (!delivery_next(delivery, &done)) {
		eventfd_t count;
		struct pollfd fd = { .fd = wake_fd, .events = POLLIN };
		poll(&fd, 1, 1000);
		eventfd_read(wake_fd, &count);
	}
	ck_assert_int_eq(done.kind, kind);
	return done.lease;
}

/* Shard A is held until DEADLINE_MS, and its take is done. */
static void
setup(void)
{
	struct message_assign assign = { .shard = shard_of("A"),
					 .epoch = epoch_of(1, 1),
					 .service = cursor_of("10"),
					 .start = "begin",
					 .deadline_ms = DEADLINE_MS };
	commit_bed_init(&bed);
	wake_fd = eventfd(0, EFD_NONBLOCK);
	loop = ev_loop_new(EVFLAG_AUTO);
	delivery = delivery_create(&bed.config, on_wake, NULL);
	struct holdings_config config = {
		.loop = loop,
		.log = bed.log,
		.board = bed.board,
		.delivery = delivery,
		.shard = { .batch_size = 100, .fetch_interval_ms = 200, .max_bytes = 1 << 20 },
		.budget_bytes = 1 << 24,
		.send = ignore_message,
		.empty = ignore,
		.restart = ignore,
	};
	holdings = holdings_create(&config);
	holdings_assign(holdings, &assign);
	lease = await(DELIVERY_TAKE);
}

static void
put(enum delivery_kind kind)
{
	struct delivery_order *order = xcalloc(1, sizeof(*order));
	order->kind = kind;
	order->lease = kind == DELIVERY_STOP ? NULL : lease;
	delivery_put(delivery, order);
	await(kind);
}

static void
teardown(void)
{
	put(DELIVERY_FORGET);
	put(DELIVERY_STOP);
	holdings_destroy(&holdings);
	delivery_destroy(&delivery);
	ev_loop_destroy(loop);
	close(wake_fd);
	commit_bed_fini(&bed);
}

static void
stand(enum board_stage stage, const char *shard)
{
	struct shard_id id = shard_of(shard);
	struct cursor at = cursor_of("10");
	board_enter(bed.board, stage, &id, &at, 1);
}

/* A write is begun when the lease ends: whoever holds it must not write on, so the worker ends. */
START_TEST(worker_does_not_outlive_a_lease_whose_write_is_begun)
{
	static const enum board_stage inside[] = { BOARD_WRITE, BOARD_SUBMIT };
	stand(inside[_i], "A");
	ck_assert(holdings_check_deadlines(holdings, DEADLINE_MS - 1));
	ck_assert(!holdings_check_deadlines(holdings, DEADLINE_MS));
}
END_TEST

/* Of another shard, or a wait for a lock or a disk: the commit looks at the deadline. */
START_TEST(shard_past_its_deadline_is_let_go_where_nothing_of_it_is_written)
{
	if (_i == 0)
		stand(BOARD_WRITE, "B");
	else
		stand(_i == 1 ? BOARD_WAIT_LOCK : BOARD_FLUSH, "A");
	ck_assert(holdings_check_deadlines(holdings, DEADLINE_MS - 1));
	ck_assert(holdings_check_deadlines(holdings, DEADLINE_MS));
	stand(BOARD_IDLE, "A");
}
END_TEST

Suite *
suite_holdings(void)
{
	Suite *suite = suite_create("holdings");
	TCase *tc = tcase_create("deadlines");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, worker_does_not_outlive_a_lease_whose_write_is_begun, 0, 2);
	tcase_add_loop_test(tc, shard_past_its_deadline_is_let_go_where_nothing_of_it_is_written,
			    0, 3);
	suite_add_tcase(suite, tc);
	return suite;
}
