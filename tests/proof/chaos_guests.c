/*
 * chaos_guests.c - who else is at a host's processes: tracers that let calls fail, readers of
 * the state, and limits to what a process may have.
 *
 * In the proof's process. Owns the tracers and readers, and what each host's processes may have
 * when a limit is over. Must never leave a limit with a process that was started under one.
 */
#include "tests/proof/chaos_guests.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/xalloc.h"

enum {
	LIMIT_LEAST = 3, /* descriptors: no new one, or only few */
	LIMIT_SPREAD = 16,
	LIMIT_LINGERS_MS = 1000, /* a child that was just forked is not seen at once */
	READER_STEPS_MS = 8,     /* where on its way a reader is stopped */
	READER_LINGERS_MS = 500,
};

/* NULL: all are taken. What is started there ends after the strike's time. */
static struct process *
free_guest(struct chaos *c, const struct strike *strike)
{
	for (size_t i = 0; i < CHAOS_GUESTS_MAX; i++) {
		if (c->guests[i].process.pid)
			continue;
		c->guests[i].until_ms = clock_mono_ms() + strike->ms;
		return &c->guests[i].process;
	}
	return NULL;
}

bool
trace_worker(struct chaos *c, struct host *h, const struct strike *strike)
{
	struct words words = { .n = 0 };
	pid_t pids[AGENT_WORKERS_MAX];
	struct process *guest = free_guest(c, strike);
	size_t n = h->state == HOST_UP ? agent_workers(&h->agent, pids) : 0;
	if (!n || !guest)
		return false;
	pid_t pid = pids[strike->worker % n];
	chaos_note(c, "host %s: worker %d gets %s for %lld ms", h->name, pid, strike->kind->text,
		   (long long)strike->ms);
	words_add(&words, "/usr/bin/strace -f -qqq -o /dev/null -p %d -e %s", pid,
		  strike->kind->text);
	char *err = xasprintf("%s/strace.err", c->scenario.dir);
	process_start(
		guest, &words,
		&(struct process_files){ .dir = c->scenario.dir, .err = err, .out_fd = -1 });
	words_fini(&words);
	free(err);
	return true;
}

/* ---- readers of the state ---- */

/* A reader that stands may hold a lock: nobody looks into this state until it has ended. */
static struct process *
start_reader(struct chaos *c, struct host *h, const struct strike *strike)
{
	struct words words = { .n = 0 };
	struct process *guest = free_guest(c, strike);
	if (!guest || h->state != HOST_UP || !host_has_begun(h))
		return NULL;
	words_add(&words, "%s/lts-state --state_dir %s --json --last 0 dump", c->scenario.bin,
		  h->agent.state_dir);
	process_start(guest, &words,
		      &(struct process_files){ .dir = c->scenario.dir,
					       .out = "/dev/null",
					       .err = "/dev/null",
					       .out_fd = -1 });
	words_fini(&words);
	int64_t unread_ms = clock_mono_ms() + strike->ms + READER_LINGERS_MS;
	h->unread_ms = unread_ms > h->unread_ms ? unread_ms : h->unread_ms;
	return guest;
}

bool
stop_reader(struct chaos *c, struct host *h, const struct strike *strike)
{
	struct process *guest = start_reader(c, h, strike);
	if (!guest)
		return false;
	chaos_note(c, "host %s: a reader of its state is stopped for %lld ms, then killed",
		   h->name, (long long)strike->ms);
	poll(NULL, 0, (int)(strike->worker % READER_STEPS_MS));
	process_signal(guest, SIGSTOP);
	return true;
}

bool
kill_reader(struct chaos *c, struct host *h, const struct strike *strike)
{
	if (!start_reader(c, h, strike))
		return false;
	chaos_note(c, "host %s: a reader of its state is killed after %lld ms", h->name,
		   (long long)strike->ms);
	return true;
}

/* ---- what a process may have ---- */

static void
limit(struct chaos *c, struct host *h, const struct strike *strike, pid_t pid)
{
	struct rlimit most;
	if (prlimit(pid, RLIMIT_NOFILE, NULL, &most) < 0)
		return; /* it has just ended */
	most.rlim_cur = LIMIT_LEAST + strike->worker % LIMIT_SPREAD;
	chaos_note(c, "host %s: process %d has %d descriptors for %lld ms", h->name, pid,
		   (int)most.rlim_cur, (long long)strike->ms);
	prlimit(pid, RLIMIT_NOFILE, &most, NULL);
	h->limit_ms = clock_mono_ms() + strike->ms;
}

bool
limit_worker(struct chaos *c, struct host *h, const struct strike *strike)
{
	pid_t pids[AGENT_WORKERS_MAX];
	size_t n = h->state == HOST_UP ? agent_workers(&h->agent, pids) : 0;
	if (!n || h->limit_ms)
		return false;
	limit(c, h, strike, pids[strike->worker % n]);
	return true;
}

bool
limit_supervisor(struct chaos *c, struct host *h, const struct strike *strike)
{
	if (h->state != HOST_UP || h->limit_ms || !host_has_begun(h))
		return false;
	limit(c, h, strike, h->agent.process.pid);
	return true;
}

/* As this process may have; a life that has begun since has that anyway. */
static void
unlimit(struct host *h)
{
	pid_t pids[AGENT_WORKERS_MAX];
	struct rlimit most;
	ck_assert_int_eq(prlimit(0, RLIMIT_NOFILE, NULL, &most), 0);
	if (!h->agent.process.pid)
		return;
	prlimit(h->agent.process.pid, RLIMIT_NOFILE, &most, NULL);
	size_t n = agent_workers(&h->agent, pids);
	for (size_t i = 0; i < n; i++)
		prlimit(pids[i], RLIMIT_NOFILE, &most, NULL);
}

/* ---- taking back ---- */

void
guests_step(struct chaos *c, int64_t now_ms)
{
	for (size_t i = 0; i < CHAOS_GUESTS_MAX; i++) {
		struct process *process = &c->guests[i].process;
		/* Told to end politely it may hang, and keeps the worker from being reaped. */
		if (!process_has_ended(process) && c->guests[i].until_ms <= now_ms)
			process_kill(process);
	}
	for (int i = 0; i < CHAOS_HOSTS; i++) {
		struct host *h = &c->hosts[i];
		if (!h->limit_ms || clock_mono_ms() < h->limit_ms)
			continue;
		unlimit(h);
		if (clock_mono_ms() >= h->limit_ms + LIMIT_LINGERS_MS)
			h->limit_ms = 0;
	}
}

void
guests_lift(struct chaos *c)
{
	int64_t now_ms = clock_mono_ms();
	for (size_t i = 0; i < CHAOS_GUESTS_MAX; i++)
		c->guests[i].until_ms = 0;
	for (int i = 0; i < CHAOS_HOSTS; i++)
		if (c->hosts[i].limit_ms > now_ms)
			c->hosts[i].limit_ms = now_ms;
}

void
guests_end(struct chaos *c)
{
	pid_t pids[CHAOS_GUESTS_MAX * 4];
	for (size_t i = 0; i < CHAOS_GUESTS_MAX; i++)
		process_kill(&c->guests[i].process);
	/* A strace that was ended as it began leaves the child that it tries things out on. */
	size_t n = process_children(getpid(), "strace", pids, sizeof(pids) / sizeof(pids[0]));
	for (size_t i = 0; i < n; i++)
		if (kill(pids[i], SIGKILL) == 0)
			waitpid(pids[i], NULL, 0);
}
