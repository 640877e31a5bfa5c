/*
 * delivery.c - the delivery thread: takes orders in turn, commits when it is time.
 *
 * In a worker. Owns the thread, both queues and, inside the thread, the committer. Must
 * never be waited for by the loop, nor touch what is the loop's: leases' deadlines are
 * all that is shared. Held by tests/worker/test_delivery.c.
 */
#include "worker/delivery_inside.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "common/board_wait.h"
#include "common/clock.h"
#include "common/handoff.h"
#include "common/used_up.h"
#include "common/xalloc.h"
#include "worker/fault.h"

/* How long it is before a full disk is asked again. */
enum {
	BLOCKED_RETRY_MS = 500,
	POLL_MOST_MS = 60 * 1000,
};

/* ---- the loop's side ---- */

void
delivery_put(struct delivery *d, struct delivery_order *order)
{
	order->next = NULL;
	if (order->kind == DELIVERY_TAKE && order->text[0])
		order->take.inherited = order->text;
	pthread_mutex_lock(&d->lock);
	*d->orders_end = order;
	d->orders_end = &order->next;
	pthread_cond_signal(&d->more);
	pthread_mutex_unlock(&d->lock);
	if (d->wake_fd >= 0 && eventfd_write(d->wake_fd, 1) < 0)
		abort();
}

bool
delivery_next(struct delivery *d, struct delivery_done *out)
{
	pthread_mutex_lock(&d->lock);
	struct done_item *item = d->dones;
	if (item) {
		d->dones = item->next;
		if (!d->dones)
			d->dones_end = &d->dones;
	}
	pthread_mutex_unlock(&d->lock);
	if (!item)
		return false;
	*out = item->done;
	free(item);
	return true;
}

/* ---- the thread ---- */

void
delivery_complete(struct delivery *d, const struct delivery_done *done)
{
	struct done_item *item = xcalloc(1, sizeof(*item));
	item->done = *done;
	pthread_mutex_lock(&d->lock);
	*d->dones_end = item;
	d->dones_end = &item->next;
	pthread_mutex_unlock(&d->lock);
	d->wake(d->wake_arg);
}

/* For an order, or for the processor or the sink. */
static void
poll_until(struct delivery *d, int64_t due_ms)
{
	struct pollfd fds[2] = { { .fd = d->wake_fd, .events = POLLIN } };
	fds[1].fd = committer_fd(d->committer, &fds[1].events);
	int64_t wait_ms = due_ms - clock_mono_ms();
	eventfd_t ignored;
	if (wait_ms > POLL_MOST_MS)
		wait_ms = POLL_MOST_MS;
	poll(fds, 2, wait_ms > 0 ? (int)wait_ms : 0);
	if (fds[0].revents)
		eventfd_read(d->wake_fd, &ignored);
	d->turn = fds[1].revents != 0;
}

static void
wait_until(struct delivery *d, int64_t due_ms)
{
	if (d->wake_fd >= 0) {
		pthread_mutex_unlock(&d->lock);
		poll_until(d, due_ms);
		pthread_mutex_lock(&d->lock);
		return;
	}
	if (due_ms == INT64_MAX) {
		pthread_cond_wait(&d->more, &d->lock);
		return;
	}
	struct timespec ts = { .tv_sec = due_ms / 1000, .tv_nsec = due_ms % 1000 * 1000000 };
	pthread_cond_timedwait(&d->more, &d->lock, &ts);
}

/* The next order, or NULL when it is time to commit or to try again. */
static struct delivery_order *
next_order(struct delivery *d)
{
	int64_t due_ms = committer_due_ms(d->committer);
	if (d->parked && d->retry_ms < due_ms)
		due_ms = d->retry_ms;
	if (committer_turn_ms(d->committer) < due_ms)
		due_ms = committer_turn_ms(d->committer);
	if (d->wake_fd >= 0)
		poll_until(d, 0);
	pthread_mutex_lock(&d->lock);
	while (!d->orders && !d->turn && clock_mono_ms() < due_ms)
		wait_until(d, due_ms);
	struct delivery_order *order = clock_mono_ms() < due_ms ? d->orders : NULL;
	if (order) {
		d->orders = order->next;
		if (!d->orders)
			d->orders_end = &d->orders;
	}
	pthread_mutex_unlock(&d->lock);
	return order;
}

static void
on_committer_report(void *arg, struct lease *lease, enum lts_err result, bool closed)
{
	struct delivery *d = arg;
	struct delivery_done done = {
		.kind = closed ? DELIVERY_CLOSE : DELIVERY_GONE,
		.lease = lease,
		.err = result,
	};
	delivery_complete(d, &done);
}

/* Returns whether the order is done with. */
static bool
do_take(struct delivery *d, struct delivery_order *order)
{
	struct delivery_done done = { .kind = DELIVERY_TAKE, .lease = order->lease };
	struct buf why;
	buf_init(&why, sizeof(done.why) - 1);
	done.err = committer_take(d->committer, order->lease, &order->take, &order->taken, &why);
	done.taken = order->taken;
	if (why.len)
		memcpy(done.why, why.data, why.len + 1);
	buf_fini(&why);
	if (done.err == LTS_NOSPACE &&
	    delivery_park(d, order, clock_mono_ms() + BLOCKED_RETRY_MS, LTS_NOSPACE,
		 done.why[0] ? done.why : "no space in the state"))
		return false;
	if (done.err == LTS_NOSPACE && order->lease->delivery_side)
		done.err = LTS_BUSY; /* taken, and the sink not open: it is to be closed */
	delivery_complete(d, &done);
	return true;
}

static bool
do_batch(struct delivery *d, struct delivery_order *order)
{
	struct delivery_done done = { .kind = DELIVERY_BATCH,
				      .lease = order->lease,
				      .batch = order->batch };
	struct buf why;
	int64_t due_ms = 0;
	buf_init(&why, sizeof(done.why) - 1);
	/* What cannot be committed is not delivered: it would come again, without bound. */
	if (d->no_space && !order->began_ns && order->batch->n_records &&
	    delivery_park(d, order, clock_mono_ms() + BLOCKED_RETRY_MS, LTS_NOSPACE,
			  "no space in the state"))
		return false;
	if (!order->began_ns)
		order->began_ns = clock_mono_ns();
	done.err = committer_submit(d->committer, order->batch, &due_ms, &why);
	if (done.err == LTS_NOSPACE)
		due_ms = clock_mono_ms() + BLOCKED_RETRY_MS;
	done.commits = atomic_load(&d->config.board->counters.commits);
	if (why.len)
		memcpy(done.why, why.data, why.len + 1);
	buf_fini(&why);
	if (done.err == LTS_NOSPACE || done.err == LTS_AGAIN) {
		if (delivery_park(d, order, due_ms, done.err, done.why))
			return false;
		committer_give_up(d->committer, order->lease);
	}
	if (!done.err && order->batch->n_records)
		board_observe(d->config.board, BOARD_LATENCY_SINK,
			      clock_mono_ns() - order->began_ns);
	delivery_complete(d, &done);
	return true;
}

/* Those that are due, that are let go, and after a turn those that waited for it. */
static void
retry(struct delivery *d, bool turned)
{
	struct delivery_order *order = d->parked;
	int64_t now_ms = clock_mono_ms();
	d->parked = NULL;
	d->still = 0;
	d->parked_end = &d->parked;
	d->retry_ms = now_ms + PARKED_LOOK_MS;
	while (order) {
		struct delivery_order *next = order->next;
		bool due = order->due_ms <= now_ms || (turned && order->due_ms == INT64_MAX) ||
			   atomic_load(&order->lease->letting_go);
		if (!due) {
			if (order->due_ms < d->retry_ms)
				d->retry_ms = order->due_ms;
			delivery_say_it_waits(d, order, now_ms);
			delivery_keep_parked(d, order);
		} else if (order->kind == DELIVERY_TAKE ? do_take(d, order)
							: do_batch(d, order)) {
			free(order);
		}
		order = next;
	}
	if (!d->still)
		board_go_on(d->config.board, BOARD_WANT_SINK);
}

/* What the processor has to do, and those that wait. */
static void
go_on(struct delivery *d)
{
	int64_t now_ms = clock_mono_ms();
	bool turned = d->turn || committer_turn_ms(d->committer) <= now_ms;
	d->turn = false;
	if (turned)
		committer_turn(d->committer, now_ms);
	if (d->parked && (turned || d->retry_ms <= now_ms))
		retry(d, turned);
	struct delivery_done done = { .kind = DELIVERY_BACK };
	while (turned && committer_next_back(d->committer, &done.lease, &done.back))
		delivery_complete(d, &done);
}

static void
do_close(struct delivery *d, struct delivery_order *order)
{
	struct delivery_done done = { .kind = DELIVERY_CLOSE, .lease = order->lease };
	struct buf why;
	buf_init(&why, sizeof(done.why) - 1);
	done.err = committer_close(d->committer, order->lease, order->close, order->end_ns,
				   &done.back, &why);
	if (why.len)
		memcpy(done.why, why.data, why.len + 1);
	buf_fini(&why);
	if (done.err)
		delivery_complete(d, &done);
}

/* Returns whether the order is done with. */
static bool
obey(struct delivery *d, struct delivery_order *order)
{
	switch (order->kind) {
	case DELIVERY_TAKE:
		return do_take(d, order);
	case DELIVERY_BATCH:
		return do_batch(d, order);
	case DELIVERY_PUBLISHED:
		committer_published(d->committer, order->lease, &order->cursor);
		break;
	case DELIVERY_STUCK:
		committer_stuck(d->committer, order->lease, order->text);
		break;
	case DELIVERY_CLOSE:
		do_close(d, order);
		break;
	case DELIVERY_FORGET:
		committer_forget(d->committer, order->lease);
		delivery_complete(d, &(struct delivery_done){ .kind = DELIVERY_FORGET,
						     .lease = order->lease });
		break;
	case DELIVERY_FLUSH:
		committer_flush(d->committer);
		d->flushes++;
		break;
	case DELIVERY_STOP:
		break;
	case DELIVERY_GONE:
	case DELIVERY_BACK:
	case DELIVERY_BLOCKED:
	case DELIVERY_OPENED:
		abort(); /* completions */
	}
	return true;
}

static void
say_space(struct delivery *d, bool some, enum lts_err err)
{
	char why[200];
	bool before = d->no_space;
	d->no_space = err == LTS_NOSPACE;
	if (d->no_space) {
		committer_explain_full(d->committer, why, sizeof(why));
		board_wait(d->config.board, BOARD_WANT_STATE, why, clock_boot_ms());
	} else {
		board_go_on(d->config.board, BOARD_WANT_STATE);
	}
	if (d->no_space && !before)
		log_error(d->config.log, "commits and deliveries pause: there is no space",
			  LOG_TEXT("text", why));
	else if (!err && some && before)
		log_info(d->config.log, "there is space in the state again");
}

static void
commit(struct delivery *d)
{
	bool some = committer_due_ms(d->committer) != INT64_MAX;
	int64_t began_ns = clock_mono_ns();
	enum lts_err err = committer_commit(d->committer, on_committer_report, d);
	if (some && !err)
		board_observe(d->config.board, BOARD_LATENCY_COMMIT, clock_mono_ns() - began_ns);
	say_space(d, some, err);
	if (err)
		return; /* due again in a while */
	for (; d->flushes; d->flushes--)
		delivery_complete(d, &(struct delivery_done){ .kind = DELIVERY_FLUSH });
}

/* Something is let go, or all: nothing of it was taken yet. */
static bool
is_let_go(struct delivery *d)
{
	bool let_go = false;
	pthread_mutex_lock(&d->lock);
	for (struct delivery_order *o = d->orders; o; o = o->next)
		let_go |= o->kind == DELIVERY_CLOSE || o->kind == DELIVERY_STOP;
	pthread_mutex_unlock(&d->lock);
	return let_go;
}

/* What is used up is waited for, and named. */
static enum lts_err
open_all(struct delivery *d, struct buf *why)
{
	bool waits = false;
	enum lts_err err;
	while ((err = committer_create(&d->config, &d->committer, why)) == LTS_NOSPACE ||
	       err == LTS_AGAIN) {
		board_wait(d->config.board, BOARD_WANT_STATE, why->data, clock_boot_ms());
		if (!waits)
			log_warn(d->config.log, "cannot start yet: tried again until it can",
				 LOG_TEXT("what", why->data));
		waits = true;
		poll(NULL, 0, BLOCKED_RETRY_MS);
		if (is_let_go(d))
			_exit(EXIT_DONE);
		buf_clear(why);
	}
	board_go_on(d->config.board, BOARD_WANT_STATE);
	return err;
}

static void *
run(void *arg)
{
	struct delivery *d = arg;
	struct buf why;
	buf_init(&why, 0);
	fault_watch_delivery();
	enum lts_err err = open_all(d, &why);
	if (err) {
		log_error(d->config.log, "cannot start", LOG_TEXT("what", why.data),
			  LOG_TEXT("reason", lts_err_name(err)));
		board_wait(d->config.board, BOARD_WANT_LIFE, why.data, clock_boot_ms());
		_exit(err == LTS_BADDATA   ? EXIT_DAMAGED
		      : err == LTS_INVALID ? EXIT_USAGE
					   : EXIT_FAILED);
	}
	buf_fini(&why);
	if (d->config.sandbox.wanted)
		delivery_complete(d, &(struct delivery_done){ .kind = DELIVERY_OPENED,
						     .err = sandbox_files(&d->config.sandbox) });
	bool running = true;
	while (running) {
		struct delivery_order *order = next_order(d);
		if (!order || d->turn)
			go_on(d);
		if (order) {
			running = order->kind != DELIVERY_STOP;
			if (obey(d, order))
				free(order);
		}
		if (d->flushes || committer_due_ms(d->committer) <= clock_mono_ms())
			commit(d);
	}
	commit(d);
	committer_sign_off(d->committer);
	committer_destroy(&d->committer);
	delivery_complete(d, &(struct delivery_done){ .kind = DELIVERY_STOP });
	return NULL;
}

/* Without it what runs would never be heard. */
static int
make_wake_fd(const struct committer_config *config)
{
	struct buf why;
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fd >= 0)
		return fd;
	buf_init(&why, 0);
	used_up_explain(errno, &why);
	log_error(config->log, "cannot start", LOG_TEXT("what", why.data));
	board_wait(config->board, BOARD_WANT_LIFE, why.data, clock_boot_ms());
	_exit(EXIT_FAILED);
}

struct delivery *
delivery_create(const struct committer_config *config, void (*wake)(void *), void *arg)
{
	struct delivery *d = xcalloc(1, sizeof(*d));
	d->config = *config;
	d->wake = wake;
	d->wake_fd = committer_has_turns(config) ? make_wake_fd(config) : -1;
	d->wake_arg = arg;
	d->orders_end = &d->orders;
	d->parked_end = &d->parked;
	d->dones_end = &d->dones;
	pthread_mutex_init(&d->lock, NULL);
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&d->more, &attr);
	pthread_condattr_destroy(&attr);
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the loop's */
	if (pthread_create(&d->thread, NULL, run, d))
		abort();
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return d;
}

static void
free_orders(struct delivery_order *order)
{
	while (order) {
		struct delivery_order *next = order->next;
		batch_destroy(&order->batch);
		free(order);
		order = next;
	}
}

void
delivery_destroy(struct delivery **delivery)
{
	struct delivery *d = *delivery;
	struct delivery_done done;
	if (!d)
		return;
	pthread_join(d->thread, NULL);
	/* What came behind STOP. */
	free_orders(d->orders);
	free_orders(d->parked);
	while (delivery_next(d, &done))
		batch_destroy(&done.batch);
	if (d->wake_fd >= 0)
		close(d->wake_fd);
	pthread_cond_destroy(&d->more);
	pthread_mutex_destroy(&d->lock);
	free(d);
	*delivery = NULL;
}
