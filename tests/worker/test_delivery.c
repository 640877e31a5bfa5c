/*
 * test_delivery.c - holds worker/delivery.c, thread and all, to its queues: orders in
 * turn, a completion for each, commits in time, FLUSH and STOP behind what came before
 * them, and a full disk that stops one shard and not the others.
 */
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/board_wait.h"
#include "common/clock.h"
#include "common/xalloc.h"
#include "tests/suites.h"
#include "tests/support/patience.h"
#include "tests/support/sys_spy.h"
#include "tests/worker/commit_bed.h"
#include "worker/delivery.h"

enum { COMPLETION_MS = 20000 };

static struct commit_bed bed;
static struct delivery *delivery;
static int wake_fd;
static struct lease a, b;
static bool stopped;

static void
on_wake(void *arg)
{
	ck_assert_int_eq(eventfd_write(wake_fd, 1), 0);
}

static void
setup(void)
{
	commit_bed_init(&bed);
	wake_fd = eventfd(0, EFD_NONBLOCK);
	a = commit_bed_lease("A", 1);
	b = commit_bed_lease("B", 2);
	stopped = false;
	delivery = NULL;
}

static void
start(void)
{
	delivery = delivery_create(&bed.config, on_wake, NULL);
}

static struct delivery_order *
order(enum delivery_kind kind, struct lease *lease)
{
	struct delivery_order *new = xcalloc(1, sizeof(*new));
	new->kind = kind;
	new->lease = lease;
	return new;
}

static struct delivery_done
next(void)
{
	struct delivery_done done;
	int64_t start_ms = clock_mono_ms();
	while (!delivery_next(delivery, &done)) {
		eventfd_t count;
		struct pollfd fd = { .fd = wake_fd, .events = POLLIN };
		ck_assert_msg(clock_mono_ms() - start_ms < COMPLETION_MS, "no completion came");
		poll(&fd, 1, 1000);
		eventfd_read(wake_fd, &count);
	}
	return done;
}

static struct delivery_done
expect(enum delivery_kind kind, const struct lease *lease, enum lts_err err)
{
	struct delivery_done done = next();
	ck_assert_int_eq(done.kind, kind);
	ck_assert_ptr_eq(done.lease, lease);
	ck_assert_int_eq(done.err, err);
	return done;
}

static void
put_take(struct lease *lease, const char *start_cursor)
{
	struct delivery_order *take = order(DELIVERY_TAKE, lease);
	take->take = commit_bed_order(lease, start_cursor);
	delivery_put(delivery, take);
}

static void
put_batch(struct lease *lease, const char *from, const char *to, unsigned first, unsigned last)
{
	struct delivery_order *batch = order(DELIVERY_BATCH, lease);
	batch->batch = commit_bed_batch(lease, from, to, first, last);
	delivery_put(delivery, batch);
}

static void
put_close(struct lease *lease)
{
	struct delivery_order *close_order = order(DELIVERY_CLOSE, lease);
	close_order->close = LEASE_RELEASED;
	delivery_put(delivery, close_order);
}

static void
expect_batch(const struct lease *lease, enum lts_err err)
{
	struct delivery_done done = expect(DELIVERY_BATCH, lease, err);
	ck_assert_ptr_nonnull(done.batch);
	batch_destroy(&done.batch);
}

static void
stop(void)
{
	delivery_put(delivery, order(DELIVERY_STOP, NULL));
	expect(DELIVERY_STOP, NULL, LTS_OK);
	delivery_destroy(&delivery);
	stopped = true;
}

static void
forget(struct lease *lease)
{
	delivery_put(delivery, order(DELIVERY_FORGET, lease));
	expect(DELIVERY_FORGET, lease, LTS_OK);
}

static void
teardown(void)
{
	sys_spy_set(NULL);
	if (!stopped)
		stop();
	close(wake_fd);
	commit_bed_fini(&bed);
}

START_TEST(orders_are_obeyed_in_turn)
{
	start();
	put_take(&a, "10");
	put_batch(&a, "10", "20", 100, 104);
	put_batch(&a, "20", "30", 105, 109);
	put_close(&a);
	ck_assert_str_eq(expect(DELIVERY_TAKE, &a, LTS_OK).taken.checkpoint.cursor.text, "10");
	expect_batch(&a, LTS_OK);
	expect_batch(&a, LTS_OK);
	expect(DELIVERY_CLOSE, &a, LTS_OK);
	forget(&a);
	stop();
	commit_bed_expect(&bed, "A", 100, 109);
	commit_bed_expect_checkpoint(&bed, "A", "30", 1, 0);
}
END_TEST

START_TEST(commit_happens_by_itself)
{
	bed.config.interval_ms = 10;
	start();
	put_take(&a, "10");
	put_batch(&a, "10", "20", 100, 104);
	expect(DELIVERY_TAKE, &a, LTS_OK);
	expect_batch(&a, LTS_OK);
	int64_t start_ms = clock_mono_ms();
	while (atomic_load(&bed.board->counters.commits) == 0) {
		ck_assert(clock_mono_ms() - start_ms < PATIENCE_MS);
		poll(NULL, 0, 1);
	}
	forget(&a);
	stop();
	commit_bed_expect_checkpoint(&bed, "A", "20", 0, 50);
}
END_TEST

START_TEST(flush_is_answered_when_everything_before_it_is_committed)
{
	start();
	put_take(&a, "10");
	put_batch(&a, "10", "20", 100, 104);
	delivery_put(delivery, order(DELIVERY_FLUSH, NULL));
	delivery_put(delivery, order(DELIVERY_FLUSH, NULL));
	expect(DELIVERY_TAKE, &a, LTS_OK);
	expect_batch(&a, LTS_OK);
	expect(DELIVERY_FLUSH, NULL, LTS_OK);
	expect(DELIVERY_FLUSH, NULL, LTS_OK);
	ck_assert_uint_eq(atomic_load(&bed.board->counters.commits), 1);
	forget(&a);
	stop();
	commit_bed_expect_checkpoint(&bed, "A", "20", 0, 50);
}
END_TEST

START_TEST(flush_with_nothing_to_commit_is_answered)
{
	start();
	delivery_put(delivery, order(DELIVERY_FLUSH, NULL));
	expect(DELIVERY_FLUSH, NULL, LTS_OK);
}
END_TEST

START_TEST(what_comes_behind_stop_is_freed)
{
	start();
	put_take(&a, "10");
	expect(DELIVERY_TAKE, &a, LTS_OK);
	forget(&a);
	delivery_put(delivery, order(DELIVERY_STOP, NULL));
	put_batch(&a, "10", "20", 100, 104);
	delivery_put(delivery, order(DELIVERY_FLUSH, NULL));
	expect(DELIVERY_STOP, NULL, LTS_OK);
	delivery_destroy(&delivery);
	stopped = true;
}
END_TEST

START_TEST(lost_lease_is_told)
{
	start();
	put_take(&a, "10");
	put_batch(&a, "10", "20", 100, 104);
	expect(DELIVERY_TAKE, &a, LTS_OK);
	expect_batch(&a, LTS_OK);
	atomic_store(&a.deadline_ms, 1);
	delivery_put(delivery, order(DELIVERY_FLUSH, NULL));
	expect(DELIVERY_GONE, &a, LTS_GONE);
	expect(DELIVERY_FLUSH, NULL, LTS_OK);
	put_batch(&a, "20", "30", 105, 109);
	expect_batch(&a, LTS_GONE);
	put_close(&a);
	expect(DELIVERY_CLOSE, &a, LTS_GONE);
	forget(&a);
}
END_TEST

START_TEST(take_that_fails_says_why)
{
	start();
	put_take(&a, "");
	expect(DELIVERY_TAKE, &a, LTS_NOTFOUND);
	struct lease zombie = commit_bed_lease("B", 1);
	put_take(&b, "10");
	expect(DELIVERY_TAKE, &b, LTS_OK);
	put_take(&zombie, "10");
	expect(DELIVERY_TAKE, &zombie, LTS_GONE);
	forget(&zombie);
	forget(&a);
	forget(&b);
}
END_TEST

/* ---- a full disk under shard A's segments ---- */

static atomic_bool full;

static int
before_write(void *arg, enum sys_spy_call call, const char *path, size_t *bytes)
{
	return call == SPY_WRITE && strstr(path, "/A-abc-") && atomic_load(&full) ? ENOSPC : 0;
}

static const struct sys_spy full_disk = { .before = before_write };

/* Both shards are taken, and A's first batch finds no space. */
static void
block(void)
{
	atomic_store(&full, true);
	sys_spy_set(&full_disk);
	start();
	put_take(&a, "10");
	put_take(&b, "50");
	expect(DELIVERY_TAKE, &a, LTS_OK);
	expect(DELIVERY_TAKE, &b, LTS_OK);
	put_batch(&a, "10", "20", 100, 104);
	struct delivery_done done = expect(DELIVERY_BLOCKED, &a, LTS_NOSPACE);
	ck_assert(strstr(done.why, "A-abc-"));
}

START_TEST(full_disk_pauses_and_resumes_by_itself)
{
	block();
	atomic_store(&full, false);
	expect_batch(&a, LTS_OK); /* it was said once that there is no space */
	put_batch(&a, "20", "30", 105, 109);
	expect_batch(&a, LTS_OK);
	put_close(&a);
	expect(DELIVERY_CLOSE, &a, LTS_OK);
	forget(&a);
	forget(&b);
	stop();
	commit_bed_expect(&bed, "A", 100, 109);
	commit_bed_expect_checkpoint(&bed, "A", "30", 1, 0);
}
END_TEST

START_TEST(letting_go_gives_the_blocked_batch_back)
{
	block();
	atomic_store(&a.letting_go, true);
	expect_batch(&a, LTS_NOSPACE);
	put_close(&a);
	expect(DELIVERY_CLOSE, &a, LTS_OK);
	forget(&a);
	forget(&b);
	stop();
	commit_bed_expect(&bed, "A", 1, 0);
	commit_bed_expect_checkpoint(&bed, "A", "10", 0, 0);
}
END_TEST

START_TEST(blocked_batch_whose_lease_ends_comes_back)
{
	block();
	atomic_store(&a.deadline_ms, 1);
	expect_batch(&a, LTS_GONE);
	forget(&a);
	forget(&b);
}
END_TEST

START_TEST(blocked_shard_does_not_stop_the_others)
{
	block();
	put_batch(&b, "50", "60", 200, 209);
	expect_batch(&b, LTS_OK);
	delivery_put(delivery, order(DELIVERY_FLUSH, NULL));
	expect(DELIVERY_FLUSH, NULL, LTS_OK);
	put_close(&b);
	expect(DELIVERY_CLOSE, &b, LTS_OK);
	forget(&b);
	atomic_store(&full, false);
	expect_batch(&a, LTS_OK);
	forget(&a);
	stop();
	commit_bed_expect(&bed, "B", 200, 209);
	commit_bed_expect_checkpoint(&bed, "B", "60", 1, 0);
}
END_TEST

/* The wake descriptor of those that have one, and not one more. */
static rlim_t
one_more(void)
{
	int fd = dup(wake_fd);
	close(fd);
	return (rlim_t)fd + 1;
}

/* Of each sink: nothing that it opens is taken for a fault of the configuration. */
START_TEST(start_waits_for_descriptors_and_is_named)
{
	static const char *const sinks[] = { "", "batch:cat", "exec:cat" };
	struct rlimit before, few;
	struct board_waits waits;
	if (*sinks[_i])
		bed.config.sink.spec = sinks[_i];
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = (struct rlimit){ one_more(), before.rlim_max };
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	start();
	until("it waits", board_waits_for(bed.config.board, BOARD_WANT_STATE, &waits) &&
				  strstr(waits.text, "RLIMIT_NOFILE"));
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
	until("it goes on", !board_waits_for(bed.config.board, BOARD_WANT_STATE, &waits));
	stop();
}
END_TEST

Suite *
suite_delivery(void)
{
	Suite *suite = suite_create("delivery");
	TCase *tc = tcase_create("orders");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, orders_are_obeyed_in_turn);
	tcase_add_test(tc, commit_happens_by_itself);
	tcase_add_test(tc, flush_is_answered_when_everything_before_it_is_committed);
	tcase_add_test(tc, flush_with_nothing_to_commit_is_answered);
	tcase_add_test(tc, what_comes_behind_stop_is_freed);
	tcase_add_test(tc, lost_lease_is_told);
	tcase_add_test(tc, take_that_fails_says_why);
	suite_add_tcase(suite, tc);
	tc = tcase_create("full disk");
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, full_disk_pauses_and_resumes_by_itself);
	tcase_add_test(tc, letting_go_gives_the_blocked_batch_back);
	tcase_add_test(tc, blocked_batch_whose_lease_ends_comes_back);
	tcase_add_test(tc, blocked_shard_does_not_stop_the_others);
	tcase_add_loop_test(tc, start_waits_for_descriptors_and_is_named, 0, 3);
	suite_add_tcase(suite, tc);
	return suite;
}
